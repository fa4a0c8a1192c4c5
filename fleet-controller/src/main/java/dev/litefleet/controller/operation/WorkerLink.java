package dev.litefleet.controller.operation;

import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import java.util.Optional;

/// Messages to workers. Every call blocks, within a deadline of its own; a message may arrive late,
/// twice or never, whatever the caller was told.
public interface WorkerLink {
    /// @param address `http://host:port`
    /// @throws Unreachable if there was no usable answer: nothing is known about the effect
    AssignmentReply assign(String address, Assignment assignment);

    /// @return nothing if the worker says that it does not hold that assignment; whether it did, or
    ///   will, that does not tell
    /// @throws Unreachable if there was no usable answer: nothing is known about the effect
    Optional<Release> release(String address, ReleaseRequest request);

    /// No usable answer.
    final class Unreachable extends RuntimeException {
        public Unreachable(String message, Throwable cause) {
            super(message, cause);
        }

        public Unreachable(String message) {
            super(message);
        }
    }
}
