package dev.litefleet.replica.log;

import java.time.Duration;
import java.util.random.RandomGenerator;

/// When a session asks a store again that gave no answer: a few quick retries, then, however many
/// requests are waiting, not more often than the session's spacing. Not thread-safe.
final class RetryPace {
    /// Retries after which the store counts as down.
    private static final int QUICK = 4;

    private final Duration min;
    private final Duration max;
    private final long spacingNanos;
    private final RandomGenerator random;
    private int failures; // since the last answer
    private long last; // when the latest retry was due

    RetryPace(CommitLogConfig config, RandomGenerator random) {
        this.min = config.retryMin();
        this.max = config.retryMax();
        this.spacingNanos = config.retrySpacing().toNanos();
        this.random = random;
    }

    /// Takes note of a request without answer and returns when it may be repeated, on the clock of
    /// `now`.
    long nextRetry(long now) {
        failures++;
        long pause = Math.min(min.toNanos() << Math.min(failures - 1, 20), max.toNanos());
        long at = now + pause / 2 + random.nextLong(pause / 2 + 1);
        if (failures > QUICK && at - last < spacingNanos) {
            at = last + spacingNanos;
        }
        last = failures == 1 || at - last > 0 ? at : last;
        return at;
    }

    /// Requests without answer since the last answer.
    int failures() {
        return failures;
    }

    /// Whether the quick retries are used up.
    boolean down() {
        return failures > QUICK;
    }

    /// The store answered.
    ///
    /// @return whether it had been silent, so that who waits may ask again now
    boolean answered() {
        boolean silent = failures > 0;
        failures = 0;
        return silent;
    }
}
