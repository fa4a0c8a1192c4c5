package dev.litefleet.replica.history;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// What the catalog says of a lineage, as far as retention cares.
public sealed interface LineageState {
    /// It belongs to a living tenant.
    ///
    /// @param ended when another lineage took its place; empty for the current one
    record Named(HistoryWindows windows, List<HeldRange> holds, Optional<Instant> ended)
            implements LineageState {
        public Named {
            holds = List.copyOf(holds);
        }

        Named withoutHolds() {
            return new Named(windows, List.of(), ended);
        }
    }

    /// The catalog does not know it: a fork that was never finished, or a tenant whose objects are
    /// erased already.
    record Unnamed() implements LineageState {}
}
