package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

final class SnapshotterTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    /// Files of 1,000 bytes; a file that ends at n was written n seconds after the epoch.
    @ParameterizedTest(name = "{0}")
    @MethodSource
    void due(String situation, String files, long databaseBytes, long now, boolean expected) {
        assertThat(
                        Snapshotter.due(
                                LineageHistoryTest.files(files),
                                databaseBytes,
                                Instant.ofEpochSecond(now)))
                .isEqualTo(expected);
    }

    static Stream<Arguments> due() {
        String many =
                IntStream.rangeClosed(2, 64)
                        .mapToObj(n -> "1:" + n + "-" + n)
                        .collect(Collectors.joining(" "));
        String large = many.replace("1:64-64", "");
        return Stream.of(
                arguments("nothing at all", "", 0, 1_000_000, false),
                arguments("the first drain is a snapshot", "1:1-4", 1, 1_000_000, false),
                arguments("unchanged for days", "1:1-4 9:1-4", 1, 1_000_000, false),
                arguments("few newer bytes", "9:1-4 1:5-6", 1_000, 10, false),
                arguments("less than is worth a request", large + " 9:1-1", 1_000, 10, false),
                arguments("63 newer files", many + " 9:1-1", 1 << 20, 10, false),
                arguments("64 newer files", many + " 1:65-65 9:1-1", 1 << 20, 10, true),
                arguments(
                        "64 files, but merged", many + " 1:65-65 2:2-17 9:1-1", 1 << 20, 10, false),
                arguments("changed, a day old", "9:1-4 1:5-6", 1 << 20, 86_404, true),
                arguments("changed, not yet a day old", "9:1-4 1:5-6", 1 << 20, 86_403, false));
    }

    /// Bytes of a whole file, bytes of one after it, and the database's.
    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "newer is as large as the database, 200000, 400000, 400000, false",
        "newer is larger than the database, 200000, 400001, 400000, true",
        "both are twice the database, 400000, 400000, 400000, false",
        "both are more than twice a database that shrank, 800001, 1000, 400000, true",
        "a tiny one that shrank, 120000, 1000, 4096, false",
        "a tiny one beyond what is worth a request, 60000, 140000, 4096, true"
    })
    void dueByBytes(String situation, long whole, long newer, long database, boolean expected) {
        DerivedFile snapshot = LineageHistoryTest.files("9:1-4").getFirst();
        DerivedFile drain = LineageHistoryTest.files("1:5-6").getFirst();

        assertThat(
                        Snapshotter.due(
                                List.of(sized(snapshot, whole), sized(drain, newer)),
                                database,
                                Instant.EPOCH))
                .isEqualTo(expected);
    }

    private static DerivedFile sized(DerivedFile file, long size) {
        return new DerivedFile(
                file.level(), file.min(), file.max(), size, file.modified(), file.key());
    }

    /// The snapshot alone restores to what the files restore to, and is dated like the last of
    /// them.
    @Seeds(10)
    void snapshotIsTheDatabase(long seed) throws IOException {
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(6, 3);

            Txid max = Snapshotter.write(store, life.listed(), folder);

            assertThat(max).isEqualTo(history.position().txid());
            List<DerivedFile> whole =
                    life.listed().files().stream()
                            .filter(file -> file.level() == DerivedFile.LEVEL_SNAPSHOT)
                            .toList();
            assertThat(whole).hasSize(1);
            LtxHeader header =
                    new LtxReader("s", store.get(whole.getFirst().key()).orElseThrow()).header();
            assertThat(header.nodeId()).isEqualTo(history.position().checksum());
            assertThat(header.timestampMillis()).isEqualTo(history.millis());
            Path target = folder.resolve("restored.db");
            Hydrator.hydrate(
                    store,
                    RestorePlan.of(DrainedLife.TENANT, whole, max, List.of()),
                    target,
                    Hydrator.Limits.DEFAULT,
                    new dev.litefleet.replica.log.ThreadTasks(),
                    Progress.NONE);
            assertThat(Files.readAllBytes(target)).isEqualTo(life.images().get(max));
        }
    }

    @Test
    void snapshotThatIsThereIsNotWrittenAgain() {
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, 1)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(3, 3);
            Snapshotter.write(store, life.listed(), folder);
            var counting = new CountingObjectStore(store);

            Snapshotter.write(counting, life.listed(), folder);

            assertThat(counting.count(Verb.PUT)).isZero();
            assertThat(counting.count(Verb.GET)).isZero();
        }
    }

    @Test
    void damagedFileBecomesNoSnapshot() throws IOException {
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, 1)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(3, 3);
            DerivedFile file = life.listed().files().get(1);
            byte[] bytes = store.get(file.key()).orElseThrow();
            bytes[bytes.length / 2] ^= 1;
            store.damage(file.key(), bytes);

            assertThatThrownBy(() -> Snapshotter.write(store, life.listed(), folder))
                    .isInstanceOfSatisfying(
                            Corrupt.class,
                            damaged -> assertThat(damaged.key()).isEqualTo(file.key()));

            assertThat(store.keys()).noneMatch(key -> key.contains("/0009/"));
            try (Stream<Path> left = Files.list(folder)) {
                assertThat(left).noneMatch(path -> path.toString().endsWith(".tmp"));
            }
        }
    }
}
