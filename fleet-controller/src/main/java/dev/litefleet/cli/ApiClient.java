package dev.litefleet.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.replica.history.Progress;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The fleet's REST API, as the commands need it. Blocks.
final class ApiClient implements AutoCloseable {
    static final ObjectMapper JSON = new ObjectMapper();

    /// Longer than any answer of the API waits for an operation.
    private static final Duration ANSWER_MAX = Duration.ofSeconds(90);

    /// How long an upload and its check may take: 16 GiB at 5 MB/s.
    private static final Duration UPLOAD_MAX = Duration.ofHours(1);

    private static final int ANSWER_BYTES_MAX = 16 << 20;
    private static final int PAGE = 500;

    /// @param etag of the resource, quoted; empty if it has none
    record Answer(int status, JsonNode body, String etag) {}

    private final URI base;
    private final String key;
    private final HttpClient http =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(5))
                    .build();

    /// @param base ends in `/`
    ApiClient(URI base, String key) {
        this.base = base;
        this.key = key;
    }

    Answer get(String path) throws IOException, InterruptedException {
        return send(request(path).GET());
    }

    Answer delete(String path) throws IOException, InterruptedException {
        return send(request(path).DELETE());
    }

    /// @param body null for none
    /// @param headers names and values in turn
    Answer send(String method, String path, @Nullable ObjectNode body, String... headers)
            throws IOException, InterruptedException {
        BodyPublisher text =
                body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body.toString());
        HttpRequest.Builder request = request(path).method(method, text);
        return send(headers.length == 0 ? request : request.headers(headers));
    }

    /// Streams a file. The length goes first, so what is too large is refused before it is sent.
    Answer upload(String path, Path file, Progress progress)
            throws IOException, InterruptedException {
        long total = Files.size(file);
        BodyPublisher bytes =
                BodyPublishers.ofInputStream(() -> new Counted(open(file), total, progress));
        HttpRequest.Builder request =
                request(path)
                        .timeout(UPLOAD_MAX)
                        .header("content-type", "application/vnd.sqlite3")
                        .POST(total == 0 ? BodyPublishers.noBody() : sized(bytes, total));
        return send(request);
    }

    private static BodyPublisher sized(BodyPublisher bytes, long total) {
        return BodyPublishers.fromPublisher(bytes, total);
    }

    private static InputStream open(Path file) {
        try {
            return Files.newInputStream(file);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /// Every item of a paged listing, at most `limit`.
    ///
    /// @param path with at least one parameter
    List<JsonNode> list(String path, int limit) throws IOException, InterruptedException {
        var items = new ArrayList<JsonNode>();
        String cursor = "";
        while (items.size() < limit) {
            int page = Math.min(PAGE, limit - items.size());
            JsonNode answer = get(path + "&limit=" + page + cursor).body();
            answer.path("items").forEach(items::add);
            if (!answer.path("next_cursor").isTextual()) {
                break;
            }
            cursor = "&cursor=" + encoded(answer.path("next_cursor").asText());
        }
        return items;
    }

    static String encoded(String text) {
        return URLEncoder.encode(text, UTF_8);
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(base.resolve(path))
                .timeout(ANSWER_MAX)
                .header("authorization", "Bearer " + key);
    }

    /// @throws ApiProblem if the fleet refuses
    private Answer send(HttpRequest.Builder builder) throws IOException, InterruptedException {
        HttpRequest request = builder.build();
        HttpResponse<byte[]> answer;
        try {
            answer =
                    http.send(
                            request,
                            BodyHandlers.limiting(BodyHandlers.ofByteArray(), ANSWER_BYTES_MAX));
        } catch (ConnectException | HttpConnectTimeoutException nobody) {
            throw new IOException(
                    "nobody answers at %s: does `litefleet up` or the controller run there?"
                            .formatted(base),
                    nobody);
        }
        JsonNode body = body(answer);
        if (answer.statusCode() >= 400) {
            throw new ApiProblem(
                    answer.statusCode(),
                    body,
                    answer.headers().firstValue("x-request-id").orElse(""));
        }
        return new Answer(
                answer.statusCode(), body, answer.headers().firstValue("etag").orElse(""));
    }

    private JsonNode body(HttpResponse<byte[]> answer) throws IOException {
        try {
            JsonNode body = JSON.readTree(answer.body());
            if (body != null && body.isObject()) {
                return body;
            }
        } catch (JacksonException _) {
            // Said below.
        }
        throw new IOException(
                "%s answered with HTTP %d and no JSON: is that the fleet's address?"
                        .formatted(base, answer.statusCode()));
    }

    @Override
    public void close() {
        http.shutdownNow();
    }

    /// Tells how much was read.
    private static final class Counted extends FilterInputStream {
        private final long total;
        private final Progress progress;
        private long done;

        Counted(InputStream in, long total, Progress progress) {
            super(in);
            this.total = total;
            this.progress = progress;
        }

        @Override
        public int read() throws IOException {
            int next = super.read();
            progress.at(next < 0 ? done : ++done, total);
            return next;
        }

        @Override
        public int read(byte[] bytes, int from, int length) throws IOException {
            int count = super.read(bytes, from, length);
            done += Math.max(0, count);
            progress.at(done, total);
            return count;
        }
    }
}
