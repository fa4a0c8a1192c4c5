package dev.litefleet.worker.tenant;

import java.time.Duration;

/// When to look whether a tenant needs a new snapshot. The answer itself needs a LIST
/// ([dev.litefleet.replica.history.Snapshotter#due]), which after each drain would cost as much as
/// the drain; so there is a look only after drains that can have changed the answer. Survives
/// hibernation. Thread-safe.
final class SnapshotSchedule {
    private static final int DRAINS = 16;
    private static final long BYTES_MIN = 4 << 20;
    private static final long AGE_MAX = Duration.ofDays(1).toNanos();

    private boolean looked; // guarded by this, as all below
    private long lookedAt; // ticker nanoseconds
    private int drains; // since then
    private long bytes; // of pages in these drains

    /// A drain has been written.
    ///
    /// @param pageBytes bytes of its pages
    synchronized void drained(long pageBytes) {
        drains++;
        bytes += pageBytes;
    }

    /// Whether to look now; if so, the next answers count from here.
    synchronized boolean look(long databaseBytes, long now) {
        if (drains == 0) {
            return false;
        }
        boolean look =
                !looked
                        || drains >= DRAINS
                        || bytes >= Math.max(databaseBytes, BYTES_MIN)
                        || now - lookedAt >= AGE_MAX;
        if (look) {
            looked = true;
            lookedAt = now;
            drains = 0;
            bytes = 0;
        }
        return look;
    }
}
