package dev.litefleet.replica.sqlite;

import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// A stretch of work of one connection under a deadline; from [SqliteConnection#within]. At the
/// deadline its running statement is interrupted, and statements begun afterwards fail with
/// `SQLITE_INTERRUPT`. Closed by the thread that works; [#cancel] is for any.
public final class SqliteWork implements AutoCloseable {
    private final SqliteConnection connection;
    private final Deadline deadline;
    private final @Nullable BooleanSupplier excess;
    private final Watchdog watchdog;
    private volatile boolean cancelled;
    private volatile boolean excessive;
    private long nextLook; // guarded by the watchdog's lock; ticker nanoseconds

    /// @param excess whether the work has used too much of something; null if nothing is limited
    SqliteWork(
            SqliteConnection connection,
            Deadline deadline,
            @Nullable BooleanSupplier excess,
            Watchdog watchdog) {
        this.connection = connection;
        this.deadline = deadline;
        this.excess = excess;
        this.watchdog = watchdog;
        watchdog.begin(this);
    }

    /// Ends this work early, as if its deadline had passed. Does nothing once it is closed, so it
    /// never hits whoever uses the connection next.
    public void cancel() {
        cancelled = true;
        watchdog.cancel(this);
    }

    /// Whether [#cancel] was called.
    public boolean cancelled() {
        return cancelled;
    }

    /// Whether it was interrupted because it used too much: the reason of a `SQLITE_INTERRUPT`.
    public boolean excessive() {
        return excessive;
    }

    /// Whether the work is over, by deadline, by [#cancel], or because it used too much.
    public boolean over() {
        return cancelled || excessive || deadline.expired();
    }

    /// Begins to be watched. The watchdog's.
    ///
    /// @param look ticker nanoseconds of the first look at what it uses
    void watched(long look) {
        nextLook = look;
    }

    /// When the watchdog must look at it. The watchdog's.
    long look() {
        long late = deadline.nanos();
        return excess != null && !excessive && nextLook - late < 0 ? nextLook : late;
    }

    /// Whether it must be interrupted. The watchdog's.
    ///
    /// @param next when to ask `excess` again if it is asked now
    boolean due(long now, long next) {
        if (excess != null && !excessive && now - nextLook >= 0) {
            nextLook = next;
            excessive = excess.getAsBoolean();
        }
        return cancelled || excessive || deadline.nanos() - now <= 0;
    }

    Deadline deadline() {
        return deadline;
    }

    SqliteConnection connection() {
        return connection;
    }

    @Override
    public void close() {
        watchdog.end(this);
        connection.ended(this);
    }
}
