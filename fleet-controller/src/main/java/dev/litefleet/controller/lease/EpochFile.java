package dev.litefleet.controller.lease;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/// `controller/<epoch:016x>.json`: a controller's claim of an epoch.
///
/// @param format [#FORMAT]; absent in what the first releases wrote, which is the same
/// @param session ULID; names its log
/// @param address of its internal port, `http://host:port`
/// @param started RFC 3339, for people
/// @param node id of the data directory that its process held locked; null if none
record EpochFile(
        @Nullable Integer format,
        String session,
        String address,
        String started,
        @Nullable String node) {
    static final int FORMAT = 1;
    static final String PREFIX = "controller/";
    static final String SUFFIX = ".json";
    static final String CLOSED_SUFFIX = ".closed.json";

    EpochFile {
        requireNonNull(session, "session");
        requireNonNull(address, "address");
    }

    static String key(long epoch) {
        return PREFIX + HexFormat.of().toHexDigits(epoch) + SUFFIX;
    }

    static String closedKey(long epoch) {
        return PREFIX + HexFormat.of().toHexDigits(epoch) + CLOSED_SUFFIX;
    }

    LogName log() {
        return new LogName(LogName.CONTROLLER, new SessionId(session));
    }
}
