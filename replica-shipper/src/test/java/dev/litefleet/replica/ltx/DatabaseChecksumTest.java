package dev.litefleet.replica.ltx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.testing.Seeds;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DatabaseChecksumTest {
    @TempDir Path dir;

    @Test
    void pageChecksumIsTheFormats() {
        byte[] page = new byte[512];
        for (int i = 0; i < 512; i++) {
            page[i] = (byte) i;
        }

        assertThat(DatabaseChecksum.page(1, page, 0, 512)).isEqualTo(0xc6f13286cb62cc9fL);
        assertThat(new DatabaseChecksum(512).value()).isEqualTo(1L << 63);
    }

    /// Commits that change, grow and shrink a database; the rolling sum must equal the sum over all
    /// its pages, and survive copy and file.
    @Seeds(100)
    void equalsTheSumOverAllPages(long seed) {
        var random = new SplittableRandom(seed);
        var database = new TreeMap<Integer, byte[]>();
        var checksum = new DatabaseChecksum(512);
        for (int i = 0; i < 20; i++) {
            int before = database.size();
            int commit = 1 + random.nextInt(60);
            var changed = new TreeMap<Integer, byte[]>();
            for (int pgno = 1; pgno <= commit; pgno++) {
                if (pgno > before || random.nextInt(5) == 0) {
                    changed.put(pgno, LtxWriterTest.page(random, 512));
                }
            }
            database.putAll(changed);
            database.tailMap(commit, false).clear();

            long after = apply(checksum, commit, changed);

            assertThat(after).isEqualTo(checksum.value()).isEqualTo(whole(database));
            assertThat(checksum.pages()).isEqualTo(commit);
        }
        DatabaseChecksum copy = checksum.copy();
        checksum.truncate(0);
        assertThat(checksum.value()).isEqualTo(DatabaseChecksum.EMPTY);
        copy.save(dir.resolve("sums"));
        DatabaseChecksum loaded = DatabaseChecksum.load(dir.resolve("sums")).orElseThrow();
        assertThat(loaded.value()).isEqualTo(copy.value()).isEqualTo(whole(database));
        assertThat(loaded.pages()).isEqualTo(database.size());
        database.put(1, new byte[512]);
        var change = new TreeMap<Integer, byte[]>();
        change.put(1, new byte[512]);
        assertThat(apply(loaded, database.size(), change)).isEqualTo(whole(database));
    }

    @Test
    void lockPageCountsNothing() {
        int lock = LockPage.of(65536);
        var checksum = new DatabaseChecksum(65536);
        byte[] page = new byte[65536];
        for (int pgno = 1; pgno < lock; pgno++) {
            checksum.set(pgno, 1L << 63 | pgno);
        }
        long before = checksum.value();

        assertThat(checksum.apply(lock, new int[0], new byte[0])).isEqualTo(before);
        assertThat(checksum.apply(lock + 1, new int[] {lock + 1}, page))
                .isEqualTo((before ^ DatabaseChecksum.page(lock + 1, page, 0, 65536)) | 1L << 63);
        assertThatThrownBy(() -> checksum.set(lock, 1L << 63))
                .isInstanceOf(IllegalArgumentException.class);
        checksum.save(dir.resolve("sums"));
        assertThat(DatabaseChecksum.load(dir.resolve("sums")).orElseThrow().value())
                .isEqualTo(checksum.value());
    }

    @Test
    void refusesGrowthWithoutItsPages() {
        var checksum = new DatabaseChecksum(512);

        assertThatThrownBy(() -> checksum.apply(3, new int[] {1, 3}, new byte[1024]))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("without page 2");
        assertThatThrownBy(
                        () -> new DatabaseChecksum(512).apply(1, new int[] {1, 2}, new byte[1024]))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void tornOrDamagedFileIsCorrupt() throws Exception {
        Path file = dir.resolve("sums");
        var checksum = new DatabaseChecksum(512);
        checksum.apply(9, new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9}, new byte[9 * 512]);
        checksum.save(file);
        byte[] bytes = Files.readAllBytes(file);
        assertThat(bytes).hasSize(24 + 9 * 8 + 8);

        for (int size = 0; size < bytes.length; size++) {
            Files.write(file, Arrays.copyOf(bytes, size));
            assertThatThrownBy(() -> DatabaseChecksum.load(file)).isInstanceOf(Corrupt.class);
        }
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] damaged = bytes.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(file, damaged);
            assertThatThrownBy(() -> DatabaseChecksum.load(file)).isInstanceOf(Corrupt.class);
        }
        assertThat(DatabaseChecksum.load(dir.resolve("none"))).isEmpty();
    }

    private static long apply(
            DatabaseChecksum checksum, int commit, TreeMap<Integer, byte[]> changed) {
        byte[] pages = new byte[changed.size() * 512];
        int at = 0;
        for (byte[] page : changed.values()) {
            System.arraycopy(page, 0, pages, at, 512);
            at += 512;
        }
        int[] pgnos = changed.keySet().stream().mapToInt(p -> p).toArray();
        return checksum.apply(commit, pgnos, pages);
    }

    private static long whole(TreeMap<Integer, byte[]> database) {
        long sum = DatabaseChecksum.EMPTY;
        for (var page : database.entrySet()) {
            sum = (sum ^ DatabaseChecksum.page(page.getKey(), page.getValue(), 0, 512)) | 1L << 63;
        }
        return sum;
    }
}
