package dev.litefleet.controller.catalog;

import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/// Lets straight-line code wait for a future through [Tasks], the only way of waiting that a
/// simulation can follow.
public final class Waiting {
    private Waiting() {}

    /// The future's value. What it failed with is thrown as it is.
    public static <T> T await(Tasks tasks, CompletableFuture<T> future) {
        Tasks.Guard guard = signalled(tasks, future);
        guard.lock();
        try {
            while (!future.isDone()) {
                guard.await();
            }
        } finally {
            guard.unlock();
        }
        if (future.state() == CompletableFuture.State.SUCCESS) {
            return future.resultNow();
        }
        throw failure(future);
    }

    /// Waits for the future to be done, for at most `max`.
    static boolean isDone(Tasks tasks, CompletableFuture<?> future, Duration max) {
        Tasks.Guard guard = signalled(tasks, future);
        long deadline = tasks.nanos() + max.toNanos();
        guard.lock();
        try {
            for (long left = max.toNanos();
                    left > 0 && !future.isDone();
                    left = deadline - tasks.nanos()) {
                guard.await(Duration.ofNanos(left));
            }
            return future.isDone();
        } finally {
            guard.unlock();
        }
    }

    private static Tasks.Guard signalled(Tasks tasks, CompletableFuture<?> future) {
        Tasks.Guard guard = tasks.guard();
        var _ =
                future.whenComplete((_, _) -> {
                    guard.lock();
                    try {
                        guard.signalAll();
                    } finally {
                        guard.unlock();
                    }
                });
        return guard;
    }

    private static RuntimeException failure(CompletableFuture<?> future) {
        return switch (future.exceptionNow()) {
            case RuntimeException failure -> failure;
            case Error error -> throw error;
            case Throwable checked -> new IllegalStateException(checked);
        };
    }
}
