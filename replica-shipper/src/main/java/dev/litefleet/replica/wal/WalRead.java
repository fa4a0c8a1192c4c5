package dev.litefleet.replica.wal;

import java.util.List;

/// What [WalReader#read] found.
public sealed interface WalRead {
    /// Commits after the position, in order; none if there is nothing new.
    ///
    /// @param end where to read on
    record Commits(List<CommittedPages> commits, WalPosition end) implements WalRead {}

    /// SQLite has begun the WAL anew. It does so only after a complete checkpoint: if the caller
    /// let one happen after the position, nothing was lost and it reads on from `start`.
    record Restarted(WalPosition start) implements WalRead {}
}
