package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.worker.tenant.RequestContext;
import dev.litefleet.worker.tenant.StreamState;
import dev.litefleet.worker.tenant.TenantException;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A cursor's answer over a real connection; the test plays the tenant on one side and the client
/// on the other.
final class CursorResponseTest {
    /// More than any kernel buffers on loopback.
    private static final int PRODUCED_BYTES_MAX = 64 << 20;

    private static final String TEXT = "x".repeat(10_000);

    private final Vertx vertx = Vertx.vertx();
    private final BlockingQueue<CursorResponse> opened = new ArrayBlockingQueue<>(1);
    private final CompletableFuture<StreamState> ended = new CompletableFuture<>();
    private final CompletableFuture<Integer> status = new CompletableFuture<>();
    private HttpServer server;
    private Socket client;
    private CursorResponse cursor;

    @BeforeEach
    void open() throws IOException, InterruptedException {
        server =
                vertx.createHttpServer()
                        .requestHandler(request ->
                                opened.add(
                                        new CursorResponse(
                                                new Call(
                                                        request,
                                                        "cursor",
                                                        null,
                                                        RequestContext.anonymous(),
                                                        vertx.getOrCreateContext(),
                                                        Ticker.systemTicker(),
                                                        (_, code, _) -> status.complete(code)),
                                                "the-baton",
                                                ended::complete)))
                        .listen(0, "127.0.0.1")
                        .await();
        client = new Socket("127.0.0.1", server.actualPort());
        client.setSoTimeout(10_000);
        client.getOutputStream()
                .write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".getBytes());
        cursor = opened.poll(10, TimeUnit.SECONDS);
    }

    @AfterEach
    void close() throws IOException {
        client.close();
        vertx.close().await();
    }

    @Test
    void entriesAreLinesBehindTheBaton() throws IOException {
        cursor.begin(0, List.of(new Column("a", "INT")));
        cursor.row(new SqlValue[] {new SqlValue.Int(1), new SqlValue.Null()});
        cursor.end(0, null);
        cursor.error(
                1, new SqlFailure("SQLITE_CONSTRAINT", "SQLITE_CONSTRAINT_UNIQUE", "no", null));
        cursor.begin(2, List.of());
        cursor.end(1, 1L << 53);
        cursor.begin(3, List.of());
        cursor.end(1, Long.MIN_VALUE);
        cursor.done(StreamState.FREE);

        assertThat(lines(response()))
                .containsExactly(
                        "{\"baton\":\"the-baton\",\"base_url\":null}",
                        "{\"type\":\"step_begin\",\"step\":0,\"cols\":[{\"name\":\"a\",\"decltype\":\"INT\"}]}",
                        "{\"type\":\"row\",\"row\":[{\"type\":\"integer\",\"value\":\"1\"},{\"type\":\"null\"}]}",
                        "{\"type\":\"step_end\",\"affected_row_count\":0,\"last_insert_rowid\":null}",
                        "{\"type\":\"step_error\",\"step\":1,\"error\":{\"message\":\"no\",\"code\":\"SQLITE_CONSTRAINT\",\"extended_code\":\"SQLITE_CONSTRAINT_UNIQUE\"}}",
                        "{\"type\":\"step_begin\",\"step\":2,\"cols\":[]}",
                        "{\"type\":\"step_end\",\"affected_row_count\":1,\"last_insert_rowid\":9007199254740992}",
                        "{\"type\":\"step_begin\",\"step\":3,\"cols\":[]}",
                        "{\"type\":\"step_end\",\"affected_row_count\":1,\"last_insert_rowid\":\"-9223372036854775808\"}",
                        "{\"type\":\"replication_index\",\"replication_index\":null}");
        assertThat(ended).isCompletedWithValue(StreamState.FREE);
    }

    @Test
    void clientThatDoesNotReadStopsTheTenantAndReadingResumesIt() throws Exception {
        cursor.begin(0, List.of(new Column("a", null)));
        long all = 0;
        CompletableFuture<Void> resumed;
        while (true) {
            while (cursor.ready() && all < PRODUCED_BYTES_MAX) {
                cursor.row(new SqlValue[] {new SqlValue.Text(TEXT)});
                all += TEXT.length();
            }
            var ready = new CompletableFuture<Void>();
            cursor.whenReady(() -> ready.complete(null));
            try {
                // While the kernel's buffers fill, it becomes ready again and again.
                ready.get(500, TimeUnit.MILLISECONDS);
            } catch (TimeoutException full) {
                resumed = ready;
                break;
            }
            assertThat(all).isLessThan(PRODUCED_BYTES_MAX);
        }
        long rows = all / TEXT.length();
        var _ =
                resumed.thenRun(() -> {
                    cursor.end(0, null);
                    cursor.done(StreamState.FREE);
                });
        List<String> lines = lines(response());

        assertThat(lines).hasSize((int) rows + 4);
        assertThat(lines.getLast()).contains("replication_index");
    }

    @Test
    void failureBeforeTheFirstEntryHasStatus() throws IOException {
        cursor.failed(new TenantException.NotHere("acme"));

        assertThat(response()).startsWith("HTTP/1.1 421 ").contains("TENANT_NOT_HERE");
        assertThat(ended).isCompletedWithValue(null);
    }

    @Test
    void failureAfterTheFirstEntryIsTheLastLine() throws IOException {
        cursor.begin(0, List.of());
        cursor.failed(new TenantException.OutcomeUnknown("fenced"));

        List<String> lines = lines(response());

        assertThat(lines).hasSize(3);
        assertThat(lines.getLast())
                .startsWith("{\"type\":\"error\",\"error\":{\"message\":\"outcome is unknown")
                .contains("OUTCOME_UNKNOWN");
        assertThat(ended).isCompletedWithValue(null);
    }

    private String response() throws IOException {
        return new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    /// The lines of a chunked answer.
    private static List<String> lines(String response) {
        assertThat(response).startsWith("HTTP/1.1 200 ").endsWith("\r\n0\r\n\r\n");
        var body = new StringBuilder();
        int at = response.indexOf("\r\n\r\n") + 4;
        while (true) {
            int end = response.indexOf("\r\n", at);
            int size = Integer.parseInt(response.substring(at, end), 16);
            if (size == 0) {
                return body.toString().lines().toList();
            }
            body.append(response, end + 2, end + 2 + size);
            at = end + 2 + size + 2;
        }
    }
}
