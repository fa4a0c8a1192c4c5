package dev.litefleet.replica.log;

import java.time.InstantSource;
import java.util.random.RandomGenerator;

/// One process start of a worker, or one epoch of a controller: owner of one commit log, never
/// reused. A ULID, so sessions sort by their start as far as clocks agree; nothing relies on that.
///
/// @param ulid 26 characters of Crockford's base 32 in upper case, the first 0 to 7
public record SessionId(String ulid) implements Comparable<SessionId> {
    public SessionId {
        if (!Ulids.valid(ulid)) {
            throw new IllegalArgumentException("not a session id: '" + ulid + "'");
        }
    }

    /// A new session.
    ///
    /// @param random must be unpredictable enough never to give two processes the same 80 bits
    public static SessionId create(InstantSource clock, RandomGenerator random) {
        return new SessionId(Ulids.draw(clock, random));
    }

    @Override
    public int compareTo(SessionId other) {
        return ulid.compareTo(other.ulid);
    }

    @Override
    public String toString() {
        return ulid;
    }
}
