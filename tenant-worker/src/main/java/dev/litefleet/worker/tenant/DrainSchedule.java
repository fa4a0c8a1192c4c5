package dev.litefleet.worker.tenant;

import java.time.Duration;

/// When a database with undrained commits is to be drained (architecture.md, Life of a write, 6).
final class DrainSchedule {
    // How often a database that is not written itself looks how far the log has come.
    private static final long SLOTS_LOOK = Duration.ofSeconds(5).toNanos();

    private DrainSchedule() {}

    /// What a database owes.
    ///
    /// @param firstCommit when its first undrained commit was captured, in ticker nanoseconds, as
    ///   all times here
    /// @param lastCommit when its last commit was captured
    /// @param lastDrain when its last drain ended, or [#NO_DRAIN]
    /// @param walBytes undrained bytes of WAL
    /// @param slots of the log since the one with its first undrained commit, in the part that is
    ///   being written
    record Owed(long firstCommit, long lastCommit, long lastDrain, long walBytes, long slots) {}

    /// Stands for "never" in [Owed#lastDrain].
    static final long NO_DRAIN = Long.MIN_VALUE;

    /// The moment from which it is due, in ticker nanoseconds; `now` or before means now.
    static long due(Owed owed, long now, ShippingConfig config) {
        if (owed.walBytes >= config.drainWalBytes() || owed.slots >= config.drainSlots()) {
            return now;
        }
        long latest = owed.firstCommit + config.drainEvery().toNanos();
        long quiet = owed.lastCommit + config.drainQuiet().toNanos();
        long rested =
                owed.lastDrain == NO_DRAIN ? quiet : owed.lastDrain + config.drainEvery().toNanos();
        return Math.min(latest, Math.max(quiet, rested));
    }

    /// When to look again if it is not due before: others may fill slots meanwhile.
    static long look(Owed owed, long now, ShippingConfig config) {
        return Math.min(due(owed, now, config), now + SLOTS_LOOK);
    }
}
