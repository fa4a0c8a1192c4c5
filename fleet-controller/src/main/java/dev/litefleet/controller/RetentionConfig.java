package dev.litefleet.controller;

import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.objects.StoreUrl;
import java.time.Duration;
import java.util.Optional;

/// Settings of what is deleted and when.
///
/// @param windows how long histories are kept. Segments are shared, so every tenant has the exact
///   window; at 60 segments an hour 7 days are about 10,000 objects for each worker
/// @param every from the end of a janitor's round to the beginning of the next. A round costs one
///   LIST for each 1,000 objects: for 10,000 tenants of which 500 write all day about 8,700, 4
///   cents
/// @param settled how long after a tenant's last session the store may still execute requests that
///   were signed before; S3 refuses them after 15 minutes
/// @param store with the right to delete, if that of the controller has none
public record RetentionConfig(
        HistoryWindows windows, Duration every, Duration settled, Optional<StoreUrl> store) {
    public static final Duration EVERY = Duration.ofDays(1);
    public static final Duration SETTLED = Duration.ofMinutes(15);

    public static final RetentionConfig DEFAULT =
            new RetentionConfig(HistoryWindows.DEFAULT, EVERY, SETTLED, Optional.empty());

    /// The end of a part, and of the drains around it, and the length of a round.
    private static final Duration SLACK = Duration.ofDays(1);

    public RetentionConfig {
        if (!every.isPositive() || !settled.isPositive()) {
            throw new IllegalArgumentException(
                    "janitor_every and settled must be positive: %s, %s".formatted(every, settled));
        }
    }

    /// After so long nothing of a segment that was written before exists: the window, one round
    /// that finds it, one that deletes it.
    public Duration segments() {
        return windows.exact().plus(every.multipliedBy(2)).plus(SLACK);
    }
}
