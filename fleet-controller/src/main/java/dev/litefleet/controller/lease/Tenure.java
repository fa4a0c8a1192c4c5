package dev.litefleet.controller.lease;

import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.util.function.Supplier;

/// What this process holds: the epoch it has claimed, and the proof that nobody has taken it away.
///
/// A successor that has fenced our log waits until the leases we may have granted have ended. A
/// controller that is cut off from the store hears nothing of that fence, and must not go on
/// granting: so a lease is granted only if a look at our own log, which found no fence, began at
/// most `proofMax` ago. Whatever a successor finds granted then ends `proofMax` and one lease after
/// its fence, and for that it waits ([Leases#adopt]).
///
/// A look is one read of the store, shared by all who ask, and made only when somebody asks: while
/// no worker wants a lease there is none. Thread-safe.
public final class Tenure {
    private record Hold(Epoch epoch, Supplier<SelfCheck> selfCheck) {}

    private final Duration proofMax;
    private final Tasks tasks;
    private final Tasks.Guard guard;
    private volatile Hold hold;
    private boolean proven; // guard
    private long provenNanos; // guard; when the look began
    private boolean looking; // guard
    private long looks; // guard; that have ended

    /// @param selfCheck looks at the epoch's own log; blocks
    /// @param proofMax how old the proof may be under which a lease is granted
    public Tenure(Epoch epoch, Supplier<SelfCheck> selfCheck, Duration proofMax, Tasks tasks) {
        this.hold = new Hold(epoch, selfCheck);
        this.proofMax = proofMax;
        this.tasks = tasks;
        this.guard = tasks.guard();
    }

    /// The newest epoch that this process holds.
    public Epoch epoch() {
        return hold.epoch;
    }

    /// This process has claimed the next epoch and closed its log of the last one itself.
    public void moved(Epoch epoch, Supplier<SelfCheck> selfCheck) {
        hold = new Hold(epoch, selfCheck);
    }

    /// Whether our log was certainly not fenced at some moment within the last `proofMax`.
    ///
    /// @param max how long to wait for a look at it
    public boolean sure(Duration max) {
        guard.lock();
        try {
            long began = tasks.nanos();
            if (fresh(began)) {
                return true;
            }
            long seen = looks;
            if (!looking) {
                looking = true;
                tasks.start("tenure", this::look);
            }
            while (looks == seen) {
                long left = max.toNanos() - (tasks.nanos() - began);
                if (left <= 0) {
                    return false;
                }
                guard.await(Duration.ofNanos(left));
            }
            return fresh(tasks.nanos());
        } finally {
            guard.unlock();
        }
    }

    private boolean fresh(long now) {
        return proven && now - provenNanos < proofMax.toNanos();
    }

    private void look() {
        long began = tasks.nanos();
        boolean absent = false;
        try {
            absent = hold.selfCheck.get() == SelfCheck.ABSENT;
        } finally {
            guard.lock();
            try {
                looking = false;
                looks++;
                if (absent) {
                    proven = true;
                    provenNanos = began;
                }
                guard.signalAll();
            } finally {
                guard.unlock();
            }
        }
    }
}
