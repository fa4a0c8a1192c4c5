package dev.litefleet.journey;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.litefleet.cli.Litefleet;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// How commands find a fleet and a key, and how they end when they are refused: a server on
/// loopback says no in every way. What they do to a real fleet is [CustodyIT]'s.
final class FleetCommandsTest {
    private record Ran(int code, String out, String err) {}

    @TempDir Path folder;

    private final List<String> keys = new CopyOnWriteArrayList<>();
    private HttpServer server;
    private volatile int status = 200;
    private volatile String body = "{\"items\": [], \"next_cursor\": null}";

    @BeforeEach
    void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    keys.add(
                            String.valueOf(exchange.getRequestHeaders().getFirst("authorization")));
                    exchange.getRequestBody().readAllBytes();
                    byte[] bytes = body.getBytes(UTF_8);
                    exchange.getResponseHeaders().add("x-request-id", "req_1");
                    exchange.sendResponseHeaders(status, bytes.length);
                    exchange.getResponseBody().write(bytes);
                    exchange.close();
                });
        server.start();
        Files.writeString(folder.resolve("lock"), "pid 7, " + url() + "\n");
        key("rw-------");
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    private void key(String permissions) throws IOException {
        Path file = folder.resolve("admin.key");
        Files.writeString(file, "lf_live_secret\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
    }

    @Test
    void runningFleetOfTheFolderIsFoundWithItsKey() {
        Ran ran = run("tenant", "list", "--data", folder.toString());

        assertThat(ran.code()).as(ran.err()).isZero();
        assertThat(keys).containsExactly("Bearer lf_live_secret");
    }

    @Test
    void keyOfThisMachineIsNotShownToAnotherAddress() {
        Ran ran = run("tenant", "list", "--data", folder.toString(), "--url", url());

        assertThat(ran.code()).isEqualTo(2);
        assertThat(ran.err()).contains("which key?");
        assertThat(keys).isEmpty();
    }

    @Test
    void keyThatOthersCanReadIsRefused() throws IOException {
        key("rw-r--r--");

        Ran ran = run("tenant", "list", "--data", folder.toString());

        assertThat(ran.code()).isEqualTo(2);
        assertThat(ran.err()).contains("chmod 600");
        assertThat(keys).isEmpty();
    }

    @Test
    void folderWithoutAFleetIsNamed() throws IOException {
        Files.delete(folder.resolve("lock"));

        Ran ran = run("tenant", "list", "--data", folder.toString());

        assertThat(ran.code()).isEqualTo(2);
        assertThat(ran.err()).contains("which fleet?").contains(folder.toString());
    }

    @Test
    void fleetThatHasStoppedIsSaidToBeSilent() {
        server.stop(0);

        Ran ran = run("tenant", "list", "--data", folder.toString());

        assertThat(ran.code()).isEqualTo(1);
        assertThat(ran.err()).contains("nobody answers at " + url());
    }

    @ParameterizedTest
    @CsvSource({
        "401, KEY_INVALID, 4",
        "403, FORBIDDEN, 4",
        "404, TENANT_NOT_FOUND, 3",
        "404, POINT_NOT_FOUND, 3",
        "410, TENANT_DELETED, 3",
        "422, POINT_NOT_EXACT, 3",
        "422, VALIDATION, 2",
        "400, BAD_REQUEST, 2",
        "422, DATABASE_CORRUPT, 1",
        "409, ALREADY_EXISTS, 5",
        "412, STALE, 5",
        "423, HELD, 5",
        "503, STORE_UNAVAILABLE, 1",
        "500, INTERNAL, 1"
    })
    void refusalEndsAsItsCodeSays(int answer, String code, int exit) {
        status = answer;
        body =
                "{\"status\": %d, \"code\": \"%s\", \"detail\": \"said so\", \"retryable\": false}"
                        .formatted(answer, code);

        Ran ran = run("tenant", "get", "acme", "--data", folder.toString());

        assertThat(ran.code()).isEqualTo(exit);
        assertThat(ran.out()).isEmpty();
        assertThat(ran.err())
                .startsWith("litefleet: said so")
                .contains("(" + code + ", request req_1)");
    }

    @Test
    void answerOfSomebodyElseIsNoFleets() {
        status = 502;
        body = "<html>bad gateway</html>";

        Ran ran = run("tenant", "get", "acme", "--data", folder.toString());

        assertThat(ran.code()).isEqualTo(1);
        assertThat(ran.err()).contains("HTTP 502").contains("is that the fleet's address?");
    }

    /// Nobody is asked where nobody sits, and nothing is sent but the look at the tenant.
    @Test
    void deletionIsNotDoneUnasked() {
        body = "{\"id\": \"acme\"}";

        Ran ran = run("tenant", "delete", "acme", "--data", folder.toString());

        assertThat(ran.code()).isEqualTo(2);
        assertThat(ran.err()).contains("--yes");
        assertThat(keys).hasSize(1);
    }

    /// Times that cannot be are refused before anything starts.
    @ParameterizedTest
    @CsvSource({
        "--lease, 0s, must be positive",
        "--lease, 2m, at most 1m",
        "--lease, soon, must be like",
        "--heartbeat, 2s, at most half of --lease",
        "--lease-margin, 4s, --lease-margin at most --lease"
    })
    void leaseThatCannotBeIsRefused(String option, String value, String reason) {
        Ran ran = run("up", "--data", folder.resolve("up").toString(), option, value);

        assertThat(ran.code()).isEqualTo(2);
        assertThat(ran.err()).contains(reason);
    }

    private Ran run(String... arguments) {
        var out = new StringWriter();
        var err = new StringWriter();
        int code = Litefleet.run(new PrintWriter(out), new PrintWriter(err), List.of(arguments));
        return new Ran(code, out.toString(), err.toString());
    }
}
