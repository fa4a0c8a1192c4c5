package dev.litefleet.replica.ltx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.Txid;
import dev.litefleet.testing.Seeds;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

final class LtxWriterTest {
    private static final byte[] ZEROS = new byte[512];

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    @Test
    void writesFrozenBytesOfFileWithoutPages() {
        var header = LtxHeader.derived(4096, 13, new Txid(8), new Txid(8), 1700000000123L, 0);

        var writer = new LtxWriter(out, header);
        writer.finish();

        assertThat(out.toByteArray()).isEqualTo(LtxReaderTest.vector("empty"));
        assertThat(writer.bytes()).isEqualTo(131);
    }

    @Test
    void writesAgainWhatItReadOfLitestream() {
        byte[] file = LtxReaderTest.vector("literal-block-512");
        var reader = new LtxReader("v", file);
        var writer = new LtxWriter(out, reader.header());
        while (reader.next()) {
            writer.page(reader.pgno(), reader.page(), 0);
        }

        writer.finish();

        byte[] again = out.toByteArray();
        assertThat(Arrays.copyOf(again, 100)).isEqualTo(Arrays.copyOf(file, 100));
        assertThat(again).hasSizeLessThan(file.length);
        var copy = new LtxReader("v", again);
        assertThat(copy.next()).isTrue();
        assertThat(copy.page()).isEqualTo(reader.page());
        assertThat(copy.next()).isFalse();
    }

    /// Compressible, incompressible and empty pages of every size come back, through the stream,
    /// the array and the index with single frames.
    @Seeds(60)
    void whatIsWrittenComesBack(long seed) {
        var random = new SplittableRandom(seed);
        int pageSize = 512 << seed % 8;
        int commit = 1 + random.nextInt(40);
        var pages = new TreeMap<Integer, byte[]>();
        for (int pgno = 1; pgno <= commit; pgno++) {
            if (random.nextInt(3) > 0) {
                pages.put(pgno, page(random, pageSize));
            }
        }
        var header =
                new LtxHeader(
                        pageSize,
                        commit,
                        new Txid(2),
                        new Txid(2 + random.nextInt(9)),
                        random.nextLong(1L << 42),
                        random.nextLong(),
                        32 + random.nextInt(1000),
                        random.nextInt(1000),
                        random.nextInt(),
                        random.nextInt());
        var writer = new LtxWriter(out, header);
        pages.forEach((pgno, page) -> writer.page(pgno, page, 0));
        LtxTrailer trailer = writer.finish();
        byte[] file = out.toByteArray();

        assertThat(writer.bytes()).isEqualTo(file.length);
        for (var reader :
                new LtxReader[] {
                    new LtxReader("k", file), new LtxReader("k", new ByteArrayInputStream(file))
                }) {
            assertThat(reader.header()).isEqualTo(header);
            pages.forEach((pgno, page) -> {
                assertThat(reader.next()).isTrue();
                assertThat(reader.pgno()).isEqualTo(pgno);
                assertThat(reader.page()).isEqualTo(page);
            });
            assertThat(reader.next()).isFalse();
            assertThat(reader.trailer()).isEqualTo(trailer);
        }
        byte[] last24 = Arrays.copyOfRange(file, file.length - 24, file.length);
        int tail = (int) PageIndex.tailBytes("k", last24, file.length);
        PageIndex index =
                PageIndex.parse(
                        "k",
                        Arrays.copyOfRange(file, file.length - tail, file.length),
                        file.length,
                        header);
        assertThat(index.size()).isEqualTo(pages.size());
        for (int i = 0; i < index.size(); i++) {
            byte[] page = new byte[pageSize];
            int at = (int) index.offset(i);
            int pgno = PageFrame.decode("k", file, at, index.length(i), at, page);
            assertThat(pgno).isEqualTo(index.pgno(i));
            assertThat(page).isEqualTo(pages.get(pgno));
        }
    }

    @Test
    void refusesPagesThatMayNotFollow() {
        int lock = LockPage.of(512);
        var writer = new LtxWriter(out, header(2, lock + 5));
        writer.page(3, ZEROS, 0);

        assertThatThrownBy(() -> writer.page(3, ZEROS, 0)).hasMessageContaining("page 3");
        assertThatThrownBy(() -> writer.page(2, ZEROS, 0)).hasMessageContaining("page 2");
        assertThatThrownBy(() -> writer.page(lock, ZEROS, 0)).hasMessageContaining("2097153");
        assertThatThrownBy(() -> writer.page(lock + 6, ZEROS, 0)).hasMessageContaining("2097158");
    }

    /// Litestream issues 1199 and 1323: databases whose files lacked a page of the growth were
    /// lost.
    @Test
    void refusesGapAmongThePagesByWhichTheDatabaseGrew() {
        var inside = new LtxWriter(out, header(2, 8), 5);
        inside.page(2, ZEROS, 0);
        inside.page(6, ZEROS, 0);
        assertThatThrownBy(() -> inside.page(8, ZEROS, 0)).hasMessageContaining("without page 7");

        var atTheEnd = new LtxWriter(out, header(2, 8), 5);
        atTheEnd.page(6, ZEROS, 0);
        atTheEnd.page(7, ZEROS, 0);
        assertThatThrownBy(atTheEnd::finish).hasMessageContaining("without page 8");

        var snapshot = new LtxWriter(out, header(1, 2));
        assertThatThrownBy(() -> snapshot.page(2, ZEROS, 0)).hasMessageContaining("without page 1");
    }

    @Test
    void growthMayPassTheLockPage() {
        int lock = LockPage.of(65536);
        var header = LtxHeader.derived(65536, lock + 1, new Txid(2), new Txid(2), 0, 0);
        var writer = new LtxWriter(out, header, lock - 2);
        byte[] page = new byte[65536];
        writer.page(lock - 1, page, 0);
        writer.page(lock + 1, page, 0);
        writer.finish();

        var endsOnLockPage = LtxHeader.derived(65536, lock, new Txid(2), new Txid(2), 0, 0);
        new LtxWriter(OutputStream.nullOutputStream(), endsOnLockPage, lock - 1).finish();

        var reader = new LtxReader("k", out.toByteArray());
        while (reader.next()) {
            assertThat(reader.pgno()).isNotEqualTo(lock);
        }
    }

    @Test
    void indexThatLiesIsCorrupt() {
        var writer = new LtxWriter(out, header(2, 9));
        writer.page(2, ZEROS, 0);
        writer.page(9, ZEROS, 0);
        writer.finish();
        byte[] file = out.toByteArray();
        LtxHeader header = LtxHeader.parse("k", file);
        int start = file.length - (int) PageIndex.tailBytes("k", file, file.length);
        for (int at = start; at < file.length - 16; at++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] damaged = file.clone();
                damaged[at] ^= (byte) (1 << bit);
                try {
                    PageIndex index = PageIndex.parse("k", damaged, damaged.length, header);
                    // Only a page number may be another one: the frame will tell.
                    assertThat(index.offset(1)).isEqualTo(index.offset(0) + index.length(0));
                    assertThat(index.size()).isEqualTo(2);
                } catch (Corrupt e) {
                    assertThat(e.offset()).isBetween(0L, (long) file.length);
                }
            }
        }
    }

    @Test
    void refusesWalOffsetThatLitestreamCannotTakeOver() {
        var header = new LtxHeader(512, 1, new Txid(1), new Txid(1), 0, 0, 0, 0, 0, 0);

        assertThatThrownBy(() -> new LtxWriter(out, header)).hasMessageContaining("wal offset");
    }

    @Test
    void passesOnWhatTheStreamSays() {
        OutputStream full =
                new OutputStream() {
                    @Override
                    public void write(int b) throws IOException {
                        throw new IOException("disk full");
                    }
                };

        assertThatThrownBy(() -> new LtxWriter(full, header(1, 1)))
                .isInstanceOf(UncheckedIOException.class)
                .hasRootCauseMessage("disk full");
    }

    private static LtxHeader header(long txid, int commit) {
        return LtxHeader.derived(512, commit, new Txid(txid), new Txid(txid), 0, 0);
    }

    static byte[] page(SplittableRandom random, int pageSize) {
        byte[] page = new byte[pageSize];
        switch (random.nextInt(3)) {
            case 0 -> random.nextBytes(page);
            case 1 -> Arrays.fill(page, pageSize / 3, pageSize / 2, (byte) random.nextInt());
            default -> {}
        }
        return page;
    }
}
