package dev.litefleet.replica.log.model;

/// What a variant of the protocol does otherwise. Without any, the model is the protocol of
/// commit-log.md with a fencer that begins at slot 1 of the part that the catalog names.
enum Change {
    // Where a fencer walks (C2).
    /// Puts its fence after the last slot that LIST shows.
    FENCE_AFTER_LAST_LISTED,
    /// Begins at the smallest slot that LIST shows.
    FENCE_FROM_SMALLEST_LISTED,
    /// Takes whatever lies in a slot for a segment, fences too.
    FENCE_WALKS_PAST_FENCES,
    /// Goes to the next slot when its put was not answered.
    FENCE_ADVANCES_ON_TIMEOUT,
    /// Begins K slots below the highest that LIST shows: all below are durable, by the window.
    FENCE_FROM_HIGHEST_LISTED_LESS_WINDOW,
    /// Ends at a part fence.
    FENCE_ENDS_AT_PART_FENCE,
    /// Ends at a part fence that it met as the answer to its own put.
    FENCE_ENDS_AT_PART_FENCE_ON_412,
    /// Begins at slot 1 of any part that the writer has confirmed, from the catalog's on.
    FENCE_FROM_LATER_CONFIRMED_PART,
    /// Begins at slot 1 of the highest part that LIST shows (C3, controllers' logs).
    FENCE_FROM_HIGHEST_LISTED_PART,
    /// Begins after the highest part fence that LIST shows.
    FENCE_AFTER_HIGHEST_LISTED_PART_FENCE,
    /// Uses a durable slot number of any part in the part that the catalog names.
    FENCE_FROM_DURABLE_SLOT_OF_ANOTHER_PART,
    /// Begins at a part that the catalog named before `fencing`.
    FENCE_FROM_PART_READ_BEFORE_FENCING,

    // How the writer writes (W1 to W4).
    /// At most K slots unresolved, instead of at most K beyond the durable prefix.
    WINDOW_COUNTS_UNRESOLVED,
    /// Acknowledges a slot before those below it are durable.
    ACKS_OUT_OF_ORDER,
    /// Answers a read before what it showed is durable.
    READS_NOT_GATED,
    /// A retry carries one commit more, under the same body id.
    REBATCHES_ON_RETRY,
    /// A new process writes on under its predecessor's session and takes its bodies for its own.
    IDENTIFIES_BY_WRITER,

    // Parts (W9).
    /// Slot 1 of the next part goes before the part fence is resolved.
    NEXT_PART_BEFORE_PART_FENCE,
    /// A part fence goes while slots below it are unresolved.
    PART_FENCE_BEFORE_WINDOW_EMPTY,
    /// D counts over all parts, however they ended.
    DURABLE_OVER_ALL_PARTS,
    /// The heartbeat names the part of the durable prefix.
    HEARTBEAT_NAMES_DURABLE_PART,
    /// An occupied slot of a part fence counts as ours.
    PART_FENCE_412_IS_OURS,
    /// The self-check looks at the next part while the part fence is unresolved.
    CHECKS_PAST_UNRESOLVED_PART_FENCE,
    /// The heartbeat names a part before it is begun.
    HEARTBEAT_NAMES_UNBEGUN_PART,
    /// The heartbeat names the next part when its part fence is attempted.
    HEARTBEAT_NAMES_ATTEMPTED_PART,
    /// A late heartbeat sets the catalog's part back.
    PART_IS_LOWERED,
    /// The catalog takes a part while the session is being fenced.
    PART_RECORDED_AFTER_FENCING,
    /// The catalog never hears of parts: they lie in the very log (C3).
    PARTS_NOT_RECORDED,

    // Derived files, recovery, release (W6 to W8, C2).
    DRAINS_WHAT_IS_NOT_DURABLE,
    /// Recovery begins at the `undrained_from` of the last segment.
    RECOVERS_FROM_UNDRAINED,
    /// `undrained_from` moves when a derived file is sent.
    UNDRAINED_MOVES_ON_SENT,
    COVERAGE_IS_HIGHEST_TXID,
    RECOVERS_BEYOND_FENCE,
    RECOVERS_LAST_PART_ONLY,
    RECOVERS_FROM_CATALOGS_PART,
    CLOSES_BEFORE_RECOVERY,
    RELEASES_BEFORE_DRAIN,
    ASSIGNMENT_WITHOUT_NUMBER,
    RELEASE_WITHOUT_NUMBER,

    // What the janitor deletes (G1 to G3).
    DELETES_FENCES,
    DELETES_EARLIER_PART_FENCES,
    /// Covered slots of the live part go too.
    TRIMS_LIVE_PART,
    /// An earlier part is trimmed before the catalog names a later one.
    TRIMS_BEFORE_PART_IS_NAMED,
    /// Earlier parts are trimmed only while their session is live.
    TRIMS_LIVE_SESSIONS_ONLY,
    TRIMS_WHAT_IS_NOT_COVERED,
    /// Only logs of closed sessions are trimmed.
    TRIMS_CLOSED_SESSIONS_ONLY,

    // Plain reads under a lease.
    LEASES,
    /// Tenants are given away while the worker's lease runs.
    CLOSES_DURING_LEASE,
    /// A worker that finds its next slot free grants itself a lease.
    GRANTS_ITSELF_A_LEASE
}
