package dev.litefleet.replica.history;

import dev.litefleet.replica.history.MergePolicy.Standing;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// When to look whether a tenant's files are to be merged ([Merges]) and its history objects too
/// ([HistoryDays]). A look costs a LIST, which after each drain would cost as much as half the
/// drain. So this remembers what the last look saw and adds up the drains since: there is a look
/// only when something is to be written, and after the first drain of a session. A tenant that is
/// not drained has none. Some 100 bytes. Thread-safe.
public final class MergeSchedule {
    /// What was counted when a look began.
    public static final class Look {
        private final long drains;
        private final long bytes;
        private final long day;

        private Look(long drains, long bytes, long day) {
            this.drains = drains;
            this.bytes = bytes;
            this.day = day;
        }
    }

    private static final long NO_DAY = Long.MIN_VALUE;

    private @Nullable Standing seen; // guarded by this, as all below
    private Look since = new Look(0, 0, NO_DAY);
    private long drains;
    private long bytes;
    private long day = NO_DAY;

    /// A drain has been written.
    ///
    /// @param fileBytes size of its file
    /// @param lastMillis time of its last commit, Unix milliseconds
    public synchronized void drained(long fileBytes, long lastMillis) {
        drains++;
        bytes += fileBytes;
        day = dayOf(lastMillis);
    }

    /// Whether to look for files to be merged.
    ///
    /// @param databaseBytes size of the database after its last drained commit
    public synchronized boolean filesDue(long databaseBytes, Instant now) {
        long more = drains - since.drains;
        if (seen == null || !seen.hasWhole()) {
            return more > 0;
        }
        var standing =
                new Standing(
                        Math.toIntExact(seen.objects() + more),
                        seen.bytes() + bytes - since.bytes,
                        seen.wholeBytes(),
                        Math.toIntExact(seen.unmerged() + more),
                        seen.wholeModified(),
                        seen.changed() || more > 0);
        return standing.unmerged() >= MergePolicy.FAN_IN
                || standing.snapshotDue(databaseBytes, now);
    }

    /// Whether to look for history objects to be merged: on the first drain of a day.
    public synchronized boolean indexDue() {
        return day != since.day;
    }

    /// A look begins: drains from now on are not in what it sees.
    public synchronized Look look() {
        return new Look(drains, bytes, day);
    }

    /// A look has ended and everything it asked for is written. If it failed, the next drain is
    /// followed by another.
    public synchronized void done(Look look, Standing standing) {
        seen = standing;
        since = look;
    }

    /// The UTC day of a commit, counted from 1970-01-01.
    static long dayOf(long millis) {
        return Math.floorDiv(millis, TimeUnit.DAYS.toMillis(1));
    }
}
