package dev.litefleet.replica.sqlite;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Interrupts connections that work past their deadline, or use too much. One thread for all; none
/// runs and nothing ticks while no connection works. Safe for any thread.
///
/// SQLite clears an interrupt when the next statement begins, so work that is between two
/// statements when its deadline passes would go on; therefore the interrupt is repeated until the
/// work ends.
public final class Watchdog implements AutoCloseable {
    private static final long AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    /// How often it looks whether work has used too much. SQLite writes about 1 GB a second, so a
    /// limit is passed by some 20 MB at most, on an idle machine.
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private final LongSupplier ticker;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition earlier = lock.newCondition();
    private final List<SqliteWork> working =
            new ArrayList<>(); // guarded by lock; about a pool's size
    private @Nullable Thread thread; // guarded by lock
    private boolean asleep; // guarded by lock; without a time to wake at
    private long wakeAt; // guarded by lock; meaningless while asleep
    private boolean closed; // guarded by lock

    /// @param ticker nanoseconds, monotonic
    public Watchdog(LongSupplier ticker) {
        this.ticker = ticker;
    }

    /// Wakes the thread only if it would sleep past the deadline, so that a busy connection with a
    /// deadline of seconds wakes it once in seconds, not once per statement.
    void begin(SqliteWork work) {
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException("watchdog closed");
            }
            working.add(work);
            work.watched(ticker.getAsLong() + LOOK_NANOS);
            long look = work.look();
            if (thread == null) {
                asleep = false;
                wakeAt = look;
                thread = Thread.ofPlatform().daemon().name("sqlite-watchdog").start(this::watch);
            } else if (asleep || look - wakeAt < 0) {
                asleep = false;
                wakeAt = look;
                earlier.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /// After this no interrupt of `work` is under way.
    void end(SqliteWork work) {
        lock.lock();
        try {
            working.remove(work);
        } finally {
            lock.unlock();
        }
    }

    /// Interrupts `work` unless it has ended.
    void cancel(SqliteWork work) {
        lock.lock();
        try {
            if (working.contains(work)) {
                // The sweep interrupts, and goes on doing so until the work has ended.
                asleep = false;
                wakeAt = ticker.getAsLong();
                earlier.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    private void watch() {
        lock.lock();
        try {
            while (!closed) {
                sweep();
                if (asleep) {
                    earlier.awaitUninterruptibly();
                } else {
                    await(wakeAt - ticker.getAsLong());
                }
            }
        } finally {
            lock.unlock();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // the caller loops and looks at everything anew
    private void await(long nanos) {
        try {
            earlier.awaitNanos(nanos);
        } catch (InterruptedException _) {
            // Nobody interrupts this thread to end it: close() does.
        }
    }

    /// Interrupts what is late and decides when to look again.
    private void sweep() {
        long now = ticker.getAsLong();
        asleep = true;
        for (SqliteWork work : working) {
            long look = now + AGAIN_NANOS;
            if (work.due(now, now + LOOK_NANOS)) {
                work.connection().interrupt();
            } else {
                look = work.look();
            }
            if (asleep || look - wakeAt < 0) {
                asleep = false;
                wakeAt = look;
            }
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            earlier.signal();
        } finally {
            lock.unlock();
        }
    }
}
