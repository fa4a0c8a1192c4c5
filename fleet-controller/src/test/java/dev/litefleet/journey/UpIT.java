package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.cli.Litefleet;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.testing.S3FaultServer;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// `litefleet up` as a process: starting, stopping, dying, and starting elsewhere.
final class UpIT {
    @TempDir static Path home;
    private static LocalFleet fleet;

    @TempDir Path dir;

    @BeforeAll
    static void up() {
        fleet = LocalFleet.start(home.resolve("data"), Map.of());
    }

    @AfterAll
    static void down() throws Exception {
        fleet.close();
    }

    /// Whatever the test before has left of it.
    @BeforeEach
    void running() {
        if (!fleet.running()) {
            fleet.restart();
        }
    }

    @Test
    void interruptDrainsAndExitsZeroAndEverythingIsThereAgain() throws Exception {
        Tenant tenant = written(fleet, "interrupted");

        assertThat(fleet.stop()).isZero();
        fleet.restart();

        assertThat(fleet.execute(tenant, "select x from t").rows())
                .containsExactly(List.of("kept"));
    }

    @Test
    void killedUpLeavesNoOrphanAndEverythingIsThereAgain() throws Exception {
        Tenant tenant = written(fleet, "orphans");

        fleet.killUpOnly();
        fleet.restart();

        assertThat(fleet.execute(tenant, "select x from t").rows())
                .containsExactly(List.of("kept"));
    }

    @Test
    void everythingKilledAtOnceIsThereAgain() throws Exception {
        Tenant tenant = written(fleet, "killed");

        fleet.killEverything();
        fleet.restart();

        assertThat(fleet.execute(tenant, "select x from t").rows())
                .containsExactly(List.of("kept"));
    }

    /// What nobody was told to open is open to this machine only, and speaks HTTP/1.1 only: the
    /// gateway, the controller's own port, and the workers.
    @Test
    void everyPortIsOnLoopbackAndSpeaksHttp1() throws Exception {
        List<ListeningSocket> ports = ListeningSocket.of(fleet.processes());

        assertThat(ports).hasSizeGreaterThanOrEqualTo(3);
        assertThat(ports).allMatch(ListeningSocket::isLoopback);
        for (ListeningSocket port : ports) {
            assertThat(port.sends("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"))
                    .as("%s", port)
                    .doesNotContain("\0");
            assertThat(
                            port.sends(
                                    "GET /nothing HTTP/1.1\r\nhost: a\r\n"
                                            + "connection: upgrade, http2-settings, close\r\n"
                                            + "upgrade: h2c\r\n"
                                            + "http2-settings: AAMAAABkAAQAAP__\r\n\r\n"))
                    .as("%s", port)
                    .startsWith("HTTP/1.1 40");
        }
    }

    /// Another machine has only the store and the secrets; old tokens and old API keys work there.
    @Test
    void storeAndSecretsAreEnoughOnAnotherMachine() throws Exception {
        Path store = dir.resolve("store");
        Tenant tenant;
        String oldKey;
        try (LocalFleet fleet =
                LocalFleet.start(
                        dir.resolve("data"), Map.of(), "--store", store.toUri().toString())) {
            tenant = written(fleet, "agent-1");
            oldKey = fleet.adminKey();
            fleet.killEverything();
        }
        Path elsewhere = dir.resolve("elsewhere");
        Files.createDirectories(elsewhere.resolve("secrets"));
        try (var secrets = Files.list(dir.resolve("data").resolve("secrets"))) {
            for (Path secret : secrets.toList()) {
                Files.copy(secret, elsewhere.resolve("secrets").resolve(secret.getFileName()));
            }
        }

        try (LocalFleet fleet =
                LocalFleet.start(elsewhere, Map.of(), "--store", store.toUri().toString())) {
            var moved =
                    new Tenant(
                            tenant.id(), fleet.base() + "/t/" + tenant.id() + "/", tenant.token());
            assertThat(fleet.execute(moved, "select x from t").rows())
                    .containsExactly(List.of("kept"));
            Files.writeString(elsewhere.resolve("admin.key"), oldKey);
            assertThat(fleet.api("GET", "/api/v1/tenants", "").statusCode()).isEqualTo(200);
        }
    }

    /// Each role signs with the keys of its own profile: who may delete need not be who serves.
    @Test
    void workersUseCredentialsOfTheirOwn() throws Exception {
        Path keys =
                Files.writeString(
                        dir.resolve("credentials"),
                        """
                        [controller]
                        aws_access_key_id = CONTROLLERKEY
                        aws_secret_access_key = s
                        [worker]
                        aws_access_key_id = WORKERKEY
                        aws_secret_access_key = s
                        """);
        try (var server = S3FaultServer.start()) {
            server.accept("CONTROLLERKEY", "");
            server.accept("WORKERKEY", "");
            String store = "s3://fleet/p?endpoint=" + server.endpoint();
            try (LocalFleet fleet =
                    LocalFleet.start(
                            dir.resolve("data"),
                            Map.of("AWS_SHARED_CREDENTIALS_FILE", keys.toString()),
                            "--workers",
                            "1",
                            "--store",
                            store + "&profile=controller",
                            "--worker-store",
                            store + "&profile=worker")) {
                Tenant tenant = written(fleet, "agent-1");
                assertThat(fleet.execute(tenant, "select x from t").ok()).isTrue();
            }

            var puts = server.requests().stream().filter(it -> it.verb().equals("PUT")).toList();
            var fields = server.fields("PUT");
            assertThat(puts).hasSameSizeAs(fields);
            for (int i = 0; i < puts.size(); i++) {
                boolean workers = puts.get(i).key().startsWith("p/log/w-1/");
                boolean controllers = puts.get(i).key().startsWith("p/log/_controller/");
                assertThat(fields.get(i).get("authorization"))
                        .as(puts.get(i).key())
                        .contains(workers ? "WORKERKEY/" : controllers ? "CONTROLLERKEY/" : "KEY/");
            }
            assertThat(puts).anyMatch(it -> it.key().startsWith("p/log/w-1/"));
        }
    }

    @Test
    void storeOfTheWorkersMustBeTheSamePlace() {
        var err = new StringWriter();
        int exit =
                new CommandLine(Litefleet.class)
                        .setErr(new PrintWriter(err))
                        .execute(
                                "up",
                                "--data",
                                dir.resolve("data").toString(),
                                "--store",
                                "s3://fleet/a",
                                "--worker-store",
                                "s3://fleet/b?profile=worker");

        assertThat(exit).isEqualTo(2);
        assertThat(err.toString()).contains("--worker-store names another place than --store");
    }

    @Test
    void secondUpOnTheSameDataDirectoryIsRefused() throws Exception {
        Path out = dir.resolve("second.log");
        var command = Jvm.command();
        command.addAll(List.of("up", "--data", fleet.data().toString()));
        command.addAll(List.of("--port", String.valueOf(fleet.port() + 10)));
        Process second =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(out.toFile())
                        .start();

        assertThat(second.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(second.exitValue()).isEqualTo(1);
        assertThat(Files.readString(out)).contains("another `litefleet up` runs on");
    }

    @Test
    void workerThatDiesIsStartedAgain() throws Exception {
        Tenant tenant = written(fleet, "worker");
        String name = workerOf(tenant);
        ProcessHandle worker = fleet.worker(name);

        worker.destroyForcibly();
        worker.onExit().join();

        await().atMost(Duration.ofSeconds(30))
                .ignoreExceptions()
                .until(() ->
                        fleet.worker(name).pid() != worker.pid()
                                && fleet.execute(tenant, "select x from t").ok());
    }

    private static String workerOf(Tenant tenant) throws Exception {
        return LocalFleet.JSON
                .readTree(fleet.api("GET", "/api/v1/tenants/" + tenant.id(), "").body())
                .path("worker")
                .asText();
    }

    private static Tenant written(LocalFleet fleet, String id) throws Exception {
        Tenant tenant = fleet.provision(id);
        assertThat(fleet.execute(tenant, "create table t(x text)").ok()).isTrue();
        assertThat(fleet.execute(tenant, "insert into t values (?)", "kept").ok()).isTrue();
        return tenant;
    }
}
