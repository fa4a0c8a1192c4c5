package dev.litefleet.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.service.Keys;
import dev.litefleet.testing.MemoryObjectStore;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.auth.JWTOptions;
import io.vertx.ext.auth.PubSecKeyOptions;
import io.vertx.ext.auth.jwt.JWTAuth;
import io.vertx.ext.auth.jwt.JWTAuthOptions;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The tenants' side of a worker over real sockets: who gets in, what is refused and how, and what
/// answers look like beyond the conformance suite.
final class DataPlaneTest {
    private static final String SELECT =
            "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"select 1\"}},"
                    + "{\"type\":\"close\"}]}";

    @TempDir static Path folder;
    private static RunningWorker running;

    @BeforeAll
    static void start() {
        running =
                new RunningWorker(
                        folder,
                        MemoryObjectStore::new,
                        Map.of("hrana.body-bytes-max", "65536", "hrana.body-max", "0.3s"));
        running.assign("acme");
        running.assign("other");
    }

    @AfterAll
    static void stop() {
        running.close();
    }

    @Test
    void answerCarriesWhatItCouldHaveSeen() {
        running.run("other", "create table if not exists t(a)", "insert into t values (1)");

        HttpResponse<String> response = running.post("other", "v2/pipeline", SELECT);

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("content-type")).contains("application/json");
        String txid = response.headers().firstValue("litefleet-txid").orElseThrow();
        assertThat(txid).matches("[0-9a-f]{16}");
        assertThat(Long.parseLong(txid, 16)).isPositive();
        // The tenant is sync: everything that could be seen is durable.
        assertThat(response.headers().firstValue("litefleet-durable-txid")).contains(txid);
    }

    @Test
    void tenantThatIsNotHereIs421BeforeAnythingElse() {
        HttpResponse<String> response =
                send("/t/absent/v3/pipeline", running.token("rw", "absent"), SELECT);

        error(response, 421, "TENANT_NOT_HERE");
    }

    @Test
    void strangersAreRefused() {
        error(send("/t/acme/v3/pipeline", null, SELECT), 401, "AUTH_MISSING");
        error(send("/t/absent/v3/pipeline", null, SELECT), 401, "AUTH_MISSING");
        error(send("/t/acme/v3/pipeline", running.token("rw", "other"), SELECT), 403, "FORBIDDEN");
        error(
                send("/t/acme/v3/pipeline", running.token(new JsonObject()), SELECT),
                403,
                "FORBIDDEN");
    }

    @Test
    void forgedTokensAreRefused() {
        String good = running.token("rw", "acme");
        String payload = good.split("\\.")[1];
        for (String header :
                new String[] {
                    "{\"alg\":\"none\"}",
                    "{\"alg\":\"none\",\"kid\":\"../../etc/passwd\"}",
                    "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"
                }) {
            for (String signature : new String[] {"", "AA", "A".repeat(86)}) {
                error(
                        send(
                                "/t/acme/v3/pipeline",
                                base64(header) + "." + payload + "." + signature,
                                SELECT),
                        401,
                        "AUTH_INVALID");
            }
        }
        error(
                send(
                        "/t/acme/v3/pipeline",
                        good.substring(0, good.length() - 6) + "AAAAAA",
                        SELECT),
                401,
                "AUTH_INVALID");
        error(send("/t/acme/v3/pipeline", "x".repeat(7000), SELECT), 401, "AUTH_INVALID");
    }

    /// The classic confusion: an HMAC whose key is the public key.
    @Test
    void symmetricSignatureWithThePublicKeyIsRefused() {
        Vertx vertx = Vertx.vertx();
        try {
            JWTAuth forger =
                    JWTAuth.create(
                            vertx,
                            new JWTAuthOptions()
                                    .addPubSecKey(
                                            new PubSecKeyOptions()
                                                    .setAlgorithm("HS256")
                                                    .setBuffer(
                                                            Buffer.buffer(
                                                                    running.keys
                                                                            .publicKeys()
                                                                            .getFirst()
                                                                            .x()))));
            String token =
                    forger.generateToken(claims("acme"), new JWTOptions().setAlgorithm("HS256"));

            error(send("/t/acme/v3/pipeline", token, SELECT), 401, "AUTH_INVALID");
        } finally {
            vertx.close().await();
        }
    }

    @Test
    void tokenOfAnotherFleetExpiredOrOlderGenerationIsRefused() {
        Keys stranger = Keys.open(folder.resolve("stranger"), new SecureRandom());
        Vertx vertx = Vertx.vertx();
        try {
            error(
                    send(
                            "/t/acme/v3/pipeline",
                            stranger.signer(vertx).sign(claims("acme")),
                            SELECT),
                    401,
                    "AUTH_INVALID");
        } finally {
            vertx.close().await();
        }
        error(
                send(
                        "/t/acme/v3/pipeline",
                        running.token(claims("acme").put("exp", 1_700_000_000)),
                        SELECT),
                401,
                null);
        error(
                send("/t/acme/v3/pipeline", running.token(claims("acme").put("gen", 0)), SELECT),
                401,
                "AUTH_INVALID");
    }

    @Test
    void readOnlyTokenReadsAndCannotWrite() {
        running.run("acme", "create table if not exists ro(a)");
        String token = running.token("ro", "acme");

        JsonArray results =
                new JsonObject(
                                send(
                                                "/t/acme/v3/pipeline",
                                                token,
                                                pipeline(
                                                        "select count(*) from ro",
                                                        "insert into ro values (1)",
                                                        "create table ro2(a)",
                                                        "begin",
                                                        "delete from ro",
                                                        "rollback"))
                                        .body())
                        .getJsonArray("results");

        assertThat(results.getJsonObject(0).getString("type")).isEqualTo("ok");
        for (int i : new int[] {1, 2, 4}) {
            assertThat(results.getJsonObject(i).getString("type"))
                    .as("request %d", i)
                    .isEqualTo("error");
            assertThat(results.getJsonObject(i).getJsonObject("error").getString("code"))
                    .isEqualTo("SQLITE_READONLY");
        }
        assertThat(results.getJsonObject(5).getString("type")).isEqualTo("ok");
    }

    @Test
    void unknownPathsAndMethods() {
        String token = running.token("rw", "acme");
        error(send("/t/acme/v4/pipeline", token, SELECT), 404, "ENDPOINT_UNKNOWN");
        error(send("/t/v2/pipeline", token, SELECT), 404, "TENANT_MISSING");
        error(send("/t/%2e%2e%2facme/v2/pipeline", token, SELECT), 400, "TENANT_INVALID");
        error(
                running.send(running.request("/t/acme/v3/pipeline").DELETE()),
                405,
                "METHOD_NOT_ALLOWED");
        assertThat(running.send(running.request("/t/acme/v3-protobuf").GET()).statusCode())
                .isEqualTo(404);
        HttpResponse<String> elsewhere = running.send(running.request("/nowhere").GET());
        assertThat(elsewhere.statusCode()).isEqualTo(404);
        assertThat(elsewhere.headers().firstValue("content-type"))
                .contains("application/problem+json");
    }

    @Test
    void bodyBeyondTheLimitIs413() throws IOException {
        error(
                send("/t/acme/v3/pipeline", running.token("rw", "acme"), "x".repeat(65537)),
                413,
                "BODY_TOO_LARGE");
        // However slowly it is written: a connection closed under its client's hands is reset.
        String slow = raw(head("/t/acme/v3/pipeline", "content-length: 3000000"), "x", 3_000_000);
        assertThat(slow).startsWith("HTTP/1.1 413 ").contains("BODY_TOO_LARGE");
        // The same without an announced length.
        String answer =
                raw(
                        head("/t/acme/v3/pipeline", "transfer-encoding: chunked")
                                + "10001\r\n"
                                + "x".repeat(0x10001)
                                + "\r\n");
        assertThat(answer).startsWith("HTTP/1.1 413 ");
    }

    @Test
    void bodyThatDoesNotArriveIs408() throws IOException {
        assertThat(raw(head("/t/acme/v3/pipeline", "content-length: 50000") + "{"))
                .startsWith("HTTP/1.1 408 ");
    }

    /// A head that trickles is never idle, on a new connection or on one that has been of use.
    @Test
    void headThatTricklesIsGivenUp(@TempDir Path own) throws IOException {
        try (var impatient =
                new RunningWorker(own, MemoryObjectStore::new, Map.of("http.idle", "1s"))) {
            int port = URI.create(impatient.worker.address()).getPort();
            trickle(port, "");
            trickle(port, "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n");
        }
    }

    /// Writes a head, a byte every 100 ms, until the worker has had enough of it.
    private static void trickle(int port, String before) throws IOException {
        try (var socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(100);
            socket.setTcpNoDelay(true);
            socket.getOutputStream().write(before.getBytes(StandardCharsets.US_ASCII));
            String head = "GET / HTTP/1.1\r\nx: " + "x".repeat(600);
            for (int i = 0; i < head.length(); i++) {
                try {
                    socket.getOutputStream().write(head.charAt(i));
                    while (socket.getInputStream().read() >= 0) {
                        // The answer to what came before.
                    }
                    return;
                } catch (SocketTimeoutException open) {
                    // Not yet.
                } catch (SocketException reset) {
                    return;
                }
            }
        }
        throw new AssertionError("a head may trickle for a minute");
    }

    /// HTTP/2's floods, of resets and of continuations, need HTTP/2: neither by knowing it nor by
    /// asking for it does anybody get to speak it.
    @Test
    void nobodyGetsToSpeakHttp2() throws IOException {
        String frames = "\0\0\0\4\0\0\0\0\0".repeat(200);

        assertThat(begins("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames))
                .doesNotContain("\0")
                .matches("|HTTP/[12]\\.[01] [45]0.");
        assertThat(
                        begins(
                                "GET /nothing HTTP/1.1\r\n"
                                        + "host: a\r\n"
                                        + "connection: upgrade, http2-settings, close\r\n"
                                        + "upgrade: h2c\r\n"
                                        + "http2-settings: AAMAAABkAAQAAP__\r\n\r\n"))
                .isEqualTo("HTTP/1.1 404");
    }

    @Test
    void oversizeHeadIsRefused() throws IOException {
        assertThat(raw("GET /" + "x".repeat(5000) + " HTTP/1.1\r\nhost: a\r\n\r\n"))
                .startsWith("HTTP/1.0 414 ");
        assertThat(raw("GET / HTTP/1.1\r\nhost: a\r\nx: " + "x".repeat(9000) + "\r\n\r\n"))
                .startsWith("HTTP/1.1 431 ");
    }

    /// RFC 9112, 6.3: chunked wins over a length. What follows the last chunk is a request of its
    /// own, which needs a token of its own.
    @Test
    void nothingIsSmuggledBehindAnAmbiguousLength() throws IOException {
        String answers =
                raw(
                        head(
                                        "/t/acme/v3/pipeline",
                                        "content-length: 4\r\ntransfer-encoding: chunked")
                                + Integer.toHexString(SELECT.length())
                                + "\r\n"
                                + SELECT
                                + "\r\n0\r\n\r\n"
                                + "POST /t/other/v3/pipeline HTTP/1.1\r\nhost: a\r\n"
                                + "connection: close\r\ncontent-length: "
                                + SELECT.length()
                                + "\r\n\r\n"
                                + SELECT);

        assertThat(answers).startsWith("HTTP/1.1 200 ").contains("HTTP/1.1 401 ");
    }

    @Test
    void browserStudioMayAsk() {
        HttpResponse<String> preflight =
                running.send(
                        running.request("/t/acme/v2/pipeline")
                                .header("origin", "https://studio.example")
                                .header("access-control-request-headers", "authorization,x-y")
                                .method("OPTIONS", BodyPublishers.noBody()));
        assertThat(preflight.statusCode()).isEqualTo(204);
        assertThat(preflight.headers().firstValue("access-control-allow-headers"))
                .contains("authorization,x-y");

        HttpResponse<String> answer =
                running.send(
                        running.request("/t/acme/v2/pipeline")
                                .header("origin", "https://studio.example")
                                .header("authorization", "Bearer " + running.token("rw", "acme"))
                                .POST(BodyPublishers.ofString(SELECT)));

        assertThat(answer.headers().firstValue("access-control-allow-origin")).contains("*");
    }

    @Test
    void requestAfterFailedOneUsesTheSameConnection() throws IOException {
        String request =
                "POST /t/absent/v3/pipeline HTTP/1.1\r\nhost: a\r\nauthorization: Bearer "
                        + running.token("rw", "absent")
                        + "\r\ncontent-length: "
                        + SELECT.length()
                        + "\r\n";
        String answers =
                raw(request + "\r\n" + SELECT + request + "connection: close\r\n\r\n" + SELECT);

        assertThat(answers.split("HTTP/1.1 421 ", -1)).hasSize(3);
    }

    @Test
    void failedPipelineTakesItsStreamWithIt() {
        JsonObject begun =
                new JsonObject(
                        running.post(
                                        "acme",
                                        "v3/pipeline",
                                        "{\"requests\":[{\"type\":\"execute\",\"stmt\":"
                                                + "{\"sql\":\"begin immediate\"}}]}")
                                .body());
        String baton = begun.getString("baton");

        HttpResponse<String> failed =
                running.post(
                        "acme",
                        "v3/pipeline",
                        "{\"baton\":\""
                                + baton
                                + "\",\"requests\":[{\"type\":\"sequence\",\"sql_id\":9}]}");

        error(failed, 400, "HRANA_PROTO_ERROR");
        // Its transaction is over: another may write at once.
        running.run("acme", "create table if not exists fp(a)", "insert into fp values (1)");
        error(
                running.post(
                        "acme", "v3/pipeline", "{\"baton\":\"" + baton + "\",\"requests\":[]}"),
                400,
                "STREAM_EXPIRED");
    }

    @Test
    void cursorOfSlowClientDoesNotGrow() throws IOException {
        String body =
                "{\"batch\":{\"steps\":[{\"stmt\":{\"sql\":\"with recursive c(x) as (select 1"
                        + " union all select x+1 from c where x<200000) select x, hex(x) from"
                        + " c\"}}]}}";
        try (var socket = new Socket("127.0.0.1", port())) {
            socket.getOutputStream()
                    .write(
                            (head("/t/acme/v3/cursor", "content-length: " + body.length()) + body)
                                    .getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            byte[] some = in.readNBytes(2000);
            assertThat(new String(some, StandardCharsets.UTF_8)).startsWith("HTTP/1.1 200 ");

            // While this client does not read, others are served.
            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode()).isEqualTo(200);

            long rest = 0;
            byte[] buffer = new byte[1 << 16];
            String tail = "";
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                rest += n;
                tail = (tail + new String(buffer, 0, n, StandardCharsets.UTF_8));
                tail = tail.substring(Math.max(0, tail.length() - 300));
                if (tail.endsWith("0\r\n\r\n")) {
                    break;
                }
            }
            assertThat(tail).contains("\"type\":\"replication_index\"");
            assertThat(rest).isGreaterThan(10_000_000);
        }
    }

    @Test
    void olderApis() {
        assertThat(
                        running.post(
                                        "acme",
                                        "",
                                        "{\"statements\":[\"create table if not exists"
                                                + " v0(a)\",{\"q\":\"insert into v0 values"
                                                + " (?)\",\"params\":[2]},\"select a from v0\"]}")
                                .body())
                .contains("\"columns\":[\"a\"],\"rows\":[[2]]");
        HttpResponse<String> failed =
                running.post(
                        "acme",
                        "",
                        "{\"statements\":[\"insert into v0 values (3)\",\"select nofn()\"]}");
        assertThat(failed.statusCode()).isEqualTo(400);
        assertThat(
                        running.post(
                                        "acme",
                                        "v1/execute",
                                        "{\"stmt\":{\"sql\":\"select count(*) from v0\"}}")
                                .body())
                .contains("\"value\":\"1\"");
        error(running.post("acme", "", "{\"statements\":[\"commit\"]}"), 400, "HRANA_PROTO_ERROR");
    }

    @Test
    void metricsNameNoTenant() {
        running.run("acme", "select 1");

        String page = running.send(running.request("/metrics").GET()).body();

        assertThat(page)
                .contains("litefleet_request_duration_seconds_count")
                .contains("litefleet_tenants{state=\"active\"}")
                .contains("litefleet_build_info")
                .doesNotContain("acme");
        assertThat(page.lines().filter(line -> !line.startsWith("#")).count()).isLessThan(300);
    }

    @Test
    void healthPages() {
        assertThat(running.send(running.request("/livez").GET()).statusCode()).isEqualTo(200);
        HttpResponse<String> ready = running.send(running.request("/readyz?verbose").GET());
        assertThat(ready.statusCode()).isEqualTo(200);
        assertThat(ready.body()).contains("[+] log").contains("[+] controller");
    }

    private static JsonObject claims(String tenant) {
        return new JsonObject()
                .put(
                        "p",
                        new JsonObject()
                                .put("rw", new JsonObject().put("ns", new JsonArray().add(tenant))))
                .put("gen", 1);
    }

    private static String pipeline(String... statements) {
        var requests = new JsonArray();
        for (String sql : statements) {
            requests.add(
                    new JsonObject()
                            .put("type", "execute")
                            .put("stmt", new JsonObject().put("sql", sql)));
        }
        return new JsonObject()
                .put("requests", requests.add(new JsonObject().put("type", "close")))
                .encode();
    }

    private static HttpResponse<String> send(String path, String token, String body) {
        var request = running.request(path).POST(BodyPublishers.ofString(body));
        return running.send(
                token == null ? request : request.header("authorization", "Bearer " + token));
    }

    private static void error(HttpResponse<String> response, int status, String code) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.headers().firstValue("content-type")).contains("application/json");
        var body = new JsonObject(response.body());
        assertThat(body.getString("message")).isNotBlank().isEqualTo(body.getString("error"));
        if (code == null) {
            assertThat(body.getString("code")).startsWith("AUTH_");
        } else {
            assertThat(body.getString("code")).isEqualTo(code);
        }
    }

    private static String head(String path, String headers) {
        return "POST "
                + path
                + " HTTP/1.1\r\nhost: a\r\nauthorization: Bearer "
                + running.token("rw", "acme")
                + "\r\n"
                + headers
                + "\r\n\r\n";
    }

    private static int port() {
        return URI.create(running.worker.address()).getPort();
    }

    /// Sends bytes as they are and reads until the worker closes the connection.
    private static String raw(String bytes) throws IOException {
        try (var socket = new Socket("127.0.0.1", port())) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        }
    }

    /// The first twelve characters of the answer; fewer if the worker closes the connection.
    private static String begins(String bytes) throws IOException {
        try (var socket = new Socket("127.0.0.1", port())) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readNBytes(12), StandardCharsets.ISO_8859_1);
        }
    }

    /// A head, then a body in small pieces, and only then a look at the answer.
    private static String raw(String head, String piece, int times) throws IOException {
        try (var socket = new Socket("127.0.0.1", port())) {
            socket.setSoTimeout(10_000);
            socket.setTcpNoDelay(true);
            OutputStream out = socket.getOutputStream();
            out.write(head.getBytes(StandardCharsets.US_ASCII));
            byte[] some = piece.repeat(1000).getBytes(StandardCharsets.US_ASCII);
            for (int sent = 0; sent < times; sent += some.length) {
                out.write(some);
            }
            socket.shutdownOutput();
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        }
    }

    private static String base64(String text) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
