package dev.litefleet.replica.sqlite;

/// A stretch of work of one connection under a deadline; from [SqliteConnection#within]. At the
/// deadline its running statement is interrupted, and statements begun afterwards fail with
/// `SQLITE_INTERRUPT`. Closed by the thread that works; [#cancel] is for any.
public final class SqliteWork implements AutoCloseable {
    private final SqliteConnection connection;
    private final Deadline deadline;
    private final Watchdog watchdog;
    private volatile boolean cancelled;

    SqliteWork(SqliteConnection connection, Deadline deadline, Watchdog watchdog) {
        this.connection = connection;
        this.deadline = deadline;
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

    /// Whether the work is over, by deadline or by [#cancel].
    public boolean over() {
        return cancelled || deadline.expired();
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
