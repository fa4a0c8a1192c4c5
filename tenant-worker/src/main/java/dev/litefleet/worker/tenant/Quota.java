package dev.litefleet.worker.tenant;

import java.time.Duration;

/// What one tenant may use.
///
/// @param databaseBytesMax size of its database file; a statement that needs more fails with
///   `SQLITE_FULL`
/// @param valueBytesMax size of one value or row; above 1,000,000 some built-in functions become
///   slow enough to matter (sql-sandbox.md, section 4), at most 16 MiB
/// @param statementMax how long one statement may run before it is interrupted
public record Quota(long databaseBytesMax, int valueBytesMax, Duration statementMax) {
    public static final Quota DEFAULT = new Quota(16L << 30, 1_000_000, Duration.ofSeconds(5));

    public Quota {
        if (databaseBytesMax < 1 << 20) {
            throw new IllegalArgumentException(
                    "database_bytes_max is below 1 MiB: " + databaseBytesMax);
        }
        if (valueBytesMax < 1000 || valueBytesMax > 16 << 20) {
            throw new IllegalArgumentException(
                    "value_bytes_max is not in 1000 to 16 MiB: " + valueBytesMax);
        }
        if (!statementMax.isPositive()) {
            throw new IllegalArgumentException("statement_max is not positive: " + statementMax);
        }
    }
}
