package dev.litefleet.replica.log;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// How far the commits of a log have become durable, for who waits. Has a lock of its own, so that
/// waiting threads are not woken by every append.
final class Progress {
    private final LogName name;
    private final Tasks tasks;
    private final Tasks.Guard guard;
    private long reached; // guarded by guard
    private int waiting; // guarded by guard
    private boolean over; // guarded by guard
    private @Nullable LogEnd end; // guarded by guard

    Progress(LogName name, Tasks tasks) {
        this.name = name;
        this.tasks = tasks;
        this.guard = tasks.guard();
    }

    /// Commits up to this one are durable. Never goes back.
    void reach(long sequence) {
        guard.lock();
        try {
            reached = Math.max(reached, sequence);
            if (waiting > 0) {
                guard.signalAll();
            }
        } finally {
            guard.unlock();
        }
    }

    /// No more commits become durable.
    ///
    /// @param why null if the log was closed by its owner
    void end(@Nullable LogEnd why) {
        guard.lock();
        try {
            if (!over) {
                over = true;
                end = why;
                guard.signalAll();
            }
        } finally {
            guard.unlock();
        }
    }

    /// @param max null to wait without limit
    /// @return whether it was reached
    /// @throws LogEnded if it never will be
    boolean await(long sequence, @Nullable Duration max) {
        guard.lock();
        try {
            if (!waitFor(sequence, max) && over) {
                throw new LogEnded(name, end);
            }
            return reached >= sequence;
        } finally {
            guard.unlock();
        }
    }

    /// As [#await], but the end is no exception.
    boolean reached(long sequence, Duration max) {
        guard.lock();
        try {
            return waitFor(sequence, max);
        } finally {
            guard.unlock();
        }
    }

    private boolean waitFor(long sequence, @Nullable Duration max) {
        long start = tasks.nanos();
        waiting++;
        try {
            while (reached < sequence && !over) {
                if (max == null) {
                    guard.await();
                    continue;
                }
                Duration left = max.minusNanos(tasks.nanos() - start);
                if (!left.isPositive()) {
                    break;
                }
                guard.await(left);
            }
            return reached >= sequence;
        } finally {
            waiting--;
        }
    }
}
