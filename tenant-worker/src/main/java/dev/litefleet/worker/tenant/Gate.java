package dev.litefleet.worker.tenant;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/// Answers that wait for the commits they may have seen to become durable.
///
/// Its protocol, which is promise P1 (commit-log.md): the holder of the write permit calls
/// [#announce] before SQLite makes a commit visible and [#captured] after it was handed to the log.
/// Who has read its last row asks for [#announced]: no commit above it can have been seen. The
/// answer leaves when that commit is durable.
///
/// Thread-safe. Waiters are called outside the lock.
final class Gate {
    /// An answer that waits.
    interface Waiter {
        /// Everything it could have seen is in the store.
        void durable();

        /// It never will be known.
        void failed(TenantException failure);
    }

    private record Wait(long seen, long until, Waiter waiter) {}

    private volatile long announced;
    private volatile long durable;
    private volatile @Nullable TenantException broken;
    private final PriorityQueue<Wait> waits =
            new PriorityQueue<>((a, b) -> Long.compare(a.seen, b.seen)); // guarded by this

    /// @param txid the last commit of the database as it was opened, which is durable
    Gate(long txid) {
        announced = txid;
        durable = txid;
    }

    /// The highest commit that anybody could have seen until now.
    long announced() {
        return announced;
    }

    long durable() {
        return durable;
    }

    /// From now on one more commit may be seen. Only the permit holder, whose writes are ordered by
    /// the permit.
    @SuppressWarnings("NonAtomicVolatileUpdate") // One writer at a time: the permit.
    void announce() {
        announced = announced + 1;
    }

    /// What was announced has been handed to the log up to `txid`, or did not happen at all: then
    /// nobody waits for it any longer.
    void captured(long txid) {
        if (announced > txid) {
            List<Wait> ready = List.of();
            synchronized (this) {
                announced = txid;
                if (!waits.isEmpty()) {
                    ready = lower(txid);
                }
            }
            ready.forEach(wait -> wait.waiter.durable());
        } else {
            announced = txid;
        }
    }

    // Whoever waits for a commit that did not happen has seen `txid` at most.
    private List<Wait> lower(long txid) {
        var ready = new ArrayList<Wait>();
        var lowered = new ArrayList<Wait>();
        waits.removeIf(wait -> wait.seen > txid && lowered.add(wait));
        for (Wait wait : lowered) {
            if (txid <= durable) {
                ready.add(wait);
            } else {
                waits.add(new Wait(txid, wait.until, wait.waiter));
            }
        }
        return ready;
    }

    /// Everything up to `txid` is in the store.
    void durable(long txid) {
        Wait first = null;
        ArrayDeque<Wait> more = null;
        synchronized (this) {
            durable = txid;
            while (!waits.isEmpty() && waits.peek().seen <= txid) {
                Wait ready = waits.remove();
                if (first == null) {
                    first = ready;
                } else {
                    if (more == null) {
                        more = new ArrayDeque<>();
                    }
                    more.add(ready);
                }
            }
        }
        if (first != null) {
            first.waiter.durable();
        }
        if (more != null) {
            more.forEach(wait -> wait.waiter.durable());
        }
    }

    /// Whether an answer that has seen `seen` may leave now.
    ///
    /// @throws TenantException if the gate is broken
    boolean isOpen(long seen) {
        TenantException failure = broken;
        if (failure != null) {
            throw failure;
        }
        return seen <= durable;
    }

    /// Calls `waiter` once: when `seen` is durable, perhaps at once and in this thread, or when
    /// that cannot be known.
    ///
    /// @param until when to give up, in nanoseconds as [#expire] counts them
    void await(long seen, long until, Waiter waiter) {
        TenantException failure;
        synchronized (this) {
            failure = broken;
            // What was announced when the answer asked may have turned out not to happen.
            long target = Math.min(seen, announced);
            if (failure == null && target > durable) {
                waits.add(new Wait(target, until, waiter));
                return;
            }
        }
        if (failure != null) {
            waiter.failed(failure);
        } else {
            waiter.durable();
        }
    }

    /// Fails what has waited long enough.
    ///
    /// @return when the next one will have, [Deadlines#NEVER] if none waits
    long expire(long now) {
        var late = new ArrayList<Wait>();
        long next = Deadlines.NEVER;
        synchronized (this) {
            waits.removeIf(wait -> wait.until <= now && late.add(wait));
            for (Wait wait : waits) {
                next = Math.min(next, wait.until);
            }
        }
        for (Wait wait : late) {
            wait.waiter.failed(
                    new TenantException.OutcomeUnknown(
                            "the object store has not acknowledged it in time"));
        }
        return next;
    }

    /// The log has ended: nothing becomes durable any more. Fails what waits and whatever comes.
    void shatter(TenantException failure) {
        List<Wait> waiting;
        synchronized (this) {
            broken = failure;
            waiting = List.copyOf(waits);
            waits.clear();
        }
        waiting.forEach(wait -> wait.waiter.failed(failure));
    }

    synchronized int waiting() {
        return waits.size();
    }
}
