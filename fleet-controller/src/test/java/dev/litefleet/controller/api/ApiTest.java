package dev.litefleet.controller.api;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static java.util.stream.Collectors.toCollection;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.controller.Controller;
import dev.litefleet.controller.ControllerConfig;
import dev.litefleet.controller.Start;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.auth.TenantTokens;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Tokens;
import dev.litefleet.service.Tokens.Access;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.TestClock;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.ext.web.Route;
import io.vertx.ext.web.Router;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The API over HTTP, on a real controller. Every answer is held against `openapi.yaml`.
final class ApiTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ApiDescription DESCRIPTION = new ApiDescription();

    /// @param body missing if there was none
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
    private static final TestClock clock = new TestClock();
    private static Controller controller;
    private static Tokens tokens;
    private static Router router;
    private static URI base;
    private static String key;

    @BeforeAll
    static void start() throws IOException {
        Sqlite.load(folder.resolve("tmp"));
        var random = new SecureRandom();
        Keys keys = Keys.open(folder.resolve("secrets"), random);
        var config =
                ControllerConfig.of(folder.resolve("controller"), "127.0.0.1", 0, Optional.empty());
        controller =
                switch (Controller.start(
                        config,
                        new MemoryObjectStore(),
                        keys,
                        vertx,
                        new ThreadTasks(),
                        InstantSource.system(),
                        random,
                        end -> {
                            throw new AssertionError(end);
                        })) {
                    case Start.Serving(var serving) -> serving;
                    case Start.AlreadyRunning(var address) -> throw new AssertionError(address);
                };
        Path admin = folder.resolve("admin.key");
        ApiKeys apiKeys = ApiKeys.open(controller, null, admin, clock, random);
        key = Files.readString(admin).trim();
        assertThat(key).matches("lf_live_[0-9a-z]{8}_[0-9a-z]{32}");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(admin)))
                .isEqualTo("rw-------");
        tokens = new Tokens(vertx, controller.jwtKeys(), InstantSource.system());
        var blocking = new Blocking(64);
        router = Router.router(vertx);
        new TenantRoutes(
                        controller,
                        apiKeys,
                        new TenantTokens(keys.signer(vertx), InstantSource.system()),
                        keys.derive("idempotency"),
                        clock,
                        blocking)
                .mount(router);
        new OperationRoutes(
                        controller,
                        apiKeys,
                        new TenantTokens(keys.signer(vertx), InstantSource.system()),
                        blocking)
                .mount(router);
        new HoldRoutes(controller, clock, blocking).mount(router);
        new WorkerRoutes(controller, apiKeys, blocking).mount(router);
        new EventRoutes(controller, apiKeys, blocking).mount(router);
        new FleetRoutes(controller, apiKeys, clock, blocking).mount(router);
        OpenApiRoutes.mount(router);
        ApiErrors.install(router);
        HttpServer server =
                vertx.createHttpServer().requestHandler(router).listen(0, "127.0.0.1").await();
        base = URI.create("http://127.0.0.1:" + server.actualPort());
    }

    @AfterAll
    static void stop() {
        controller.close();
        vertx.close().await();
    }

    @Test
    void putProvisionsOnceAndRepeatsItsAnswer() throws Exception {
        clock.set(InstantSource.system().instant());
        String spec =
                """
                {"durability": "async", "labels": {"team": "research"},
                 "quota": {"max_bytes": 1048576}, "token": {"expires_in": "30d"}}\
                """;

        Answer made = put("twice", spec);
        Answer again = put("twice", spec);

        assertThat(made.status()).isEqualTo(201);
        assertThat(made.header("location")).isEqualTo("/api/v1/tenants/twice");
        assertThat(made.header("etag")).isEqualTo("\"1\"");
        assertThat(made.body().get("state").textValue()).isEqualTo("hibernated");
        assertThat(made.body().get("durability").textValue()).isEqualTo("async");
        assertThat(made.body().get("url").textValue()).isEqualTo(base + "/t/twice/");
        assertThat(made.body().at("/quota/max_bytes").longValue()).isEqualTo(1 << 20);
        assertThat(made.body().at("/token/expires_at").textValue()).endsWith("Z");
        assertThat(access(made, "twice")).contains(Access.WRITE);
        assertThat(again.status()).isEqualTo(200);
        assertThat(again.body().get("lineage")).isEqualTo(made.body().get("lineage"));
        assertThat(access(again, "twice")).contains(Access.WRITE);
    }

    /// A token is shown again only as long as the first answer may have been lost.
    @Test
    void tokenIsNotShownForEver() throws Exception {
        clock.set(InstantSource.system().instant());
        put("once", "{}");
        clock.advance(Duration.ofMinutes(5));

        Answer later = put("once", "{}");

        assertThat(later.body().at("/token/jwt").isNull()).isTrue();
        assertThat(later.body().at("/token/jwt_omitted").booleanValue()).isTrue();
    }

    @Test
    void putWithAnotherSpecUpdates() throws Exception {
        put("changing", "{\"labels\": {\"a\": \"1\"}}");

        Answer changed = put("changing", "{\"labels\": {\"a\": \"2\"}}");

        assertThat(changed.status()).isEqualTo(200);
        assertThat(changed.header("etag")).isEqualTo("\"2\"");
        assertThat(get("changing").body().at("/labels/a").textValue()).isEqualTo("2");
    }

    @Test
    void ifNoneMatchOnlyCreates() throws Exception {
        assertThat(createOnly("careful").status()).isEqualTo(201);

        Answer second = createOnly("careful");

        assertThat(second.status()).isEqualTo(412);
        assertThat(second.code()).isEqualTo("ALREADY_EXISTS");
    }

    private Answer createOnly(String id) throws Exception {
        return send(
                "PUT /api/v1/tenants/{id}",
                request("/api/v1/tenants/" + id, key)
                        .header("if-none-match", "*")
                        .PUT(BodyPublishers.ofString("{}")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'durability': 'fast'} | 422 | /durability",
                "{'durability': 7} | 422 | /durability",
                "{'labels': 'x'} | 422 | /labels",
                "{'labels': {'a': 1}} | 422 | /labels/a",
                "{'labels': {'A B': 'x'}} | 422 | /labels",
                "{'quota': {'max_bytes': 1.5}} | 422 | /quota/max_bytes",
                "{'quota': {'max_bytes': '9'}} | 422 | /quota/max_bytes",
                "{'quota': {'max_bytes': 1}} | 422 | /quota/max_bytes",
                "{'quota': {'max_bytes': -1}} | 422 | /quota/max_bytes",
                "{'quota': {'max_value_bytes': 16777217}} | 422 | /quota/max_value_bytes",
                "{'quota': {'max_bytes': 99999999999999999999}} | 422 | /quota/max_bytes",
                "{'token': {'expires_in': 'soon'}} | 422 | /token/expires_in",
                "{'history': {'exact': '8d'}} | 422 | /history/exact",
                "{'history': {'exact': '23h'}} | 422 | /history/exact",
                "{'history': {'exact': '3d', 'merged': '2d'}} | 422 | /history/exact",
                "{'history': {'exact': 'never'}} | 422 | /history/exact",
                "{'history': {'merged': '36501d'}} | 422 | /history/merged",
                "{'history': {'exact': 3}} | 422 | /history/exact",
                "{'history': {'levels': '3d'}} | 400 | /history/levels",
                "{'token': []} | 422 | /token",
                "{'name': 'x'} | 400 | /name",
                "{'id': 'x'} | 400 | /id",
                "{'quota': {'cpu/s': 1}} | 400 | /quota/cpu~1s",
                "{'token': {'scope': 1}} | 400 | /token/scope"
            })
    void wrongFieldIsNamed(String body, int status, String pointer) throws Exception {
        Answer answer = put("wrong", body.replace('\'', '"'));

        assertThat(answer.code()).isEqualTo("VALIDATION");
        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body().get("errors").findValuesAsText("pointer"))
                .containsExactly(pointer);
    }

    @Test
    void allWrongFieldsAreNamedAtOnce() throws Exception {
        Answer answer =
                put("wrong", "{\"durability\": 1, \"token\": {\"expires_in\": 2}, \"labels\": 3}");

        assertThat(answer.body().get("errors").findValuesAsText("pointer"))
                .containsExactlyInAnyOrder("/durability", "/token/expires_in", "/labels");
        assertThat(get("wrong").status()).isEqualTo(404);
    }

    @ParameterizedTest
    @CsvSource({"Upper", "under_score", "_catalog", "v2", "a%2Fb", "a.", "-a", "a%20b", "%D0%B0"})
    void badIdIsRefused(String id) throws Exception {
        assertThat(put(id, "{}").status()).isEqualTo(400);
        assertThat(get(id).status()).isEqualTo(400);
    }

    /// The router resolves dots before it looks for a route.
    @Test
    void dotsLeadNowhere() throws Exception {
        assertThat(get("%2e%2e").status()).isEqualTo(404);
        assertThat(get("..%2ftenants").status()).isEqualTo(400);
    }

    @ParameterizedTest
    @CsvSource({"'{', 400", "'[]', 400", "'x', 400", "'\"text\"', 400"})
    void bodyThatIsNoObjectIsRefused(String body, int status) throws Exception {
        assertThat(put("wrong", body).status()).isEqualTo(status);
    }

    @Test
    void bodyOverTheLimitIsRefused() throws Exception {
        Answer answer = put("large", "{\"x\": \"" + "y".repeat(64 << 10) + "\"}");

        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.code()).isEqualTo("BODY_TOO_LARGE");
    }

    @Test
    void nothingIsSaidWithoutAKey() throws Exception {
        for (String operation : DESCRIPTION.operations()) {
            String[] part = operation.split(" ");
            String path = part[1].replace("{id}", "any").replace("{hold}", "any");
            for (String wrong : new String[] {"", "Basic x", "Bearer lf_live_x_y"}) {
                var request = HttpRequest.newBuilder(base.resolve(path));
                if (!wrong.isEmpty()) {
                    request.header("authorization", wrong);
                }
                Answer answer =
                        send(operation, request.method(part[0], BodyPublishers.ofString("{")));
                assertThat(answer.status()).as(operation).isEqualTo(401);
                assertThat(answer.code())
                        .isEqualTo(wrong.startsWith("Bearer") ? "KEY_INVALID" : "KEY_MISSING");
            }
        }
    }

    @Test
    void postMakesAnId() throws Exception {
        Answer made = post("{}", null);
        Answer other = post("{}", null);

        assertThat(made.status()).isEqualTo(201);
        assertThat(get(made.body().get("id").textValue()).status()).isEqualTo(200);
        assertThat(other.body().get("id")).isNotEqualTo(made.body().get("id"));
    }

    @Test
    void postTakesAnId() throws Exception {
        assertThat(post("{\"id\": \"given\"}", null).body().get("id").textValue())
                .isEqualTo("given");
        assertThat(post("{\"id\": \"given\"}", null).code()).isEqualTo("ALREADY_EXISTS");
        for (String wrong : new String[] {"5", "\"_catalog\"", "\"v2\"", "{}"}) {
            Answer answer = post("{\"id\": " + wrong + "}", null);
            assertThat(answer.status()).isEqualTo(422);
            assertThat(answer.body().get("errors").findValuesAsText("pointer"))
                    .containsExactly("/id");
        }
    }

    @Test
    void repeatedKeyFindsWhatTheFirstRequestMade() throws Exception {
        clock.set(InstantSource.system().instant());
        Answer made = post("{\"labels\": {\"n\": \"1\"}}", "key-1");
        Answer again = post("{\"labels\": {\"n\": \"1\"}}", "key-1");
        Answer other = post("{\"labels\": {\"n\": \"2\"}}", "key-1");

        assertThat(made.status()).isEqualTo(201);
        assertThat(made.header("idempotency-replayed")).isEmpty();
        assertThat(again.status()).isEqualTo(201);
        assertThat(again.header("idempotency-replayed")).isEqualTo("true");
        assertThat(again.body().get("lineage")).isEqualTo(made.body().get("lineage"));
        assertThat(other.status()).isEqualTo(422);
        assertThat(other.code()).isEqualTo("IDEMPOTENCY_KEY_REUSED");
        assertThat(post("{}", "k".repeat(256)).status()).isEqualTo(400);
    }

    @Test
    void deletedTenantIsGoneEverywhereAndForEver() throws Exception {
        put("doomed", "{}");

        Answer deleted = delete("doomed");

        assertThat(deleted.status()).isEqualTo(200);
        assertThat(deleted.body().get("released").booleanValue()).isTrue();
        assertThat(delete("doomed").status()).isEqualTo(200);
        for (Answer answer :
                new Answer[] {
                    get("doomed"),
                    put("doomed", "{}"),
                    post("{\"id\": \"doomed\"}", null),
                    token("doomed", "{}")
                }) {
            assertThat(answer.status()).isEqualTo(410);
            assertThat(answer.code()).isEqualTo("TENANT_DELETED");
        }
        assertThat(list("prefix=doomed").body().get("items")).isEmpty();
        assertThat(list("prefix=doomed&state=deleted").body().get("items")).hasSize(1);
    }

    @Test
    void heldTenantIsNotDeletedUntilItsHoldsAreReleased() throws Exception {
        put("held", "{}");
        Answer set = hold("PUT", "held", "inc-482", "{\"reason\": \"INC-482\", \"from\": \"2a\"}");
        assertThat(set.status()).isEqualTo(201);
        assertThat(set.body().get("from").asText()).isEqualTo("000000000000002a");
        assertThat(set.body().get("to").isNull()).isTrue();
        Answer again =
                hold(
                        "PUT",
                        "held",
                        "inc-482",
                        "{\"reason\": \"longer\", \"from\": \"1\", \"to\": \"ff\", \"expires_in\":"
                                + " \"30d\"}");
        assertThat(again.status()).isEqualTo(200);
        assertThat(Instant.parse(again.body().get("until").asText()))
                .isEqualTo(
                        clock.instant().plus(Duration.ofDays(30)).truncatedTo(ChronoUnit.MILLIS));
        assertThat(hold("GET", "held", "inc-482", null).body()).isEqualTo(again.body());
        assertThat(hold("GET", "held", "", null).body().get("items")).hasSize(1);

        Answer refused = delete("held");

        assertThat(refused.status()).isEqualTo(423);
        assertThat(refused.code()).isEqualTo("HELD");
        assertThat(refused.body().get("holds").get(0).get("reason").asText()).isEqualTo("longer");
        assertThat(get("held").status()).isEqualTo(200);
        assertThat(hold("DELETE", "held", "inc-482", null).status()).isEqualTo(200);
        assertThat(hold("DELETE", "held", "inc-482", null).code()).isEqualTo("HOLD_NOT_FOUND");
        assertThat(delete("held").status()).isEqualTo(200);
        assertThat(hold("PUT", "held", "late", "{\"reason\": \"x\"}").code())
                .isEqualTo("TENANT_DELETED");
    }

    @Test
    void holdThatMakesNoSenseIsRefused() throws Exception {
        put("unholdable", "{}");
        for (String body :
                new String[] {
                    "{}",
                    "{\"reason\": \"x\", \"from\": \"0\"}",
                    "{\"reason\": \"x\", \"from\": \"zz\"}",
                    "{\"reason\": \"x\", \"from\": \"3\", \"to\": \"2\"}",
                    "{\"reason\": \"x\", \"expires_in\": \"soon\"}"
                }) {
            Answer answer = hold("PUT", "unholdable", "h", body);
            assertThat(answer.status()).as(body).isEqualTo(422);
            assertThat(answer.code()).isEqualTo("VALIDATION");
        }
        assertThat(hold("PUT", "nobody", "h", "{\"reason\": \"x\"}").code())
                .isEqualTo("TENANT_NOT_FOUND");
        assertThat(hold("GET", "unholdable", "h", null).code()).isEqualTo("HOLD_NOT_FOUND");
    }

    @Test
    void deletedTenantHasAReceipt() throws Exception {
        put("receipted", "{}");
        assertThat(receipt("receipted").code()).isEqualTo("NOT_DELETED");

        Answer deleted = delete("receipted");

        assertThat(deleted.body().get("phase").asText()).isEqualTo("erasing");
        assertThat(receipt("receipted").status()).isEqualTo(200);
        assertThat(receipt("receipted").body().get("released_at").isNull()).isFalse();
        assertThat(get("receipted").body().get("detail").asText())
                .contains("/api/v1/tenants/receipted/receipt");
        assertThat(receipt("nobody").code()).isEqualTo("TENANT_NOT_FOUND");
    }

    /// G7: shorter than the fleet's, never longer.
    @Test
    void tenantHasItsOwnWindows() throws Exception {
        Answer made = put("windows", "{\"history\": {\"exact\": \"1d12h\", \"merged\": \"90d\"}}");
        assertThat(made.body().at("/history/exact").asText()).isEqualTo("1d12h");
        assertThat(made.body().at("/history/merged").asText()).isEqualTo("90d");
        assertThat(put("fleets", "{}").body().at("/history/exact").asText()).isEqualTo("7d");

        Answer longer = put("windows", "{\"history\": {\"exact\": \"8d\"}}");

        assertThat(longer.body().at("/errors/0/detail").asText())
                .isEqualTo(
                        "longer than the fleet's, 7d (--history-exact); a tenant's may be shorter");
        assertThat(get("windows").body().at("/history/exact").asText()).isEqualTo("1d12h");
        Answer merged = put("windows", "{\"history\": {\"merged\": \"2d\"}}");
        assertThat(merged.body().at("/history/exact").asText()).isEqualTo("2d");
    }

    @Test
    void patchChangesWhatItNames() throws Exception {
        put(
                "patched",
                "{\"durability\": \"async\", \"labels\": {\"a\": \"1\", \"b\": \"2\"},"
                        + " \"history\": {\"exact\": \"2d\"}}");

        Answer changed =
                patch(
                        "patched",
                        "{\"labels\": {\"a\": null, \"c\": \"3\"}, \"quota\": {\"max_bytes\": 65536}}",
                        null);

        assertThat(changed.status()).isEqualTo(200);
        assertThat(changed.header("etag")).isEqualTo("\"2\"");
        assertThat(changed.body().at("/labels").toString()).isEqualTo("{\"b\":\"2\",\"c\":\"3\"}");
        assertThat(changed.body().at("/durability").asText()).isEqualTo("async");
        assertThat(changed.body().at("/history/exact").asText()).isEqualTo("2d");
        assertThat(changed.body().at("/quota/max_bytes").asLong()).isEqualTo(65536);
        assertThat(patch("patched", "{\"history\": null}", "\"1\"").code()).isEqualTo("STALE");
        Answer reset = patch("patched", "{\"history\": null}", "\"2\"");
        assertThat(reset.body().at("/history/exact").asText()).isEqualTo("7d");
        assertThat(patch("patched", "{\"history\": {\"exact\": \"9d\"}}", null).code())
                .isEqualTo("VALIDATION");
        assertThat(patch("patched", "{\"id\": \"x\"}", null).status()).isEqualTo(400);
        assertThat(patch("patched", "{\"token\": {}}", null).status()).isEqualTo(400);
        assertThat(patch("nobody", "{}", null).code()).isEqualTo("TENANT_NOT_FOUND");
        assertThat(events("tenant=patched&kind=tenant.updated").body().get("items")).hasSize(2);
    }

    @Test
    void eventsComeInOrderBehindACursor() throws Exception {
        put("eventful", "{}");
        for (String hold : new String[] {"a", "b", "c"}) {
            hold("PUT", "eventful", hold, "{\"reason\": \"x\"}");
        }

        Answer first = events("tenant=eventful&limit=2");
        Answer rest = events("tenant=eventful&after=" + first.body().get("next_after").asLong());

        assertThat(first.body().get("items").findValuesAsText("hold")).containsExactly("a", "b");
        assertThat(rest.body().get("items").findValuesAsText("hold")).containsExactly("c");
        assertThat(rest.body().at("/items/0/kind").asText()).isEqualTo("hold.set");
        assertThat(events("limit=0").status()).isEqualTo(400);
        assertThat(events("after=x").status()).isEqualTo(400);
    }

    @Test
    void fleetIsCountedAndTellsWhatTheJanitorSaid() throws Exception {
        put("counted", "{}");

        controller.clean().get(20, java.util.concurrent.TimeUnit.SECONDS);
        Answer fleet = send("GET /api/v1/fleet", request("/api/v1/fleet", key).GET());

        assertThat(fleet.status()).isEqualTo(200);
        assertThat(fleet.body().at("/tenants/hibernated").asLong()).isPositive();
        assertThat(fleet.body().at("/history/exact").asText()).isEqualTo("7d");
        assertThat(fleet.body().at("/janitor/last_run_at").asText()).endsWith("Z");
        assertThat(fleet.body().at("/janitor/last_report/problems")).isEmpty();
        assertThat(controller.janitor().totals().rounds()).isPositive();
    }

    /// Only a point that is looked for can be missing; a TXID may come yet.
    @Test
    void holdTakesAnyPoint() throws Exception {
        put("pointed", "{}");

        assertThat(hold("PUT", "pointed", "h", "{\"reason\": \"x\", \"from\": \"-1d\"}").code())
                .isEqualTo("POINT_NOT_FOUND");
        assertThat(hold("PUT", "pointed", "h", "{\"reason\": \"x\", \"to\": \"latest\"}").code())
                .isEqualTo("POINT_NOT_FOUND");
        assertThat(hold("PUT", "pointed", "h", "{\"reason\": \"x\", \"nearest\": \"up\"}").code())
                .isEqualTo("VALIDATION");
        assertThat(hold("PUT", "pointed", "h", "{\"reason\": \"x\", \"from\": \"9\"}").status())
                .isEqualTo(201);
    }

    @Test
    void unknownTenantIsNotFound() throws Exception {
        assertThat(get("nobody").code()).isEqualTo("TENANT_NOT_FOUND");
        assertThat(delete("nobody").code()).isEqualTo("TENANT_NOT_FOUND");
        assertThat(token("nobody", "{}").code()).isEqualTo("TENANT_NOT_FOUND");
    }

    @Test
    void listComesInPages() throws Exception {
        for (int i = 0; i < 7; i++) {
            put("page-" + i, "{\"labels\": {\"odd\": \"" + (i % 2) + "\"}}");
        }
        var seen = new TreeSet<String>();
        String cursor = "";
        int pages = 0;
        do {
            Answer page = list("prefix=page-&limit=3" + cursor);
            seen.addAll(page.body().get("items").findValuesAsText("id"));
            cursor = "&cursor=" + page.body().get("next_cursor").asText();
            pages++;
        } while (!cursor.equals("&cursor=null"));

        assertThat(pages).isEqualTo(3);
        assertThat(seen)
                .containsExactlyElementsOf(
                        IntStream.range(0, 7).mapToObj(i -> "page-" + i).toList());
        assertThat(list("prefix=page-&label=odd=1").body().get("items").findValuesAsText("id"))
                .containsExactly("page-1", "page-3", "page-5");
        assertThat(list("prefix=page-&label=odd=1,x=y").body().get("items")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "limit=0, limit must be 1 to 1000",
        "limit=1001, limit must be 1 to 1000",
        "limit=many, limit must be a number",
        "cursor=%24, cursor is not",
        "label=x, label must be key=value",
        "state=asleep, asleep"
    })
    void badQueryIsRefused(String query, String words) throws Exception {
        Answer answer = list(query);

        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.body().get("detail").textValue()).contains(words);
    }

    @Test
    void moreTokensCanBeMinted() throws Exception {
        put("minting", "{}");

        Answer reader = token("minting", "{\"read_only\": true, \"expires_in\": \"7d3h\"}");

        assertThat(reader.status()).isEqualTo(201);
        String jwt = reader.body().get("jwt").textValue();
        assertThat(tokens.verify("Bearer " + jwt).access(new TenantId("minting")))
                .contains(Access.READ);
        assertThat(tokens.verify("Bearer " + jwt).access(new TenantId("other"))).isEmpty();
        assertThat(token("minting", "{\"readonly\": true}").status()).isEqualTo(400);
        assertThat(token("minting", "{\"read_only\": 1}").status()).isEqualTo(422);
        assertThat(token("minting", "{\"expires_in\": \"0s\"}").status()).isEqualTo(422);
    }

    @Test
    void workersAreListed() throws Exception {
        Answer workers = send("GET /api/v1/workers", request("/api/v1/workers", key).GET());

        assertThat(workers.status()).isEqualTo(200);
        assertThat(workers.body().get("items")).isEmpty();
    }

    @Test
    void describedAndMountedAreTheSame() {
        var mounted =
                router.getRoutes().stream()
                        .filter(route -> route.methods() != null)
                        .filter(route -> String.valueOf(route.getPath()).startsWith("/api/v1/"))
                        .filter(route -> !route.getPath().contains("openapi"))
                        .flatMap(ApiTest::operations)
                        .collect(toCollection(TreeSet::new));

        assertThat(mounted).isEqualTo(DESCRIPTION.operations());
    }

    private static java.util.stream.Stream<String> operations(Route route) {
        return route.methods().stream()
                .map(method ->
                        method
                                + " "
                                + route.getPath()
                                        .replace(":id", "{id}")
                                        .replace(":hold", "{hold}"));
    }

    @Test
    void descriptionIsServedToAnybody() throws Exception {
        HttpResponse<String> json =
                client.send(
                        HttpRequest.newBuilder(base.resolve("/openapi.json")).build(), ofString());
        HttpResponse<String> yaml =
                client.send(
                        HttpRequest.newBuilder(base.resolve("/openapi.yaml")).build(), ofString());

        assertThat(JSON.readTree(json.body()).get("openapi").textValue()).isEqualTo("3.1.0");
        assertThat(yaml.headers().firstValue("content-type")).contains("application/yaml");
    }

    @Test
    void unknownPathsAndMethodsAreProblems() throws Exception {
        HttpResponse<String> nowhere =
                client.send(request("/api/v1/nothing", key).GET().build(), ofString());
        HttpResponse<String> method =
                client.send(request("/api/v1/workers", key).DELETE().build(), ofString());

        assertThat(nowhere.statusCode()).isEqualTo(404);
        assertThat(nowhere.headers().firstValue("content-type"))
                .contains("application/problem+json");
        assertThat(method.statusCode()).isEqualTo(405);
    }

    private static Optional<Access> access(Answer answer, String tenant) {
        String jwt = answer.body().at("/token/jwt").textValue();
        return tokens.verify("Bearer " + jwt).access(new TenantId(tenant));
    }

    private Answer put(String id, String body) throws Exception {
        return send(
                "PUT /api/v1/tenants/{id}",
                request("/api/v1/tenants/" + id, key).PUT(BodyPublishers.ofString(body)));
    }

    private Answer post(String body, @Nullable String idempotencyKey) throws Exception {
        var request = request("/api/v1/tenants", key).POST(BodyPublishers.ofString(body));
        if (idempotencyKey != null) {
            request.header("idempotency-key", idempotencyKey);
        }
        return send("POST /api/v1/tenants", request);
    }

    private Answer patch(String id, String body, @Nullable String etag) throws Exception {
        var request =
                request("/api/v1/tenants/" + id, key)
                        .method("PATCH", BodyPublishers.ofString(body));
        return send(
                "PATCH /api/v1/tenants/{id}",
                etag == null ? request : request.header("if-match", etag));
    }

    private Answer events(String query) throws Exception {
        return send("GET /api/v1/events", request("/api/v1/events?" + query, key).GET());
    }

    private Answer get(String id) throws Exception {
        return send("GET /api/v1/tenants/{id}", request("/api/v1/tenants/" + id, key).GET());
    }

    private Answer delete(String id) throws Exception {
        return send("DELETE /api/v1/tenants/{id}", request("/api/v1/tenants/" + id, key).DELETE());
    }

    /// @param hold empty for all of them
    private Answer hold(String verb, String id, String hold, @Nullable String body)
            throws Exception {
        String path = "/api/v1/tenants/" + id + "/holds" + (hold.isEmpty() ? "" : "/" + hold);
        return send(
                verb + " /api/v1/tenants/{id}/holds" + (hold.isEmpty() ? "" : "/{hold}"),
                request(path, key)
                        .method(
                                verb,
                                body == null
                                        ? BodyPublishers.noBody()
                                        : BodyPublishers.ofString(body)));
    }

    private Answer receipt(String id) throws Exception {
        return send(
                "GET /api/v1/tenants/{id}/receipt",
                request("/api/v1/tenants/" + id + "/receipt", key).GET());
    }

    private Answer token(String id, String body) throws Exception {
        return send(
                "POST /api/v1/tenants/{id}/tokens",
                request("/api/v1/tenants/" + id + "/tokens", key)
                        .POST(BodyPublishers.ofString(body)));
    }

    private Answer list(String query) throws Exception {
        return send("GET /api/v1/tenants", request("/api/v1/tenants?" + query, key).GET());
    }

    private static HttpRequest.Builder request(String path, String key) {
        return HttpRequest.newBuilder(URI.create(base + path))
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
                .as("%s %d %s", operation, http.statusCode(), http.body())
                .isEmpty();
        return new Answer(http.statusCode(), http, body);
    }
}
