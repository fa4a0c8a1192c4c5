package dev.litefleet.replica.history;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/// A database file being put together from pages in any order, each written once, from several
/// threads. Page checksums are taken on the way. Nobody but us has it open: SQLite sees it only
/// after it was closed and renamed. Pages of zeros, and the lock page, stay holes.
final class ImageFile implements Closeable {
    private static final int RUN_BYTES = 1 << 20;

    private final int pageSize;
    private final int commit;
    private final FileChannel channel;
    private final byte[] zeros;
    private final long[] sums; // 0: not written yet, as every checksum has bit 63 set

    /// @param commit pages of the finished database
    ImageFile(Path file, int pageSize, int commit) throws IOException {
        this.pageSize = pageSize;
        this.commit = commit;
        this.zeros = new byte[pageSize];
        this.channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE);
        this.sums = new long[commit];
    }

    /// A way to write for one thread. Closing it writes what it still holds.
    Writer writer() {
        return new Writer();
    }

    /// Gathers pages that follow one another into larger writes.
    final class Writer implements Closeable {
        private final ByteBuffer run = ByteBuffer.allocateDirect(Math.max(RUN_BYTES, pageSize));
        private int first;
        private int next;

        void page(int pgno, byte[] page) {
            sums[pgno - 1] = DatabaseChecksum.page(pgno, page, 0, pageSize);
            if (Arrays.equals(page, zeros)) {
                return; // The file is new: what is not written reads as zeros.
            }
            if (pgno != next || run.remaining() < pageSize) {
                flush();
                first = pgno;
            }
            run.put(page, 0, pageSize);
            next = pgno + 1;
        }

        private void flush() {
            if (run.position() == 0) {
                return;
            }
            run.flip();
            long at = (first - 1L) * pageSize;
            try {
                while (run.hasRemaining()) {
                    at += channel.write(run, at);
                }
            } catch (IOException failed) {
                throw new UncheckedIOException("cannot write the database", failed);
            }
            run.clear();
        }

        @Override
        public void close() {
            flush();
        }
    }

    /// The checksum over what was written, all pages being there.
    DatabaseChecksum checksum() {
        var checksum = new DatabaseChecksum(pageSize);
        int lock = LockPage.of(pageSize);
        for (int pgno = 1; pgno <= commit; pgno++) {
            if (pgno != lock) {
                checksum.set(pgno, sums[pgno - 1]);
            }
        }
        if (checksum.pages() < commit) {
            checksum.apply(commit, new int[0], new byte[0]); // The lock page is the last one.
        }
        return checksum;
    }

    /// Gives the file its full length and makes it durable.
    void sync() throws IOException {
        long bytes = (long) commit * pageSize;
        if (channel.size() < bytes) {
            channel.write(
                    ByteBuffer.allocate(1),
                    bytes - 1); // It may end in pages that were not written.
        }
        channel.force(true);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
