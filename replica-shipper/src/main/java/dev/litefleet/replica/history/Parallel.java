package dev.litefleet.replica.history;

import dev.litefleet.replica.log.Tasks;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// Runs a known number of independent jobs on a few tasks and waits for all of them.
final class Parallel {
    private final Tasks.Guard guard;
    private final int count;
    private final IntConsumer job;
    private int next; // guarded by guard
    private int running; // guarded by guard
    private @Nullable Throwable failure; // guarded by guard

    private Parallel(Tasks tasks, int count, IntConsumer job) {
        this.guard = tasks.guard();
        this.count = count;
        this.job = job;
    }

    /// Calls `job` with 0 to `count - 1`, at most `width` at a time, and returns when all are done.
    /// After a failure no further job begins, those that run are waited for, and the first failure
    /// is thrown. Being interrupted is such a failure.
    static void run(Tasks tasks, String name, int width, int count, IntConsumer job) {
        if (count == 1) {
            job.accept(0);
            return;
        }
        var parallel = new Parallel(tasks, count, job);
        parallel.running = Math.min(width, count);
        for (int i = 0; i < Math.min(width, count); i++) {
            tasks.start(name + "-" + i, parallel::work);
        }
        parallel.join();
    }

    private void work() {
        for (int i = take(null); i < count; ) {
            Throwable failed = null;
            try {
                job.accept(i);
            } catch (Throwable thrown) { // The joiner rethrows it.
                failed = thrown;
            }
            i = take(failed);
        }
        guard.lock();
        try {
            running--;
            guard.signalAll();
        } finally {
            guard.unlock();
        }
    }

    private int take(@Nullable Throwable failed) {
        guard.lock();
        try {
            if (failed != null && failure == null) {
                failure = failed;
            }
            return failure == null ? next++ : count;
        } finally {
            guard.unlock();
        }
    }

    private void join() {
        boolean interrupted = false;
        guard.lock();
        try {
            while (running > 0) {
                try {
                    guard.await();
                } catch (Tasks.TasksInterrupted stop) {
                    // The jobs write to what the caller is about to close: they must end first.
                    interrupted |= Thread.interrupted();
                    if (failure == null) {
                        failure = stop;
                    }
                }
            }
        } finally {
            guard.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        switch (failure) {
            case null -> {}
            case RuntimeException unchecked -> throw unchecked;
            case Error error -> throw error;
            case Throwable other -> throw new IllegalStateException(other);
        }
    }
}
