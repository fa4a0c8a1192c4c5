package dev.litefleet.replica.ltx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.Txid;
import dev.litefleet.testing.Seeds;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

final class LtxMergeTest {
    /// A database that grows and shrinks by random files; the merge of any run of them must hold
    /// what a map holds that took their pages one after the other.
    @Seeds(200)
    void equalsApplyingOneAfterTheOther(long seed) {
        var random = new SplittableRandom(seed);
        int pageSize = 512 << random.nextInt(3);
        long first = random.nextInt(3) == 0 ? 1 + random.nextInt(100) : 1;
        int before = first == 1 ? 0 : 1 + random.nextInt(30);
        var oracle = new TreeMap<Integer, byte[]>();
        var files = new ArrayList<LtxReader>();
        LtxHeader last = null;
        long min = first;
        int count = 1 + random.nextInt(12);
        for (int i = 0; i < count; i++) {
            int commit = 1 + random.nextInt(40);
            long max = min + random.nextInt(5);
            var pages = new TreeMap<Integer, byte[]>();
            for (int pgno = 1; pgno <= commit; pgno++) {
                if (pgno > before || random.nextInt(4) == 0) {
                    pages.put(pgno, LtxWriterTest.page(random, pageSize));
                }
            }
            last =
                    LtxHeader.derived(
                            pageSize, commit, new Txid(min), new Txid(max), i, random.nextLong());
            files.add(reader(write(last, before, pages), random.nextBoolean()));
            oracle.putAll(pages);
            oracle.tailMap(commit, false).clear();
            before = commit;
            min = max + 1;
        }
        var out = new ByteArrayOutputStream();

        LtxHeader header = LtxMerge.merge(files, out);

        assertThat(header)
                .isEqualTo(
                        LtxHeader.derived(
                                pageSize,
                                last.commit(),
                                new Txid(first),
                                last.max(),
                                last.timestampMillis(),
                                last.nodeId()));
        var merged = new LtxReader("merged", out.toByteArray());
        assertThat(merged.header()).isEqualTo(header);
        oracle.forEach((pgno, page) -> {
            assertThat(merged.next()).isTrue();
            assertThat(merged.pgno()).isEqualTo(pgno);
            assertThat(merged.page()).isEqualTo(page);
        });
        assertThat(merged.next()).isFalse();
    }

    /// Blocks as another LZ4 library writes them stay as they are, so two machines with different
    /// libraries (native, plain Java, another processor) merge the same files to the same bytes.
    @Test
    void bytesOfAMergeDependOnItsInputsAlone() {
        byte[] page = new byte[512];
        var first = new ByteArrayOutputStream();
        var writer =
                new LtxWriter(first, LtxHeader.derived(512, 2, new Txid(1), new Txid(1), 0, 0), 0);
        byte[] theirs = literalsOnly(1, page);
        writer.block(1, page, theirs, 0, theirs.length);
        writer.page(2, page, 0);
        writer.finish();
        var out = new ByteArrayOutputStream();

        LtxMerge.merge(
                List.of(
                        reader(first.toByteArray(), true),
                        reader(
                                write(
                                        LtxHeader.derived(512, 2, new Txid(2), new Txid(2), 0, 0),
                                        2,
                                        new TreeMap<>(Map.of(2, page))),
                                true)),
                out);

        var expected = new ByteArrayOutputStream();
        var same =
                new LtxWriter(
                        expected, LtxHeader.derived(512, 2, new Txid(1), new Txid(2), 0, 0), 0);
        same.block(1, page, theirs, 0, theirs.length);
        same.page(2, page, 0);
        same.finish();
        assertThat(out.toByteArray()).isEqualTo(expected.toByteArray());
    }

    /// A frame whose block compresses nothing: the token, the length in steps of 255, the bytes.
    private static byte[] literalsOnly(int pgno, byte[] page) {
        var block = new ByteArrayOutputStream();
        block.write(0xf0);
        int rest = page.length - 15;
        for (; rest >= 255; rest -= 255) {
            block.write(255);
        }
        block.write(rest);
        block.writeBytes(page);
        return ByteBuffer.allocate(PageFrame.BLOCK_HEADER_BYTES + block.size())
                .putInt(pgno)
                .putShort((short) PageFrame.BLOCK_FLAG)
                .putInt(block.size())
                .put(block.toByteArray())
                .array();
    }

    @Test
    void rangesMayOverlapButLeaveNoGap() {
        assertThat(merge(range(1, 4), range(3, 6)).min()).isEqualTo(new Txid(1));
        assertThat(merge(range(1, 4), range(5, 6)).max()).isEqualTo(new Txid(6));
        assertThatThrownBy(() -> merge(range(1, 4), range(6, 7)))
                .isInstanceOf(InconsistentStore.class)
                .hasMessageContaining("key=6-7");
        assertThatThrownBy(() -> merge(range(1, 4), range(2, 4)))
                .isInstanceOf(InconsistentStore.class);
    }

    /// A damaged input shows at its end; the merged file must not have one then.
    @Test
    void damagedInputLeavesNoFinishedFile() {
        byte[] damaged = range(2, 2);
        damaged[damaged.length - 1] ^= 1;
        var out = new ByteArrayOutputStream();

        assertThatThrownBy(() ->
                        LtxMerge.merge(
                                List.of(reader(range(1, 1), true), reader(damaged, true)), out))
                .isInstanceOf(Corrupt.class);

        assertThatThrownBy(() -> drain(new LtxReader("out", out.toByteArray())))
                .isInstanceOf(Corrupt.class);
    }

    private static LtxHeader merge(byte[]... files) {
        var readers = new ArrayList<LtxReader>();
        for (byte[] file : files) {
            readers.add(reader(file, false));
        }
        return LtxMerge.merge(readers, new ByteArrayOutputStream());
    }

    private static byte[] range(long min, long max) {
        var pages = new TreeMap<Integer, byte[]>();
        pages.put(1, new byte[512]);
        return write(LtxHeader.derived(512, 1, new Txid(min), new Txid(max), 0, 0), 0, pages);
    }

    private static byte[] write(LtxHeader header, int before, TreeMap<Integer, byte[]> pages) {
        var out = new ByteArrayOutputStream();
        var writer = new LtxWriter(out, header, before);
        pages.forEach((pgno, page) -> writer.page(pgno, page, 0));
        writer.finish();
        return out.toByteArray();
    }

    private static LtxReader reader(byte[] file, boolean stream) {
        LtxHeader header = LtxHeader.parse("k", file);
        String name = header.min().value() + "-" + header.max().value();
        return stream
                ? new LtxReader(name, new ByteArrayInputStream(file))
                : new LtxReader(name, file);
    }

    private static void drain(LtxReader reader) {
        while (reader.next()) {}
    }
}
