package dev.litefleet.worker.tenant;

/// What became of an assignment that was offered to this session.
public sealed interface Assigned {
    /// It is held, from now or already.
    record Taken() implements Assigned {}

    /// It is not held, nothing is owed of it, and no copy of it will ever be taken.
    record Gone(String reason) implements Assigned {}

    /// Not now; nothing may be concluded from it.
    record Refused(String reason) implements Assigned {}
}
