package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

/// `POST /internal/v1/heartbeat`, once per heartbeat interval.
///
/// @param part the part of the log that is written now; a new one only after the fence before it is
///   resolved (commit-log.md, W9)
/// @param durableSlot D of that part: slots 1 to this one are durable; 0 is none
/// @param residents tenants open now
/// @param assigned tenants assigned now, open or hibernated
/// @param leaseWanted somebody read here a while ago: without reads there is no lease, so that an
///   idle fleet makes no request to the store
/// @param tokenGensSeen the counter of the last answer's token generations, 0 at first; the answer
///   holds what changed since
public record Heartbeat(
        String worker,
        String session,
        int part,
        long durableSlot,
        int residents,
        int assigned,
        boolean leaseWanted,
        long tokenGensSeen) {
    public Heartbeat {
        requireNonNull(worker, "worker");
        requireNonNull(session, "session");
    }
}
