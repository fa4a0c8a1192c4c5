package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import java.util.ArrayList;
import java.util.List;

/// Knows which states the database has had, and what clients were told.
final class DiskJudge {
    private final List<Long> sums = new ArrayList<>(List.of(DatabaseChecksum.EMPTY)); // by TXID
    private final List<LostCommits> lost = new ArrayList<>(); // since the last opening
    private long begun; // what a commit that nobody heard of would make; 0 if there is none
    private long acked; // to whom it was promised to be in the store
    private long told; // to whom nothing was promised but that it will be
    private boolean lossy; // what was told may be gone: the disk is not the one it was
    private boolean excused; // what was told may be in the quarantine instead
    long opened;
    long aheads;
    long reports;
    long refusals;
    long acks;

    /// A commit is being written: it may be whole before anybody knows.
    void begun(long checksum) {
        begun = checksum;
    }

    /// A commit is in the WAL.
    void made(long checksum) {
        sums.add(checksum);
        begun = 0;
    }

    long made() {
        return sums.size() - 1L;
    }

    void acked(long txid) {
        acks++;
        acked = Math.max(acked, txid);
    }

    void told(long txid) {
        told = Math.max(told, txid);
    }

    /// They lie in a quarantine, with a `lost.json`.
    void quarantined(List<LostCommits> reported) {
        lost.addAll(reported);
        reports += reported.size();
    }

    /// Power failed, bits flipped, or the disk is another one.
    void lossy() {
        lossy = true;
    }

    /// Some operation of the disk failed.
    void faulty() {
        excused = true;
    }

    /// A session had the tenant and died before it opened it: the next one finds what yet another
    /// one has written, which is a doubt.
    void passedOver() {
        excused = true;
    }

    /// A session has opened the database, and shipped what was ahead.
    ///
    /// @param found what a reader of the files finds in them; a new file's page is in no history
    /// @param from how far the history went, and what its pages add up to there
    /// @param to where the database is now
    void opened(LocalDatabase from, Txid to, long found) {
        long txid = to.value();
        long base = from.position().txid().value();
        opened++;
        aheads += txid - base;
        if (begun != 0 && txid == made() + 1) {
            made(begun);
        }
        begun = 0;
        require(base >= acked, "%d was acknowledged, %s is opened", acked, from.position());
        require(txid <= made(), "opened at %d, but only %d were committed", txid, made());
        require(
                from.position().checksum() == sums.get((int) base),
                "opened at %s, which is not what was committed",
                from.position());
        require(
                txid == 0 || found == sums.get((int) txid),
                "the files of %d are not what was committed: %016x instead of %016x",
                txid,
                found,
                sums.get((int) txid));
        if (txid < told && !lossy) {
            long last = told;
            boolean reported =
                    lost.stream()
                            .anyMatch(one ->
                                    (one.first() == null || one.first().value() <= txid + 1)
                                            && (one.last() == null || one.last().value() >= last));
            require(excused, "%d was told, %d is opened, and nothing had failed", told, txid);
            require(
                    reported,
                    "%d was told, %d is opened, and nobody says what is lost: %s",
                    told,
                    txid,
                    lost);
        }
        while (sums.size() > txid + 1) {
            sums.removeLast();
        }
        told = txid;
        lossy = false;
        excused = false;
        lost.clear();
    }

    /// What the store has when a log is closed and recovered.
    void recovered(Txid coverage, long checksum) {
        long txid = coverage.value();
        require(txid >= acked, "%d was acknowledged, the history ends at %d", acked, txid);
        require(txid <= made(), "the history has %d, only %d were committed", txid, made());
        require(
                checksum == sums.get((int) txid),
                "the history's %d is not what was committed: %016x",
                txid,
                checksum);
    }

    static void require(boolean holds, String message, Object... details) {
        if (!holds) {
            throw new AssertionError(message.formatted(details));
        }
    }
}
