package dev.litefleet.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// A token service on loopback that hands out the credentials it was given, one after the other,
/// the last one again and again. Written from Amazon's API reference (AssumeRole, version
/// 2011-06-15).
public final class FakeSts implements AutoCloseable {
    /// Temporary credentials.
    public record Session(String accessKey, String token, Instant expires) {}

    private final HttpServer server;
    private final ArrayDeque<Session> sessions = new ArrayDeque<>(); // guarded by this
    private final List<Map<String, String>> requests = new ArrayList<>(); // guarded by this
    private String refusal = ""; // guarded by this

    public FakeSts() {
        try {
            server =
                    HttpServer.create(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
        server.createContext("/", this::answer);
        server.start();
    }

    public String endpoint() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    public synchronized void give(Session session) {
        sessions.add(session);
    }

    /// From now on nobody may assume anything.
    public synchronized void refuse(String code) {
        refusal = code;
    }

    /// The parameters of each request, and as `key` the access key that signed it.
    public synchronized List<Map<String, String>> requests() {
        return List.copyOf(requests);
    }

    private void answer(HttpExchange http) throws IOException {
        var parameters = new TreeMap<String, String>();
        for (String pair : new String(http.getRequestBody().readAllBytes(), UTF_8).split("&")) {
            int equals = pair.indexOf('=');
            parameters.put(
                    pair.substring(0, equals),
                    URLDecoder.decode(pair.substring(equals + 1), UTF_8));
        }
        String signed = http.getRequestHeaders().getFirst("Authorization");
        parameters.put("key", signed.replaceAll(".*Credential=([^/]+)/.*", "$1"));
        String document;
        int status = 200;
        synchronized (this) {
            requests.add(parameters);
            if (refusal.isEmpty()) {
                document = document(sessions.size() > 1 ? sessions.remove() : sessions.element());
            } else {
                status = 403;
                document =
                        "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code></Error></ErrorResponse>"
                                .formatted(refusal);
            }
        }
        byte[] bytes = document.getBytes(UTF_8);
        http.getResponseHeaders().set("Content-Type", "text/xml");
        http.sendResponseHeaders(status, bytes.length);
        http.getResponseBody().write(bytes);
        http.close();
    }

    private static String document(Session session) {
        return """
        <AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>
        <Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
        <SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>
        </AssumeRoleResult></AssumeRoleResponse>
        """
                .formatted(session.accessKey(), session.token(), session.expires());
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
