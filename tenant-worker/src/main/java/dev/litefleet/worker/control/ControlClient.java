package dev.litefleet.worker.control;

import dev.litefleet.service.InternalAuth;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/// Sends signed messages to the controller's internal port and reads its answers. Blocks; any
/// thread.
final class ControlClient implements AutoCloseable {
    private static final int ANSWER_CHARS_MAX = 500;

    private final URI controller;
    private final InternalAuth auth;
    private final HttpClient http;

    ControlClient(URI controller, InternalAuth auth, Duration connectMax) {
        this.controller = controller;
        this.auth = auth;
        this.http =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .connectTimeout(connectMax)
                        .build();
    }

    /// @throws ControlException if there is no answer within `max`, or not a good one
    <T extends Record> T ask(String path, Record message, Class<T> answer, Duration max) {
        byte[] body = post(path, message, max);
        try {
            return Wire.read(body, answer);
        } catch (IllegalArgumentException unreadable) {
            throw new ControlException.Denied(path, 200, String.valueOf(unreadable.getMessage()));
        }
    }

    void tell(String path, Record message, Duration max) {
        post(path, message, max);
    }

    private byte[] post(String path, Record message, Duration max) {
        byte[] body = Wire.write(message);
        HttpRequest request =
                HttpRequest.newBuilder(controller.resolve(path))
                        .timeout(max)
                        .header("content-type", "application/json")
                        .header(InternalAuth.HEADER, auth.sign("POST", path, body))
                        .POST(BodyPublishers.ofByteArray(body))
                        .build();
        HttpResponse<byte[]> response;
        try {
            response = http.send(request, BodyHandlers.ofByteArray());
        } catch (IOException silence) {
            throw new ControlException.Silent(path, silence);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new ControlException.Silent(path, stopped);
        }
        int status = response.statusCode();
        if (status == 200 || status == 204) {
            return response.body();
        }
        if (status >= 500) {
            throw new ControlException.Silent(path, status);
        }
        String text = new String(response.body(), StandardCharsets.UTF_8);
        throw new ControlException.Denied(
                path, status, text.substring(0, Math.min(text.length(), ANSWER_CHARS_MAX)));
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
