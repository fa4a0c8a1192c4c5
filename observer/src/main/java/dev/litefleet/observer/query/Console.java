package dev.litefleet.observer.query;

import dev.litefleet.replica.sqlite.Bindings;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.Deadline;
import dev.litefleet.replica.sqlite.GatedStatement;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.ResultLimits;
import dev.litefleet.replica.sqlite.RowSink;
import dev.litefleet.replica.sqlite.SqlGate;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Reads from an image: the statement passes the same gate as a tenant's, must not write, and is
/// bounded in time, rows and bytes. A tenant's file is untrusted input.
public final class Console implements AutoCloseable {
    /// @param rowsMax rows returned; more are cut off and said to be
    /// @param bytesMax of all values; more fail with `RESPONSE_TOO_LARGE`
    /// @param time before the statement is interrupted
    public record Limits(int rowsMax, long bytesMax, Duration time) {
        public static final Limits DEFAULT = new Limits(1_000, 64 << 20, Duration.ofSeconds(5));

        /// For our own questions.
        public static final Limits NONE =
                new Limits(Integer.MAX_VALUE, Long.MAX_VALUE, Duration.ofMinutes(5));
    }

    /// The statement would write.
    public static final class NotReadOnly extends RuntimeException {
        NotReadOnly(String kind) {
            super("the observer only reads; this statement does not [kind=" + kind + "]");
        }
    }

    /// @param truncated whether there were more rows than `rowsMax`
    public record Result(List<Column> columns, List<SqlValue[]> rows, boolean truncated) {}

    private final Watchdog watchdog = new Watchdog(System::nanoTime);
    private final SqlGate gate = new SqlGate();
    private final SqliteConnection connection;

    private Console(Path image) {
        this.connection =
                Sqlite.database(image, SqliteLimits.DEFAULT, watchdog).connect(OpenMode.IMMUTABLE);
    }

    /// @param image a whole database that nobody changes
    public static Console open(Path image) {
        return new Console(image);
    }

    /// @throws dev.litefleet.replica.sqlite.SqlRefused if the gate refuses it
    /// @throws dev.litefleet.replica.sqlite.SqlFailure if SQLite does
    /// @throws NotReadOnly if it would write
    public Result run(String sql, Limits limits) {
        GatedStatement statement = gate.check(sql).single();
        if (!statement.readonly()) {
            throw new NotReadOnly(String.valueOf(statement.kind()));
        }
        var rows = new Collected(limits.rowsMax());
        try (var _ = connection.within(Deadline.after(limits.time(), System::nanoTime))) {
            connection.run(
                    statement,
                    Bindings.NONE,
                    new ResultLimits(Long.MAX_VALUE, limits.bytesMax()),
                    rows);
        }
        return new Result(rows.columns, rows.rows, rows.truncated);
    }

    /// SQLite's own opinion of the file: `ok`, or what is wrong.
    public String quickCheck() {
        return connection.queryText("pragma quick_check(1)");
    }

    @Override
    public void close() {
        connection.close();
        watchdog.close();
    }

    private static final class Collected implements RowSink {
        private final int max;
        private final List<SqlValue[]> rows = new ArrayList<>();
        private List<Column> columns = List.of();
        private boolean truncated;

        Collected(int max) {
            this.max = max;
        }

        @Override
        public void columns(List<Column> found) {
            columns = found;
        }

        @Override
        public boolean row(SqlValue[] row) {
            if (rows.size() == max) {
                truncated = true;
                return false;
            }
            rows.add(row);
            return true;
        }
    }
}
