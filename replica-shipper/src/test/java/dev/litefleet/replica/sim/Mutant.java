package dev.litefleet.replica.sim;

/// One way to get it wrong. None of them is a switch in the code that runs in production: each is
/// another actor of the simulation, another argument, or a store that lies to one component.
enum Mutant {
    // Sessions.
    /// Acknowledges a commit when it has been appended.
    ACKS_WHAT_IS_NOT_DURABLE,
    /// Lets an answer to a read leave without waiting for what it showed.
    READS_NOT_GATED,
    /// Reads plainly without lease or check.
    READS_WITHOUT_LEASE,
    /// Takes an assignment whatever its number.
    ASSIGNMENT_WITHOUT_NUMBER,
    /// Writes derived files of commits that are not durable.
    DRAINS_WHAT_IS_NOT_DURABLE,
    /// Takes a snapshot of the live database.
    SNAPSHOT_OF_LIVE_DATABASE,
    /// Counts a drain as done when it has been sent.
    DRAINED_WHEN_SENT,
    /// Reports a release before its drain.
    RELEASES_BEFORE_DRAIN,
    /// Goes on from the file that an earlier stay left on its disk.
    TXID_FROM_LOCAL_FILE,
    /// Takes a put without answer for done.
    TIMEOUT_MEANS_APPLIED,
    /// Takes an occupied slot for somebody else's.
    OCCUPIED_MEANS_SOMEONE_ELSE,
    /// Asks the store with each heartbeat, whatever there is to do.
    CHECKS_WITH_EACH_HEARTBEAT,

    // Writers that are not ours.
    /// Acknowledges slot k while slot k-1 is unresolved.
    ACKS_OUT_OF_ORDER,
    /// Puts what has come since into the body that it sends again.
    REBATCHES_ON_RETRY,
    /// Looks after a timeout, finds nothing, and gives the slot to other commits.
    NOT_FOUND_MEANS_NOT_APPLIED,

    // Controllers.
    /// Takes a release whatever its number.
    RELEASE_WITHOUT_NUMBER,
    /// Misses one heartbeat and fences, leases or not.
    FENCES_DURING_LEASE,
    /// Grants leases without having looked whether it is still the controller.
    GRANTS_WITHOUT_LOOKING,
    /// Gives tenants away before recovery.
    CLOSES_BEFORE_RECOVERY,
    /// Commits to the catalog after the message instead of before.
    TELLS_BEFORE_CATALOG,
    FENCE_AFTER_LAST_LISTED,
    FENCE_WALKS_PAST_FENCES,
    FENCE_ADVANCES_ON_TIMEOUT,
    /// Recovery takes the highest TXID listed for the coverage.
    COVERAGE_IS_HIGHEST_TXID,
    /// Takes the next epoch's number for the epoch, whoever created its file.
    EPOCH_WITHOUT_CONDITION,
    /// Recovers what a log has of tenants that are erased.
    RECOVERS_THE_DELETED,
    /// Writes the receipt after the first listing that is empty.
    ERASES_ONCE,

    // Merges.
    /// Merges files although one between them is missing.
    MERGES_OVER_A_GAP,

    // Janitors.
    /// Keeps nothing from before the newest snapshot.
    JANITOR_IGNORES_THE_WINDOW,
    JANITOR_IGNORES_HOLDS,
    /// Trims the part that is being written.
    JANITOR_TRIMS_LIVE_PARTS,
    JANITOR_DELETES_FENCES,
    /// Goes by the time at which it looks, long after it knew to be the janitor.
    JANITOR_TRUSTS_ITS_CLOCK,
    /// Deletes segments by their age alone.
    JANITOR_GOES_BY_AGE,
    /// Deletes the bodies that a segment names before the segment: it may die between.
    JANITOR_DELETES_BODIES_FIRST,
    /// Completes what the dead have left of an upload in parts, instead of ending it.
    JANITOR_COMPLETES_UPLOADS;

    /// Whether it takes days to show.
    boolean takesDays() {
        return compareTo(RECOVERS_THE_DELETED) >= 0;
    }
}
