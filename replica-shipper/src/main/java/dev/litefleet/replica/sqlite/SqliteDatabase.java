package dev.litefleet.replica.sqlite;

import java.nio.file.Path;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.sqlite.SQLiteConnection;
import org.sqlite.SQLiteLimits;
import org.sqlite.core.DB;

/// One database file of this process, and what its connections share: when its schema changed. Safe
/// for any thread.
public final class SqliteDatabase {
    /// No stamp: the schema is being changed right now.
    static final long SCHEMA_CHANGING = -1;

    private final Path path;
    private final SqliteLimits limits;
    private final Watchdog watchdog;

    // A reader that sees a change in its snapshot sees it here too, because a change is announced
    // before it is made. Written in this order, read in the opposite one.
    private final AtomicInteger schemaChanges = new AtomicInteger(); // open ones
    private final AtomicLong schemaVersion = new AtomicLong();

    SqliteDatabase(Path path, SqliteLimits limits, Watchdog watchdog) {
        this.path = path;
        this.limits = limits;
        this.watchdog = watchdog;
    }

    /// Opens a connection: limits, pragmas, function overrides. About 0.5 to 1.5 ms.
    ///
    /// @throws SqlFailure if the file cannot be opened or is not a database
    public SqliteConnection connect(OpenMode mode) {
        try {
            SQLiteConnection opened = Sqlite.open(path, mode);
            try {
                setLimits(opened.getDatabase());
                setPragmas(opened.getDatabase(), mode);
                FunctionOverrides.install(opened);
                return new SqliteConnection(this, opened, mode, limits.statementsMax(), watchdog);
            } catch (SQLException | RuntimeException failed) {
                opened.close();
                throw failed;
            }
        } catch (SQLException failed) {
            throw SqliteErrors.of(failed, null, path.toString());
        }
    }

    private void setLimits(DB db) throws SQLException {
        db.limit(SQLiteLimits.SQLITE_LIMIT_LENGTH.getId(), limits.lengthMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_SQL_LENGTH.getId(), limits.sqlBytesMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_COLUMN.getId(), limits.columnsMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_EXPR_DEPTH.getId(), limits.expressionDepthMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_COMPOUND_SELECT.getId(), limits.compoundSelectMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_VDBE_OP.getId(), limits.opcodesMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_FUNCTION_ARG.getId(), limits.functionArgsMax());
        // Also what makes VACUUM and VACUUM INTO fail inside the engine.
        db.limit(SQLiteLimits.SQLITE_LIMIT_ATTACHED.getId(), 0);
        db.limit(
                SQLiteLimits.SQLITE_LIMIT_LIKE_PATTERN_LENGTH.getId(),
                limits.likePatternBytesMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_VARIABLE_NUMBER.getId(), limits.variablesMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_TRIGGER_DEPTH.getId(), limits.triggerDepthMax());
        db.limit(SQLiteLimits.SQLITE_LIMIT_WORKER_THREADS.getId(), 0);
    }

    private void setPragmas(DB db, OpenMode mode) throws SQLException {
        String pragmas =
                """
                pragma trusted_schema=off;
                pragma cell_size_check=on;
                pragma mmap_size=0;
                pragma temp_store=file;
                pragma cache_size=-%d;
                pragma foreign_keys=on;
                pragma recursive_triggers=off;
                """
                        .formatted(limits.cacheKibibytes());
        db._exec(pragmas);
        if (mode == OpenMode.READ_WRITE) {
            db._exec(
                    """
                    pragma journal_mode=wal;
                    pragma wal_autocheckpoint=0;
                    pragma synchronous=normal;
                    pragma max_page_count=%d;
                    """
                            .formatted(limits.pagesMax()));
        } else {
            db._exec("pragma wal_autocheckpoint=0; pragma query_only=on");
        }
    }

    Path path() {
        return path;
    }

    /// Names the state of the schema as far as this process knows; equal stamps, equal schema.
    long schemaStamp() {
        long version = schemaVersion.get();
        return schemaChanges.get() == 0 ? version : SCHEMA_CHANGING;
    }

    void schemaChangeBegins() {
        schemaChanges.incrementAndGet();
        schemaVersion.incrementAndGet();
    }

    void schemaChangeEnds() {
        schemaVersion.incrementAndGet();
        schemaChanges.decrementAndGet();
    }
}
