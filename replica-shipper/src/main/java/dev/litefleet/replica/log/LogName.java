package dev.litefleet.replica.log;

import java.util.regex.Pattern;

/// A commit log: one session of one worker.
///
/// @param worker the node's name, or [#CONTROLLER]
public record LogName(String worker, SessionId session) {
    /// Stands for every controller: their logs lie together, told apart by their sessions.
    public static final String CONTROLLER = "_controller";

    private static final Pattern WORKER = Pattern.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");

    public LogName {
        if (!worker.equals(CONTROLLER) && !WORKER.matcher(worker).matches()) {
            throw new IllegalArgumentException("not a worker name: '" + worker + "'");
        }
    }

    /// Where its objects lie: `log/<worker>/<session>/`.
    public String prefix() {
        return "log/" + worker + "/" + session + "/";
    }

    /// Where the bodies too large for a segment lie.
    String blobPrefix() {
        return prefix() + "blobs/";
    }

    @Override
    public String toString() {
        return worker + "/" + session;
    }
}
