package dev.litefleet.replica.history;

import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.Slot;

/// The segment that holds an entry.
public record LogRef(LogName log, Slot slot) {
    /// The segment's key.
    public String key() {
        return slot.key(log);
    }
}
