package dev.litefleet.controller.gateway;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.auth.TenantTokens;
import dev.litefleet.controller.operation.FleetException.NoWorkers;
import dev.litefleet.controller.operation.FleetException.TenantDeleted;
import dev.litefleet.controller.operation.FleetException.TenantNotFound;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.replica.TenantId;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Tokens;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A gateway between a real client and servers that play workers.
@Timeout(60)
final class GatewayTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final String SESSION = "01J0000000000000000000000A";
    private static final String OTHER = "01J0000000000000000000000B";

    /// What a worker was asked.
    private record Asked(
            String method, String uri, String signature, String consistency, String body) {}

    private final Vertx vertx = Vertx.vertx();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final List<Asked> asked = new CopyOnWriteArrayList<>();
    private final AtomicInteger questions = new AtomicInteger();
    private final ArrayDeque<CompletableFuture<Route>> routes = new ArrayDeque<>();

    @TempDir Path folder;

    private Keys keys;
    private InternalAuth auth;
    private String token = "";
    private Gateway.Shared shared;
    private URI base = URI.create("http://127.0.0.1/");

    @BeforeEach
    void start() {
        keys = Keys.open(folder, new SecureRandom());
        auth = new InternalAuth(keys, InstantSource.system(), new SecureRandom());
        token = token(ACME);
        start(Duration.ofSeconds(30));
    }

    private void start(Duration parkMax) {
        start(parkMax, new Routing(_ -> next(), (_, _) -> next()));
    }

    private void start(Duration parkMax, Routing routing) {
        shared =
                new Gateway.Shared(
                        routing,
                        new Tokens(vertx, keys.publicKeys(), InstantSource.system()),
                        auth,
                        parkMax,
                        System::nanoTime);
        var gateway = new Gateway(vertx, shared);
        HttpServer server =
                vertx.createHttpServer()
                        .requestHandler(request -> {
                            if (!gateway.handle(request)) {
                                request.response().setStatusCode(418).end();
                            }
                        })
                        .listen(0, "127.0.0.1")
                        .await();
        base = URI.create("http://127.0.0.1:" + server.actualPort());
    }

    @AfterEach
    void stop() {
        vertx.close().await();
    }

    @Test
    void answerComesFromTheWorkerWithOurSignature() throws Exception {
        route(worker(request -> request.response().putHeader("litefleet-txid", "1").end("rows")));

        HttpResponse<String> answer =
                client.send(
                        post("/t/acme/v2/pipeline?x=1", "{}")
                                .header(InternalAuth.HEADER, "v1 forged")
                                .build(),
                        ofString());

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("rows");
        assertThat(answer.headers().firstValue("litefleet-txid")).contains("1");
        Asked one = asked.getFirst();
        assertThat(one.uri()).isEqualTo("/t/acme/v2/pipeline?x=1");
        assertThat(one.body()).isEqualTo("{}");
        assertThat(auth.fromGateway(one.method(), one.uri(), one.signature())).isTrue();
    }

    /// A strong read is the worker's business: how it is asked for must arrive as it was sent.
    @Test
    void askingForAStrongReadReachesTheWorker() throws Exception {
        route(worker(request -> request.response().end()));

        for (String path : List.of("/t/acme/v3/pipeline", "/t/acme/v3/cursor", "/v3/cursor")) {
            client.send(post(path + "?consistency=strong", "{}").build(), ofString());
            client.send(
                    post(path, "{}").header("litefleet-consistency", "strong").build(), ofString());
        }

        assertThat(asked).hasSize(6);
        for (int i = 0; i < asked.size(); i += 2) {
            assertThat(asked.get(i).uri())
                    .startsWith("/t/acme/v3/")
                    .endsWith("?consistency=strong");
            assertThat(asked.get(i + 1).consistency()).isEqualTo("strong");
        }
    }

    @Test
    void pathWithoutTenantGoesWhereItsTokenSays() throws Exception {
        route(worker(request -> request.response().end()));

        assertThat(send("//v2//pipeline", "{}").statusCode()).isEqualTo(200);
        assertThat(asked.getFirst().uri()).isEqualTo("/t/acme/v2/pipeline");
    }

    @Test
    void othersRequestsAreNotTouched() throws Exception {
        assertThat(send("/api/v1/tenants", "{}").statusCode()).isEqualTo(418);
    }

    @Test
    void tokenIsRefusedBeforeAnybodyIsAsked() throws Exception {
        assertError(send(bare("/t/acme/v2/pipeline")), 401, "AUTH_MISSING");
        assertError(
                send(bare("/t/acme/v2/pipeline").header("authorization", "Bearer x.y.z")),
                401,
                "AUTH_INVALID");
        String foreign = token(new TenantId("other"));
        assertError(
                send(bare("/t/acme/v2/pipeline").header("authorization", "Bearer " + foreign)),
                403,
                "FORBIDDEN");
        assertError(send(bare("/v2/pipeline")), 401, "AUTH_MISSING");
        assertThat(questions).hasValue(0);
    }

    @Test
    void preflightWakesNobody() throws Exception {
        HttpResponse<String> answer =
                client.send(
                        HttpRequest.newBuilder(base.resolve("/t/acme/v2/pipeline"))
                                .method("OPTIONS", BodyPublishers.noBody())
                                .header("access-control-request-headers", "authorization")
                                .build(),
                        ofString());

        assertThat(answer.statusCode()).isEqualTo(204);
        assertThat(answer.headers().firstValue("access-control-allow-headers"))
                .contains("authorization");
        assertThat(questions).hasValue(0);
    }

    @Test
    void lostSegmentIsToldInTheWordsThatClientsShow() throws Exception {
        HttpResponse<String> answer = send("/t/v2/pipeline", "{}");

        assertError(answer, 404, "TENANT_MISSING");
        assertThat(new JsonObject(answer.body()).getString("message"))
                .isEqualTo("URL lost its last path segment; add a trailing slash");
    }

    @Test
    void controllersRefusalsHaveTheirStatus() throws Exception {
        routes.add(CompletableFuture.failedFuture(new TenantNotFound(ACME)));
        assertError(send("/t/acme/v2/pipeline", "{}"), 404, "TENANT_NOT_FOUND");
        routes.add(CompletableFuture.failedFuture(new TenantDeleted(ACME)));
        assertError(send("/t/acme/v2/pipeline", "{}"), 410, "TENANT_DELETED");
        routes.add(CompletableFuture.failedFuture(new NoWorkers(ACME, "none is there")));
        HttpResponse<String> none = send("/t/acme/v2/pipeline", "{}");
        assertError(none, 503, "NO_WORKERS");
        assertThat(none.headers().firstValue("retry-after")).contains("1");
    }

    @Test
    void routeIsAskedForOnce() throws Exception {
        route(worker(request -> request.response().end()));

        send("/t/acme/v2/pipeline", "{}");
        send("/t/acme/v2/pipeline", "{}");
        assertThat(questions).hasValue(1);

        shared.tenantMoved(ACME);
        route(worker(request -> request.response().end()));
        send("/t/acme/v2/pipeline", "{}");
        assertThat(questions).hasValue(2);
    }

    @Test
    void misdirectedRequestIsSentOnceMore() throws Exception {
        route(worker(request -> request.response().setStatusCode(421).end("{}")));
        route(worker(request -> request.response().end("rows")));

        HttpResponse<String> answer = send("/t/acme/v2/pipeline", "{\"requests\":[]}");

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("rows");
        assertThat(asked).extracting(Asked::body).containsOnly("{\"requests\":[]}").hasSize(2);
    }

    @Test
    void twiceMisdirectedRequestIsLeftToTheClient() throws Exception {
        route(worker(request -> request.response().setStatusCode(421).end("{}")));
        route(worker(request -> request.response().setStatusCode(421).end("{}")));

        HttpResponse<String> answer = send("/t/acme/v2/pipeline", "{}");

        assertError(answer, 503, "TENANT_MOVING");
        assertThat(answer.headers().firstValue("retry-after")).contains("1");
        assertThat(asked).hasSize(2);
    }

    @Test
    void bodyThatWasNotHeldIsNotSentAgain() throws Exception {
        route(worker(request -> request.response().setStatusCode(421).end("{}")));

        HttpResponse<String> answer =
                client.send(
                        bare("/t/acme/v2/pipeline")
                                .header("authorization", "Bearer " + token)
                                .POST(
                                        BodyPublishers.fromPublisher(
                                                BodyPublishers.ofString("chunked")))
                                .build(),
                        ofString());

        assertError(answer, 503, "TENANT_MOVING");
        assertThat(asked).hasSize(1);
    }

    @Test
    void otherErrorsAreTheWorkersAndAreNotRepeated() throws Exception {
        route(
                worker(request ->
                        request.response()
                                .setStatusCode(503)
                                .putHeader("content-type", "application/json")
                                .end("{\"code\":\"X\"}")));

        assertError(send("/t/acme/v2/pipeline", "{}"), 503, "X");
        assertThat(asked).hasSize(1);
    }

    @Test
    void workerThatDiesLeavesTheOutcomeUnknown() throws Exception {
        route(worker(request -> request.connection().close()));

        HttpResponse<String> answer = send("/t/acme/v2/pipeline", "{}");

        assertError(answer, 503, "OUTCOME_UNKNOWN");
        assertThat(answer.headers().firstValue("retry-after")).isEmpty();
        assertThat(asked).hasSize(1);
    }

    @Test
    void answerThatBreaksOffDoesNotEndWell() throws Exception {
        route(
                worker(request -> {
                    request.response().setChunked(true);
                    request.response().write("half").onComplete(_ -> request.connection().close());
                }));

        assertThatThrownBy(() -> send("/t/acme/v3/cursor", "{}")).isInstanceOf(IOException.class);
        assertThat(asked).hasSize(1);
    }

    @Test
    void unreachableWorkerParksTheRequestUntilTheNextRoute() throws Exception {
        try (var closed = new ServerSocket(0)) {
            int port = closed.getLocalPort();
            closed.close();
            routes.add(CompletableFuture.completedFuture(at(port, SESSION)));
            routes.add(CompletableFuture.completedFuture(at(port, SESSION)));
        }
        route(worker(request -> request.response().end("rows")));

        assertThat(send("/t/acme/v2/pipeline", "{}").body()).isEqualTo("rows");
        assertThat(questions).hasValue(3);
    }

    @Test
    void requestIsParkedForALimitedTime() throws Exception {
        start(Duration.ofMillis(100));
        routes.add(new CompletableFuture<>());

        HttpResponse<String> answer = send("/t/acme/v2/pipeline", "{}");

        assertError(answer, 503, "TENANT_UNAVAILABLE");
        assertThat(answer.headers().firstValue("retry-after")).contains("1");
    }

    @Test
    void closedSessionEndsWhatWaitsForItsFrozenWorker() throws Exception {
        route(worker(_ -> shared.sessionClosed(SESSION)));

        assertError(send("/t/acme/v2/pipeline", "{}"), 503, "OUTCOME_UNKNOWN");
        assertThat(asked).hasSize(1);
    }

    @Test
    void closedSessionEndsAnswersThatAreUnderWay() throws Exception {
        route(worker(request -> request.response().setChunked(true).write("half")));
        try (var socket = new Socket("127.0.0.1", base.getPort())) {
            OutputStream out = socket.getOutputStream();
            out.write(
                    """
                    GET /t/acme/v3/cursor HTTP/1.1\r
                    host: x\r
                    authorization: Bearer %s\r
                    \r
                    """
                            .formatted(token)
                            .getBytes(UTF_8));
            var in = socket.getInputStream();
            var seen = new StringBuilder();
            while (!seen.toString().contains("half")) {
                seen.append((char) in.read());
            }

            shared.sessionClosed(SESSION);

            assertThat(new String(restOf(in), UTF_8)).doesNotContain("0\r\n\r\n");
        }
    }

    /// What comes until the connection ends, by a close or a reset.
    private static byte[] restOf(java.io.InputStream in) {
        try {
            return in.readAllBytes();
        } catch (IOException reset) {
            return new byte[0];
        }
    }

    @Test
    void routeToAClosedSessionIsNotFollowed() throws Exception {
        String frozen = worker(_ -> {});
        shared.sessionClosed(SESSION);
        routes.add(CompletableFuture.completedFuture(new Route(frozen, SESSION, 1, 1)));
        routes.add(
                CompletableFuture.completedFuture(
                        new Route(worker(request -> request.response().end("rows")), OTHER, 2, 1)));

        assertThat(send("/t/acme/v2/pipeline", "{}").body()).isEqualTo("rows");
        assertThat(asked).hasSize(1);
    }

    @Test
    void bodiesFlowInBothDirectionsAtOnce() throws Exception {
        var server =
                vertx.createHttpServer()
                        .requestHandler(request -> {
                            request.response().setChunked(true);
                            request.pipeTo(request.response());
                        })
                        .listen(0, "127.0.0.1")
                        .await();
        routes.add(CompletableFuture.completedFuture(at(server.actualPort(), SESSION)));
        var first = new CompletableFuture<String>();
        var all = new CompletableFuture<Integer>();
        var size = new AtomicInteger();
        Buffer large = Buffer.buffer(new byte[3 << 20]);

        var request =
                vertx.createHttpClient()
                        .request(HttpMethod.POST, base.getPort(), "127.0.0.1", "/t/acme/v3/cursor")
                        .await();
        request.setChunked(true).putHeader("authorization", "Bearer " + token);
        request.response()
                .onSuccess(response -> {
                    response.handler(part -> {
                        size.addAndGet(part.length());
                        first.complete(part.toString());
                    });
                    response.endHandler(_ -> all.complete(size.get()));
                });
        request.write("one");

        // The answer to the first part is here before the second one is sent.
        assertThat(first.get(30, TimeUnit.SECONDS)).isEqualTo("one");
        request.end(large);
        assertThat(all.get(30, TimeUnit.SECONDS)).isEqualTo(3 + large.length());
    }

    @Test
    void clientThatLeavesEndsItsRequestAtTheWorker() throws Exception {
        var arrived = new CountDownLatch(1);
        var ended = new CountDownLatch(1);
        route(
                worker(request -> {
                    request.connection().closeHandler(_ -> ended.countDown());
                    arrived.countDown();
                }));
        try (var socket = new Socket("127.0.0.1", base.getPort())) {
            socket.getOutputStream()
                    .write(
                            """
                            GET /t/acme/v3/cursor HTTP/1.1\r
                            host: x\r
                            authorization: Bearer %s\r
                            \r
                            """
                                    .formatted(token)
                                    .getBytes(UTF_8));
            assertThat(arrived.await(30, TimeUnit.SECONDS)).isTrue();
        }

        assertThat(ended.await(30, TimeUnit.SECONDS)).isTrue();
    }

    /// A thousand cold tenants are asked for at once, while no worker has any of them: every
    /// request is parked, nobody hears 503, each worker gets no more at a time than its
    /// connections, and each tenant's route is asked for once however many ask for it.
    @Test
    @Timeout(240)
    void thousandColdTenantsAtOnceAreAllServed() throws Exception {
        int tenants = 1000;
        int twice = 50;
        var routing = new ConcurrentHashMap<TenantId, CompletableFuture<Route>>();
        var askedFor = new AtomicInteger();
        var inside = new AtomicInteger();
        var most = new AtomicInteger();
        var full = new CompletableFuture<Void>();
        String worker =
                worker(request -> {
                    int now = inside.incrementAndGet();
                    most.accumulateAndGet(now, Math::max);
                    if (now == Gateway.WORKER_CONNECTIONS_MAX) {
                        full.complete(null);
                    }
                    // Nobody is served before as many are here as may be.
                    full.thenRun(() -> {
                        inside.decrementAndGet();
                        request.response().end(request.path());
                    });
                });
        start(
                Duration.ofSeconds(120),
                new Routing(
                        tenant -> {
                            askedFor.incrementAndGet();
                            return routing.computeIfAbsent(tenant, _ -> new CompletableFuture<>());
                        },
                        (_, _) -> CompletableFuture.failedFuture(new IllegalStateException())));
        var answers = new ArrayList<CompletableFuture<HttpResponse<String>>>();
        for (int i = 0; i < tenants + twice; i++) {
            var tenant = new TenantId("t-" + i % tenants);
            answers.add(
                    client.sendAsync(
                            bare("/t/" + tenant + "/v2/pipeline")
                                    .header("authorization", "Bearer " + token(tenant))
                                    .build(),
                            ofString()));
        }
        await().atMost(Duration.ofSeconds(60)).until(() -> routing.size() == tenants);
        assertThat(answers).noneMatch(CompletableFuture::isDone);

        routing.values().forEach(route -> route.complete(new Route(worker, SESSION, 1, 1)));

        for (int i = 0; i < answers.size(); i++) {
            HttpResponse<String> answer = answers.get(i).get(60, TimeUnit.SECONDS);
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            assertThat(answer.body()).isEqualTo("/t/t-" + i % tenants + "/v2/pipeline");
        }
        assertThat(asked).hasSize(tenants + twice);
        assertThat(most).hasValue(Gateway.WORKER_CONNECTIONS_MAX);
        assertThat(askedFor.get()).isBetween(tenants, tenants + twice);
    }

    private void route(String address) {
        routes.add(CompletableFuture.completedFuture(new Route(address, SESSION, 1, 1)));
    }

    private static Route at(int port, String session) {
        return new Route("http://127.0.0.1:" + port, session, 1, 1);
    }

    private CompletableFuture<Route> next() {
        questions.incrementAndGet();
        return Optional.ofNullable(routes.poll())
                .orElseGet(() ->
                        CompletableFuture.failedFuture(
                                new IllegalStateException("no more routes")));
    }

    /// A server that notes what it is asked and answers as told, once it has the whole request.
    private String worker(Handler<HttpServerRequest> answer) {
        HttpServer server =
                vertx.createHttpServer()
                        .requestHandler(request ->
                                request.body()
                                        .onSuccess(body -> {
                                            asked.add(
                                                    new Asked(
                                                            request.method().name(),
                                                            request.uri(),
                                                            request.getHeader(InternalAuth.HEADER),
                                                            request.getHeader(
                                                                    "litefleet-consistency"),
                                                            body.toString()));
                                            answer.handle(request);
                                        }))
                        .listen(0, "127.0.0.1")
                        .await();
        return "http://127.0.0.1:" + server.actualPort();
    }

    private String token(TenantId tenant) {
        return new TenantTokens(keys.signer(vertx), InstantSource.system())
                .mint(tenant, 1, Optional.empty(), false)
                .jwt();
    }

    private HttpRequest.Builder bare(String path) {
        return HttpRequest.newBuilder(URI.create(base + path)).POST(BodyPublishers.ofString("{}"));
    }

    private HttpRequest.Builder post(String path, String body) {
        return HttpRequest.newBuilder(URI.create(base + path))
                .header("authorization", "Bearer " + token)
                .POST(BodyPublishers.ofString(body));
    }

    private HttpResponse<String> send(String path, String body)
            throws IOException, InterruptedException {
        return send(post(path, body));
    }

    private HttpResponse<String> send(HttpRequest.Builder request)
            throws IOException, InterruptedException {
        return client.send(request.build(), ofString());
    }

    private static void assertError(HttpResponse<String> answer, int status, String code) {
        assertThat(answer.body()).contains(code);
        assertThat(answer.statusCode()).isEqualTo(status);
        assertThat(answer.headers().firstValue("content-type")).contains("application/json");
        assertThat(new JsonObject(answer.body()).getString("code")).isEqualTo(code);
    }
}
