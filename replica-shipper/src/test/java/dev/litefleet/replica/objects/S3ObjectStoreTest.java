package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.PutResult.Occupied;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.S3FaultServer.Fault;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What our client makes of a store that misbehaves, over real HTTP: a write is attempted exactly
/// once and never believed without proof; a read is repeated until it is whole.
final class S3ObjectStoreTest {
    private static final ObjectBody BODY = ObjectBody.of("body".getBytes(UTF_8));

    private final S3FaultServer server = S3FaultServer.start();
    private final ObjectStore store = open("timeout=1s");

    @AfterEach
    void close() {
        store.close();
        server.close();
    }

    @Test
    void aLostAnswerIsUnknownAndOurOwnObjectIsOccupied() {
        server.next("PUT", new Fault.DropAnswer());

        assertThatThrownBy(() -> store.putIfAbsent("slot", BODY)).isInstanceOf(Unavailable.class);
        assertThat(server.count("PUT")).isEqualTo(1);

        assertThat(store.putIfAbsent("slot", BODY)).isInstanceOf(Occupied.class);
        assertThat(store.get("slot")).contains("body".getBytes(UTF_8));
    }

    @Test
    void aLostRequestIsUnknownAndMayBeSentAgain() {
        server.next("PUT", new Fault.DropRequest());

        assertThatThrownBy(() -> store.putIfAbsent("slot", BODY)).isInstanceOf(Unavailable.class);
        assertThat(server.count("PUT")).isEqualTo(1);
        assertThat(store.putIfAbsent("slot", BODY)).isInstanceOf(Created.class);
    }

    @Test
    void aWriteThatArrivesLateIsStillConditional() {
        server.next("PUT", new Fault.Late());
        assertThatThrownBy(() -> store.putIfAbsent("slot", BODY)).isInstanceOf(Unavailable.class);
        assertThat(store.get("slot")).isEmpty();
        store.putIfAbsent("slot", ObjectBody.of("fence".getBytes(UTF_8)));

        server.land();

        assertThat(store.get("slot")).contains("fence".getBytes(UTF_8));
    }

    @Test
    void silenceEndsAtTheTimeout() {
        try (ObjectStore impatient = open("timeout=200ms")) {
            server.next("PUT", new Fault.Hang());

            assertThatThrownBy(() -> impatient.putIfAbsent("slot", BODY))
                    .isInstanceOf(Unavailable.class);
            assertThat(server.count("PUT")).isEqualTo(1);
        }
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({
        "503, SlowDown, Unavailable",
        "500, InternalError, Unavailable",
        "409, ConditionalRequestConflict, Unavailable",
        "429, TooManyRequests, Unavailable",
        "408, RequestTimeout, Unavailable",
        "400, RequestTimeout, Unavailable",
        "400, BadDigest, Unavailable",
        "403, AccessDenied, Denied",
        "401, Unauthorized, Denied",
        "400, ExpiredToken, Denied",
        "400, InvalidRequest, Misconfigured",
        "404, NoSuchBucket, Misconfigured",
        "301, PermanentRedirect, Misconfigured",
        "307, TemporaryRedirect, Misconfigured",
        "405, MethodNotAllowed, Misconfigured",
        "501, NotImplemented, Misconfigured",
    })
    void aRefusedWriteIsClassedAndNamedAndNotRepeated(int status, String code, String expected) {
        server.next("PUT", new Fault.Refuse(status, code));

        assertThatThrownBy(() -> store.putIfAbsent("slot", BODY))
                .hasMessageContaining("put slot")
                .hasMessageContaining(status + " " + code)
                .extracting(failure -> failure.getClass().getSimpleName())
                .isEqualTo(expected);
        assertThat(server.count("PUT")).isEqualTo(1);
        assertThat(server.keys("fleet")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {412, 400, 500})
    void aFailedPreconditionIsOccupiedUnderAnyStatus(int status) {
        server.next("PUT", new Fault.Refuse(status, "PreconditionFailed"));

        assertThat(store.putIfAbsent("slot", BODY)).isInstanceOf(Occupied.class);
    }

    /// Taken for a success it would acknowledge a commit that another session's fence refused.
    @Test
    void aFailedPreconditionUnderStatus200IsNotASuccess() {
        store.putIfAbsent("slot", ObjectBody.of("fence".getBytes(UTF_8)));
        server.next("PUT", new Fault.AsSuccess());

        assertThatThrownBy(() -> store.putIfAbsent("slot", BODY)).isInstanceOf(Unavailable.class);
        assertThat(store.putIfAbsent("slot", BODY)).isInstanceOf(Occupied.class);
    }

    @Test
    void readsAreRepeatedAFewTimes() {
        store.putIfAbsent("a", BODY);
        server.clearRequests();
        server.next("GET", new Fault.Refuse(503, "SlowDown"));
        server.next("GET", new Fault.DropAnswer());

        assertThat(store.get("a")).contains("body".getBytes(UTF_8));
        assertThat(server.count("GET")).isEqualTo(3);

        server.next("LIST", new Fault.Refuse(500, "InternalError"), 3);
        assertThatThrownBy(() -> store.list("", "", 10))
                .isInstanceOf(Unavailable.class)
                .hasMessageContaining("500 InternalError");
        assertThat(server.count("LIST")).isEqualTo(3);
    }

    @Test
    void aReadThatIsRefusedIsNotRepeated() {
        server.next("GET", new Fault.Refuse(403, "AccessDenied"));

        assertThatThrownBy(() -> store.get("a")).isInstanceOf(Denied.class);
        assertThat(server.count("GET")).isEqualTo(1);
    }

    @Test
    void aBodyThatBreaksOffIsReadAgain() {
        byte[] bytes = random(100_000);
        store.putIfAbsent("a", ObjectBody.of(bytes));
        server.next("GET", new Fault.Truncate(40_000));
        assertThat(store.get("a")).contains(bytes);

        server.next("GET", new Fault.Truncate(10));
        assertThat(store.getTail("a", 1000).orElseThrow().bytes())
                .isEqualTo(Arrays.copyOfRange(bytes, 99_000, 100_000));

        server.next("GET", new Fault.Truncate(1), 3);
        assertThatThrownBy(() -> store.getRange("a", 5, 50)).isInstanceOf(Unavailable.class);
    }

    @Test
    void aRangeShorterThanItClaimsIsReadAgain() {
        byte[] bytes = random(1000);
        store.putIfAbsent("a", ObjectBody.of(bytes));
        server.next("GET", new Fault.Shorten(1));
        assertThat(store.getRange("a", 100, 50)).contains(Arrays.copyOfRange(bytes, 100, 150));

        server.next("GET", new Fault.Shorten(10), 3);
        assertThatThrownBy(() -> store.getTail("a", 50))
                .isInstanceOf(Unavailable.class)
                .hasMessageContaining("asked for 950+50 of 1000, got 950+40");
    }

    @Test
    void aStreamGoesOnWhereItBroke() throws IOException {
        byte[] bytes = random(3 << 20);
        store.putIfAbsent("a", ObjectBody.of(bytes));
        server.clearRequests();
        server.when(
                request -> request.range().startsWith("bytes=262144-"), new Fault.Truncate(100), 2);

        try (InputStream stream = store.open("a", 0).orElseThrow()) {
            assertThat(Arrays.equals(stream.readAllBytes(), bytes)).isTrue();
        }
        assertThat(server.count("GET")).isEqualTo(4 + 2);
    }

    @Test
    void aStreamIsNeverSilentlyShort() throws IOException {
        store.putIfAbsent("a", ObjectBody.of(random(1 << 20)));
        InputStream deleted = store.open("a", 0).orElseThrow();
        InputStream broken = store.open("a", 0).orElseThrow();
        server.next("GET", new Fault.Refuse(503, "SlowDown"), 3);

        assertThatThrownBy(broken::readAllBytes)
                .isInstanceOf(IOException.class)
                .hasMessage("object broke off [key=a, offset=262144]");
        store.delete("a");
        assertThatThrownBy(deleted::readAllBytes)
                .isInstanceOf(IOException.class)
                .hasMessage("object disappeared [key=a, offset=262144]");
    }

    @Test
    void eachOperationIsOneRequest() throws IOException {
        store.putIfAbsent("a/b", ObjectBody.of(random(100_000)));
        store.get("a/b");
        store.getRange("a/b", 10, 10);
        store.getTail("a/b", 70_000);
        store.open("a/b", 0).orElseThrow().readAllBytes();
        store.head("a/b");
        store.list("a/", "", 1000);
        store.folders("");
        store.delete("a/b");

        assertThat(server.requests())
                .extracting(S3FaultServer.Request::verb)
                .containsExactly(
                        "PUT", "GET", "GET", "GET", "GET", "HEAD", "LIST", "LIST", "DELETE");
    }

    @Test
    void foldersAreListedOverSeveralPages() throws Exception {
        try (var threads = Executors.newFixedThreadPool(8)) {
            for (int i = 0; i < 1200; i++) {
                String key = "t/%04d/x".formatted(i);
                threads.submit(() -> store.putIfAbsent(key, BODY));
            }
        }

        assertThat(store.folders("t/")).hasSize(1200).isSorted();
        assertThat(server.count("LIST")).isEqualTo(2);
    }

    @Test
    void aMissingBucketIsNotAMissingObject() {
        server.withoutBucket("fleet");

        assertThatThrownBy(() -> store.get("a"))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("404 NoSuchBucket");
        assertThatThrownBy(() -> store.list("", "", 1)).isInstanceOf(Misconfigured.class);
        assertThatThrownBy(() -> store.putIfAbsent("a", BODY)).isInstanceOf(Misconfigured.class);
    }

    /// A HEAD's error has no body, so its code must be asked for.
    @Test
    void aHeadAnswered400IsClassedByItsCode() {
        server.next("HEAD", new Fault.Refuse(400, "ExpiredToken"));
        server.next("GET", new Fault.Refuse(400, "ExpiredToken"));

        assertThatThrownBy(() -> store.head("a"))
                .isInstanceOf(Denied.class)
                .hasMessageContaining("400 ExpiredToken");
    }

    @Test
    void readersLeaveConnectionsToWriters() throws Exception {
        try (ObjectStore narrow = open("connections=4", "timeout=5s");
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            narrow.putIfAbsent("a", BODY);
            server.when(
                    request -> request.verb().equals("GET"),
                    new Fault.Latency(Duration.ofMillis(700)),
                    20);
            for (int i = 0; i < 6; i++) {
                threads.submit(() -> narrow.get("a"));
            }
            await().until(() -> server.count("GET") == 3);

            narrow.putIfAbsent("b", BODY);

            // The first three are still being answered, and no fourth was sent.
            assertThat(server.count("GET")).isEqualTo(3);
        }
    }

    @Test
    void aClosedStoreIsUnavailable() {
        ObjectStore closed = open();
        closed.putIfAbsent("a", BODY);
        closed.close();

        assertThatThrownBy(() -> closed.putIfAbsent("b", BODY)).isInstanceOf(Unavailable.class);
        assertThatThrownBy(() -> closed.get("a")).isInstanceOf(Unavailable.class);
    }

    @Test
    void anInterruptedCallIsUnavailableAndStaysInterrupted() {
        server.next("PUT", new Fault.Hang());
        Thread.currentThread().interrupt();

        assertThatThrownBy(() -> store.putIfAbsent("a", BODY)).isInstanceOf(Unavailable.class);
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void litestreamsTimestampIsTheOnlyMetadata() {
        store.putIfAbsent("log/a", BODY);
        store.putIfAbsent(
                "tenants/a", BODY.withTimestamp(Instant.parse("2025-01-02T03:04:05.678912Z")));

        assertThat(server.metadata("fleet", "a/b/log/a")).isEmpty();
        assertThat(server.metadata("fleet", "a/b/tenants/a"))
                .isEqualTo(Map.of("litestream-timestamp", "2025-01-02T03:04:05.678Z"));
    }

    @Test
    void amazonsWayOfSendingBodiesWorksToo() {
        try (ObjectStore amazon = open("checksums=true", "chunked=true")) {
            byte[] bytes = random(300_000);

            assertThat(amazon.putIfAbsent("a", ObjectBody.of(bytes))).isInstanceOf(Created.class);
            assertThat(amazon.get("a")).contains(bytes);
        }
    }

    @Test
    void wrongCredentialsAreDenied() {
        try (ObjectStore stranger =
                server.url("fleet").open(new StoreCredentials("someone", "else"))) {
            assertThatThrownBy(() -> stranger.putIfAbsent("a", BODY))
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("403 InvalidAccessKeyId");
        }
    }

    @Test
    void credentialsComeFromTheUsualChain() {
        // The chain's other places depend on who runs this.
        Map<String, String> before = new HashMap<>();
        Map.of(
                        "aws.accessKeyId", S3FaultServer.CREDENTIALS.accessKey(),
                        "aws.secretAccessKey", S3FaultServer.CREDENTIALS.secretKey())
                .forEach((name, value) -> before.put(name, System.setProperty(name, value)));
        try (ObjectStore usual = server.url("fleet").open()) {
            assertThat(usual.putIfAbsent("a", BODY)).isInstanceOf(Created.class);
        } finally {
            before.keySet().forEach(System::clearProperty);
        }
    }

    /// Whatever the network does: no write is believed that did not happen, none happens twice, and
    /// every object is whole.
    @Seeds(8)
    void writesSurviveARoughNetwork(long seed) {
        var random = new SplittableRandom(seed);
        server.shake(new SplittableRandom(seed), Duration.ZERO, Duration.ofMillis(2), 30);
        var written = new HashMap<String, byte[]>();
        for (int i = 0; i < 20; i++) {
            String key = "slot-%02d".formatted(i);
            byte[] bytes = random(1 + random.nextInt(5000));
            written.put(key, bytes);
            boolean unsure = false;
            while (true) {
                try {
                    PutResult result = store.putIfAbsent(key, ObjectBody.of(bytes));
                    // Nobody else writes here: occupied means our own lost answer.
                    assertThat(result instanceof Created || unsure).isTrue();
                    break;
                } catch (Unavailable again) {
                    unsure = true;
                }
            }
        }
        server.calm();
        written.forEach((key, bytes) -> assertThat(store.get(key)).contains(bytes));
        assertThat(store.listAll("")).hasSize(20);
    }

    private ObjectStore open(String... settings) {
        return server.url("fleet/a/b", settings).open(S3FaultServer.CREDENTIALS);
    }

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new SplittableRandom(length).nextBytes(bytes);
        return bytes;
    }
}
