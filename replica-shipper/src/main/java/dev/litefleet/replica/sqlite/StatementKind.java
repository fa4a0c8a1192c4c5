package dev.litefleet.replica.sqlite;

/// What a statement needs from whoever runs it, and what it does to the transaction.
public enum StatementKind {
    /// Changes nothing: any connection will do, a `query_only` one too.
    READ,
    /// Changes rows or the header's numbers: needs the write permit.
    WRITE,
    /// Changes the schema or its statistics: needs the write permit.
    DDL,
    /// Opens a transaction that locks nothing yet.
    BEGIN_DEFERRED,
    /// Opens a transaction and takes the write lock: needs the write permit.
    BEGIN_IMMEDIATE,
    /// Opens a transaction that may not write.
    BEGIN_READONLY,
    COMMIT,
    /// Ends the whole transaction.
    ROLLBACK,
    /// Opens a savepoint, and a transaction if there is none.
    SAVEPOINT,
    /// Ends a savepoint, and the transaction if that savepoint opened it.
    RELEASE,
    /// Undoes back to a savepoint; the transaction stays.
    ROLLBACK_TO,
    /// Reads the connection's or the database's state. A [SqliteConnection] holds some of it, so a
    /// stream that has set something must ask its own connection.
    PRAGMA_READ,
    /// Changes a setting of the connection: the stream owns the connection from here, or the
    /// setting is gone with [SqliteConnection#resetSession].
    PRAGMA_SET,
    /// Accepted and without effect: its answer is in the statement and no connection is needed.
    NOOP;

    /// Whether running this may change the database file.
    public boolean needsWritePermit() {
        return this == WRITE || this == DDL || this == BEGIN_IMMEDIATE;
    }
}
