package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The controller's answer to a [Heartbeat].
///
/// @param epoch of the answering controller
/// @param status [#LIVE]: the session goes on; [#CLOSED]: the session is fencing or closed, check
///   the own log at once; [#UNKNOWN]: this controller has not met the session, register again
/// @param leased the lease is renewed. It is not if none was wanted, and while the controller is
///   not sure that it still is the controller
/// @param tokenGens generations that changed since `tokenGensSeen` of the heartbeat
/// @param tokenGensSeen the counter to send with the next heartbeat
/// @param endPart the part of the log to end now, because something in it is to be deleted; null
///   for none, and from controllers that do not ask
public record HeartbeatReply(
        long epoch,
        String status,
        boolean leased,
        List<TokenGen> tokenGens,
        long tokenGensSeen,
        @Nullable Integer endPart) {
    public static final String LIVE = "live";
    public static final String CLOSED = "closed";
    public static final String UNKNOWN = "unknown";

    public HeartbeatReply {
        requireNonNull(status, "status");
        tokenGens = List.copyOf(tokenGens);
    }
}
