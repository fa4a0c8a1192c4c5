package dev.litefleet.replica.log;

/// What a session finds when it looks whether it is still the owner of its log.
public enum SelfCheck {
    /// No fence stood in the log at some moment after the check began.
    ABSENT,
    /// The log has ended.
    FENCED,
    /// The store gave no answer in time: nothing is known.
    UNREACHABLE
}
