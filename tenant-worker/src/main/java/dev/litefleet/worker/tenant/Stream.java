package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.SqliteConnection;
import org.jspecify.annotations.Nullable;

/// What one client's logical connection holds here: a connection while it is in a transaction or
/// has changed settings, and perhaps the write permit.
///
/// Confined to the request that runs on it, or, between requests, to whoever made it busy; the
/// guarded fields belong to its lock.
final class Stream {
    /// Where its connection comes from.
    enum Place {
        /// It has none.
        NONE,
        /// From the tenant's connections for transactions: its own until it is clean again.
        OWN,
        /// The write connection, for as long as it holds the permit.
        WRITER
    }

    final long number;
    Place place = Place.NONE;
    @Nullable SqliteConnection connection;
    long begunAt; // ticker nanoseconds; when it got its connection

    /// Its transaction was taken away, and its client does not know yet: every statement fails
    /// until the client gives the transaction up.
    boolean lost;

    private boolean busy; // guarded by this
    private boolean robbed; // guarded by this; busy because its transaction is being taken away
    private @Nullable Runnable afterRobbery; // guarded by this
    private long idleSince; // guarded by this; ticker nanoseconds

    Stream(long number) {
        this.number = number;
    }

    StreamState state() {
        return place == Place.NONE && !lost ? StreamState.FREE : StreamState.HELD;
    }

    /// Makes it busy with a client's request.
    ///
    /// @param again called later if the stream is being robbed just now: begin again then
    Begin begin(Runnable again) {
        synchronized (this) {
            if (!busy) {
                busy = true;
                return Begin.BEGUN;
            }
            if (robbed && afterRobbery == null) {
                afterRobbery = again;
                return Begin.LATER;
            }
            return Begin.BUSY;
        }
    }

    /// What became of [#begin].
    enum Begin {
        BEGUN,
        LATER,
        /// Another request runs on it.
        BUSY
    }

    /// Makes it busy for the one who takes its transaction away.
    ///
    /// @return false if it is busy, or has been used after `since`
    synchronized boolean beginRobbery(long since) {
        if (busy || idleSince > since) {
            return false;
        }
        busy = true;
        robbed = true;
        return true;
    }

    /// It is idle from now on.
    void end(long now) {
        Runnable next;
        synchronized (this) {
            busy = false;
            robbed = false;
            idleSince = now;
            next = afterRobbery;
            afterRobbery = null;
        }
        if (next != null) {
            next.run();
        }
    }

    /// Since when it has been idle, [Deadlines#NEVER] while it is busy.
    synchronized long idleSince() {
        return busy ? Deadlines.NEVER : idleSince;
    }
}
