package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/// Repeats requests that change nothing, a few times, when the store gave no usable answer; once it
/// has given none to all of them, each further request is made once until one is answered. Writes
/// never go through here.
final class Retry {
    static final int ATTEMPTS = 3;

    /// The longest pause after the first attempt; doubled after each further one.
    static final Duration PAUSE = Duration.ofMillis(100);

    private final RandomGenerator random; // guarded by itself
    private final Consumer<Duration> pause;
    private volatile boolean silent; // no attempt of the last request was answered

    /// @param pause waits, or returns early if the thread was interrupted
    Retry(RandomGenerator random, Consumer<Duration> pause) {
        this.random = random;
        this.pause = pause;
    }

    /// @throws Unavailable what the last attempt threw, the earlier ones suppressed in it
    <T> T reading(Supplier<T> request) {
        Unavailable earlier = null;
        for (int attempt = 1; ; attempt++) {
            try {
                T answer = request.get();
                silent = false;
                return answer;
            } catch (Unavailable failure) {
                if (earlier != null) {
                    failure.addSuppressed(earlier);
                }
                if (silent || attempt == ATTEMPTS || Thread.currentThread().isInterrupted()) {
                    silent = true;
                    throw failure;
                }
                earlier = failure;
            }
            pause.accept(pauseAfter(attempt));
        }
    }

    /// Spread widely, so that readers who failed together do not come back together.
    private Duration pauseAfter(int attempt) {
        long most = PAUSE.toNanos() << (attempt - 1);
        synchronized (random) {
            return Duration.ofNanos(random.nextLong(most / 4, most));
        }
    }
}
