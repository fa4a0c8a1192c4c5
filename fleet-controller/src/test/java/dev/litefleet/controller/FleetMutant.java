package dev.litefleet.controller;

/// One way for a fleet to get it wrong. None of them is a switch in the code that runs in
/// production: each is another actor of the simulation, or another argument.
enum FleetMutant {
    // Controllers.
    /// Grants leases without having looked whether it is still the controller.
    GRANTS_AFTER_DOUBT,
    /// Counts a predecessor's leases from its own start, as if none could be granted after it.
    SUCCESSOR_WAITS_ONE_LEASE,
    /// Counts leases half as long as it grants them.
    COUNTS_SHORTER_LEASES,
    /// Fences the part that it knew before the catalog said `fencing`.
    PART_READ_BEFORE_FENCING,
    /// Fences one part below the catalog's.
    LOWERED_PART,
    /// Says `closed` before recovery.
    CLOSES_BEFORE_RECOVERY,
    /// Writes an epoch's `closed.json` before its recovery.
    EPOCH_CLOSED_BEFORE_RECOVERY,
    /// Settles its predecessors newest first.
    NEWEST_PREDECESSOR_FIRST,
    /// Opens the catalog without having fenced its predecessors.
    LEADS_WITHOUT_FENCING,
    /// Tells a worker of an assignment that is not in the catalog yet.
    TELLS_BEFORE_CATALOG,
    /// Takes a release whatever its number.
    RELEASE_WITHOUT_NUMBER,

    // Workers.
    /// Takes an assignment whatever its number.
    ASSIGNMENT_WITHOUT_NUMBER,
    /// Reports a release before its commits are drained.
    RELEASES_BEFORE_DRAIN,
    /// Measures its lease from the answer instead of the question.
    LEASE_FROM_ANSWER,
    /// Grants itself a lease when no controller answers and its log has no fence.
    GRANTS_ITSELF
}
