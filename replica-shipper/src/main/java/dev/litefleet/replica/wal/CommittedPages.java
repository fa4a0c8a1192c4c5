package dev.litefleet.replica.wal;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.ReplicaException.Corrupt;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import org.jspecify.annotations.Nullable;

/// The pages of one SQLite commit: each once, as of the commit, in ascending order. When the
/// database grew, all new pages are there (but the lock page).
///
/// A commit of usual size has its pages in memory. Those of a large one stay in the WAL, from which
/// [#read] takes them: as long as its [WalReader] is open and SQLite has not begun the log anew.
public final class CommittedPages {
    private final int pageSize;
    private final int commit;
    private final int[] pgnos;
    private final byte @Nullable [] pages; // null if they are in the WAL only
    private final long[] offsets;
    private final WalPosition from;
    private final WalPosition to;
    private final String name;
    private final FileChannel wal;

    /// @param pages null if they are to be read from `wal`, at their offsets
    CommittedPages(
            int pageSize,
            int commit,
            int[] pgnos,
            byte @Nullable [] pages,
            long[] offsets,
            WalPosition from,
            WalPosition to,
            String name,
            FileChannel wal) {
        this.pageSize = pageSize;
        this.commit = commit;
        this.pgnos = pgnos;
        this.pages = pages;
        this.offsets = offsets;
        this.from = from;
        this.to = to;
        this.name = name;
        this.wal = wal;
    }

    public int pageSize() {
        return pageSize;
    }

    /// Database size after this commit, in pages.
    public int commit() {
        return commit;
    }

    /// Ascending page numbers. Not copied: do not change.
    public int[] pgnos() {
        return pgnos;
    }

    /// Bytes of all its pages.
    public long bytes() {
        return (long) pgnos.length * pageSize;
    }

    /// Whether [#pages] has them.
    public boolean inMemory() {
        return pages != null;
    }

    /// The contents of a commit that is in memory, [#bytes] long. Not copied: do not change.
    public byte[] pages() {
        return requireNonNull(pages, "a commit this large is not in memory");
    }

    /// Copies one whole page to the start of `page`.
    ///
    /// @param index position in [#pgnos]
    /// @throws Corrupt if the WAL has become shorter
    /// @throws UncheckedIOException if it cannot be read
    public void read(int index, byte[] page) {
        if (pages != null) {
            System.arraycopy(pages, index * pageSize, page, 0, pageSize);
            return;
        }
        long offset = offsets[index];
        ByteBuffer into = ByteBuffer.wrap(page, 0, pageSize);
        try {
            while (into.hasRemaining()) {
                if (wal.read(into, offset + into.position()) < 0) {
                    throw new Corrupt(name, offset, "WAL ends within a frame that was read before");
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("read " + name, e);
        }
    }

    /// Where each page's content lies in the WAL file, in bytes, parallel to `pgnos()`. Not copied:
    /// do not change.
    public long[] offsets() {
        return offsets;
    }

    /// Where this commit's first frame stands.
    public WalPosition from() {
        return from;
    }

    /// After its commit frame.
    public WalPosition to() {
        return to;
    }
}
