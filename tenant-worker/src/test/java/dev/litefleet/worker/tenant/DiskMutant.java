package dev.litefleet.worker.tenant;

/// One way to get it wrong with disks. None of them is a switch in the code that runs in
/// production: each is another step of the simulated session, or a disk that lies to it.
enum DiskMutant {
    /// Opens what `position.json` and `sums` say, without asking the history.
    TRUSTS_POSITION_FILE,
    /// Renames files over others that were not forced.
    NO_FORCE_BEFORE_RENAME,
    /// Does not force the folder after a rename.
    NO_FORCE_OF_FOLDER,
    /// Takes the frames of a WAL without looking at their checksums.
    SHIPS_TORN_FRAMES,
    /// Goes on after a force that failed.
    IGNORES_FAILED_FORCE,
    /// Hydrates and leaves the WAL that lay there.
    KEEPS_OLD_WAL,
    /// Acknowledges to who waits for the store what is in the local file.
    ACKS_WHAT_IS_LOCAL,
    /// Takes what an earlier session left for dealt with before it has opened it.
    SETTLES_BEFORE_OPENING,
    /// Opens a tenant of which it could not write what its log has.
    FORGETS_WHAT_IT_OWES,
    /// Begins without emptying `tmp`.
    LEAVES_SPOOLS
}
