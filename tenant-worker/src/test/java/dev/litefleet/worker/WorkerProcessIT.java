package dev.litefleet.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.service.Keys;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.S3FaultServer.Fault;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Registration;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// `litefleet worker` as a process of its own: what it prints, when it ends, and how.
final class WorkerProcessIT {
    private static final Pattern READY =
            Pattern.compile(
                    "litefleet worker w-1 ready \\[address=http://127\\.0\\.0\\.1:[0-9]+,"
                            + " session=([0-9A-Z]{26})\\]");

    /// HotSpot's; the same as a fenced worker's, and a supervisor does the same about it.
    private static final int EXIT_ON_OUT_OF_MEMORY = 3;

    @TempDir Path folder;
    private Keys keys;
    private ScriptedController controller;
    private Process process;
    private BufferedReader out;
    private String session;
    private @Nullable String store; // null for a folder

    @BeforeEach
    void prepare() {
        keys = Keys.open(folder.resolve("secrets"), new SecureRandom());
        controller = new ScriptedController(keys);
    }

    @AfterEach
    void end() {
        if (process != null) {
            process.destroyForcibly();
        }
        controller.close();
    }

    @Test
    void closedParentPipeStopsItAndItReleases() throws Exception {
        start("--parent-pipe");
        String worker = controller.registrations.take().address();
        assertThat(controller.assign(worker, session, "acme").accepted()).isTrue();

        process.getOutputStream().close();

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(controller.releases).extracting("tenant").containsExactly("acme");
    }

    @Test
    void terminatedItExitsWith0() throws Exception {
        start();

        process.destroy();

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
    }

    @Test
    void fencedItExitsWith3() throws Exception {
        start();
        try (ObjectStore store = store()) {
            Fence.close(
                    store,
                    new LogName("w-1", new SessionId(session)),
                    Slot.FIRST,
                    "test",
                    2,
                    new ThreadTasks(),
                    new SplittableRandom(1));
        }

        controller.status = HeartbeatReply.CLOSED;

        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(3);
    }

    @Test
    void killedAndRestartedItNamesTheDeadSession() throws Exception {
        start();
        controller.registrations.take();
        String dead = session;
        process.destroyForcibly().waitFor();

        start();

        assertThat(controller.registrations.take().previousSession()).isEqualTo(dead);
    }

    /// Answers that wait for the store hold their rows in memory, so a store that is silent and
    /// readers that ask for much are too much for a small heap. Nobody goes on in a process of
    /// which some thread has failed somewhere: it ends, and what it had acknowledged is in the
    /// history.
    @Test
    void memoryThatRunsOutEndsTheProcessAndLosesNothing() throws Exception {
        try (var server = S3FaultServer.start();
                ObjectStore bucket = server.url("fleet").open(S3FaultServer.CREDENTIALS);
                HttpClient http = HttpClient.newHttpClient()) {
            store = server.url("fleet").toString();
            // As `litefleet` starts its workers.
            start(List.of("-Xmx96m", "-XX:+ExitOnOutOfMemoryError"));
            String worker = controller.registrations.take().address();
            assertThat(controller.assign(worker, session, "acme").accepted()).isTrue();
            assertThat(execute(http, worker, "create table t(x)").get().statusCode())
                    .isEqualTo(200);
            for (int i = 0; i < 20; i++) {
                var inserted = execute(http, worker, "insert into t values (" + i + ")").get();
                assertThat(inserted.statusCode()).isEqualTo(200);
            }
            server.next("PUT", new Fault.Refuse(503, "SlowDown"), Integer.MAX_VALUE);
            execute(http, worker, "insert into t values ('never acknowledged')");
            for (int i = 0; i < 60; i++) {
                execute(
                        http,
                        worker,
                        "select hex(randomblob(490000)) from json_each('[1,2,3,4,5,6,7,8,9,10]')");
            }

            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(EXIT_ON_OUT_OF_MEMORY);

            server.calm();
            String dead = session;
            Txid last = takeOver(bucket, dead);
            start(List.of());
            Registration again = controller.registrations.take();
            assertThat(again.previousSession()).isEqualTo(dead);
            Assignment first = controller.assignment(session, "acme", 2, Assignment.SYNC);
            assertThat(
                            controller
                                    .assign(
                                            again.address(),
                                            new Assignment(
                                                    first.tenant(),
                                                    first.lineage(),
                                                    session,
                                                    2,
                                                    first.epoch(),
                                                    last.toString(),
                                                    dead,
                                                    Assignment.SYNC,
                                                    first.quotas(),
                                                    1))
                                    .accepted())
                    .isTrue();
            assertThat(
                            execute(
                                            http,
                                            again.address(),
                                            "select 'rows ' || count(*) from t where x < 20")
                                    .get()
                                    .body())
                    .contains("rows 20");
        }
    }

    /// What a controller does about a session that is dead.
    private Txid takeOver(ObjectStore bucket, String dead) throws IOException {
        var log = new LogName("w-1", new SessionId(dead));
        var tasks = new ThreadTasks();
        Fence.Closed closed =
                Fence.close(bucket, log, Slot.FIRST, "test", 2, tasks, new SplittableRandom(1));
        Map<TenantKey, Txid> coverage =
                Recovery.recover(
                                bucket,
                                log,
                                closed,
                                Files.createDirectories(folder.resolve("recovery")),
                                tasks)
                        .coverage();
        return coverage.values().iterator().next();
    }

    private CompletableFuture<HttpResponse<String>> execute(
            HttpClient http, String worker, String sql) {
        String body =
                new JsonObject()
                        .put(
                                "requests",
                                new JsonArray()
                                        .add(
                                                new JsonObject()
                                                        .put("type", "execute")
                                                        .put(
                                                                "stmt",
                                                                new JsonObject().put("sql", sql))))
                        .encode();
        return http.sendAsync(
                HttpRequest.newBuilder(URI.create(worker + "/t/acme/v3/pipeline"))
                        .header("authorization", "Bearer " + token())
                        .POST(BodyPublishers.ofString(body))
                        .build(),
                BodyHandlers.ofString());
    }

    private String token() {
        Vertx vertx = Vertx.vertx();
        try {
            var mine = new JsonObject().put("ns", new JsonArray().add("acme"));
            return keys.signer(vertx)
                    .sign(
                            new JsonObject()
                                    .put("p", new JsonObject().put("rw", mine))
                                    .put("gen", 1));
        } finally {
            vertx.close().await();
        }
    }

    @Test
    void badSettingsExitWith2() {
        assertThat(execute("--name", "W_1")).isEqualTo(2);
        assertThat(execute("--name", "w-1", "--set", "log.lingr=1s")).isEqualTo(2);
        assertThat(execute("--name", "w-1", "--store", "ftp://x")).isEqualTo(2);
        assertThat(execute("--name", "w-1", "--secrets", folder.resolve("none").toString()))
                .isEqualTo(2);
        assertThat(execute()).isEqualTo(2);
    }

    private int execute(String... more) {
        var arguments = new ArrayList<>(List.of(more));
        for (String[] one :
                new String[][] {
                    {"--data", folder.toString()},
                    {"--store", "file://" + folder.resolve("store")},
                    {"--controller", controller.url().toString()},
                    {"--secrets", folder.resolve("secrets").toString()}
                }) {
            if (!arguments.contains(one[0])) {
                arguments.addAll(List.of(one));
            }
        }
        return new CommandLine(new WorkerCommand()).execute(arguments.toArray(String[]::new));
    }

    private void start(String... more) throws IOException {
        start(List.of(), more);
    }

    /// @param flags of the JVM
    private void start(List<String> flags, String... more) throws IOException {
        var command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-Xmx128m",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC"));
        command.addAll(flags);
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        WorkerCommand.class.getName(),
                        "--name",
                        "w-1",
                        "--data",
                        folder.toString(),
                        "--store",
                        store == null ? "file://" + folder.resolve("store") : store,
                        "--controller",
                        controller.url().toString(),
                        "--secrets",
                        folder.resolve("secrets").toString()));
        command.addAll(List.of(more));
        var builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("AWS_ACCESS_KEY_ID", S3FaultServer.CREDENTIALS.accessKey());
        builder.environment().put("AWS_SECRET_ACCESS_KEY", S3FaultServer.CREDENTIALS.secretKey());
        process = builder.start();
        out = process.inputReader(StandardCharsets.UTF_8);
        var seen = new ArrayList<String>();
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            Matcher ready = READY.matcher(line);
            if (ready.matches()) {
                session = ready.group(1);
                return;
            }
            seen.add(line);
        }
        throw new AssertionError("never ready: " + seen);
    }

    private ObjectStore store() {
        return StoreUrl.parse("file://" + folder.resolve("store")).open();
    }
}
