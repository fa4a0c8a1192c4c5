package dev.litefleet.replica.sqlite;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteCommitListener;
import org.sqlite.SQLiteConnection;
import org.sqlite.core.DB;

/// One connection with its prepared statements. Confined to one thread at a time, never a virtual
/// one; only [#interrupt] may be called by any.
///
/// Every statement has ended when a method returns, except that of [#open], so a connection holds
/// no snapshot and no lock outside a transaction, and an interrupt cannot outlive the statement it
/// was meant for.
public final class SqliteConnection implements AutoCloseable {
    /// What a checkpoint did.
    ///
    /// @param busy whether a reader or writer kept it from finishing
    /// @param walFrames frames in the WAL, -1 if there is none
    /// @param checkpointed frames of it now also in the database file, -1 if there is no WAL
    public record Checkpointed(boolean busy, int walFrames, int checkpointed) {}

    private final SqliteDatabase database;
    private final SQLiteConnection connection;
    private final DB db;
    private final OpenMode mode;
    private final Watchdog watchdog;
    private final Map<String, Program> programs; // least recently used first
    private final TransactionState transaction = new TransactionState();
    private final Set<String> changedSettings = new HashSet<>();
    private final Object closing = new Object();

    private Runnable commitAction = () -> {};
    private @Nullable Rows rows; // open ones, which have the connection for themselves
    private @Nullable Program lastInsertRowid;
    private @Nullable SqliteWork work;
    private boolean queryOnlyWanted; // by the tenant
    private boolean readonlyTransaction;
    private boolean changingSchema;
    private boolean closed; // guarded by closing

    SqliteConnection(
            SqliteDatabase database,
            SQLiteConnection connection,
            OpenMode mode,
            int statementsMax,
            Watchdog watchdog) {
        this.database = database;
        this.connection = connection;
        this.db = connection.getDatabase();
        this.mode = mode;
        this.watchdog = watchdog;
        this.programs =
                new LinkedHashMap<>(16, 0.75f, true) {
                    @Override
                    protected boolean removeEldestEntry(Map.Entry<String, Program> eldest) {
                        if (size() <= statementsMax) {
                            return false;
                        }
                        drop(eldest.getValue());
                        return true;
                    }
                };
        connection.addCommitListener(
                new SQLiteCommitListener() {
                    @Override
                    public void onCommit() {
                        transaction.committed();
                        commitAction.run();
                    }

                    @Override
                    public void onRollback() {
                        transaction.rolledBack();
                    }
                });
    }

    /// Puts what is done until [SqliteWork#close] under a deadline.
    ///
    /// @throws IllegalStateException if other work on this connection is not closed
    public SqliteWork within(Deadline deadline) {
        return within(deadline, null);
    }

    /// The same with another reason to end it early.
    ///
    /// @param excess asked every 20 ms by the watchdog's thread, which it must not keep: whether
    ///   the work has used too much ([SqliteWork#excessive]); null if nothing is limited
    public SqliteWork within(Deadline deadline, @Nullable BooleanSupplier excess) {
        if (work != null) {
            throw new IllegalStateException("connection works already");
        }
        work = new SqliteWork(this, deadline, excess, watchdog);
        return work;
    }

    void ended(SqliteWork ended) {
        if (work == ended) {
            work = null;
        }
    }

    /// Runs a statement and keeps its rows.
    ///
    /// @throws SqlFailure if it failed; [#autocommit] then tells whether the transaction is still
    ///   open
    public StatementResult run(GatedStatement statement, Bindings bindings, ResultLimits limits) {
        var rows = new ArrayList<SqlValue[]>();
        StatementResult result =
                run(
                        statement,
                        bindings,
                        limits,
                        new RowSink() {
                            @Override
                            public void columns(List<Column> columns) {}

                            @Override
                            public boolean row(SqlValue[] row) {
                                return rows.add(row);
                            }
                        });
        return new StatementResult(
                result.columns(),
                rows,
                result.rowsRead(),
                result.rowsAffected(),
                result.lastInsertRowid());
    }

    /// Runs a statement and hands its rows to `sink`.
    ///
    /// @throws SqlFailure if it failed; [#autocommit] then tells whether the transaction is still
    ///   open
    public StatementResult run(
            GatedStatement statement, Bindings bindings, ResultLimits limits, RowSink sink) {
        requireTime();
        requireNoRows();
        try {
            return switch (statement.kind()) {
                case NOOP -> answer(statement, sink);
                case READ, WRITE -> execute(statement, bindings, limits, sink);
                case DDL -> changeSchema(statement, bindings, limits, sink);
                case PRAGMA_READ ->
                        "query_only".equals(statement.setting())
                                ? queryOnlyAnswer(sink)
                                : execute(statement, bindings, limits, sink);
                case PRAGMA_SET -> set(statement, limits, sink);
                case BEGIN_DEFERRED,
                        BEGIN_IMMEDIATE,
                        BEGIN_READONLY,
                        COMMIT,
                        ROLLBACK,
                        SAVEPOINT,
                        RELEASE,
                        ROLLBACK_TO ->
                        control(statement, limits, sink);
            };
        } finally {
            settle();
        }
    }

    private void requireTime() {
        if (work != null && work.over()) {
            throw new SqlFailure("SQLITE_INTERRUPT", null, "SQLite error: interrupted", null);
        }
    }

    private void requireNoRows() {
        if (rows != null) {
            throw new IllegalStateException("connection has open rows: " + rows.statement.sql());
        }
    }

    private static StatementResult answer(GatedStatement statement, RowSink sink) {
        var fixed = statement.answer();
        if (fixed == null) {
            throw new IllegalStateException("no answer for " + statement.sql());
        }
        sink.columns(fixed.columns());
        for (SqlValue[] row : fixed.rows()) {
            if (!sink.row(row.clone())) {
                break;
            }
        }
        return new StatementResult(fixed.columns(), List.of(), fixed.rows().size(), 0, null);
    }

    private StatementResult queryOnlyAnswer(RowSink sink) {
        var columns = List.of(new Column("query_only", null));
        sink.columns(columns);
        sink.row(new SqlValue[] {new SqlValue.Int(queryOnlyWanted ? 1 : 0)});
        return new StatementResult(columns, List.of(), 1, 0, null);
    }

    private StatementResult changeSchema(
            GatedStatement statement, Bindings bindings, ResultLimits limits, RowSink sink) {
        schemaChanges();
        return execute(statement, bindings, limits, sink);
    }

    private void schemaChanges() {
        if (!changingSchema) {
            changingSchema = true;
            database.schemaChangeBegins();
        }
    }

    /// A tenant's switch, except that nothing switches a reader's `query_only` off.
    private StatementResult set(GatedStatement statement, ResultLimits limits, RowSink sink) {
        String setting = String.valueOf(statement.setting());
        changedSettings.add(setting);
        if (setting.equals("query_only")) {
            queryOnlyWanted = statement.sql().endsWith("=1");
            applyQueryOnly();
            sink.columns(List.of());
            return new StatementResult(List.of(), List.of(), 0, 0, null);
        }
        return execute(statement, Bindings.NONE, limits, sink);
    }

    private void applyQueryOnly() {
        boolean on = mode != OpenMode.READ_WRITE || readonlyTransaction || queryOnlyWanted;
        execute("pragma query_only=" + (on ? 1 : 0));
    }

    private StatementResult control(GatedStatement statement, ResultLimits limits, RowSink sink) {
        StatementResult result = execute(statement, Bindings.NONE, limits, sink);
        transaction.did(statement.kind(), statement.savepoint());
        if (statement.kind() == StatementKind.BEGIN_READONLY) {
            readonlyTransaction = true;
            applyQueryOnly();
        }
        return result;
    }

    /// What must follow the end of a transaction, however it ended: SQLite rolls some back by
    /// itself.
    private void settle() {
        if (transaction.open()) {
            return;
        }
        if (readonlyTransaction) {
            readonlyTransaction = false;
            applyQueryOnly();
        }
        if (changingSchema) {
            changingSchema = false;
            database.schemaChangeEnds();
        }
    }

    private StatementResult execute(
            GatedStatement statement, Bindings bindings, ResultLimits limits, RowSink sink) {
        long before = database.schemaStamp();
        Program program = program(statement.sql());
        try {
            boolean row = program.start(bindings.values);
            List<Column> columns = columns(program, before);
            sink.columns(columns);
            long read = row ? drain(program, columns.size(), limits, sink) : 0;
            program.reset(bindings.large);
            return result(statement, columns, read);
        } catch (SQLException failed) {
            throw failure(failed, null);
        } finally {
            clean(statement.sql(), program);
        }
    }

    /// Of a started program.
    private List<Column> columns(Program program, long schemaBefore) throws SQLException {
        int count = program.columnCount();
        return count == 0
                ? List.of()
                : program.columns(count, schemaBefore, database.schemaStamp());
    }

    /// Of a statement that was the last to be run.
    private StatementResult result(GatedStatement statement, List<Column> columns, long read)
            throws SQLException {
        return new StatementResult(
                columns,
                List.of(),
                read,
                statement.countsChanges() ? db.changes() : 0,
                statement.inserts() ? lastInsertRowid() : null);
    }

    /// From the first row to the last, or until the sink has enough.
    private static long drain(Program program, int count, ResultLimits limits, RowSink sink)
            throws SQLException {
        long rows = 0;
        long bytes = 0;
        do {
            SqlValue[] row = program.row(count);
            for (SqlValue value : row) {
                bytes += bytes(value);
            }
            rows++;
            if (rows > limits.rowsMax() || bytes > limits.bytesMax()) {
                throw SqlFailure.tooLarge("Response is too large");
            }
            if (!sink.row(row)) {
                break;
            }
        } while (program.next());
        return rows;
    }

    private static long bytes(SqlValue value) {
        return switch (value) {
            case SqlValue.Text(String text) -> text.length();
            case SqlValue.Blob(byte[] blob) -> blob.length;
            case SqlValue.Null _, SqlValue.Int _, SqlValue.Real _ -> 8;
        };
    }

    private Long lastInsertRowid() throws SQLException {
        if (lastInsertRowid == null || lastInsertRowid.lost()) {
            lastInsertRowid = new Program(connection, "select last_insert_rowid()");
        }
        Program asked = lastInsertRowid;
        asked.start(Bindings.NONE.values);
        try {
            return asked.number(0);
        } finally {
            asked.reset(false);
        }
    }

    private Program program(String sql) {
        Program known = programs.get(sql);
        if (known != null) {
            return known;
        }
        try {
            var program = new Program(connection, sql);
            programs.put(sql, program);
            return program;
        } catch (SQLException failed) {
            throw failure(failed, sql);
        }
    }

    /// Whatever happened, the statement is not running any more and a lost one is forgotten. After
    /// success this finds a statement that is reset already.
    private void clean(String sql, Program program) {
        if (program.lost()) {
            programs.remove(sql);
            return;
        }
        try {
            program.reset(false);
        } catch (SQLException failed) {
            throw failure(failed, null);
        }
    }

    private void drop(Program program) {
        try {
            program.close();
        } catch (SQLException failed) {
            throw failure(failed, null);
        }
    }

    private SqlFailure failure(SQLException failed, @Nullable String sql) {
        return SqliteErrors.of(failed, sql, database.path().toString());
    }

    /// Begins a statement whose rows are taken one by one, with pauses of any length between them
    /// (a cursor's client is slow, or its first row waits for the store). One at a time per
    /// connection; the transaction it reads in stays open until [Rows#close]. A deadline covers the
    /// calls, each under its own [#within], not the pauses.
    ///
    /// @throws SqlFailure if it failed already
    public Rows open(GatedStatement statement, Bindings bindings) {
        requireTime();
        requireNoRows();
        return switch (statement.kind()) {
            case READ, WRITE -> {
                rows = start(statement, bindings);
                yield rows;
            }
            // Short answers, or none.
            case DDL,
                    PRAGMA_READ,
                    PRAGMA_SET,
                    NOOP,
                    BEGIN_DEFERRED,
                    BEGIN_IMMEDIATE,
                    BEGIN_READONLY,
                    COMMIT,
                    ROLLBACK,
                    SAVEPOINT,
                    RELEASE,
                    ROLLBACK_TO ->
                    new Rows(this, statement, run(statement, bindings, ResultLimits.NONE));
        };
    }

    private Rows start(GatedStatement statement, Bindings bindings) {
        long before = database.schemaStamp();
        Program program = program(statement.sql());
        boolean started = false;
        try {
            boolean row = program.start(bindings.values);
            var made = new Rows(this, statement, columns(program, before), program, row);
            started = true;
            return made;
        } catch (SQLException failed) {
            throw failure(failed, null);
        } finally {
            if (!started) {
                clean(statement.sql(), program);
                settle();
            }
        }
    }

    /// A statement under way; see [#open]. Confined as its connection is.
    public static final class Rows implements AutoCloseable {
        private final SqliteConnection connection;
        private final GatedStatement statement;
        private final List<Column> columns;
        private final @Nullable Program program; // null if the statement ran at once
        private final List<SqlValue[]> answered; // rows of a statement that ran at once
        private boolean onRow; // the program stands on a row not yet taken
        private boolean closed;
        private long read;
        private SqlValue @Nullable [] row;
        private @Nullable StatementResult end;

        private Rows(
                SqliteConnection connection,
                GatedStatement statement,
                List<Column> columns,
                Program program,
                boolean onRow) {
            this.connection = connection;
            this.statement = statement;
            this.columns = columns;
            this.program = program;
            this.answered = List.of();
            this.onRow = onRow;
        }

        private Rows(
                SqliteConnection connection, GatedStatement statement, StatementResult result) {
            this.connection = connection;
            this.statement = statement;
            this.columns = result.columns();
            this.program = null;
            this.answered = result.rows();
            this.end =
                    new StatementResult(
                            result.columns(),
                            List.of(),
                            result.rowsRead(),
                            result.rowsAffected(),
                            result.lastInsertRowid());
        }

        public List<Column> columns() {
            return columns;
        }

        /// Goes on to the next row, or to the end of the statement, where a writing one has done
        /// everything and, outside a transaction, committed.
        ///
        /// @throws SqlFailure if the statement failed here; it is closed then
        public boolean next() {
            if (program == null) {
                boolean more = read < answered.size();
                row = more ? answered.get((int) read++) : null;
                return more;
            }
            if (closed) {
                row = null;
                return false;
            }
            try {
                connection.requireTime();
                boolean more = onRow || (read > 0 && program.next());
                onRow = false;
                if (more) {
                    row = program.row(columns.size());
                    read++;
                    return true;
                }
                row = null;
                program.reset(true);
                end = connection.result(statement, columns, read);
                close();
                return false;
            } catch (SQLException failed) {
                close();
                throw connection.failure(failed, null);
            } catch (SqlFailure late) {
                close();
                throw late;
            }
        }

        /// The row that [#next] reached; the caller's to keep.
        public SqlValue[] row() {
            if (row == null) {
                throw new IllegalStateException("no row");
            }
            return row;
        }

        /// After the last row: as in [StatementResult], without rows.
        public StatementResult end() {
            if (end == null) {
                throw new IllegalStateException("statement has not ended");
            }
            return end;
        }

        /// Resets the statement. Does nothing the second time.
        @Override
        public void close() {
            if (closed || program == null) {
                return;
            }
            closed = true;
            connection.rows = null;
            connection.clean(statement.sql(), program);
            connection.settle();
        }
    }

    /// Calls `action` inside SQLite's commit hook: on the connection's thread, before a commit of
    /// this connection that wrote something becomes visible to anybody (also one that then fails or
    /// turns out to have changed nothing). It must not use the connection, nor throw. One action;
    /// the last one set counts.
    public void onCommit(Runnable action) {
        commitAction = action;
    }

    /// What a statement takes and gives, without running it. Sees uncommitted schema changes of
    /// this connection.
    ///
    /// A pragma that sets something is not even compiled, because that would set it.
    public Description describe(GatedStatement statement) {
        var fixed = statement.answer();
        List<Column> columns =
                fixed != null
                        ? fixed.columns()
                        : switch (statement.kind()) {
                            case READ, WRITE, DDL, PRAGMA_READ ->
                                    actsWhenCompiled(statement)
                                            ? List.of()
                                            : compiledColumns(statement.sql());
                            case PRAGMA_SET,
                                    NOOP,
                                    BEGIN_DEFERRED,
                                    BEGIN_IMMEDIATE,
                                    BEGIN_READONLY,
                                    COMMIT,
                                    ROLLBACK,
                                    SAVEPOINT,
                                    RELEASE,
                                    ROLLBACK_TO ->
                                    List.of();
                        };
        return new Description(
                statement.parameters(), columns, statement.explain(), statement.readonly());
    }

    private static boolean actsWhenCompiled(GatedStatement statement) {
        return statement.kind() != StatementKind.PRAGMA_READ
                && statement.sql().startsWith("PRAGMA ");
    }

    /// Compiled anew: SQLite notices a changed schema only when a statement is run.
    private List<Column> compiledColumns(String sql) {
        try {
            var program = new Program(connection, sql);
            try {
                return program.readColumns();
            } finally {
                program.close();
            }
        } catch (SQLException failed) {
            throw failure(failed, sql);
        }
    }

    /// Whether no transaction is open.
    public boolean autocommit() {
        return !transaction.open();
    }

    /// SQLite commits on this connection that wrote something, counted since it was opened.
    public long commits() {
        return transaction.commits();
    }

    /// Whether the tenant has changed a setting of this connection.
    public boolean sessionDirty() {
        return !changedSettings.isEmpty();
    }

    /// Rolls back what is open and gives every setting its first value back. After this the
    /// connection may serve somebody else.
    public void resetSession() {
        if (rows != null) {
            rows.close();
        }
        if (transaction.open()) {
            execute("ROLLBACK");
            transaction.did(StatementKind.ROLLBACK, null);
        }
        settle();
        for (String setting : changedSettings) {
            if (setting.equals("query_only")) {
                queryOnlyWanted = false;
                applyQueryOnly();
            } else {
                execute("pragma " + setting + "=" + (setting.equals("foreign_keys") ? 1 : 0));
            }
        }
        changedSettings.clear();
    }

    /// Makes the statement that runs fail with `SQLITE_INTERRUPT`. Any thread; nothing happens when
    /// none runs or the connection is closed. It may hit the next user of the connection;
    /// [SqliteWork#cancel] does not.
    public void interrupt() {
        synchronized (closing) {
            if (!closed) {
                try {
                    db.interrupt();
                } catch (SQLException failed) {
                    throw new IllegalStateException("interrupting failed", failed);
                }
            }
        }
    }

    /// Runs SQL of our own, any number of statements without parameters, outside the gate. Rows are
    /// dropped. Transactions begun and ended here count in [#autocommit].
    public void exec(String trustedSql) {
        requireNoRows();
        try {
            for (String sql : SqlGate.split(trustedSql)) {
                GatedStatement control = StatementRules.control(sql);
                if (control == null) {
                    schemaChanges();
                    execute(sql);
                } else {
                    execute(control.sql());
                    transaction.did(control.kind(), control.savepoint());
                }
            }
        } finally {
            settle();
        }
    }

    private void execute(String sql) {
        try {
            var program = new Program(connection, sql);
            try {
                boolean row = program.start(Bindings.NONE.values);
                while (row) {
                    row = program.next();
                }
            } finally {
                if (!program.lost()) {
                    program.close();
                }
            }
        } catch (SQLException failed) {
            throw failure(failed, null);
        }
    }

    /// First column of the first row of a query of our own, outside the gate.
    ///
    /// @throws IllegalStateException if there is no row
    public long queryLong(String trustedSql) {
        return first(trustedSql) instanceof SqlValue.Int(long number) ? number : 0;
    }

    /// First column of the first row of a query of our own, outside the gate; empty for null.
    ///
    /// @throws IllegalStateException if there is no row
    public String queryText(String trustedSql) {
        return switch (first(trustedSql)) {
            case SqlValue.Text(String text) -> text;
            case SqlValue.Int(long number) -> Long.toString(number);
            case SqlValue.Real(double number) -> Double.toString(number);
            case SqlValue.Blob _, SqlValue.Null _ -> "";
        };
    }

    private SqlValue first(String trustedSql) {
        Program program = program(trustedSql);
        try {
            if (!program.start(Bindings.NONE.values)) {
                throw new IllegalStateException("no row: " + trustedSql);
            }
            return program.value(0);
        } catch (SQLException failed) {
            throw failure(failed, null);
        } finally {
            clean(trustedSql, program);
        }
    }

    /// Copies what it can into the database file; waits for nobody.
    public Checkpointed checkpointPassive() {
        return checkpoint("passive");
    }

    /// Copies everything and empties the WAL file, or reports busy; waits for nobody.
    public Checkpointed checkpointTruncate() {
        return checkpoint("truncate");
    }

    private Checkpointed checkpoint(String how) {
        String sql = "pragma wal_checkpoint(" + how + ")";
        Program program = program(sql);
        try {
            program.start(Bindings.NONE.values);
            return new Checkpointed(
                    program.number(0) != 0, (int) program.number(1), (int) program.number(2));
        } catch (SQLException failed) {
            throw failure(failed, null);
        } finally {
            clean(sql, program);
        }
    }

    /// Gives memory of the page cache and of prepared statements back.
    public void shrinkMemory() {
        programs.values().forEach(this::drop);
        programs.clear();
        execute("pragma shrink_memory");
    }

    /// Pages of the database, as this connection sees it.
    public long pageCount() {
        return queryLong("pragma page_count");
    }

    /// Bytes of a page.
    public int pageSize() {
        return (int) queryLong("pragma page_size");
    }

    /// The quota in pages; applies to new pages only.
    public void pagesMax(long pages) {
        execute("pragma max_page_count=" + pages);
    }

    /// How long to wait for another connection's write lock; zero by default.
    public void busyTimeout(Duration time) {
        try {
            db.busy_timeout(Math.toIntExact(time.toMillis()));
        } catch (SQLException failed) {
            throw failure(failed, null);
        }
    }

    /// Rolls back what is open. The last connection of a database also checkpoints and deletes its
    /// WAL.
    @Override
    public void close() {
        if (changingSchema) {
            changingSchema = false;
            database.schemaChangeEnds();
        }
        synchronized (closing) {
            if (closed) {
                return;
            }
            closed = true;
            try {
                connection.close();
            } catch (SQLException failed) {
                throw failure(failed, null);
            }
        }
    }
}
