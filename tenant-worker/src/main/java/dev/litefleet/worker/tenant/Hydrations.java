package dev.litefleet.worker.tenant;

import dev.litefleet.replica.log.Tasks;
import java.util.ArrayDeque;
import java.util.Queue;

/// Reads tenants from the store, so many at a time, in the order in which they were first asked
/// for.
///
/// After a takeover every tenant's first request may come at once. Each hydration holds up to 52
/// MiB (five ranges of 4 MiB, 32 MiB of small files) and a share of the store's connections:
/// without a bound they would starve each other, and the commit log.
final class Hydrations {
    private final Tasks tasks;
    private final int max;
    private final Queue<Runnable> waiting = new ArrayDeque<>(); // guarded by this
    private int running; // guarded by this

    /// @param max at a time, 1 or more
    Hydrations(Tasks tasks, int max) {
        this.tasks = tasks;
        this.max = max;
    }

    /// Runs `work` on a task of its own, at once or when its turn comes. Never blocks.
    void start(String name, Runnable work) {
        Runnable begin = () -> tasks.start(name, () -> run(work));
        synchronized (this) {
            if (running == max) {
                waiting.add(begin);
                return;
            }
            running++;
        }
        begin.run();
    }

    private void run(Runnable work) {
        try {
            work.run();
        } finally {
            next();
        }
    }

    private void next() {
        Runnable begin;
        synchronized (this) {
            begin = waiting.poll();
            if (begin == null) {
                running--;
                return;
            }
        }
        begin.run();
    }
}
