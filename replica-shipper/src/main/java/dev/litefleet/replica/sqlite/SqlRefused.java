package dev.litefleet.replica.sqlite;

/// A text or its arguments were refused before SQLite saw them: nothing was executed.
public final class SqlRefused extends SqlFailure {
    private final int offset;

    SqlRefused(String code, String message, int offset) {
        super(code, null, message, null);
        this.offset = offset;
    }

    /// Where in the text, in UTF-16 units; -1 if it concerns the whole.
    public int offset() {
        return offset;
    }

    static SqlRefused notAllowed(String what, int offset) {
        return new SqlRefused("SQL_PARSE_ERROR", "SQL not allowed: " + what, offset);
    }

    static SqlRefused unreadable(String problem, int offset) {
        return new SqlRefused(
                "SQL_INPUT_ERROR",
                "SQL input error: " + problem + " (at offset " + offset + ")",
                offset);
    }

    static SqlRefused noStatement() {
        return new SqlRefused("SQL_NO_STATEMENT", "SQL string does not contain any statement", -1);
    }

    static SqlRefused manyStatements() {
        return new SqlRefused(
                "SQL_MANY_STATEMENTS", "SQL string contains more than one statement", -1);
    }

    static SqlRefused args(String problem) {
        return new SqlRefused(
                "ARGS_INVALID", "Arguments do not match SQL parameters: " + problem, -1);
    }

    static SqlRefused argsBoth() {
        return new SqlRefused(
                "ARGS_BOTH_POSITIONAL_AND_NAMED",
                "Specifying both positional and named arguments is not supported",
                -1);
    }
}
