package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

/// The worker's answer to an [Assignment].
///
/// @param accepted the worker has it and serves the tenant; also true for a copy of the assignment
///   it already holds
/// @param gone not accepted, and final: the session does not hold this assignment, owes nothing of
///   it (it never opened the tenant under it, or has finished releasing it) and refuses every copy
///   of it from now on, so the controller may give the tenant to another session. False while it
///   cannot say that: it is releasing the tenant just now, another session is meant, the epoch is
///   old
/// @param reason why not, for people; empty if accepted
public record AssignmentReply(boolean accepted, boolean gone, String reason) {
    public AssignmentReply {
        requireNonNull(reason, "reason");
        if (accepted && gone) {
            throw new IllegalArgumentException("an assignment is accepted or gone, not both");
        }
    }

    public static AssignmentReply taken() {
        return new AssignmentReply(true, false, "");
    }

    /// It will never be held by this session (again).
    public static AssignmentReply gone(String reason) {
        return new AssignmentReply(false, true, reason);
    }

    /// Not now; nothing may be concluded from it.
    public static AssignmentReply refused(String reason) {
        return new AssignmentReply(false, false, reason);
    }
}
