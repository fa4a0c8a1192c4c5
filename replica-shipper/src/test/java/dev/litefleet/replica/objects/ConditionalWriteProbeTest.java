package dev.litefleet.replica.objects;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RealStores.RealStore;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.S3FaultServer.Fault;
import dev.litefleet.testing.TestClock;
import java.io.InputStream;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Stores that lie about the condition, each in its own way, and real ones that do not.
final class ConditionalWriteProbeTest {
    private static final String ULID = "01JD8Y2M4Q6W8E0R2T4Y6V8X0Z";

    private final MemoryObjectStore memory = new MemoryObjectStore();

    @ParameterizedTest
    @MethodSource("dev.litefleet.testing.RealStores#all")
    void realStoresPassAndAreLeftClean(RealStore real) {
        try (ObjectStore store = real.open()) {
            ProbeReport report = ConditionalWriteProbe.run(store, ULID, InstantSource.system());

            assertThat(report.requests()).isGreaterThanOrEqualTo(32 * 5 + 10);
            assertThat(report.clockSkew().abs()).isLessThan(Duration.ofMinutes(1));
            assertThat(store.listAll("")).isEmpty();
        }
    }

    @Test
    void aStoreThatIgnoresTheConditionIsRefused() {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.ignoreConditions();

            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Misconfigured.class)
                    .hasMessageContaining("create again probe/" + ULID + "/create")
                    .hasMessageContaining("created, though the key was taken")
                    .hasMessageContaining("If-None-Match is ignored");
            assertThat(server.keys("fleet")).isEmpty();
        }
    }

    @Test
    void aStoreThatDoesNotKnowTheHeaderIsRefusedNamingItsAnswer() {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.next("PUT", new Fault.Refuse(501, "NotImplemented"));

            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Misconfigured.class)
                    .hasMessageContaining("501 NotImplemented");
        }
    }

    /// Checks, then writes: alone it is right, in company it is not.
    @Test
    void aStoreWithTwoWinnersIsRefused() {
        var arrived = new AtomicInteger();
        var racy =
                new Altered(
                        memory,
                        (key, body) -> {
                            if (key.contains("race-3") && arrived.incrementAndGet() == 2) {
                                memory.damage(key, bytes(body));
                                return new Created();
                            }
                            return memory.putIfAbsent(key, body);
                        });

        assertThatThrownBy(() -> ConditionalWriteProbe.run(racy, ULID, new TestClock()))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("race-3")
                .hasMessageContaining("created to 2 of 32 concurrent writers");
        assertThat(memory.keys()).isEmpty();
    }

    @Test
    void aStoreWhoseRefusedWriteTookEffectIsRefused() {
        var overwriting =
                new Altered(
                        memory,
                        (key, body) -> {
                            PutResult result = memory.putIfAbsent(key, body);
                            memory.damage(key, bytes(body));
                            return result;
                        });

        assertThatThrownBy(() -> ConditionalWriteProbe.run(overwriting, ULID, new TestClock()))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("a refused write took effect");
    }

    @Test
    void aStoreWhoseLoserOverwritesTheWinnerIsRefused() {
        var overwriting =
                new Altered(
                        memory,
                        (key, body) -> {
                            PutResult result = memory.putIfAbsent(key, body);
                            if (key.contains("race-5") && !(result instanceof Created)) {
                                memory.damage(key, bytes(body));
                            }
                            return result;
                        });

        assertThatThrownBy(() -> ConditionalWriteProbe.run(overwriting, ULID, new TestClock()))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("stored the bytes of a writer that was refused");
    }

    @Test
    void aStoreThatListsLateIsRefused() {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.delayListing(1);

            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Misconfigured.class)
                    .hasMessageContaining("list probe/");
        }
    }

    /// Amazon answers 409 to some of many at a time, and any answer may be lost: neither says
    /// anything about the store's honesty.
    @Test
    void racersWithoutAnAnswerTryAgain() {
        var flaky = new FlakyObjectStore(memory);
        var puts = new AtomicInteger();
        var store =
                new Altered(
                        flaky,
                        (key, body) -> {
                            int put = puts.incrementAndGet();
                            if (put == 10) {
                                flaky.failNext(it -> new Unavailable(it, "409 x", null));
                            }
                            if (key.contains("race-2") && memory.head(key).isEmpty()) {
                                flaky.loseNextAnswer();
                            }
                            return flaky.putIfAbsent(key, body);
                        });

        ProbeReport report = ConditionalWriteProbe.run(store, ULID, new TestClock());

        assertThat(report.requests()).isGreaterThan(32 * 5 + 10);
        assertThat(memory.keys()).isEmpty();
    }

    @Test
    void aStoreThatIsDownIsNotCalledUnsuitable() {
        var flaky = new FlakyObjectStore();
        flaky.down(true);

        assertThatThrownBy(() -> ConditionalWriteProbe.run(flaky, ULID, new TestClock()))
                .isInstanceOf(Unavailable.class);
    }

    private static byte[] bytes(ObjectBody body) {
        return body.inMemory().orElseThrow();
    }

    /// A store whose puts are not what they seem.
    private record Altered(ObjectStore store, BiFunction<String, ObjectBody, PutResult> put)
            implements ObjectStore {
        @Override
        public PutResult putIfAbsent(String key, ObjectBody body) {
            return put.apply(key, body);
        }

        @Override
        public Optional<byte[]> get(String key) {
            return store.get(key);
        }

        @Override
        public Optional<byte[]> getRange(String key, long offset, int length) {
            return store.getRange(key, offset, length);
        }

        @Override
        public Optional<TailRead> getTail(String key, int length) {
            return store.getTail(key, length);
        }

        @Override
        public Optional<InputStream> open(String key, long offset) {
            return store.open(key, offset);
        }

        @Override
        public Optional<ListedObject> head(String key) {
            return store.head(key);
        }

        @Override
        public ListPage list(String prefix, String startAfter, int limit) {
            return store.list(prefix, startAfter, limit);
        }

        @Override
        public List<String> folders(String prefix) {
            return store.folders(prefix);
        }

        @Override
        public void delete(String key) {
            store.delete(key);
        }

        @Override
        public void close() {
            store.close();
        }
    }
}
