package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The bytes in a slot: what we wrote is what we read, `java.util.zip` reads the same, and nothing
/// that was changed on the way is believed.
final class SegmentTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final Slot SLOT = new Slot(1, 7);

    private final MemoryObjectStore store = new MemoryObjectStore();

    @Seeds(30)
    void readsBackWhatWasWritten(long seed) throws IOException {
        List<Segment.Body> bodies = bodies(seed, 1 + (int) seed * 3);
        put(Segment.encode(comment(), bodies));

        var segment = (SegmentReader) SegmentReader.read(store, LOG, SLOT).orElseThrow();

        assertThat(segment.comment()).isEqualTo(comment());
        assertThat(segment.entries()).isEqualTo(bodies.stream().map(Segment.Body::entry).toList());
        for (Segment.Body body : bodies) {
            try (InputStream ltx = segment.ltx(body.entry())) {
                assertThat(ltx.readAllBytes()).isEqualTo(body.ltx());
            }
        }
    }

    @Test
    void unzipReadsIt(@TempDir Path dir) throws IOException {
        List<Segment.Body> bodies = bodies(1, 40);
        Path file = dir.resolve("segment.zip");
        Files.write(file, Segment.encode(comment(), bodies));

        try (var zip = new ZipFile(file.toFile())) {
            assertThat(zip.getComment())
                    .startsWith("{\"format\":1,\"body\":\"" + comment().body() + "\"")
                    .contains("\"session\":\"" + LOG.session() + "\",\"part\":1,\"slot\":7,\"k\":4")
                    .contains("\"undrained_from\":{\"part\":1,\"slot\":3}");
            assertThat(zip.size()).isEqualTo(bodies.size());
            for (Segment.Body body : bodies) {
                ZipEntry entry = zip.getEntry(Segment.entryName(body.entry()));
                assertThat(entry.getMethod()).isEqualTo(ZipEntry.STORED);
                assertThat(entry.getComment())
                        .contains("\"min\":\"" + body.entry().min() + "\"")
                        .contains("\"actor\":\"" + body.entry().actor() + "\"");
                assertThat(zip.getInputStream(entry).readAllBytes()).isEqualTo(body.ltx());
            }
        }
    }

    @Test
    void smallSegmentIsOneRequest() throws IOException {
        List<Segment.Body> bodies = bodies(1, 5);
        put(Segment.encode(comment(), bodies));
        var counting = new CountingObjectStore(store);

        var segment = (SegmentReader) SegmentReader.read(counting, LOG, SLOT).orElseThrow();
        for (Entry entry : segment.entries()) {
            segment.ltx(entry).close();
        }

        assertThat(counting.total()).isEqualTo(1);
    }

    @Test
    void largeIndexIsTwoRequests() {
        put(Segment.encode(comment(), bodies(1, 2000)));
        var counting = new CountingObjectStore(store);

        var segment = (SegmentReader) SegmentReader.read(counting, LOG, SLOT).orElseThrow();

        assertThat(segment.entries()).hasSize(2000);
        assertThat(counting.total()).isEqualTo(2);
    }

    /// An entry is held in memory: what nobody writes is not read.
    @Test
    void entryLargerThanAnyThatIsWrittenIsRefused() {
        Entry entry = bodies(1, 1).getFirst().entry();
        var large = new byte[SlotArchive.CONTENT_BYTES_MAX + 1];
        put(Segment.encode(comment(), List.of(new Segment.Body(entry, large))));

        assertThatThrownBy(() -> SegmentReader.read(store, LOG, SLOT))
                .isInstanceOf(Corrupt.class)
                .hasMessageContaining("entry of " + large.length + " bytes");
    }

    @Test
    void moreThan64CommitsOfOneTenantAreOneEntry() throws IOException {
        var commits = new Commits(5);
        var some = new ArrayList<Commit>();
        for (int i = 0; i < 64; i++) {
            some.add(commits.next("a"));
        }
        some.add(commits.next("b"));
        assertThat(LtxBodies.of(some).bodies()).hasSize(65);

        some.add(commits.next("a", 2, 1)); // which also drops what lies beyond page 2
        LtxBodies bodies = LtxBodies.of(some);

        assertThat(bodies.bodies()).hasSize(2);
        Segment.Body merged = bodies.bodies().getFirst();
        assertThat(merged.entry().merged()).isTrue();
        assertThat(merged.entry().min().value()).isEqualTo(1);
        assertThat(merged.entry().max().value()).isEqualTo(65);
        assertThat(merged.entry().commitMillis())
                .containsExactly(1_700_000_000_001L, 1_700_000_000_065L);
        assertThat(bodies.places()[0]).isZero();
        assertThat(bodies.places()[64]).isEqualTo(1);
        byte[] image = new byte[2 * Commits.PAGE_SIZE];
        for (Commit commit : some) {
            for (int i = 0; i < commit.pgnos().length; i++) {
                if (commit.tenant().equals(Commits.tenant("a")) && commit.pgnos()[i] <= 2) {
                    System.arraycopy(
                            commit.pages(),
                            i * Commits.PAGE_SIZE,
                            image,
                            (commit.pgnos()[i] - 1) * Commits.PAGE_SIZE,
                            Commits.PAGE_SIZE);
                }
            }
        }
        var ltx = new LtxReader("merged", merged.ltx());
        for (int pgno = 1; pgno <= 2; pgno++) {
            assertThat(ltx.next()).isTrue();
            assertThat(ltx.pgno()).isEqualTo(pgno);
            assertThat(ltx.page())
                    .isEqualTo(
                            Arrays.copyOfRange(
                                    image,
                                    (pgno - 1) * Commits.PAGE_SIZE,
                                    pgno * Commits.PAGE_SIZE));
        }
        assertThat(ltx.next()).isFalse();
        assertThat(ltx.header().commit()).isEqualTo(2);
    }

    /// A flip in the parts of a local header that repeat the directory changes nothing that is
    /// read; any other must be noticed.
    @Test
    void everyBitFlipIsNoticedOrHarmless() throws IOException {
        List<Segment.Body> bodies = bodies(3, 3);
        byte[] whole = Segment.encode(comment(), bodies);
        int harmless = 0;
        for (int bit = 0; bit < whole.length * 8; bit++) {
            byte[] damaged = whole.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            harmless += intact(damaged, bodies) ? 1 : 0;
        }

        assertThat(harmless).isLessThanOrEqualTo(3 * 24 * 8);
    }

    @Test
    void everyTruncationIsNoticed() throws IOException {
        List<Segment.Body> bodies = bodies(3, 3);
        byte[] whole = Segment.encode(comment(), bodies);
        for (int length = 0; length < whole.length; length++) {
            assertThat(intact(Arrays.copyOf(whole, length), bodies)).as("%d", length).isFalse();
        }
    }

    @Seeds(20)
    void rubbishIsRefused(long seed) {
        var random = new SplittableRandom(seed);
        byte[] whole = Segment.encode(comment(), bodies(seed, 3));
        for (int round = 0; round < 200; round++) {
            byte[] damaged = whole.clone();
            for (int i = random.nextInt(8); i >= 0; i--) {
                damaged[damaged.length - 1 - random.nextInt(300)] = (byte) random.nextInt();
            }
            if (!Arrays.equals(whole, damaged)) {
                put(damaged);
                assertThatThrownBy(() -> SegmentReader.read(store, LOG, SLOT))
                        .isInstanceOf(ReplicaException.class);
            }
        }
    }

    @Test
    void segmentOfAnotherSlotIsRefused() {
        byte[] bytes = Segment.encode(comment(), List.of());
        store.damage(SLOT.next().key(LOG), bytes);

        assertThatThrownBy(() -> SegmentReader.read(store, LOG, SLOT.next()))
                .isInstanceOf(Corrupt.class)
                .hasMessageContaining("belongs elsewhere");
    }

    @Test
    void newerFormatIsRefusedByName() {
        String text = new String(Segment.encode(comment(), List.of()), StandardCharsets.ISO_8859_1);
        put(
                SlotArchive.sealed(
                        text.replace("\"format\":1", "\"format\":2")
                                .replaceFirst("\"crc\":\"[0-9a-f]{8}", "\"crc\":\"00000000")
                                .getBytes(StandardCharsets.ISO_8859_1)));

        assertThatThrownBy(() -> SegmentReader.read(store, LOG, SLOT))
                .isInstanceOf(UnsupportedFormat.class)
                .hasMessageContaining("format 2");
    }

    @Test
    void fenceIsToldFromASegment() {
        var fence = new FenceObject(comment().body(), "01JD2222222222222222222222", 7, 2);
        put(Fence.encode(fence));

        assertThat(SegmentReader.read(store, LOG, SLOT)).contains(fence);
        assertThat(fence.endsPart()).isTrue();
    }

    @Test
    void longestFenceIsShorterThanAnySegmentWithAnEntry() {
        var fence =
                new FenceObject(comment().body(), "x".repeat(64), Long.MAX_VALUE, Slot.PART_MAX);
        var commits = new Commits(1);
        commits.next("a");
        byte[] segment =
                Segment.encode(comment(), LtxBodies.of(List.of(commits.next("a", 2))).bodies());

        assertThat(Fence.encode(fence).length).isLessThanOrEqualTo(Fence.BYTES_MAX);
        assertThat(segment.length).isGreaterThan(Fence.BYTES_MAX);
    }

    private boolean intact(byte[] damaged, List<Segment.Body> bodies) throws IOException {
        put(damaged);
        try {
            var segment = (SegmentReader) SegmentReader.read(store, LOG, SLOT).orElseThrow();
            for (int i = 0; i < bodies.size(); i++) {
                assertThat(segment.entries().get(i)).isEqualTo(bodies.get(i).entry());
                try (InputStream ltx = segment.ltx(segment.entries().get(i))) {
                    assertThat(ltx.readAllBytes()).isEqualTo(bodies.get(i).ltx());
                }
            }
            assertThat(segment.comment()).isEqualTo(comment());
            return true;
        } catch (ReplicaException noticed) {
            return false;
        }
    }

    private void put(byte[] bytes) {
        store.damage(SLOT.key(LOG), bytes);
    }

    private static Segment.Comment comment() {
        return new Segment.Comment(
                new BodyId("0123456789abcdef0123456789abcdef"), LOG, SLOT, 4, new Slot(1, 3));
    }

    private static List<Segment.Body> bodies(long seed, int count) {
        var commits = new Commits(seed);
        var list = new ArrayList<Commit>();
        for (int i = 0; i < count; i++) {
            list.add(commits.next("t" + i % 50));
        }
        return LtxBodies.of(list).bodies();
    }
}
