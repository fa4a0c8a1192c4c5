package dev.litefleet.replica.sqlite;

/// What a connection allows itself, whatever it is asked.
///
/// @param lengthMax bytes of a text, a blob or a row
/// @param sqlBytesMax bytes of a statement
/// @param columnsMax columns of a table, an index, a result
/// @param expressionDepthMax nesting of expressions
/// @param compoundSelectMax terms of a compound select
/// @param opcodesMax instructions of a compiled statement
/// @param functionArgsMax arguments of a function
/// @param likePatternBytesMax bytes of a `LIKE` or `GLOB` pattern; more than 50 is quadratic work
///   and needs `lengthMax` of at most 1,000,000
/// @param variablesMax highest parameter number
/// @param triggerDepthMax nesting of triggers
/// @param pagesMax pages of the database file, the tenant's quota
/// @param cacheKibibytes page cache per connection
/// @param statementsMax prepared statements kept per connection
public record SqliteLimits(
        int lengthMax,
        int sqlBytesMax,
        int columnsMax,
        int expressionDepthMax,
        int compoundSelectMax,
        int opcodesMax,
        int functionArgsMax,
        int likePatternBytesMax,
        int variablesMax,
        int triggerDepthMax,
        long pagesMax,
        int cacheKibibytes,
        int statementsMax) {
    /// Source: the measured bombs in the sandbox section of `DESIGN.md`.
    public static final SqliteLimits DEFAULT =
            new SqliteLimits(
                    1_000_000,
                    100_000,
                    200,
                    100,
                    50,
                    250_000,
                    127,
                    1_000,
                    1_000,
                    10,
                    4_294_967_294L,
                    2_000,
                    64);

    public SqliteLimits {
        require("lengthMax", lengthMax, 10_000, 16 << 20);
        require("sqlBytesMax", sqlBytesMax, 1_000, 1_000_000);
        require("columnsMax", columnsMax, 1, 2_000);
        require("expressionDepthMax", expressionDepthMax, 10, 1_000);
        require("compoundSelectMax", compoundSelectMax, 2, 500);
        require("opcodesMax", opcodesMax, 10_000, 250_000_000);
        require("functionArgsMax", functionArgsMax, 10, 127);
        require("likePatternBytesMax", likePatternBytesMax, 10, lengthMax > 1_000_000 ? 50 : 1_000);
        require("variablesMax", variablesMax, 10, 32_766);
        require("triggerDepthMax", triggerDepthMax, 1, 1_000);
        require("pagesMax", pagesMax, 16, 4_294_967_294L);
        require("cacheKibibytes", cacheKibibytes, 64, 1 << 20);
        require("statementsMax", statementsMax, 1, 10_000);
    }

    private static void require(String name, long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(
                    "%s must be %d to %d, not %d".formatted(name, min, max, value));
        }
    }

    /// With another quota.
    public SqliteLimits withPagesMax(long pages) {
        return new SqliteLimits(
                lengthMax,
                sqlBytesMax,
                columnsMax,
                expressionDepthMax,
                compoundSelectMax,
                opcodesMax,
                functionArgsMax,
                likePatternBytesMax,
                variablesMax,
                triggerDepthMax,
                pages,
                cacheKibibytes,
                statementsMax);
    }
}
