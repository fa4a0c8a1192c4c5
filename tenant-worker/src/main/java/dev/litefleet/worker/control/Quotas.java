package dev.litefleet.worker.control;

/// A tenant's limits. 0 means the worker's own default, so that a change of the default needs no
/// change of the catalog.
///
/// @param databaseBytesMax size of the database file; statements that need more fail with
///   `SQLITE_FULL`
/// @param statementMillisMax how long one statement may run before it is interrupted
/// @param valueBytesMax size of one value or row, at most 16 MiB
public record Quotas(long databaseBytesMax, long statementMillisMax, long valueBytesMax) {
    /// The worker's defaults for everything.
    public static final Quotas DEFAULT = new Quotas(0, 0, 0);

    public Quotas {
        if (databaseBytesMax < 0 || statementMillisMax < 0 || valueBytesMax < 0) {
            throw new IllegalArgumentException(
                    "quota is negative [database_bytes_max=%d, statement_millis_max=%d, value_bytes_max=%d]"
                            .formatted(databaseBytesMax, statementMillisMax, valueBytesMax));
        }
    }
}
