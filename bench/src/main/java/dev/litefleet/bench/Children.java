package dev.litefleet.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The processes under measurement: our fleet by its launcher, and its peers.
final class Children {
    static final ObjectMapper JSON = new ObjectMapper();
    static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private Children() {}

    /// A provisioned tenant.
    record Tenant(String id, URI pipeline, String token) {}

    /// `./litefleet up`.
    ///
    /// @param readyAfter from the start of the launcher to `/readyz`
    record Fleet(Process process, Path data, int port, Duration readyAfter)
            implements AutoCloseable {
        static Fleet start(Path home, Path data, Map<String, String> environment, String... options)
                throws IOException {
            int port = freePort();
            var command =
                    new ArrayList<>(
                            List.of(
                                    home.resolve("litefleet").toString(),
                                    "up",
                                    "--data",
                                    data.toString(),
                                    "--port",
                                    String.valueOf(port)));
            command.addAll(List.of(options));
            Files.createDirectories(data);
            var builder =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(
                                    ProcessBuilder.Redirect.appendTo(
                                            data.resolve("up.log").toFile()));
            builder.environment().putAll(environment);
            long from = System.nanoTime();
            Process process = builder.start();
            await(
                    Duration.ofSeconds(60),
                    () -> {
                        if (!process.isAlive()) {
                            throw new IllegalStateException("up ended: " + data.resolve("up.log"));
                        }
                        return ready(port);
                    });
            return new Fleet(process, data, port, Duration.ofNanos(System.nanoTime() - from));
        }

        private static boolean ready(int port) {
            try {
                return HTTP.send(
                                        HttpRequest.newBuilder(
                                                        URI.create(
                                                                "http://127.0.0.1:"
                                                                        + port
                                                                        + "/readyz"))
                                                .build(),
                                        BodyHandlers.discarding())
                                .statusCode()
                        == 200;
            } catch (IOException _) {
                return false;
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        String key() throws IOException {
            return Files.readString(data.resolve("admin.key")).trim();
        }

        JsonNode api(String method, String path, String body)
                throws IOException, InterruptedException {
            var answer =
                    HTTP.send(
                            HttpRequest.newBuilder(
                                            URI.create(
                                                    "http://127.0.0.1:" + port + "/api/v1" + path))
                                    .header("authorization", "Bearer " + key())
                                    .method(method, BodyPublishers.ofString(body))
                                    .build(),
                            BodyHandlers.ofString());
            if (answer.statusCode() / 100 != 2) {
                throw new IllegalStateException(answer.body());
            }
            return JSON.readTree(answer.body());
        }

        Tenant provision(String id, String durability) throws IOException, InterruptedException {
            JsonNode json = api("PUT", "/tenants/" + id, "{\"durability\":\"" + durability + "\"}");
            return new Tenant(
                    id,
                    URI.create(json.path("url").asText() + "v2/pipeline"),
                    json.path("token").path("jwt").asText());
        }

        /// The same tenant asked for at its worker, without the gateway.
        Tenant direct(Tenant tenant) throws IOException, InterruptedException {
            String worker = api("GET", "/tenants/" + tenant.id(), "").path("worker").asText();
            for (JsonNode row : api("GET", "/workers", "").path("items")) {
                if (row.path("name").asText().equals(worker)) {
                    return new Tenant(
                            tenant.id(),
                            URI.create(
                                    row.path("address").asText()
                                            + "/t/"
                                            + tenant.id()
                                            + "/v2/pipeline"),
                            tenant.token());
                }
            }
            throw new IllegalStateException("no worker has " + tenant.id());
        }

        ProcessHandle worker(String name) {
            return process.descendants()
                    .filter(child -> commandLine(child).contains(" --name " + name + " "))
                    .findFirst()
                    .orElseThrow();
        }

        @Override
        public void close() throws InterruptedException {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly().waitFor();
        }
    }

    /// Any other server: started, awaited on its port, killed in the end.
    record Peer(Process process, int port) implements AutoCloseable {
        static Peer start(List<String> command, Map<String, String> environment, int port, Path log)
                throws IOException {
            var builder =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile());
            builder.environment().putAll(environment);
            Process process = builder.start();
            await(Duration.ofSeconds(30), () -> open(port));
            return new Peer(process, port);
        }

        @Override
        public void close() throws InterruptedException {
            process.destroyForcibly().waitFor();
        }
    }

    static boolean open(int port) {
        try (var _ = new Socket("127.0.0.1", port)) {
            return true;
        } catch (IOException _) {
            return false;
        }
    }

    static int freePort() throws IOException {
        while (true) {
            try (var first = new ServerSocket(0)) {
                int port = first.getLocalPort();
                try (var _ = new ServerSocket(port + 1)) {
                    return port;
                } catch (IOException _) {
                    continue;
                }
            }
        }
    }

    static void await(Duration max, BooleanSupplier condition) {
        long deadline = System.nanoTime() + max.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("not within " + max);
            }
            java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
        }
    }

    static String commandLine(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc/" + process.pid() + "/cmdline"))
                    .replace('\0', ' ');
        } catch (IOException _) {
            return "";
        }
    }

    /// Resident memory, kB, from `/proc`.
    static long residentKilobytes(ProcessHandle process) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + process.pid() + "/status"))) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /// Heap in use after a full collection, kB, by the JDK's jcmd.
    static long heapKilobytesAfterCollection(ProcessHandle process) throws IOException {
        jcmd(process, "GC.run");
        return HEAP_USED
                .matcher(jcmd(process, "GC.heap_info"))
                .results()
                .mapToLong(generation -> Long.parseLong(generation.group(1)))
                .sum();
    }

    private static final Pattern HEAP_USED =
            Pattern.compile("(?:DefNew|Tenured|garbage-first heap)\\s+total \\d+K, used (\\d+)K");

    private static String jcmd(ProcessHandle process, String command) throws IOException {
        Process jcmd =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                                Long.toString(process.pid()),
                                command)
                        .redirectErrorStream(true)
                        .start();
        return new String(jcmd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    static long openFiles(ProcessHandle process) throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc/" + process.pid() + "/fd"))) {
            return files.count();
        }
    }

    static String execute(String sql) {
        return "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":"
                + JSON.valueToTree(sql)
                + "}},{\"type\":\"close\"}]}";
    }
}
