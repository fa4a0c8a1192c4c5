package dev.litefleet.worker.control;

import java.util.concurrent.atomic.AtomicLong;

/// The newest controller this session has heard of. Messages of an older one are refused: it cannot
/// commit any more, so it has nothing to say (commit-log.md, C3). That is for liveness; safety does
/// not rest on it. Any thread.
public final class Epochs {
    private final AtomicLong newest = new AtomicLong();

    /// Notes a message's epoch.
    ///
    /// @return false if a newer controller has been heard
    public boolean accept(long epoch) {
        return newest.accumulateAndGet(epoch, Math::max) == epoch;
    }

    /// 0 before the first message.
    public long newest() {
        return newest.get();
    }
}
