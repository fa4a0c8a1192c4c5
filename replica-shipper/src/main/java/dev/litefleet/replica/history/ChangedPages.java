package dev.litefleet.replica.history;

import dev.litefleet.replica.LockPage;
import java.util.Arrays;
import java.util.BitSet;

/// Where the newest content of every page lies that changed since a tenant's last drain. What a
/// place is, its owner decides: an offset in the WAL, or in a recoverer's spool.
///
/// Shrinking forgets the pages beyond the new end, so that a page which comes back later without
/// being written is not taken for its old self. Not thread-safe.
///
/// Holds 12 bytes for each page of a transaction that wrote them in order, at most 25 otherwise.
public final class ChangedPages {
    /// Reads a page from its place.
    @FunctionalInterface
    public interface Reader {
        /// @param place as given to [#commit]
        /// @param page gets one whole page, from its start
        void read(long place, byte[] page);
    }

    // The place of a page that the database gained without SQLite having written it: all zeros.
    private static final long ZEROS = -1;

    private final int pageSize;
    private int commitBefore;
    private int commit;
    private final PagePlaces places = new PagePlaces();

    /// @param commitBefore pages of the database before the first commit; 0 for a new one
    public ChangedPages(int pageSize, int commitBefore) {
        this.pageSize = pageSize;
        this.commitBefore = commitBefore;
        this.commit = commitBefore;
    }

    /// Adds one commit, or one entry that merges several.
    ///
    /// @param pagesAfter of the database
    /// @param pgnos the pages it wrote, in any order, none twice; those beyond `pagesAfter` are
    ///   ignored
    /// @param at their places, parallel to `pgnos`; -1 for a page of zeros that lies nowhere
    public void commit(int pagesAfter, int[] pgnos, long[] at) {
        if (pagesAfter < commit) {
            places.truncate(pagesAfter);
        }
        for (int pgno : unwritten(pageSize, commit, pagesAfter, pgnos)) {
            places.put(pgno, ZEROS);
        }
        for (int i = 0; i < pgnos.length; i++) {
            if (pgnos[i] <= pagesAfter) {
                places.put(pgnos[i], at[i]);
            }
        }
        commit = pagesAfter;
    }

    /// Where a page lies that an earlier commit wrote, or -1 if none did.
    long place(int pgno) {
        return places.place(pgno, -1);
    }

    /// The pages in (`commitBefore`, `commit`] that a commit should have written and did not,
    /// ascending. SQLite leaves out pages that it allocated and freed in the same transaction; they
    /// are read as zeros, and every LTX file must hold them all the same.
    public static int[] unwritten(int pageSize, int commitBefore, int commit, int[] pgnos) {
        if (commit <= commitBefore) {
            return new int[0];
        }
        var missing = new BitSet(commit - commitBefore);
        missing.set(0, commit - commitBefore);
        for (int pgno : pgnos) {
            if (pgno > commitBefore && pgno <= commit) {
                missing.clear(pgno - commitBefore - 1);
            }
        }
        int lock = LockPage.of(pageSize);
        if (lock > commitBefore && lock <= commit) {
            missing.clear(lock - commitBefore - 1);
        }
        return missing.stream().map(index -> commitBefore + 1 + index).toArray();
    }

    public int pageSize() {
        return pageSize;
    }

    /// Pages of the database before the first commit since the last drain.
    public int commitBefore() {
        return commitBefore;
    }

    /// Pages of the database after the newest commit.
    public int commit() {
        return commit;
    }

    /// How many pages changed.
    public int count() {
        return places.size();
    }

    /// A copy of what there is now, to be drained while further commits arrive.
    public PageSource source(Reader reader) {
        int[] pgnos = new int[places.size()];
        long[] at = new long[places.size()];
        places.copyTo(pgnos, at);
        return new PageSource() {
            @Override
            public int count() {
                return pgnos.length;
            }

            @Override
            public int pgno(int index) {
                return pgnos[index];
            }

            @Override
            public void read(int index, byte[] page) {
                if (at[index] == ZEROS) {
                    Arrays.fill(page, 0, pageSize, (byte) 0);
                } else {
                    reader.read(at[index], page);
                }
            }
        };
    }

    /// Forgets everything: it was drained, and begins anew after the newest commit.
    public void clear() {
        places.clear();
        commitBefore = commit;
    }
}
