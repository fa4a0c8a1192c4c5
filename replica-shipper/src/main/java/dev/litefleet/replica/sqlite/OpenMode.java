package dev.litefleet.replica.sqlite;

/// How a connection may use its database.
public enum OpenMode {
    /// Reads and writes.
    READ_WRITE,
    /// A live database that others write: opened for writing (a WAL reader must write the `-shm`),
    /// but `query_only`, which nothing a tenant can say switches off.
    READ_ONLY_QUERY,
    /// A file that nobody changes: no locks, no WAL.
    IMMUTABLE
}
