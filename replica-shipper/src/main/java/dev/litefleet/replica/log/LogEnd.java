package dev.litefleet.replica.log;

/// Why a log took no more commits.
public sealed interface LogEnd {
    /// Somebody closed the log: the session is over, its tenants are or will be another's. Commits
    /// not yet durable may or may not be in the history.
    ///
    /// @param slot where the fence stands
    /// @param by who put it there
    /// @param epoch of the controller that put it there
    record Fenced(Slot slot, String by, long epoch) implements LogEnd {}

    /// The store answered what it must not, or we did what we must not. The process must stop and a
    /// person must look.
    ///
    /// @param answer what happened, with the store's own words
    record Fatal(String answer) implements LogEnd {}
}
