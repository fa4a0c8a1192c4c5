package dev.litefleet.replica.sqlite;

import org.jspecify.annotations.Nullable;

/// A statement that failed, in the words of the Hrana protocol. The message is for the tenant and
/// holds no path.
///
/// Carries no stack trace of its own: tenants cause these at will.
public sealed class SqlFailure extends RuntimeException permits SqlRefused {
    private final String code;
    private final @Nullable String extendedCode;

    /// @param code Hrana's code, such as `SQLITE_CONSTRAINT`
    /// @param extendedCode SQLite's, such as `SQLITE_CONSTRAINT_UNIQUE`, if it says more
    public SqlFailure(
            String code, @Nullable String extendedCode, String message, @Nullable Throwable cause) {
        super(message, cause, false, false);
        this.code = code;
        this.extendedCode = extendedCode;
    }

    /// Stable; clients switch on it.
    public String code() {
        return code;
    }

    /// The finer code of a failed constraint.
    public @Nullable String extendedCode() {
        return extendedCode;
    }

    /// What to tell the client.
    public String message() {
        return String.valueOf(getMessage());
    }

    /// The answer that would not fit into [ResultLimits].
    public static SqlFailure tooLarge(String message) {
        return new SqlFailure("RESPONSE_TOO_LARGE", null, message, null);
    }
}
