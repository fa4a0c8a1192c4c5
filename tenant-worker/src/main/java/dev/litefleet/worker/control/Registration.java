package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import org.jspecify.annotations.Nullable;

/// A worker's first words to a controller: `POST /internal/v1/register`. Sent again, with the same
/// session, whenever the controller answers a heartbeat with `unknown`.
///
/// @param worker the node's name; names its data directory and its folder of logs
/// @param session ULID of this process start
/// @param address where the gateway reaches the worker, `http://host:port`, without a trailing
///   slash
/// @param part the part its log is writing now, from 1
/// @param previousSession ULID of the session whose directory lock this one took over, so that
///   process is certainly dead; null on a fresh directory
/// @param tenantsMax how many tenants it takes
/// @param version of the worker's program
public record Registration(
        String worker,
        String session,
        String address,
        int part,
        @Nullable String previousSession,
        int tenantsMax,
        String version) {
    public Registration {
        requireNonNull(worker, "worker");
        requireNonNull(session, "session");
        requireNonNull(address, "address");
        requireNonNull(version, "version");
    }

    /// The same, said later: the log has come to another part.
    Registration in(int part) {
        return new Registration(
                worker, session, address, part, previousSession, tenantsMax, version);
    }
}
