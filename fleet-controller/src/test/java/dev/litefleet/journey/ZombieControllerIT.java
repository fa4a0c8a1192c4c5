package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two controllers of one fleet, as processes on machines of their own that share the store: the
/// first is frozen, succeeded by the second, and resumed.
final class ZombieControllerIT {
    private static final Duration READY_MAX = Duration.ofSeconds(60);

    @TempDir Path dir;

    private final HttpClient client =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(5))
                    .build();

    @Test
    void frozenControllerIsSucceededAndLeavesWithCode3() throws Exception {
        int firstPort = LocalFleet.freePort();
        int secondPort = LocalFleet.freePort();
        Process first = controller("first", firstPort);
        Process second = null;
        try {
            awaitReady("first", first);
            String key = Files.readString(dir.resolve("first/admin.key")).trim();
            assertThat(put(firstPort, key, "kept")).isEqualTo(201);

            LocalFleet.signal(first.toHandle(), "STOP");
            second = controller("second", secondPort);
            awaitReady("second", second);
            assertThat(put(secondPort, key, "later")).isEqualTo(201);
            LocalFleet.signal(first.toHandle(), "CONT");

            assertThat(put(firstPort, key, "lost")).isGreaterThanOrEqualTo(500);
            assertThat(first.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(first.exitValue()).isEqualTo(3);
            assertThat(status(secondPort, key, "kept")).isEqualTo(200);
            assertThat(status(secondPort, key, "later")).isEqualTo(200);
            assertThat(status(secondPort, key, "lost")).isEqualTo(404);
        } finally {
            first.destroyForcibly().waitFor();
            if (second != null) {
                second.destroyForcibly().waitFor();
            }
        }
    }

    private Process controller(String name, int port) throws IOException {
        Path data = Files.createDirectories(dir.resolve(name));
        var command = Jvm.command("-Xmx256m");
        command.addAll(List.of("controller", "--data", data.toString()));
        command.addAll(List.of("--secrets", dir.resolve("secrets").toString()));
        command.addAll(List.of("--store", dir.resolve("store").toUri().toString()));
        command.addAll(List.of("--port", String.valueOf(port)));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(dir.resolve(name + ".log").toFile())
                .start();
    }

    private void awaitReady(String name, Process process) {
        await(name)
                .atMost(READY_MAX)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> {
                    String log = Files.readString(dir.resolve(name + ".log"));
                    if (!process.isAlive()) {
                        throw new IllegalStateException(name + " ended: " + log);
                    }
                    return log.contains("litefleet controller ready");
                });
    }

    /// @return the status, 599 if there was no answer
    private int put(int port, String key, String tenant) throws InterruptedException {
        return send(request(port, key, tenant).PUT(BodyPublishers.ofString("{}")));
    }

    private int status(int port, String key, String tenant) throws InterruptedException {
        return send(request(port, key, tenant).GET());
    }

    private int send(HttpRequest.Builder request) throws InterruptedException {
        try {
            return client.send(request.build(), BodyHandlers.discarding()).statusCode();
        } catch (IOException gone) {
            return 599;
        }
    }

    private static HttpRequest.Builder request(int port, String key, String tenant) {
        return HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:%d/api/v1/tenants/%s".formatted(port, tenant)))
                .timeout(Duration.ofSeconds(60))
                .header("authorization", "Bearer " + key)
                .header("content-type", "application/json");
    }
}
