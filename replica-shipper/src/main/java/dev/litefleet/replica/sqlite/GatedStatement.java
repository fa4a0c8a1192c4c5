package dev.litefleet.replica.sqlite;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// One statement that passed the [SqlGate]. Only such statements reach a tenant's connection.
///
/// @param sql what SQLite is given: this one statement, without leading comments and without `;`
/// @param explain whether the text starts with `EXPLAIN`; the kind is then [StatementKind#READ]
/// @param readonly what `sqlite3_stmt_readonly` would say, also of what is explained
/// @param countsChanges whether SQLite's change counter belongs to this statement: `INSERT`,
///   `REPLACE`, `UPDATE`, `DELETE`, also behind `WITH`
/// @param inserts whether the last inserted rowid belongs to this statement
/// @param parameters names by index, the first is parameter 1; with their sign, null for `?` and
///   for holes that `?NNN` left
/// @param savepoint the savepoint's name, without quotes, of the three kinds that have one
/// @param setting the pragma's name in lower case of the two pragma kinds
/// @param answer rows of a [StatementKind#NOOP]
public record GatedStatement(
        String sql,
        StatementKind kind,
        boolean explain,
        boolean readonly,
        boolean countsChanges,
        boolean inserts,
        List<@Nullable String> parameters,
        @Nullable String savepoint,
        @Nullable String setting,
        @Nullable FixedAnswer answer) {
    /// Rows that are known without asking SQLite.
    public record FixedAnswer(List<Column> columns, List<SqlValue[]> rows) {}
}
