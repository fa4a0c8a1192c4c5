package dev.litefleet.testing;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.testing.SimDisk.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// The disk forgets what it may forget, and nothing else.
final class SimDiskTest {
    private static final int SEEDS = 200;

    private static SimDisk disk(long seed) {
        return new SimDisk(new SplittableRandom(seed));
    }

    private static FileChannel write(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static void force(Path folder) throws IOException {
        try (var channel = FileChannel.open(folder)) {
            channel.force(true);
        }
    }

    private static byte[] filled(int length, char with) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) with);
        return bytes;
    }

    /// A file of that content which survives whatever comes.
    private static Path durable(SimDisk disk, byte[] content) throws IOException {
        Path file = disk.root().resolve("file");
        try (var channel = write(file)) {
            channel.write(ByteBuffer.wrap(content));
            channel.force(true);
        }
        force(disk.root());
        return file;
    }

    @Test
    void whatWasNotForcedSurvivesBySectors() throws IOException {
        Set<String> seen = new HashSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            Path file = durable(disk, filled(2048, 'a'));
            try (var channel = write(file)) {
                channel.write(ByteBuffer.wrap(filled(1000, 'b')), 300);
                assertThat(Files.readAllBytes(file)).contains('b');
                disk.powerFails();
            }
            byte[] after = Files.readAllBytes(file);
            var kept = new StringBuilder();
            for (int at = 0; at < 2048; at += SimDisk.SECTOR) {
                int from = Math.max(at, 300);
                int to = Math.min(at + SimDisk.SECTOR, 1300);
                byte[] sector = from < to ? Arrays.copyOfRange(after, from, to) : new byte[0];
                assertThat(new String(sector, UTF_8)).matches("a*|b*");
                kept.append(sector.length == 0 ? '-' : (char) sector[0]);
            }
            assertThat(after).hasSize(2048).startsWith(filled(300, 'a'));
            seen.add(kept.toString());
        }

        assertThat(seen)
                .containsExactlyInAnyOrder(
                        "aaa-", "aab-", "aba-", "abb-", "baa-", "bab-", "bba-", "bbb-");
    }

    @Test
    void whatWasForcedSurvives() throws IOException {
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            Path file = durable(disk, filled(2048, 'a'));
            try (var channel = write(file)) {
                channel.truncate(100);
                channel.write(ByteBuffer.wrap(filled(700, 'b')), 50);
                channel.force(false);
            }
            disk.powerFails();

            assertThat(Files.readString(file)).matches("a{50}b{700}");
        }
    }

    @Test
    void lengthMayBeTheOldOneOrTheNew() throws IOException {
        Set<Long> lengths = new HashSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            Path file = durable(disk, filled(2048, 'a'));
            try (var channel = write(file)) {
                channel.truncate(100);
            }
            disk.powerFails();
            lengths.add(Files.size(file));
        }

        assertThat(lengths).containsExactlyInAnyOrder(100L, 2048L);
    }

    @Test
    void namesAreCertainOnlyWhenTheirFolderWasForced() throws IOException {
        Set<String> seen = new HashSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            Path file = durable(disk, filled(1, 'a'));
            Path fresh = disk.root().resolve("fresh");
            try (var channel = write(fresh)) {
                channel.write(ByteBuffer.wrap(filled(1, 'b')));
                channel.force(true);
            }
            Files.move(
                    fresh,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            boolean forced = seed % 2 == 0;
            if (forced) {
                force(disk.root());
            }
            disk.powerFails();
            seen.add(forced + Files.readString(file) + Files.exists(fresh));
        }

        assertThat(seen)
                .containsExactlyInAnyOrder(
                        "truebfalse", "falseafalse", "falseatrue", "falsebfalse");
    }

    @Test
    void removedFileMayComeBackAndFolderMayBeGone() throws IOException {
        Set<String> seen = new HashSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            Path file = durable(disk, filled(1, 'a'));
            Files.delete(file);
            Files.createDirectories(disk.root().resolve("one/two"));
            disk.powerFails();
            seen.add(
                    "%s %s %s"
                            .formatted(
                                    Files.exists(file),
                                    Files.exists(disk.root().resolve("one")),
                                    Files.exists(disk.root().resolve("one/two"))));
        }

        assertThat(seen)
                .contains("true false false", "false true true", "false true false")
                .doesNotContain("true false true");
    }

    @Test
    void endOfTheProcessLosesNothingButItsFiles() throws IOException {
        SimDisk disk = disk(1);
        Path file = disk.root().resolve("file");
        FileChannel channel = write(file);
        channel.write(ByteBuffer.wrap(filled(3, 'a')));
        assertThat(channel.tryLock()).isNotNull();
        try (var other = write(file)) {
            assertThatThrownBy(other::tryLock).isInstanceOf(OverlappingFileLockException.class);
        }
        disk.processEnds();

        assertThat(Files.readString(file)).isEqualTo("aaa");
        assertThatThrownBy(() -> channel.write(ByteBuffer.wrap(filled(3, 'b'))))
                .isInstanceOf(IOException.class);
        try (var other = write(file)) {
            assertThat(other.tryLock()).isNotNull();
        }
    }

    @Test
    void forceThatFailsDropsWhatItShouldHaveKept() throws IOException {
        SimDisk disk = disk(1);
        Path file = durable(disk, filled(3, 'a'));
        try (var channel = write(file)) {
            channel.write(ByteBuffer.wrap(filled(3, 'b')), 0);
            disk.fail(operation -> operation.kind() == Kind.FORCE);
            assertThatThrownBy(() -> channel.force(true)).isInstanceOf(IOException.class);
            disk.calm();
            channel.force(true);
        }
        disk.powerFails();

        assertThat(Files.readString(file)).isEqualTo("aaa");
    }

    @Test
    void forceMayBeIgnored() throws IOException {
        Set<String> seen = new HashSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            disk.ignoreForce(operation -> operation.path().toString().endsWith("file"));
            seen.add("" + Files.exists(durable(disk, filled(1, 'a'))));
            disk.powerFails();
            seen.add("after " + Files.size(disk.root().resolve("file")));
        }

        assertThat(seen).containsExactlyInAnyOrder("true", "after 0", "after 1");
    }

    @Test
    void spaceEnds() throws IOException {
        SimDisk disk = disk(1);
        disk.capacity(1000);
        Path file = disk.root().resolve("file");
        try (var channel = write(file)) {
            assertThat(channel.write(ByteBuffer.wrap(filled(600, 'a')))).isEqualTo(600);
            assertThat(Files.getFileStore(file).getUsableSpace()).isEqualTo(400);
            assertThat(channel.write(ByteBuffer.wrap(filled(600, 'b')))).isEqualTo(400);
            assertThatThrownBy(() -> channel.write(ByteBuffer.wrap(filled(1, 'c'))))
                    .hasMessage("No space left on device");
            assertThat(channel.write(ByteBuffer.wrap(filled(10, 'd')), 0)).isEqualTo(10);
        }
        assertThat(Files.size(file)).isEqualTo(1000);
        Files.delete(file);
        assertThat(Files.getFileStore(disk.root()).getUsableSpace()).isEqualTo(1000);
    }

    @Test
    void operationsFailAndAreSeen() throws IOException {
        SimDisk disk = disk(1);
        Path file = durable(disk, filled(3, 'a'));
        var seen = new HashSet<Kind>();
        disk.watch(operation -> seen.add(operation.kind()));
        disk.fail(operation -> operation.kind() == Kind.READ);

        assertThatThrownBy(() -> Files.readAllBytes(file)).hasMessageContaining("READ");
        assertThat(seen).contains(Kind.OPEN, Kind.READ);
        assertThatThrownBy(() -> Files.readAllBytes(file.resolveSibling("none")))
                .isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void bitsFlip() throws IOException {
        SimDisk disk = disk(1);
        byte[] content = filled(100, 'a');
        Path file = durable(disk, content);

        assertThat(disk.flipBit(file)).isTrue();
        byte[] found = Files.readAllBytes(file);
        int bits = 0;
        for (int i = 0; i < content.length; i++) {
            bits += Integer.bitCount((content[i] ^ found[i]) & 255);
        }
        assertThat(bits).isEqualTo(1);
        assertThat(disk.flipBit(file.resolveSibling("none"))).isFalse();
    }

    @Test
    void linksTemporaryFilesAndListingsAreTheUsualOnes() throws IOException {
        SimDisk disk = disk(1);
        Path file = durable(disk, filled(3, 'a'));
        Path folder = Files.createDirectories(disk.root().resolve("one/two"));
        Path link = folder.resolve("link");
        Files.createLink(link, file);
        Files.delete(file);
        Path temporary = Files.createTempFile(folder, "a", "b");
        try (var out = Files.newOutputStream(temporary)) {
            out.write(filled(9, 'z'));
        }

        try (var walk = Files.walk(disk.root())) {
            assertThat(walk.map(Path::toString))
                    .containsExactly(
                            "/", "/one", "/one/two", "/one/two/link", temporary.toString());
        }
        assertThat(Files.readString(link)).isEqualTo("aaa");
        assertThat(disk.used()).isEqualTo(12);
        assertThat(disk.root().resolve("one").relativize(link)).hasToString("two/link");
    }

    /// A real user of it: whatever happens when, there is the old file or the new one, whole.
    @Test
    void sumsAreTheOldOrTheNewOnesWheneverThePowerFails() {
        DatabaseChecksum old = sums(1);
        DatabaseChecksum fresh = sums(100);
        Set<Long> seen = new HashSet<>();
        for (int seed = 0; seed < SEEDS; seed++) {
            SimDisk disk = disk(seed);
            Path file = disk.root().resolve("sums");
            old.save(file);
            try {
                force(disk.root());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            disk.writeShort(true);
            int last = seed % 10;
            var done = new int[1];
            disk.fail(_ -> done[0]++ >= last);
            try {
                fresh.save(file);
            } catch (UncheckedIOException dead) {
                // As if it had died there.
            }
            disk.calm();
            disk.powerFails();
            seen.add(DatabaseChecksum.load(file).orElseThrow().value());
        }

        assertThat(seen).containsExactlyInAnyOrder(old.value(), fresh.value());
    }

    private static DatabaseChecksum sums(int pages) {
        var sums = new DatabaseChecksum(512);
        for (int pgno = 1; pgno <= pages; pgno++) {
            sums.set(pgno, pgno | 1L << 63);
        }
        return sums;
    }

    @Test
    void sameSeedSameSurvivors() throws IOException {
        byte[][] found = new byte[2][];
        for (int run = 0; run < 2; run++) {
            SimDisk disk = disk(7);
            Path file = durable(disk, filled(20 * SimDisk.SECTOR, 'a'));
            try (var channel = write(file)) {
                channel.write(ByteBuffer.wrap(filled(20 * SimDisk.SECTOR, 'b')));
            }
            disk.powerFails();
            found[run] = Files.readAllBytes(file);
        }

        assertThat(found[0]).isEqualTo(found[1]);
    }
}
