package dev.litefleet.replica.log;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.wal.WalPosition;
import org.jspecify.annotations.Nullable;

/// One SQLite commit, captured: the pages it wrote. The log owns the arrays, and the spool if there
/// is one, from [CommitLog#append] on.
///
/// @param millis commit time, Unix milliseconds; never goes back within a lineage
/// @param pageSize in bytes
/// @param commitPages size of the database after the commit, in pages
/// @param pgnos the pages written, ascending, each at most `commitPages`; never the lock page
/// @param pages their contents, `pageSize` bytes each, in the order of `pgnos`; empty if they are
///   in `spool`
/// @param checksumBefore database checksum before the commit
/// @param checksumAfter database checksum after it
/// @param actor who caused it, at most [#TEXT_LENGTH_MAX] characters, as the other two texts
/// @param spool the LTX file of a commit that is too large for memory, else null
/// @param wal where it ends in the WAL it was captured from, null if from none
@SuppressWarnings("ArrayRecordComponent") // Carried to one reader and never compared.
public record Commit(
        TenantKey tenant,
        Txid txid,
        long millis,
        int pageSize,
        int commitPages,
        int[] pgnos,
        byte[] pages,
        long checksumBefore,
        long checksumAfter,
        @Nullable String actor,
        @Nullable String traceparent,
        @Nullable String requestId,
        @Nullable SpooledBody spool,
        @Nullable WalPosition wal) {
    /// Longest actor, traceparent and request id; an edge that takes them from outside cuts them.
    public static final int TEXT_LENGTH_MAX = 256;

    public Commit {
        if (txid.value() == 0) {
            throw new IllegalArgumentException("a commit has a txid above zero");
        }
        if (pages.length != (spool == null ? (long) pgnos.length * pageSize : 0)) {
            throw new IllegalArgumentException(
                    pgnos.length + " pages of " + pageSize + " in " + pages.length + " bytes");
        }
        // Checked here, in the hands of the one tenant: the segment is everybody's.
        int last = 0;
        int lockPage = LockPage.of(pageSize);
        for (int pgno : pgnos) {
            if (pgno <= last || pgno > commitPages || pgno == lockPage) {
                throw new IllegalArgumentException(
                        "page " + pgno + " after " + last + " of " + commitPages);
            }
            last = pgno;
        }
        if (commitPages < 1) {
            throw new IllegalArgumentException("a database of " + commitPages + " pages");
        }
        if (txid.value() == 1 && !growsWhole(pgnos, pageSize, 0, commitPages)) {
            throw new IllegalArgumentException("the first commit leaves out pages");
        }
        checkText(actor);
        checkText(traceparent);
        checkText(requestId);
    }

    /// A commit in memory, captured from no WAL.
    public Commit(
            TenantKey tenant,
            Txid txid,
            long millis,
            int pageSize,
            int commitPages,
            int[] pgnos,
            byte[] pages,
            long checksumBefore,
            long checksumAfter,
            @Nullable String actor,
            @Nullable String traceparent,
            @Nullable String requestId) {
        this(
                tenant,
                txid,
                millis,
                pageSize,
                commitPages,
                pgnos,
                pages,
                checksumBefore,
                checksumAfter,
                actor,
                traceparent,
                requestId,
                null,
                null);
    }

    /// Bytes of its pages, wherever they are.
    public long pageBytes() {
        return (long) pgnos.length * pageSize;
    }

    /// Gives up what it holds on the disk.
    void discard() {
        if (spool != null) {
            spool.close();
        }
    }

    /// Whether every page is there by which it makes a database of `pagesBefore` larger.
    boolean growsWhole(int pagesBefore) {
        return growsWhole(pgnos, pageSize, pagesBefore, commitPages);
    }

    private static boolean growsWhole(int[] pgnos, int pageSize, int pagesBefore, int commitPages) {
        int grown = commitPages - pagesBefore;
        int lockPage = LockPage.of(pageSize);
        if (lockPage > pagesBefore && lockPage <= commitPages) {
            grown--;
        }
        return grown <= 0 || (pgnos.length >= grown && pgnos[pgnos.length - grown] > pagesBefore);
    }

    private static void checkText(@Nullable String text) {
        if (text != null && text.length() > TEXT_LENGTH_MAX) {
            throw new IllegalArgumentException("text of " + text.length() + " characters");
        }
    }
}
