package dev.litefleet.replica.wal;

/// The pages of one SQLite commit: each once, as of the commit, in ascending order. When the
/// database grew, all new pages are there (but the lock page).
public final class CommittedPages {
    private final int pageSize;
    private final int commit;
    private final int[] pgnos;
    private final byte[] pages;
    private final long[] offsets;
    private final WalPosition from;
    private final WalPosition to;

    CommittedPages(
            int pageSize,
            int commit,
            int[] pgnos,
            byte[] pages,
            long[] offsets,
            WalPosition from,
            WalPosition to) {
        this.pageSize = pageSize;
        this.commit = commit;
        this.pgnos = pgnos;
        this.pages = pages;
        this.offsets = offsets;
        this.from = from;
        this.to = to;
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

    /// Their contents, `pgnos().length * pageSize()` bytes. Not copied: do not change.
    public byte[] pages() {
        return pages;
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
