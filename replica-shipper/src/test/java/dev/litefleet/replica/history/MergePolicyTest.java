package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Txid;
import dev.litefleet.testing.Seeds;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// What is merged when, on files that are only names and sizes; the sizes follow from the pages
/// that a file would hold.
final class MergePolicyTest {
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    /// A history of drains whose pages are numbers.
    private static final class Life {
        final SplittableRandom random;
        final int pageSize;
        final int frame;
        final Map<String, BitSet> pages = new HashMap<>();
        final List<DerivedFile> files = new ArrayList<>();
        final TreeMap<Txid, Long> databaseBytes = new TreeMap<>();
        Instant now = START;
        int commit;
        long txid;
        long drained;
        long merged;
        int merges;

        Life(SplittableRandom random) {
            this.random = random;
            this.pageSize = 512 << random.nextInt(8);
            // From well compressed to not at all.
            this.frame = 17 + (int) (pageSize * (0.1 + random.nextDouble() * 0.91));
        }

        /// One drain, then everything that it makes due.
        void drain(int size, int changes) {
            var changed = new BitSet();
            if (size > commit) {
                changed.set(commit + 1, size + 1);
            }
            for (int i = 0; i < changes; i++) {
                changed.set(1 + random.nextInt(size));
            }
            if (txid == 0) {
                changed.set(1, size + 1);
            }
            commit = size;
            var min = new Txid(txid + 1);
            txid += 1 + random.nextInt(5);
            now = now.plus(Duration.ofSeconds(30 + random.nextInt(600)));
            drained += add(DerivedFile.LEVEL_DRAIN, min, new Txid(txid), changed).size();
            databaseBytes.put(new Txid(txid), (long) commit * pageSize);
            for (Optional<Merge> due = next(); due.isPresent(); due = next()) {
                merged += merge(due.get()).size();
                merges++;
                assertThat(merges).as("it ends").isLessThan(10_000);
            }
        }

        Optional<Merge> next() {
            return MergePolicy.next(DrainedLife.TENANT, files, (long) commit * pageSize, now);
        }

        private DerivedFile merge(Merge merge) {
            var all = new BitSet();
            merge.inputs().forEach(input -> all.or(pages.get(input.key())));
            all.clear(commit + 1, Math.max(commit + 1, all.length()));
            if (merge.min().value() == 1) {
                assertThat(all.cardinality()).isEqualTo(commit);
            }
            return add(merge.level(), merge.min(), merge.max(), all);
        }

        private DerivedFile add(int level, Txid min, Txid max, BitSet changed) {
            String key = DerivedFile.key(DrainedLife.TENANT, level, min, max);
            long size = 131 + (long) changed.cardinality() * frame;
            var file = new DerivedFile(level, min, max, size, now, key);
            assertThat(pages.put(key, changed)).as(key).isNull();
            files.add(file);
            return file;
        }

        void checkLatest() {
            check(new Txid(txid));
        }

        /// What the promise is about.
        void check(Txid at) {
            RestorePlan plan = RestorePlan.of(DrainedLife.TENANT, files, at, List.of());
            assertThat(plan.steps().size()).isLessThanOrEqualTo(MergePolicy.OBJECTS_MAX);
            assertThat(plan.bytes())
                    .isLessThanOrEqualTo(MergePolicy.bytesMax(databaseBytes.get(at)));
        }
    }

    private void everyRestoreIsCheap(Life life, int drains, Runnable drain) {
        for (int i = 0; i < drains; i++) {
            drain.run();
            life.checkLatest();
        }
        List<Txid> ends = List.copyOf(life.databaseBytes.keySet());
        for (int i = 0; i < 30; i++) {
            life.check(ends.get(life.random.nextInt(ends.size())));
        }
        // What it costs: each byte is written once per level, and snapshots no more than that.
        assertThat(life.merged).isLessThan(5 * life.drained + (1 << 20));
        assertContiguous(life, 2);
        assertContiguous(life, 3);
    }

    /// As Litestream's followers need it: no gap and no overlap within a level.
    private static void assertContiguous(Life life, int level) {
        long reached = 0;
        for (DerivedFile file :
                life.files.stream()
                        .filter(one -> one.level() == level)
                        .sorted(DerivedFile.BY_RANGE)
                        .toList()) {
            assertThat(file.min().value()).isEqualTo(reached + 1);
            reached = file.max().value();
        }
    }

    @Seeds(20)
    void churnySmallDatabases(long seed) {
        var life = new Life(new SplittableRandom(seed));
        everyRestoreIsCheap(
                life,
                600,
                () -> {
                    int size = 1 + life.random.nextInt(30);
                    life.drain(size, life.random.nextInt(2 * size));
                });
    }

    @Seeds(6)
    void largeDatabasesWithSmallChanges(long seed) {
        var life = new Life(new SplittableRandom(seed));
        int size = 5_000 + life.random.nextInt(20_000);
        everyRestoreIsCheap(life, 1_000, () -> life.drain(size, 1 + life.random.nextInt(4)));
    }

    @Seeds(15)
    void databasesThatGrowAndShrink(long seed) {
        var life = new Life(new SplittableRandom(seed));
        everyRestoreIsCheap(
                life,
                400,
                () -> {
                    int size =
                            switch (life.random.nextInt(20)) {
                                case 0 -> 1 + life.random.nextInt(10);
                                case 1 -> 1 + life.commit / (1 + life.random.nextInt(50));
                                case 2 -> life.commit + 1 + life.random.nextInt(5_000);
                                default -> life.commit + 1 + life.random.nextInt(20);
                            };
                    life.drain(size, life.random.nextInt(size));
                });
    }

    /// A flood of small drains within a day: more than three levels of 16 can hold.
    @Test
    void noNumberOfDrainsNeedsMoreThan64Objects() {
        var life = new Life(new SplittableRandom(1));
        life.drain(100_000, 0);
        for (int i = 0; i < 3_000; i++) {
            life.drain(100_000, 1);
            life.now = START;
        }
        life.checkLatest();
        assertThat(life.files)
                .as("merges alone did it")
                .noneMatch(file -> file.level() == DerivedFile.LEVEL_SNAPSHOT);
    }

    @Test
    void sixteenDrainsAreMergedAndSixteenOfThoseAgain() {
        var files = new ArrayList<>(drains(1, 15));
        assertThat(next(files)).isEmpty();

        files.addAll(drains(16, 16));

        Merge merge = next(files).orElseThrow();
        assertThat(name(merge)).isEqualTo("2:1-16");
        assertThat(merge.inputs()).hasSize(16).allMatch(file -> file.level() == 1);

        for (int i = 0; i < 16; i++) {
            files.addAll(LineageHistoryTest.files("2:%d-%d".formatted(16 * i + 1, 16 * i + 16)));
        }
        assertThat(name(next(files).orElseThrow())).isEqualTo("3:1-256");
    }

    /// A dead owner's late file lies across the end of what was merged.
    @Test
    void overlapsAreNotMergedTwice() {
        var files = new ArrayList<>(LineageHistoryTest.files("2:1-16 1:15-17 1:17-17"));
        files.addAll(drains(18, 31));
        assertThat(next(files)).isEmpty();

        files.addAll(drains(32, 32));

        assertThat(name(next(files).orElseThrow())).isEqualTo("2:17-32");
    }

    @Test
    void nothingIsMergedAcrossAGap() {
        var files = new ArrayList<>(drains(1, 10));
        files.addAll(drains(12, 26));
        assertThat(next(files)).isEmpty();

        files.addAll(drains(27, 27));

        assertThat(name(next(files).orElseThrow())).isEqualTo("2:12-27");
    }

    /// After a fork the history begins with a snapshot.
    @Test
    void mergesBeginWhereTheDrainsDo() {
        var files = new ArrayList<>(LineageHistoryTest.files("9:1-40"));
        files.addAll(drains(41, 56));

        assertThat(name(next(files).orElseThrow())).isEqualTo("2:41-56");
    }

    private static List<DerivedFile> drains(int from, int to) {
        return LineageHistoryTest.files(
                IntStream.rangeClosed(from, to)
                        .mapToObj(n -> "1:" + n + "-" + n)
                        .collect(Collectors.joining(" ")));
    }

    private static Optional<Merge> next(List<DerivedFile> files) {
        return MergePolicy.next(DrainedLife.TENANT, files, 1 << 30, Instant.EPOCH);
    }

    private static String name(Merge merge) {
        return "%d:%d-%d".formatted(merge.level(), merge.min().value(), merge.max().value());
    }
}
