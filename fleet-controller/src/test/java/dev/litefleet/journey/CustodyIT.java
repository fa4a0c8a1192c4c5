package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.litefleet.cli.Litefleet;
import dev.litefleet.controller.Controller;
import dev.litefleet.controller.ControllerConfig;
import dev.litefleet.controller.RetentionConfig;
import dev.litefleet.controller.Start;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.service.Keys;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What people do with other people's databases, by the commands they have: fork, restore in place,
/// hold, delete, import, adopt, eject, verify; and the janitor, forty days later.
final class CustodyIT {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Ran(int code, String out, String err) {
        JsonNode json() throws IOException {
            return JSON.readTree(out);
        }
    }

    @TempDir Path folder;

    @Test
    void databasesAreForkedRestoredHeldImportedAdoptedEjectedAndErased() throws Exception {
        Path data = folder.resolve("data");
        Sqlite.load(folder.resolve("lib"));
        try (LocalFleet fleet = LocalFleet.start(data, java.util.Map.of(), "--workers", "1")) {
            JsonNode made = ok(run(data, "tenant", "create", "acme", "-o", "json")).json();
            var acme =
                    new Tenant("acme", made.path("url").asText(), made.at("/token/jwt").asText());
            fleet.execute(acme, "create table t (x)");
            for (int i = 2; i <= 6; i++) {
                assertThat(fleet.execute(acme, "insert into t values (?)", "v" + i).ok()).isTrue();
            }

            // A fork at a point, with a token that works.
            JsonNode fork = ok(run(data, "tenant", "fork", "acme@3", "copy", "-o", "json")).json();
            var copy =
                    new Tenant("copy", fork.path("url").asText(), fork.at("/token/jwt").asText());
            assertThat(rows(fleet, copy)).containsExactly("v2", "v3");
            assertThat(run(data, "tenant", "fork", "acme@ff", "late").code()).isEqualTo(3);

            // Restore in place, and what was replaced stays addressable.
            assertThat(run(data, "tenant", "restore", "acme@4").code()).isEqualTo(2);
            Ran restored = ok(run(data, "tenant", "restore", "acme@4", "--yes"));
            assertThat(restored.out()).contains("restored as @7; the state before it is @6");
            assertThat(rows(fleet, acme)).containsExactly("v2", "v3", "v4");
            fleet.execute(acme, "insert into t values ('after')");
            assertThat(observed(data, "acme@6")).isEqualTo("5");
            assertThat(observed(data, "acme")).isEqualTo("4");
            Ran verified = ok(observe(data, "verify", "acme"));
            assertThat(verified.out().lines().filter(line -> line.startsWith("ok"))).hasSize(2);
            assertThat(verified.out()).contains("(ended with txn 6)");

            // A held tenant is not deleted; a deleted one has a receipt.
            ok(
                    run(
                            data,
                            "tenant",
                            "hold",
                            "set",
                            "copy",
                            "inc-1",
                            "--reason",
                            "INC-1",
                            "--to",
                            "latest",
                            "--for",
                            "90d"));
            Ran refused = run(data, "tenant", "delete", "copy", "--yes");
            assertThat(refused.code()).isEqualTo(5);
            assertThat(refused.err()).contains("held by inc-1: INC-1").contains("HELD");
            Tenant gone = fleet.provision("gone");
            fleet.execute(gone, "create table t (x)");
            ok(run(data, "tenant", "delete", "gone", "--yes"));
            assertThat(ok(run(data, "tenant", "receipt", "gone")).out()).contains("gone  eras");
            assertThat(run(data, "tenant", "get", "gone").code()).isEqualTo(3);

            // Operations are listed, told about, and over.
            JsonNode operations = ok(run(data, "op", "list", "-o", "json")).json();
            assertThat(operations.findValuesAsText("kind")).contains("fork", "restore");
            String id = operations.get(0).path("id").asText();
            assertThat(ok(run(data, "op", "events", id)).out()).contains("operation.succeeded");
            assertThat(run(data, "op", "cancel", id).code()).isEqualTo(5);

            importAndAdopt(data, fleet);
        }
        damagedLineageIsNoticed(data);
        janitorDeletesWhatNobodyNeeds(data);
        ejectedFolderIsALitestreamReplica(data);
    }

    private void importAndAdopt(Path data, LocalFleet fleet) throws Exception {
        Path file = folder.resolve("mine.db");
        Sqlite.create(file, 4096);
        try (var watchdog = new Watchdog(System::nanoTime);
                var connection =
                        Sqlite.database(file, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.READ_WRITE)) {
            connection.exec(
                    "create table t (x); insert into t values ('mine'), (randomblob(9999))");
        }
        Files.write(folder.resolve("mine.db-wal"), new byte[32]);
        assertThat(run(data, "tenant", "import", file.toString(), "mine").code()).isEqualTo(5);
        Files.delete(folder.resolve("mine.db-wal"));
        JsonNode made =
                ok(run(data, "tenant", "import", file.toString(), "mine", "-o", "json")).json();
        var mine = new Tenant("mine", made.path("url").asText(), made.at("/token/jwt").asText());
        assertThat(rows(fleet, mine)).hasSize(2).contains("mine");
        assertThat(run(data, "tenant", "import", file.toString(), "mine").code()).isEqualTo(5);

        // A replica that the real Litestream has made, where it is installed; else our own.
        Path replica = folder.resolve("replica");
        if (System.getenv("LITEFLEET_TEST_LITESTREAM") != null) {
            replicate(file, replica);
        } else {
            ok(observe(data, "eject", "mine", "-o", folder.resolve("again").toString()));
            replica = folder.resolve("again/mine");
        }
        made = ok(run(data, "tenant", "adopt", replica.toString(), "adopted", "-o", "json")).json();
        var adopted =
                new Tenant("adopted", made.path("url").asText(), made.at("/token/jwt").asText());
        assertThat(rows(fleet, adopted)).hasSize(2).contains("mine");
        Path nothing = Files.createDirectories(folder.resolve("nothing"));
        Ran none = run(data, "tenant", "adopt", nothing.toString(), "other");
        assertThat(none.code()).isEqualTo(3);
        assertThat(none.err()).contains("no replica lies at");
    }

    /// The real program, until it has written something.
    private void replicate(Path file, Path replica) throws Exception {
        Path config = folder.resolve("litestream.yml");
        Files.writeString(
                config,
                """
                dbs:
                  - path: %s
                    replica: {type: file, path: %s}
                """
                        .formatted(file, replica));
        Process litestream =
                new ProcessBuilder(
                                System.getenv("LITEFLEET_TEST_LITESTREAM"),
                                "replicate",
                                "-config",
                                config.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("litestream.log").toFile())
                        .start();
        try {
            await().atMost(Duration.ofSeconds(30)).until(() -> !objects(replica).isEmpty());
            // So that what it has begun to write is whole.
            litestream.destroy();
            assertThat(litestream.waitFor(20, TimeUnit.SECONDS)).isTrue();
        } finally {
            litestream.destroyForcibly();
        }
    }

    /// Of a lineage that a restore has ended, too.
    private void damagedLineageIsNoticed(Path data) throws Exception {
        JsonNode lineages = ok(observe(data, "verify", "acme", "-o", "json")).json();
        String ended = lineages.get(0).path("lineage").asText();
        assertThat(lineages.get(0).path("current").asBoolean()).isFalse();
        Path object =
                objects(data.resolve("store/tenants/acme/" + ended)).stream()
                        .filter(path -> path.toString().endsWith(".ltx"))
                        .findFirst()
                        .orElseThrow();
        byte[] good = Files.readAllBytes(object);
        byte[] bad = good.clone();
        bad[bad.length / 2] ^= 1;
        replace(object, bad);

        Ran damaged = observe(data, "verify", "acme");

        assertThat(damaged.code()).as(damaged.out()).isEqualTo(8);
        assertThat(damaged.out()).contains("BAD  acme  lineage " + ended).contains("CORRUPT");
        replace(object, good);
        ok(observe(data, "verify", "--all"));
    }

    /// Objects are read-only in the store.
    private static void replace(Path object, byte[] bytes) throws IOException {
        Files.delete(object);
        Files.write(object, bytes);
    }

    /// Forty days later, by a real controller on what those processes left: the objects have the
    /// age that they would have then.
    private void janitorDeletesWhatNobodyNeeds(Path data) throws Exception {
        Path stored = data.resolve("store");
        var random = new SecureRandom();
        Vertx vertx = Vertx.vertx();
        try (ObjectStore store = StoreUrl.of(stored).open()) {
            var config =
                    ControllerConfig.of(
                                    folder.resolve("controller"),
                                    "127.0.0.1",
                                    0,
                                    Optional.of(Files.readString(data.resolve("node")).trim()))
                            .withRetention(
                                    new RetentionConfig(
                                            HistoryWindows.DEFAULT,
                                            RetentionConfig.EVERY,
                                            Duration.ofSeconds(1),
                                            Optional.empty()));
            var started =
                    (Start.Serving)
                            Controller.start(
                                    config,
                                    store,
                                    Keys.open(data.resolve("secrets"), random),
                                    vertx,
                                    new ThreadTasks(),
                                    InstantSource.system(),
                                    random,
                                    end -> {});
            try (Controller controller = started.controller()) {
                // The worker's session is fenced, recovered and closed.
                await().atMost(Duration.ofSeconds(60))
                        .until(() -> controller.workers().join().isEmpty());
                // What was deleted has its receipt, without the wait for requests signed before.
                await().atMost(Duration.ofSeconds(60))
                        .until(() ->
                                controller
                                                .erasure(new TenantId("gone"))
                                                .join()
                                                .orElseThrow()
                                                .receipt()
                                        != null);
                FileTime longAgo =
                        FileTime.from(InstantSource.system().instant().minus(Duration.ofDays(40)));
                for (Path object : objects(stored)) {
                    Files.setLastModifiedTime(object, longAgo);
                }
                int segments = objects(stored.resolve("log/w-1")).size();
                long planned = controller.clean().get(60, TimeUnit.SECONDS).planned();
                assertThat(planned).isPositive();
                var second = controller.clean().get(60, TimeUnit.SECONDS);
                assertThat(second.erased().objects()).isPositive();
                assertThat(second.problems()).isEmpty();
                assertThat(objects(stored.resolve("log/w-1"))).hasSizeLessThan(segments);
                assertThat(controller.janitor().totals().objects()).isPositive();
            }
        } finally {
            vertx.close().await();
        }
        // Every state that is promised is there, and nothing that went is called a loss.
        ok(observe(data, "verify", "--all"));
        assertThat(observed(data, "acme")).isEqualTo("4");
        assertThat(observed(data, "copy")).isEqualTo("2");
    }

    private void ejectedFolderIsALitestreamReplica(Path data) throws Exception {
        Path out = folder.resolve("out");
        ok(observe(data, "eject", "acme", "-o", out.toString()));
        String litestream = System.getenv("LITEFLEET_TEST_LITESTREAM");
        assumeTrue(litestream != null, "LITEFLEET_TEST_LITESTREAM is not set");
        Path restored = folder.resolve("restored.db");
        Process process =
                new ProcessBuilder(
                                litestream,
                                "restore",
                                "-o",
                                restored.toString(),
                                "file://" + out.resolve("acme"))
                        .redirectErrorStream(true)
                        .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
        assertThat(restored).hasSameBinaryContentAs(out.resolve("acme.db"));
    }

    private static List<Path> objects(Path root) throws IOException {
        if (!Files.exists(root)) {
            return List.of();
        }
        try (var files = Files.walk(root)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    private static List<String> rows(LocalFleet fleet, Tenant tenant) throws Exception {
        LocalFleet.Answer answer = fleet.execute(tenant, "select x from t order by rowid");
        assertThat(answer.ok()).as(answer.body()).isTrue();
        return answer.rows().stream().map(List::getFirst).toList();
    }

    /// How many rows there are.
    private String observed(Path data, String tenantAt) throws Exception {
        return ok(observe(data, "query", tenantAt, "select count(*) n from t", "-o", "csv"))
                .out()
                .lines()
                .toList()
                .get(1);
    }

    private Ran observe(Path data, String... arguments) throws Exception {
        var all = new ArrayList<>(List.of("observe"));
        all.addAll(List.of(arguments));
        all.addAll(List.of("--store", StoreUrl.of(data.resolve("store")).toString()));
        return run(all);
    }

    private Ran run(Path data, String... arguments) throws Exception {
        var all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--data", data.toString()));
        return run(all);
    }

    /// The program as a shell runs it, but in this process: a start of Java for each would be most
    /// of the test.
    private Ran run(List<String> arguments) {
        var out = new java.io.StringWriter();
        var err = new java.io.StringWriter();
        int code =
                Litefleet.run(
                        new java.io.PrintWriter(out), new java.io.PrintWriter(err), arguments);
        return new Ran(code, out.toString(), err.toString());
    }

    private static Ran ok(Ran ran) {
        assertThat(ran.code()).as(ran.out() + ran.err()).isZero();
        return ran;
    }
}
