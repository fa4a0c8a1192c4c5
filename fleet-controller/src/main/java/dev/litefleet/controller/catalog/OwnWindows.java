package dev.litefleet.controller.catalog;

import dev.litefleet.replica.history.HistoryWindows;
import java.time.Duration;

/// How long the history of one tenant is kept, where that differs from the fleet's. Zero stands for
/// the fleet's, so that a change of that needs no change of the catalog.
///
/// @param exact shorter than the fleet's, never longer: commits lie in segments that tenants share
///   (commit-log.md, G7)
/// @param merged shorter or longer than the fleet's: derived files are the tenant's own
public record OwnWindows(Duration exact, Duration merged) {
    /// Both as the fleet has them.
    public static final OwnWindows NONE = new OwnWindows(Duration.ZERO, Duration.ZERO);

    public OwnWindows {
        check("exact", exact);
        check("merged", merged);
        if (!merged.isZero() && exact.compareTo(merged) > 0) {
            throw new IllegalArgumentException(
                    "exact, %s, is longer than merged, %s".formatted(exact, merged));
        }
    }

    private static void check(String which, Duration window) {
        boolean within =
                window.compareTo(HistoryWindows.MIN) >= 0
                        && window.compareTo(HistoryWindows.MAX) <= 0;
        if (!window.isZero() && !within) {
            throw new IllegalArgumentException(which + " must be from 1d to 36500d");
        }
    }

    /// What holds for the tenant. An exact window that was asked for when the fleet's was longer is
    /// cut to the fleet's.
    public HistoryWindows over(HistoryWindows fleet) {
        Duration longest = merged.isZero() ? fleet.merged() : merged;
        Duration wanted = exact.isZero() ? fleet.exact() : exact;
        return new HistoryWindows(min(min(wanted, fleet.exact()), longest), longest);
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}
