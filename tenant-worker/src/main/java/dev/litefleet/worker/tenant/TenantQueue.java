package dev.litefleet.worker.tenant;

import java.util.ArrayDeque;
import java.util.concurrent.Executor;

/// Runs one tenant's database work on threads shared by all tenants: in the order submitted, at
/// most `parallel` pieces at a time. An idle tenant holds no thread. After each piece the tenant
/// goes to the back of the pool's line, so a busy one cannot starve its neighbours.
///
/// The pool must be platform threads: a SQLite call is native, so a virtual thread would keep its
/// carrier for the whole call, and two slow calls would stop every virtual thread of a two-core
/// machine (measured: 500 ms calls delayed an unrelated virtual thread by 500 ms).
///
/// It has no bound of its own: what is submitted is a request already admitted, or its rest.
/// Thread-safe.
final class TenantQueue {
    private final Executor pool;
    private final int parallel;
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>(); // guarded by this
    private int running; // guarded by this; pieces on the pool

    /// @param pool must outlive this queue
    /// @param parallel at least 1
    TenantQueue(Executor pool, int parallel) {
        this.pool = pool;
        this.parallel = parallel;
    }

    /// Queues `piece`, which must handle its own failures.
    void submit(Runnable piece) {
        synchronized (this) {
            if (running == parallel) {
                waiting.add(piece);
                return;
            }
            running++;
        }
        pool.execute(() -> run(piece));
    }

    private void run(Runnable piece) {
        try {
            piece.run();
        } finally {
            Runnable next;
            synchronized (this) {
                next = waiting.poll();
                if (next == null) {
                    running--;
                }
            }
            if (next != null) {
                Runnable following = next;
                pool.execute(() -> run(following));
            }
        }
    }
}
