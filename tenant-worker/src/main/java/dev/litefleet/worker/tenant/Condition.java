package dev.litefleet.worker.tenant;

import java.util.List;

/// Whether a step of a batch runs. Names only earlier steps, checked at the edge.
public sealed interface Condition {
    /// The step ran and succeeded.
    record Ok(int step) implements Condition {}

    /// The step did not succeed: it failed, or it was skipped (hrana.md, 1.3).
    @SuppressWarnings("AvoidCommonTypeNames") // The protocol's name for it.
    record Error(int step) implements Condition {}

    record Not(Condition condition) implements Condition {}

    /// True if empty.
    record And(List<Condition> conditions) implements Condition {
        public And {
            conditions = List.copyOf(conditions);
        }
    }

    /// False if empty.
    record Or(List<Condition> conditions) implements Condition {
        public Or {
            conditions = List.copyOf(conditions);
        }
    }

    /// The stream is outside a transaction.
    record IsAutocommit() implements Condition {}
}
