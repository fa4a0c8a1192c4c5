package dev.litefleet.worker.hrana;

import dev.litefleet.replica.sqlite.NamedArg;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.worker.tenant.Stmt;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A statement as it is sent: its text, or the number of a stored one.
///
/// @param sql null if `sqlId` counts
/// @param sqlId meaningless if `sql` is there
record Statement(
        @Nullable String sql,
        int sqlId,
        List<SqlValue> args,
        List<NamedArg> named,
        boolean wantRows) {
    /// @throws HranaFailure 400 if the stream has not stored the text
    Stmt resolve(HranaStream stream) {
        return new Stmt(sql == null ? stream.texts().text(sqlId) : sql, args, named, wantRows);
    }
}
