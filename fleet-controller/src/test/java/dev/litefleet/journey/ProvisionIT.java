package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.journey.LocalFleet.Tenant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The first journey: one request provisions a tenant, and every libSQL client works with it as it
/// is. Real processes, real clients.
final class ProvisionIT {
    @TempDir static Path dir;
    private static LocalFleet fleet;

    @BeforeAll
    static void up() {
        fleet = LocalFleet.start(dir.resolve("data"), Map.of());
    }

    @AfterAll
    static void down() throws Exception {
        fleet.close();
    }

    @Test
    void oneRequestProvisionsATenantThatIsUsableAtOnce() throws Exception {
        var answer =
                fleet.api("PUT", "/api/v1/tenants/agent-1", "{\"labels\":{\"customer\":\"acme\"}}");

        assertThat(answer.statusCode()).isEqualTo(201);
        JsonNode json = LocalFleet.JSON.readTree(answer.body());
        assertThat(json.path("url").asText()).endsWith("/t/agent-1/");
        assertThat(json.path("durability").asText()).isEqualTo("sync");
        assertThat(json.path("state").asText()).isNotEmpty();
        assertThat(json.has("worker")).isTrue();
        var tenant =
                new Tenant(
                        "agent-1",
                        json.path("url").asText(),
                        json.path("token").path("jwt").asText());
        assertThat(fleet.execute(tenant, "create table t(x)").ok()).isTrue();
        var insert = fleet.execute(tenant, "insert into t values (?)", "hello");
        assertThat(insert.txid()).contains("0000000000000002");
        assertThat(fleet.execute(tenant, "select x from t").rows())
                .containsExactly(java.util.List.of("hello"));
    }

    @Test
    void unmodifiedLibsqlClientWorks() throws Exception {
        Tenant tenant = fleet.provision("libsql");

        String printed = NodeClients.run("libsql.mjs", tenant.url(), tenant.token());

        assertThat(printed.lines())
                .containsExactly(
                        "execute",
                        "batch",
                        "interactive transaction",
                        "blob",
                        "64-bit integer",
                        "sequence, migration, errors");
    }

    @Test
    void unmodifiedServerlessDriverWorks() throws Exception {
        Tenant tenant = fleet.provision("serverless");

        String printed = NodeClients.run("serverless.mjs", tenant.url(), tenant.token());

        assertThat(printed.lines()).containsExactly("prepare, run, all", "batch");
    }

    /// The black-box suite of the project's shared folder, which is not part of this repository.
    @Test
    void hranaConformanceSuiteFailsNoMust() throws Exception {
        Path suite =
                Path.of("..", "..", "shared", "conformance", "hrana-check.mjs")
                        .toAbsolutePath()
                        .normalize();
        if (!Files.exists(suite)) {
            System.out.println("skipped: hrana-check.mjs is not at " + suite);
        }
        assumeThat(suite).exists();
        Tenant tenant = fleet.provision("hrana-check");

        System.out.println(NodeClients.node(suite, tenant.url(), tenant.token()));
    }

    @Test
    void tokenOfOneTenantOpensNoOther() throws Exception {
        Tenant mine = fleet.provision("mine");
        Tenant theirs = fleet.provision("theirs");

        var answer = fleet.execute(new Tenant("theirs", theirs.url(), mine.token()), "select 1");

        assertThat(answer.status()).isEqualTo(403);
        assertThat(fleet.execute(new Tenant("mine", mine.url(), "x"), "select 1").status())
                .isEqualTo(401);
    }

    @Test
    void deletedTenantIsGoneForEver() throws Exception {
        Tenant tenant = fleet.provision("doomed");
        assertThat(fleet.execute(tenant, "create table t(x)").ok()).isTrue();

        assertThat(fleet.api("DELETE", "/api/v1/tenants/doomed", "").statusCode()).isEqualTo(200);

        assertThat(fleet.execute(tenant, "select 1").status()).isEqualTo(410);
        assertThat(fleet.api("PUT", "/api/v1/tenants/doomed", "{}").statusCode()).isEqualTo(410);
        assertThat(fleet.api("GET", "/api/v1/tenants/doomed", "").statusCode()).isEqualTo(410);
    }

    @Test
    void listingPagesThroughTenantsByPrefixAndLabel() throws Exception {
        for (int i = 0; i < 5; i++) {
            fleet.provision("list-" + i, "{\"labels\":{\"n\":\"" + i % 2 + "\"}}");
        }

        JsonNode first = json("/api/v1/tenants?prefix=list-&limit=3");
        JsonNode second =
                json(
                        "/api/v1/tenants?prefix=list-&limit=3&cursor="
                                + first.path("next_cursor").asText());

        assertThat(first.path("items").findValuesAsText("id"))
                .containsExactly("list-0", "list-1", "list-2");
        assertThat(second.path("items").findValuesAsText("id")).containsExactly("list-3", "list-4");
        assertThat(second.path("next_cursor").isNull()).isTrue();
        assertThat(
                        json("/api/v1/tenants?prefix=list-&label=n=1")
                                .path("items")
                                .findValuesAsText("id"))
                .containsExactly("list-1", "list-3");
    }

    private static JsonNode json(String path) throws Exception {
        var answer = fleet.api("GET", path, "");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return LocalFleet.JSON.readTree(answer.body());
    }
}
