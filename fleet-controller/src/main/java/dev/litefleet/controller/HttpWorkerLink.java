package dev.litefleet.controller;

import dev.litefleet.controller.operation.WorkerLink;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.control.Wire;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Optional;

/// Signed messages to workers and to a predecessor. For virtual threads. Thread-safe.
final class HttpWorkerLink implements WorkerLink, AutoCloseable {
    private static final Duration CONNECT_MAX = Duration.ofSeconds(1);
    private static final Duration ASSIGN_MAX = Duration.ofSeconds(5);
    private static final Duration WHOAMI_MAX = Duration.ofSeconds(1);

    private final InternalAuth auth;
    private final Duration releaseMax;
    private final HttpClient http =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(CONNECT_MAX)
                    .build();

    HttpWorkerLink(InternalAuth auth, Duration releaseMax) {
        this.auth = auth;
        this.releaseMax = releaseMax;
    }

    @Override
    public AssignmentReply assign(String address, Assignment assignment) {
        HttpResponse<byte[]> response =
                send("POST", address, "/internal/v1/assign", Wire.write(assignment), ASSIGN_MAX);
        if (response.statusCode() != 200) {
            throw unreachable(address, response);
        }
        return read(response, AssignmentReply.class);
    }

    @Override
    public Optional<Release> release(String address, ReleaseRequest request) {
        HttpResponse<byte[]> response =
                send("POST", address, "/internal/v1/release", Wire.write(request), releaseMax);
        return switch (response.statusCode()) {
            case 200 -> Optional.of(read(response, Release.class));
            case 409 -> Optional.empty();
            default -> throw unreachable(address, response);
        };
    }

    /// Which session a controller at this address has; empty if none answers.
    Optional<String> whoami(String address) {
        try {
            HttpResponse<byte[]> response =
                    send("GET", address, Whoami.PATH, new byte[0], WHOAMI_MAX);
            return response.statusCode() == 200
                    ? Optional.of(read(response, Whoami.class).session())
                    : Optional.empty();
        } catch (Unreachable silent) {
            return Optional.empty();
        }
    }

    private HttpResponse<byte[]> send(
            String method, String address, String path, byte[] body, Duration max) {
        try {
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create(address + path))
                            .timeout(max)
                            .header("content-type", "application/json")
                            .header(InternalAuth.HEADER, auth.sign(method, path, body))
                            .method(
                                    method,
                                    body.length == 0
                                            ? BodyPublishers.noBody()
                                            : BodyPublishers.ofByteArray(body))
                            .build();
            return http.send(request, BodyHandlers.ofByteArray());
        } catch (IOException | IllegalArgumentException silent) {
            throw new Unreachable(
                    "no answer [address=%s, path=%s]".formatted(address, path), silent);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new Unreachable("interrupted [address=%s]".formatted(address), stopped);
        }
    }

    private static <T extends Record> T read(HttpResponse<byte[]> response, Class<T> type) {
        try {
            return Wire.read(response.body(), type);
        } catch (IllegalArgumentException unreadable) {
            throw new Unreachable("unreadable answer [uri=" + response.uri() + "]", unreadable);
        }
    }

    private static Unreachable unreachable(String address, HttpResponse<byte[]> response) {
        return new Unreachable(
                "unexpected answer [address=%s, status=%d]"
                        .formatted(address, response.statusCode()));
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
