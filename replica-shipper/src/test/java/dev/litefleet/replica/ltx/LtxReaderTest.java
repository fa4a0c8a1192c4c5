package dev.litefleet.replica.ltx;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.Txid;
import dev.litefleet.testing.Seeds;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Golden files of `vectors/`, and those files damaged at every position.
final class LtxReaderTest {
    private static final byte[] PAGE = new byte[512];

    static {
        for (int i = 0; i < PAGE.length; i++) {
            PAGE[i] = (byte) i;
        }
    }

    @Test
    void readsWhatLitestreamWrote() {
        var reader = new LtxReader("v", vector("litestream-0.5.17"));

        Map<Integer, byte[]> pages = pages(reader);

        assertThat(reader.header())
                .isEqualTo(
                        new LtxHeader(
                                4096, 2, new Txid(1), new Txid(1), 1795234119269L, 0, 0, 0, 0, 0));
        assertThat(pages).containsOnlyKeys(1, 2);
        assertThat(new String(pages.get(1), 0, 16, ISO_8859_1)).isEqualTo("SQLite format 3\0");
        assertThat(new String(pages.get(2), ISO_8859_1)).contains("hello").contains("world");
        assertThat(reader.trailer().fileChecksum()).isEqualTo(0x98c7994c8fb68779L);
    }

    @Test
    void readsFileWithoutPages() {
        var reader = new LtxReader("v", vector("empty"));

        assertThat(reader.next()).isFalse();
        assertThat(reader.header())
                .isEqualTo(
                        LtxHeader.derived(4096, 13, new Txid(8), new Txid(8), 1700000000123L, 0));
        assertThat(reader.trailer().fileChecksum()).isEqualTo(0xed0a4b59053443e9L);
    }

    @ParameterizedTest
    @ValueSource(strings = {"literal-block-512", "raw-frame-512"})
    void readsBothFrameKinds(String name) {
        var reader = new LtxReader("v", vector(name));

        assertThat(pages(reader)).hasSize(1).containsEntry(1, PAGE);
        assertThat(reader.header())
                .isEqualTo(
                        new LtxHeader(
                                512,
                                1,
                                new Txid(7),
                                new Txid(7),
                                1700000000123L,
                                42,
                                32,
                                536,
                                0x11223344,
                                0x55667788));
    }

    @Test
    void readsBothFrameKindsInOneFile() {
        var reader = new LtxReader("v", vector("mixed-512"));

        assertThat(pages(reader)).containsOnlyKeys(1, 3).containsEntry(1, new byte[512]);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "litestream-0.5.17",
                "empty",
                "literal-block-512",
                "raw-frame-512",
                "mixed-512"
            })
    void anyTruncationIsAnErrorAtTheNewEnd(String name) {
        byte[] file = vector(name);
        for (int size = 0; size < file.length; size++) {
            byte[] cut = Arrays.copyOf(file, size);
            for (LtxReader reader : opened(cut)) {
                assertThat(reader == null ? header(cut) : failure(reader))
                        .as("cut to %d bytes", size)
                        .isInstanceOfSatisfying(
                                Corrupt.class, e -> assertThat(e.offset()).isEqualTo(cut.length))
                        .hasMessageContaining("key=v");
            }
        }
    }

    /// One kind of damage cannot show, and does not matter: the file checksum covers the page, not
    /// its LZ4 block, so a changed block that still means the same page is the same file.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "litestream-0.5.17",
                "empty",
                "literal-block-512",
                "raw-frame-512",
                "mixed-512"
            })
    void anyFlippedBitIsAnErrorInsideTheFile(String name) {
        byte[] file = vector(name);
        Map<Integer, byte[]> intact = pages(new LtxReader("v", file));
        int same = 0;
        for (int bit = 0; bit < 8 * file.length; bit++) {
            byte[] damaged = file.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            for (LtxReader reader : opened(damaged)) {
                Throwable failure = reader == null ? header(damaged) : failure(reader);
                if (failure instanceof Corrupt corrupt) {
                    assertThat(corrupt.offset()).isBetween(0L, (long) file.length);
                } else if (failure == null) {
                    same++;
                    assertThat(pages(new LtxReader("v", damaged)))
                            .as("bit %d", bit)
                            .hasSameSizeAs(intact)
                            .containsAllEntriesOf(intact);
                } else {
                    assertThat(failure).isInstanceOf(UnsupportedFormat.class);
                    assertThat(bit / 8).isBetween(4, 7);
                }
            }
        }
        assertThat(same).as("flips that mean the same page").isLessThan(file.length);
    }

    @Test
    void refusesBytesAfterTheTrailer() {
        byte[] longer = Arrays.copyOf(vector("mixed-512"), 702);

        for (LtxReader reader : opened(longer)) {
            assertThat(failure(reader))
                    .isInstanceOfSatisfying(
                            Corrupt.class, e -> assertThat(e.offset()).isEqualTo(701));
        }
    }

    /// A payload size, like everything else a file claims, is not what is allocated.
    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE, 512 + 2 + 16 + 1})
    void refusesPayloadSizeBeyondTheBound(int size) {
        byte[] file = vector("literal-block-512");
        ByteBuffer.wrap(file).putInt(106, size);

        assertThat(failure(new LtxReader("v", file)))
                .isInstanceOfSatisfying(Corrupt.class, e -> assertThat(e.offset()).isEqualTo(106));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 511, 513, 1000, 131072, Integer.MIN_VALUE})
    void refusesPageSizesOfNoDatabase(int pageSize) {
        byte[] file = vector("empty");
        ByteBuffer.wrap(file).putInt(8, pageSize);

        assertThat(header(file))
                .isInstanceOfSatisfying(Corrupt.class, e -> assertThat(e.offset()).isEqualTo(8));
    }

    @Test
    void refusesPagesOutOfOrderBeyondTheSizeOrOnTheLockPage() {
        int lock = 0x40000000 / 512 + 1;
        assertThat(failure(file(10, 5, 4))).hasMessageContaining("page 4 follows page 5");
        assertThat(failure(file(10, 5, 5))).hasMessageContaining("page 5 follows page 5");
        assertThat(failure(file(10, 11))).hasMessageContaining("out of range");
        assertThat(failure(file(10, -1))).hasMessageContaining("out of range: 4294967295");
        assertThat(failure(file(lock + 1, lock))).hasMessageContaining("out of range");
    }

    @Test
    void refusesTrackedChecksumsByName() {
        byte[] file = vector("empty");
        ByteBuffer.wrap(file).putInt(4, 0);

        assertThatThrownBy(() -> new LtxReader("k", file))
                .isInstanceOf(UnsupportedFormat.class)
                .hasMessage("unsupported format: ltx flags 0x0 [key=k]");
    }

    /// A single frame of the older kind can be trusted without the rest of its file.
    @Test
    void lz4FrameIsCheckedOnItsOwn() {
        byte[] file = vector("raw-frame-512");
        byte[] page = new byte[512];
        assertThat(PageFrame.decode("v", file, 100, 537, 100, page)).isEqualTo(1);
        assertThat(page).isEqualTo(PAGE);
        for (int at = 106; at < 637; at++) {
            byte[] damaged = file.clone();
            damaged[at] ^= 1;
            assertThatThrownBy(() -> PageFrame.decode("v", damaged, 100, 537, 100, page))
                    .isInstanceOf(Corrupt.class);
        }
    }

    /// Bytes from anywhere end in an error, not in another exception, a crash of the codec or the
    /// same file.
    @Seeds(40)
    void garbageIsCorrupt(long seed) {
        var random = new SplittableRandom(seed);
        List<String> names = List.of("litestream-0.5.17", "literal-block-512", "mixed-512");
        byte[] file = vector(names.get((int) (seed % 3)));
        for (int i = 0; i < 500; i++) {
            byte[] damaged = file.clone();
            int from = 100 + random.nextInt(file.length - 100);
            int to = from + 1 + random.nextInt(Math.min(40, file.length - from));
            for (int at = from; at < to; at++) {
                damaged[at] = (byte) random.nextInt();
            }
            Throwable failure = failure(new LtxReader("v", damaged));
            if (failure != null) {
                assertThat(failure).isInstanceOf(Corrupt.class);
            } else {
                assertThat(pages(new LtxReader("v", damaged)))
                        .containsAllEntriesOf(pages(new LtxReader("v", file)));
            }
        }
    }

    @Test
    void readsFromStreamThatGivesOneByteAtATime() {
        byte[] file = vector("litestream-0.5.17");

        var reader = new LtxReader("v", new DripStream(file));

        assertThat(pages(reader)).hasSize(2);
    }

    /// The two ways to read, header done; null where that failed.
    private static List<LtxReader> opened(byte[] file) {
        var readers = new ArrayList<LtxReader>();
        try {
            readers.add(new LtxReader("v", file));
            readers.add(new LtxReader("v", new ByteArrayInputStream(file)));
        } catch (Corrupt | UnsupportedFormat _) {
            readers.add(null);
        }
        return readers;
    }

    private static Throwable header(byte[] file) {
        return catchThrowable(() -> new LtxReader("v", file));
    }

    private static Throwable failure(LtxReader reader) {
        return catchThrowable(() -> pages(reader));
    }

    private static Map<Integer, byte[]> pages(LtxReader reader) {
        var pages = new TreeMap<Integer, byte[]>();
        while (reader.next()) {
            pages.put(reader.pgno(), reader.page().clone());
        }
        assertThat(reader.trailer()).isNotNull();
        return pages;
    }

    /// Literal-block pages in the order given, without index and trailer.
    private static LtxReader file(int commit, int... pgnos) {
        var out = new ByteArrayOutputStream();
        out.writeBytes(LtxHeader.derived(512, commit, new Txid(2), new Txid(2), 0, 0).encode());
        byte[] frame = Arrays.copyOfRange(vector("literal-block-512"), 100, 100 + 10 + 515);
        for (int pgno : pgnos) {
            ByteBuffer.wrap(frame).putInt(0, pgno);
            out.writeBytes(frame);
        }
        out.writeBytes(new byte[100]);
        return new LtxReader("v", out.toByteArray());
    }

    static byte[] vector(String name) {
        try (InputStream in =
                LtxReaderTest.class.getResourceAsStream("/vectors/" + name + ".ltx")) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static final class DripStream extends FilterInputStream {
        private DripStream(byte[] bytes) {
            super(new ByteArrayInputStream(bytes));
        }

        @Override
        public int read(byte[] to, int offset, int length) throws IOException {
            return super.read(to, offset, Math.min(length, 1));
        }
    }
}
