package dev.litefleet.replica.sqlite;

/// How much one statement may answer. Reaching a limit is [SqlFailure] `RESPONSE_TOO_LARGE`; what a
/// writing statement did before stays done.
///
/// @param rowsMax rows
/// @param bytesMax bytes of all values, 8 for a number
public record ResultLimits(long rowsMax, long bytesMax) {
    public static final ResultLimits NONE = new ResultLimits(Long.MAX_VALUE, Long.MAX_VALUE);
}
