package dev.litefleet.worker.tenant;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.history.ChangedPages;
import dev.litefleet.replica.history.PageSource;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.wal.CommittedPages;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalRead;
import dev.litefleet.replica.wal.WalReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Reads a database and its WAL without SQLite, page by page, to find out what they add up to.
///
/// Nobody may have the database open: a file that is opened and closed here loses the locks that
/// this process holds on it (stack.md). Holds 1 MiB, and 25 bytes per page that is in the WAL.
final class LocalScan {
    private static final int CHUNK_BYTES = 1 << 20;

    private final Path wal;
    private final int pageSize;
    private final long transactionBytesMax;

    LocalScan(Path wal, int pageSize, long transactionBytesMax) {
        this.wal = wal;
        this.pageSize = pageSize;
        this.transactionBytesMax = transactionBytesMax;
    }

    /// The page checksums of the database as it was after `commits` commits of the WAL.
    ///
    /// @param db nobody has it open
    /// @param pages of the database then
    /// @return nothing if file and WAL do not have that many pages
    Optional<DatabaseChecksum> sums(Path db, int pages, int commits) {
        var sums = new DatabaseChecksum(pageSize);
        int lockPage = LockPage.of(pageSize);
        byte[] page = new byte[pageSize];
        try (var file = FileChannel.open(db, StandardOpenOption.READ);
                var log = commits == 0 ? null : FileChannel.open(wal, StandardOpenOption.READ)) {
            PageSource newest = newest(log, commits);
            ByteBuffer chunk = ByteBuffer.allocate(Math.max(pageSize, CHUNK_BYTES));
            chunk.limit(0);
            int next = 0;
            for (int pgno = 1; pgno <= pages; pgno++) {
                boolean logged = next < newest.count() && newest.pgno(next) == pgno;
                if (!chunk.hasRemaining()) {
                    fill(file, (pgno - 1L) * pageSize, chunk);
                }
                boolean inFile = chunk.remaining() >= pageSize;
                if (inFile) {
                    chunk.get(page);
                }
                if (logged) {
                    newest.read(next++, page);
                }
                if (pgno == lockPage) {
                    continue;
                }
                if (!inFile && !logged) {
                    return Optional.empty();
                }
                sums.set(pgno, DatabaseChecksum.page(pgno, page, 0, pageSize));
            }
            return Optional.of(sums);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + db, e);
        }
    }

    /// Whether the first `commits` commits of the WAL change nothing in a database whose page
    /// checksums are `sums`: it has them already.
    boolean holds(DatabaseChecksum sums, int commits) {
        byte[] page = new byte[pageSize];
        try (var log = FileChannel.open(wal, StandardOpenOption.READ)) {
            PageSource newest = newest(log, commits);
            for (int i = 0; i < newest.count(); i++) {
                newest.read(i, page);
                int pgno = newest.pgno(i);
                if (sums.sum(pgno) != DatabaseChecksum.page(pgno, page, 0, pageSize)) {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + wal, e);
        }
    }

    /// Of each page that the first `commits` commits wrote, the newest content.
    private PageSource newest(@Nullable FileChannel log, int commits) {
        // Any size: only what is smaller later counts.
        var changed = new ChangedPages(pageSize, Integer.MAX_VALUE);
        if (log != null && commits > 0) {
            try (var reader = WalReader.open(wal, transactionBytesMax)) {
                WalPosition at = WalPosition.start(Integer.MAX_VALUE);
                for (int left = commits; left > 0; ) {
                    if (!(reader.read(at, 1) instanceof WalRead.Commits(var found, var end))
                            || found.isEmpty()) {
                        throw new IllegalStateException(
                                "WAL became shorter while nobody had it [file=" + wal + "]");
                    }
                    for (CommittedPages commit : found) {
                        changed.commit(commit.commit(), commit.pgnos(), commit.offsets());
                    }
                    left -= found.size();
                    at = end;
                }
            }
        }
        return changed.source((offset, page) -> {
            if (log == null) {
                throw new IllegalStateException("page of a WAL that is not read");
            }
            read(log, offset, page);
        });
    }

    private void read(FileChannel log, long offset, byte[] page) {
        ByteBuffer into = ByteBuffer.wrap(page, 0, pageSize);
        try {
            while (into.hasRemaining()) {
                if (log.read(into, offset + into.position()) < 0) {
                    throw new EOFException("WAL ends within a frame");
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + wal, e);
        }
    }

    private static void fill(FileChannel file, long offset, ByteBuffer chunk) throws IOException {
        chunk.clear();
        while (chunk.hasRemaining() && file.read(chunk, offset + chunk.position()) >= 0) {}
        chunk.flip();
    }
}
