package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// A real `litefleet up` with real worker processes, driven from outside over HTTP and signals.
final class LocalFleet implements AutoCloseable {
    static final ObjectMapper JSON = new ObjectMapper();

    private static final Duration READY_MAX = Duration.ofSeconds(60);

    /// A provisioned tenant as the API answered.
    record Tenant(String id, String url, String token) {}

    /// What a pipeline answered.
    ///
    /// @param txid of the header `litefleet-txid`, empty if there was none
    record Answer(int status, String body, Optional<String> txid, Optional<String> durableTxid) {
        /// Whether all that it could have seen is in the store.
        boolean durable() {
            return txid.isPresent() && durableTxid.equals(txid);
        }

        JsonNode json() {
            try {
                return JSON.readTree(body);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /// Whether the whole request and its first statement succeeded.
        boolean ok() {
            return status == 200
                    && json().path("results").path(0).path("type").asText().equals("ok");
        }

        /// The stable code of what went wrong, of the first statement or of the whole request;
        /// empty if nothing did.
        String code() {
            JsonNode first = json().path("results").path(0).path("error").path("code");
            return first.asText(json().path("code").asText(""));
        }

        List<List<String>> rows() {
            var rows = new ArrayList<List<String>>();
            for (JsonNode row :
                    json().path("results").path(0).path("response").path("result").path("rows")) {
                var cells = new ArrayList<String>();
                row.forEach(cell -> cells.add(cell.path("value").asText()));
                rows.add(cells);
            }
            return rows;
        }
    }

    private final List<String> java;
    private final Path data;
    private final int port;
    private final Map<String, String> environment;
    private final List<String> options;
    private final FleetClient client;
    private Process up;

    private LocalFleet(
            List<String> java, Path data, Map<String, String> environment, List<String> options) {
        this.java = java;
        this.data = data;
        this.port = freePort();
        this.environment = environment;
        this.options = options;
        this.client = new FleetClient(base(), data.resolve("admin.key"));
        this.up = spawn();
    }

    /// Starts a fleet and waits until it is ready.
    ///
    /// @param options of `up` beyond data folder and port
    static LocalFleet start(Path data, Map<String, String> environment, String... options) {
        return startBy(Jvm.command("-Xmx512m"), data, environment, options);
    }

    /// @param java as [Jvm#command] answers
    static LocalFleet startBy(
            List<String> java, Path data, Map<String, String> environment, String... options) {
        var fleet = new LocalFleet(java, data, environment, List.of(options));
        fleet.awaitReady();
        return fleet;
    }

    boolean running() {
        return up.isAlive();
    }

    /// Starts it again on the same folder and port, after [#kill] or [#stop].
    void restart() {
        up = spawn();
        awaitReady();
    }

    private Process spawn() {
        var command = new ArrayList<>(java);
        command.addAll(List.of("up", "--data", data.toString(), "--port", String.valueOf(port)));
        command.addAll(options);
        try {
            Files.createDirectories(data);
            var builder =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.appendTo(upLogFile().toFile()));
            builder.environment().putAll(environment);
            return builder.start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void awaitReady() {
        await("litefleet up: " + upLogFile())
                .atMost(READY_MAX)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> {
                    if (!up.isAlive()) {
                        throw new IllegalStateException("up ended: " + log());
                    }
                    return ready();
                });
    }

    /// All workers have registered: `up` has printed where it is.
    private boolean ready() throws Exception {
        try {
            return get("/readyz").statusCode() == 200 && log().contains("  try   curl");
        } catch (IOException _) {
            return false;
        }
    }

    private Path upLogFile() {
        return data.resolve("up.log");
    }

    /// What `up` printed so far.
    String log() {
        try {
            return Files.readString(upLogFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path data() {
        return data;
    }

    int port() {
        return port;
    }

    String base() {
        return "http://127.0.0.1:" + port;
    }

    String adminKey() {
        return client.adminKey();
    }

    FleetClient client() {
        return client;
    }

    Tenant provision(String id) throws Exception {
        return provision(id, "{}");
    }

    Tenant provision(String id, String body) throws Exception {
        return client.provision(id, body);
    }

    HttpResponse<String> api(String method, String path, String body) throws Exception {
        return client.api(method, path, body);
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return client.get(path);
    }

    /// One autocommit statement by a stateless pipeline.
    Answer execute(Tenant tenant, String sql, String... textArgs)
            throws IOException, InterruptedException {
        return client.execute(tenant, sql, textArgs);
    }

    /// `up` and its workers.
    List<ProcessHandle> processes() {
        return Stream.concat(Stream.of(up.toHandle()), up.descendants()).toList();
    }

    /// The process of a worker, found by its name in the command line.
    ProcessHandle worker(String name) {
        return up.descendants()
                .filter(process -> commandLine(process).contains(" --name " + name + " "))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no process of " + name));
    }

    private static String commandLine(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc/" + process.pid() + "/cmdline"))
                    .replace('\0', ' ');
        } catch (IOException _) {
            return "";
        }
    }

    /// Sends a signal as a person would.
    static void signal(ProcessHandle process, String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid()))
                .inheritIO()
                .start()
                .waitFor();
    }

    /// `kill -9` for `up` and every worker.
    void killEverything() throws Exception {
        List<ProcessHandle> all = up.descendants().toList();
        up.destroyForcibly();
        all.forEach(ProcessHandle::destroyForcibly);
        up.waitFor();
        for (ProcessHandle process : all) {
            process.onExit().get(20, TimeUnit.SECONDS);
        }
    }

    /// `kill -9` for `up` alone: its workers must leave by themselves.
    void killUpOnly() throws Exception {
        List<ProcessHandle> workers = up.descendants().toList();
        up.destroyForcibly();
        up.waitFor();
        for (ProcessHandle worker : workers) {
            worker.onExit().get(60, TimeUnit.SECONDS);
        }
    }

    /// SIGINT; returns the exit code.
    int stop() throws Exception {
        signal(up.toHandle(), "INT");
        assertThat(up.waitFor(90, TimeUnit.SECONDS)).as("up stops: " + log()).isTrue();
        return up.exitValue();
    }

    static void deleteFolder(Path folder) throws IOException {
        // A folder that is not there would make a test of its loss vacuous.
        assertThat(folder).isDirectory();
        try (var files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }

    static int freePort() {
        // Two neighbouring ports are needed; one that is free now is free enough for a test.
        for (int attempt = 0; attempt < 50; attempt++) {
            try (var first = new ServerSocket(0)) {
                int port = first.getLocalPort();
                try (var _ = new ServerSocket(port + 1)) {
                    return port;
                } catch (IOException | IllegalArgumentException _) {
                    continue;
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        throw new IllegalStateException("no two free ports");
    }

    @Override
    public void close() throws Exception {
        if (up.isAlive()) {
            killEverything();
        }
    }

    static Map<String, String> s3Credentials(String accessKey, String secretKey) {
        var environment = new HashMap<String, String>();
        environment.put("AWS_ACCESS_KEY_ID", accessKey);
        environment.put("AWS_SECRET_ACCESS_KEY", secretKey);
        environment.put("AWS_REGION", "us-east-1");
        return environment;
    }
}
