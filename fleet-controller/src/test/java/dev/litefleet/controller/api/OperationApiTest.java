package dev.litefleet.controller.api;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.controller.Controller;
import dev.litefleet.controller.ControllerConfig;
import dev.litefleet.controller.Start;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.auth.TenantTokens;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Keys;
import dev.litefleet.testing.MemoryObjectStore;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.ext.web.Router;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Import, fork, restore and operations over HTTP, on a real controller without workers. Every
/// answer is held against `openapi.yaml`.
final class OperationApiTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ApiDescription DESCRIPTION = new ApiDescription();
    private static final String IMPORT = "POST /api/v1/tenants/{id}/import";
    private static final String FORK = "POST /api/v1/tenants/{id}/fork";
    private static final String RESTORE = "POST /api/v1/tenants/{id}/restore";

    private record Answer(int status, HttpResponse<String> http, JsonNode body) {
        String header(String name) {
            return http.headers().firstValue(name).orElse("");
        }

        String code() {
            return body.path("code").asText();
        }
    }

    @TempDir private static Path folder;

    private static final Vertx vertx = Vertx.vertx();
    private static final HttpClient client = HttpClient.newHttpClient();
    private static Controller controller;
    private static URI base;
    private static String key;
    private static byte[] database;

    @BeforeAll
    static void start() throws IOException {
        Sqlite.load(folder.resolve("tmp"));
        var random = new SecureRandom();
        Keys keys = Keys.open(folder.resolve("secrets"), random);
        var config =
                ControllerConfig.of(folder.resolve("controller"), "127.0.0.1", 0, Optional.empty());
        controller =
                ((Start.Serving)
                                Controller.start(
                                        config,
                                        new MemoryObjectStore(),
                                        keys,
                                        vertx,
                                        new ThreadTasks(),
                                        InstantSource.system(),
                                        random,
                                        end -> {
                                            throw new AssertionError(end);
                                        }))
                        .controller();
        Path admin = folder.resolve("admin.key");
        ApiKeys apiKeys = ApiKeys.open(controller, null, admin, InstantSource.system(), random);
        key = Files.readString(admin).trim();
        var blocking = new Blocking(64);
        var tokens = new TenantTokens(keys.signer(vertx), InstantSource.system());
        Router router = Router.router(vertx);
        new TenantRoutes(
                        controller,
                        apiKeys,
                        tokens,
                        keys.derive("idempotency"),
                        InstantSource.system(),
                        blocking)
                .mount(router);
        new OperationRoutes(controller, apiKeys, tokens, blocking).mount(router);
        new EventRoutes(controller, apiKeys, blocking).mount(router);
        new HoldRoutes(controller, InstantSource.system(), blocking).mount(router);
        ApiErrors.install(router);
        HttpServer server =
                vertx.createHttpServer().requestHandler(router).listen(0, "127.0.0.1").await();
        base = URI.create("http://127.0.0.1:" + server.actualPort());
        database = database();
    }

    private static byte[] database() throws IOException {
        Path file = folder.resolve("made.db");
        Sqlite.create(file, 4096);
        try (var watchdog = new Watchdog(System::nanoTime);
                var connection =
                        Sqlite.database(file, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.READ_WRITE)) {
            connection.exec("create table t (x); insert into t values (randomblob(500000)), ('a')");
        }
        return Files.readAllBytes(file);
    }

    @AfterAll
    static void stop() {
        controller.close();
        vertx.close().await();
    }

    @Test
    void fileBecomesATenantThatCanBeForkedAndRestored() throws Exception {
        String digest =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(database));
        Answer made =
                upload(
                        "first",
                        "?sha256="
                                + digest
                                + "&wait=30s&spec="
                                + encoded("{\"labels\": {\"a\": \"1\"}}"),
                        database);

        assertThat(made.status()).as("%s", made.body()).isEqualTo(201);
        assertThat(made.header("location")).isEqualTo("/api/v1/tenants/first");
        assertThat(made.body().at("/result/txid").textValue()).isEqualTo("0000000000000001");
        assertThat(made.body().at("/result/bytes").intValue()).isEqualTo(database.length);
        assertThat(made.body().at("/token/jwt").textValue()).isNotEmpty();
        assertThat(get("first").body().at("/labels/a").textValue()).isEqualTo("1");

        Answer fork =
                post(
                        FORK,
                        "first",
                        "{\"id\": \"second\", \"at\": \"latest\", \"durability\": \"async\"}");
        assertThat(fork.status()).as("%s", fork.body()).isEqualTo(201);
        assertThat(fork.body().at("/result/source/tenant").textValue()).isEqualTo("first");
        assertThat(fork.body().at("/result/source/txid").textValue()).isEqualTo("0000000000000001");
        JsonNode second = get("second").body();
        assertThat(second.get("durability").textValue()).isEqualTo("async");
        assertThat(second.at("/labels/a").textValue()).isEqualTo("1");

        Answer plan = post(RESTORE, "second", "{\"at\": \"1\", \"dry_run\": true}");
        assertThat(plan.body().at("/plan/discards_txns").intValue()).isZero();
        Answer restored =
                post(
                        RESTORE,
                        "second",
                        "{\"at\": \"1\", \"confirm\": \"second\"}",
                        "if-match",
                        "\"1\"");
        assertThat(restored.status()).as("%s", restored.body()).isEqualTo(200);
        assertThat(restored.body().at("/result/txid").textValue()).isEqualTo("0000000000000002");
        assertThat(restored.body().at("/result/bookmark").textValue())
                .startsWith("before-restore-");
        assertThat(get("second").header("etag")).isEqualTo("\"2\"");
        assertThat(get("second").body().get("lineage"))
                .isEqualTo(restored.body().at("/result/lineage"))
                .isNotEqualTo(second.get("lineage"));

        Answer operation = operation(restored.body().get("id").textValue());
        assertThat(operation.body().get("state").textValue()).isEqualTo("succeeded");
        JsonNode page =
                send("GET /api/v1/operations", request("/api/v1/operations?limit=1").GET()).body();
        assertThat(page.get("items")).hasSize(1);
        JsonNode rest =
                send(
                                "GET /api/v1/operations",
                                request(
                                                "/api/v1/operations?cursor="
                                                        + page.get("next_cursor").textValue())
                                        .GET())
                        .body();
        assertThat(rest.at("/items").findValuesAsText("kind")).contains("import", "fork");
    }

    @Test
    void whatHappenedToAnOperationIsTold() throws Exception {
        Answer made = upload("told", "?wait=30s", database);
        Answer failed = upload("untold", "?wait=30s", new byte[0]);

        JsonNode events = events(made.body().get("id").textValue()).body();

        assertThat(events.get("items").findValuesAsText("kind"))
                .contains("operation.started", "operation.succeeded");
        assertThat(failed.code()).isEqualTo("NOT_A_DATABASE");
        JsonNode ended =
                send("GET /api/v1/operations", request("/api/v1/operations?state=failed").GET())
                        .body();
        assertThat(ended.get("items").findValuesAsText("state")).containsOnly("failed");
        String id = ended.at("/items/0/id").textValue();
        assertThat(events(id).body().get("items").findValuesAsText("kind"))
                .contains("operation.failed");
        assertThat(events("op_01M7YZMHG0MZ37R9F9AN976F57").code()).isEqualTo("OPERATION_NOT_FOUND");
    }

    @Test
    void whatHasEndedIsNotCancelled() throws Exception {
        Answer made = upload("ended", "?wait=30s", database);

        assertThat(cancel(made.body().get("id").textValue()).code())
                .isEqualTo("OPERATION_FINISHED");
        assertThat(get("ended").status()).isEqualTo(200);
        assertThat(cancel("op_01M7YZMHG0MZ37R9F9AN976F57").code()).isEqualTo("OPERATION_NOT_FOUND");
    }

    /// Looked for when the hold is set: what it means later is another state.
    @Test
    void holdAtATimeIsTheStateOfThatTime() throws Exception {
        assertThat(upload("timed", "?wait=30s", database).status()).isEqualTo(201);
        String path = "/api/v1/tenants/timed/holds/h";

        Answer held =
                send(
                        "PUT /api/v1/tenants/{id}/holds/{hold}",
                        request(path)
                                .PUT(
                                        BodyPublishers.ofString(
                                                "{\"reason\": \"x\", \"from\": \"latest\", \"to\":"
                                                        + " \""
                                                        + InstantSource.system().instant()
                                                        + "\"}")));

        assertThat(held.status()).as("%s", held.body()).isEqualTo(201);
        assertThat(held.body().get("from").asText()).isEqualTo("0000000000000001");
        assertThat(held.body().get("to").asText()).isEqualTo("0000000000000001");
    }

    @Test
    void whoDoesNotWaitIsToldWhereToLook() throws Exception {
        Answer begun = upload("slowly", "", database, "prefer", "respond-async");

        assertThat(begun.status()).isEqualTo(202);
        String id = begun.body().get("id").textValue();
        assertThat(begun.header("location")).isEqualTo("/api/v1/operations/" + id);
        Answer done =
                send(
                        "GET /api/v1/operations/{id}",
                        request("/api/v1/operations/" + id + "?wait=30s").GET());
        assertThat(done.body().get("state").textValue()).isEqualTo("succeeded");
    }

    @Test
    void sameKeyIsTheSameOperation() throws Exception {
        Answer first = upload("keyed", "?wait=30s", database, "idempotency-key", "k1");
        Answer again = upload("keyed", "?wait=30s", database, "idempotency-key", "k1");
        Answer other = upload("other", "?wait=30s", database, "idempotency-key", "k1");

        assertThat(again.status()).isEqualTo(201);
        assertThat(again.header("idempotency-replayed")).isEqualTo("true");
        assertThat(again.body().get("id")).isEqualTo(first.body().get("id"));
        assertThat(again.body().has("token")).isFalse();
        assertThat(other.code()).isEqualTo("IDEMPOTENCY_KEY_REUSED");
        assertThat(controller.uploads()).isEmptyDirectory();
    }

    @Test
    void uploadThatIsNotWhatItShouldBeIsRefusedByName() throws Exception {
        byte[] corrupt = database.clone();
        Arrays.fill(corrupt, 4096, 8192, (byte) 7);

        assertThat(upload("bad", "", new byte[0]).code()).isEqualTo("NOT_A_DATABASE");
        assertThat(upload("bad", "", corrupt).code()).isEqualTo("DATABASE_CORRUPT");
        assertThat(upload("bad", "?sha256=" + "0".repeat(64), database).code())
                .isEqualTo("DIGEST_MISMATCH");
        assertThat(upload("bad", "?sha256=x", database).status()).isEqualTo(400);
        assertThat(
                        upload(
                                        "bad",
                                        "?spec=" + encoded("{\"quota\": {\"max_bytes\": 65536}}"),
                                        database)
                                .code())
                .isEqualTo("QUOTA_TOO_SMALL");
        assertThat(upload("bad", "?spec=" + encoded("{\"labels\": 1}"), database).code())
                .isEqualTo("VALIDATION");
        assertThat(get("bad").status()).isEqualTo(404);
        assertThat(controller.uploads()).isEmptyDirectory();
    }

    /// Nothing is read of what would not fit.
    @Test
    void uploadOverTheLimitIsRefusedBeforeItIsSent() throws Exception {
        try (var socket = new java.net.Socket("127.0.0.1", base.getPort())) {
            socket.getOutputStream()
                    .write(
                            ("POST /api/v1/tenants/huge/import HTTP/1.1\r\n"
                                            + "host: x\r\n"
                                            + "authorization: Bearer "
                                            + key
                                            + "\r\ncontent-length: 99999999999999\r\n\r\n")
                                    .getBytes(StandardCharsets.US_ASCII));
            String answer =
                    new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
            assertThat(answer).isEqualTo("HTTP/1.1 413");
        }
    }

    /// However slowly it looks: a connection that is closed under its hands is reset, and with it
    /// goes the answer.
    @Test
    void clientThatStillWritesSeesThatItsUploadIsTooLarge() throws Exception {
        try (var socket = new java.net.Socket("127.0.0.1", base.getPort())) {
            socket.setSoTimeout(20_000);
            var out = socket.getOutputStream();
            out.write(
                    ("POST /api/v1/tenants/huge/import HTTP/1.1\r\n"
                                    + "host: x\r\n"
                                    + "authorization: Bearer "
                                    + key
                                    + "\r\ncontent-length: 99999999999999\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            for (int i = 0; i < 3000; i++) {
                out.write(new byte[1000]);
            }
            String answer =
                    new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(answer).startsWith("HTTP/1.1 413 ").contains("BODY_TOO_LARGE");
        }
    }

    /// A client that goes away leaves nothing behind.
    @Test
    void brokenUploadLeavesNothing() throws Exception {
        try (var socket = new java.net.Socket("127.0.0.1", base.getPort())) {
            socket.getOutputStream()
                    .write(
                            ("POST /api/v1/tenants/broken/import HTTP/1.1\r\n"
                                            + "host: x\r\n"
                                            + "authorization: Bearer "
                                            + key
                                            + "\r\ncontent-length: 100000\r\n\r\nSQLite format 3")
                                    .getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().flush();
            org.awaitility.Awaitility.await()
                    .until(() -> controller.uploads().toFile().list().length == 1);
        }

        org.awaitility.Awaitility.await()
                .until(() -> controller.uploads().toFile().list().length == 0);
        assertThat(get("broken").status()).isEqualTo(404);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "fork    | {}                                  |     | 422 | VALIDATION",
                "fork    | {'id': 'new', 'at': 'soon'}         |     | 422 | VALIDATION",
                "fork    | {'id': 'new', 'nearest': 'best'}    |     | 422 | VALIDATION",
                "fork    | {'id': 'new', 'expires_in': '1d'}   |     | 400 | VALIDATION",
                "fork    | {'id': 'new', 'at': '7'}            |     | 404 | POINT_NOT_FOUND",
                "fork    | {'id': 'source'}                    |     | 409 | ALREADY_EXISTS",
                "restore | {}                                  | 1   | 422 | VALIDATION",
                "restore | {'at': '1'}                         | 1   | 422 | VALIDATION",
                "restore | {'at': '1', 'confirm': 'other'}     | 1   | 422 | VALIDATION",
                "restore | {'at': '1', 'confirm': 'source'}    |     | 428 | IF_MATCH_REQUIRED",
                "restore | {'at': '1', 'confirm': 'source'}    | 9   | 412 | STALE",
                "restore | {'at': '1', 'confirm': 'source'}    | *   | 400 | BAD_REQUEST",
                "restore | {'at': '5', 'confirm': 'source'}    | 1   | 404 | POINT_NOT_FOUND"
            })
    void whatMayNotBeginIsRefusedByName(
            String verb, String body, String etag, int status, String code) throws Exception {
        if (get("source").status() == 404) {
            assertThat(upload("source", "?wait=30s", database).status()).isEqualTo(201);
        }

        String[] header =
                etag == null
                        ? new String[0]
                        : new String[] {"if-match", etag.replaceAll("([0-9]+)", "\"$1\"")};
        Answer answer =
                post(
                        "POST /api/v1/tenants/{id}/" + verb,
                        "source",
                        body.replace('\'', '"'),
                        header);

        assertThat(answer.code()).as("%s", answer.body()).isEqualTo(code);
        assertThat(answer.status()).isEqualTo(status);
    }

    @Test
    void whatIsNotThereIsNotFound() throws Exception {
        assertThat(post(FORK, "nobody", "{\"id\": \"new\"}").code()).isEqualTo("TENANT_NOT_FOUND");
        assertThat(operation("op_01M7YZMHG0MZ37R9F9AN976F57").code())
                .isEqualTo("OPERATION_NOT_FOUND");
        assertThat(operation("x").status()).isEqualTo(400);
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private static Answer operation(String id) throws Exception {
        return send("GET /api/v1/operations/{id}", request("/api/v1/operations/" + id).GET());
    }

    private static Answer cancel(String id) throws Exception {
        return send(
                "POST /api/v1/operations/{id}/cancel",
                request("/api/v1/operations/" + id + "/cancel").POST(BodyPublishers.noBody()));
    }

    private static Answer events(String id) throws Exception {
        return send(
                "GET /api/v1/operations/{id}/events",
                request("/api/v1/operations/" + id + "/events").GET());
    }

    private static Answer get(String id) throws Exception {
        return send("GET /api/v1/tenants/{id}", request("/api/v1/tenants/" + id).GET());
    }

    /// In chunks, without a length.
    private static Answer upload(String id, String query, byte[] body, String... headers)
            throws Exception {
        HttpRequest.Builder request =
                request("/api/v1/tenants/" + id + "/import" + query)
                        .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)));
        return send(IMPORT, headers.length == 0 ? request : request.headers(headers));
    }

    private static Answer post(String operation, String id, String body, String... headers)
            throws Exception {
        String path = operation.substring("POST ".length()).replace("{id}", id);
        HttpRequest.Builder request = request(path).POST(BodyPublishers.ofString(body));
        return send(operation, headers.length == 0 ? request : request.headers(headers));
    }

    private static HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(base + path))
                .timeout(Duration.ofSeconds(60))
                .header("authorization", "Bearer " + key);
    }

    private static Answer send(String operation, HttpRequest.Builder request) throws Exception {
        HttpResponse<String> http = client.send(request.build(), ofString());
        JsonNode body = JSON.readTree(http.body());
        assertThat(
                        DESCRIPTION.problems(
                                operation,
                                http.statusCode(),
                                http.headers().firstValue("content-type").orElse(""),
                                body))
                .isEmpty();
        return new Answer(http.statusCode(), http, body);
    }
}
