package dev.litefleet.replica.history;

import java.time.Duration;

/// How long a history is kept.
///
/// @param exact every commit can be restored so long; at least [#MIN]. Segments are shared, so this
///   bounds what the fleet stores of all logs
/// @param merged so long at least one state for each drain can be restored; not less than `exact`
public record HistoryWindows(Duration exact, Duration merged) {
    /// Nothing younger is ever deleted, so that nobody is surprised in the middle of anything.
    public static final Duration MIN = Duration.ofDays(1);

    public static final Duration MAX = Duration.ofDays(36_500);

    public static final HistoryWindows DEFAULT =
            new HistoryWindows(Duration.ofDays(7), Duration.ofDays(30));

    public HistoryWindows {
        if (exact.compareTo(MIN) < 0 || merged.compareTo(MAX) > 0) {
            throw new IllegalArgumentException(
                    "history windows must be 1 to 36500 days: exact %s, merged %s"
                            .formatted(exact, merged));
        }
        if (exact.compareTo(merged) > 0) {
            throw new IllegalArgumentException(
                    "exact window %s is longer than the merged one, %s".formatted(exact, merged));
        }
    }
}
