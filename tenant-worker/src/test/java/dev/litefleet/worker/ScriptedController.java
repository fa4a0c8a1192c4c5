package dev.litefleet.worker;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.service.PublicKeyJwk;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.Quotas;
import dev.litefleet.worker.control.Registered;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.control.TokenGen;
import dev.litefleet.worker.control.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// The controller's side of a worker's conversation, over real sockets: it checks signatures, knows
/// which sessions have registered, and says what the test has it say.
public final class ScriptedController implements AutoCloseable {
    /// The ULID of this controller's session.
    public static final String SESSION = "01JCONTR0000000000000000AA";

    public volatile Duration lease = Duration.ofSeconds(3);
    public static final Duration HEARTBEAT = Duration.ofMillis(50);

    public final BlockingQueue<Registration> registrations = new LinkedBlockingQueue<>();
    public final BlockingQueue<Lost> losses = new LinkedBlockingQueue<>();
    public final BlockingQueue<Heartbeat> heartbeats = new LinkedBlockingQueue<>();
    public final BlockingQueue<Release> releases = new LinkedBlockingQueue<>();

    public volatile long epoch = 1;
    public volatile String status = HeartbeatReply.LIVE;
    public volatile List<TokenGen> tokenGens = List.of();
    public volatile @Nullable Integer endPart;
    public volatile boolean silent;
    public volatile boolean leasing = true;
    public volatile List<PublicKeyJwk> jwtKeys;

    private final InternalAuth auth;
    private final HttpServer server;
    private final HttpClient client = HttpClient.newHttpClient();
    private final AtomicLong numbers = new AtomicLong();

    public ScriptedController(Keys keys) {
        jwtKeys = keys.publicKeys();
        auth = new InternalAuth(keys, InstantSource.system(), new SplittableRandom(7));
        try {
            server =
                    HttpServer.create(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/internal/v1/", this::serve);
        server.start();
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private void serve(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            String path = exchange.getRequestURI().toString();
            auth.verifyOnce(
                    exchange.getRequestMethod(),
                    path,
                    exchange.getRequestHeaders().getFirst(InternalAuth.HEADER),
                    body);
            if (silent) {
                exchange.sendResponseHeaders(503, -1);
                return;
            }
            byte[] answer = Wire.write(answer(path, body));
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
        }
    }

    private Record answer(String path, byte[] body) {
        switch (path) {
            case "/internal/v1/register" -> {
                registrations.add(Wire.read(body, Registration.class));
                return new Registered(
                        SESSION, epoch, lease.toMillis(), HEARTBEAT.toMillis(), jwtKeys);
            }
            case "/internal/v1/heartbeat" -> {
                heartbeats.add(Wire.read(body, Heartbeat.class));
                return new HeartbeatReply(
                        epoch, status, leasing, tokenGens, tokenGens.size(), endPart);
            }
            case "/internal/v1/released" -> {
                Release release = Wire.read(body, Release.class);
                releases.add(release);
                return release;
            }
            case "/internal/v1/lost" -> {
                Lost lost = Wire.read(body, Lost.class);
                losses.add(lost);
                return lost;
            }
            default -> throw new IllegalArgumentException(path);
        }
    }

    /// Assigns a tenant without a history.
    public AssignmentReply assign(String worker, String session, String tenant) {
        return assign(
                worker, assignment(session, tenant, numbers.incrementAndGet(), Assignment.SYNC));
    }

    public AssignmentReply assign(String worker, Assignment assignment) {
        return Wire.read(
                post(worker, "/internal/v1/assign", assignment).body(), AssignmentReply.class);
    }

    public Assignment assignment(String session, String tenant, long number, String durability) {
        return new Assignment(
                new TenantId(tenant).name(),
                new Lineage("01JTENANT00000000000000000").ulid(),
                session,
                number,
                epoch,
                "0000000000000000",
                null,
                durability,
                Quotas.DEFAULT,
                1);
    }

    public HttpResponse<byte[]> release(String worker, String session, String tenant, long number) {
        return post(
                worker, "/internal/v1/release", new ReleaseRequest(tenant, session, number, epoch));
    }

    /// Sends a signed message to a worker.
    public HttpResponse<byte[]> post(String worker, String path, Record message) {
        byte[] body = Wire.write(message);
        return send(worker, path, body, auth.sign("POST", path, body));
    }

    public HttpResponse<byte[]> send(String worker, String path, byte[] body, String signature) {
        try {
            return client.send(
                    HttpRequest.newBuilder(URI.create(worker + path))
                            .header(InternalAuth.HEADER, signature)
                            .POST(BodyPublishers.ofByteArray(body))
                            .build(),
                    BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        client.close();
    }
}
