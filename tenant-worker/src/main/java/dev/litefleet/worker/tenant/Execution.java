package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.Bindings;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.Deadline;
import dev.litefleet.replica.sqlite.GatedStatement;
import dev.litefleet.replica.sqlite.ResultLimits;
import dev.litefleet.replica.sqlite.RowSink;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteConnection.Rows;
import dev.litefleet.replica.sqlite.SqliteWork;
import dev.litefleet.replica.sqlite.StatementKind;
import dev.litefleet.replica.sqlite.StatementResult;
import dev.litefleet.worker.tenant.Stream.Place;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Gives each statement of one request the connection and the permit it needs, and takes them back.
///
/// Outside a transaction a reading statement borrows a reader and a writing one the permit and the
/// write connection. A transaction owns a connection: the write connection if it starts by taking
/// the permit, else one of its own, on which its first write takes the permit.
///
/// Nothing here blocks. When something must be waited for, [#enter] returns false and the request
/// is resumed later, to call it again; until then nobody may touch it. Confined to the request.
final class Execution implements WritePermit.Claim {
    private static final StatementResult NO_ROWS =
            new StatementResult(List.of(), List.of(), 0, 0, null);

    /// Where the connection of the statement under way comes from.
    private enum Source {
        READER,
        WRITER,
        STREAM
    }

    private final OpenTenant tenant;
    private final Stream stream;
    private final RequestContext context;
    private final Runnable resume;

    private @Nullable SqliteConnection connection; // of the statement under way
    private Source source = Source.STREAM;
    private boolean parked; // the statement under way may have been waiting
    private boolean permitBefore; // whether the stream held it before the statement under way
    private boolean openBefore; // whether it was in a transaction before the statement under way
    private long commitsBefore; // of the connection, before the statement under way
    private boolean executed;
    private long lagSince = Deadlines.NEVER; // when it began to wait for the store
    private volatile boolean permitExpired;

    private final Object running = new Object();
    private @Nullable SqliteWork interruptible; // under running

    /// @param resume continues the request on the tenant's queue
    Execution(OpenTenant tenant, Stream stream, RequestContext context, Runnable resume) {
        this.tenant = tenant;
        this.stream = stream;
        this.context = context;
        this.resume = resume;
    }

    /// Whether some statement ran.
    boolean executed() {
        return executed;
    }

    /// Whether the stream is outside a transaction. One that was lost counts as open: its client
    /// must give it up.
    boolean autocommit() {
        SqliteConnection own = stream.connection;
        return !stream.lost && (own == null || own.autocommit());
    }

    /// The answer of a statement that needs no connection, or null.
    @Nullable StatementResult answer(GatedStatement statement) {
        if (stream.lost) {
            if (statement.kind() != StatementKind.ROLLBACK) {
                throw lost();
            }
            stream.lost = false;
            return NO_ROWS;
        }
        GatedStatement.FixedAnswer fixed = statement.answer();
        return fixed == null
                ? null
                : new StatementResult(fixed.columns(), fixed.rows(), fixed.rows().size(), 0, null);
    }

    /// Gets ready for one statement.
    ///
    /// @param writesFollow whether later statements of the same request are known to write, so that
    ///   a transaction had better begin by taking the permit
    /// @return false if it must wait: leave at once, and call again when resumed
    /// @throws SqlFailure if the statement cannot run
    /// @throws TenantException if the request cannot go on
    boolean enter(GatedStatement statement, boolean writesFollow) {
        if (!parked) {
            // The permit may be granted while the statement waits; it did not hold it before.
            permitBefore = tenant.permit().heldBy(stream);
            parked = true;
        }
        boolean entered = false;
        boolean failed = true;
        try {
            entered = tryToEnter(statement, writesFollow);
            failed = false;
        } finally {
            if (failed) {
                giveUpWaiting();
            }
            // Whoever waits may be resumed by now, on another thread: it touches nothing any more.
            if (failed || entered) {
                parked = false;
            }
        }
        return entered;
    }

    /// What was granted while the statement waited goes to the next in line.
    private void giveUpWaiting() {
        if (!permitBefore && tenant.permit().heldBy(stream)) {
            tenant.permit().giveBack(stream);
        }
        tenant.readers().pass();
    }

    private boolean tryToEnter(GatedStatement statement, boolean writesFollow) {
        tenant.requireOpen();
        if (context.cancelled()) {
            throw new TenantException.Cancelled();
        }
        if (context.readOnly() && !statement.readonly()) {
            throw new SqlFailure(
                    "SQLITE_READONLY",
                    null,
                    "SQLite error: attempt to write a readonly database: the token may only read",
                    null);
        }
        StatementKind kind = statement.kind();
        openBefore = false;
        if (stream.place != Place.NONE) {
            SqliteConnection own = requireConnection(stream.connection);
            openBefore = !own.autocommit();
            if (openBefore && tenant.tooOld(stream)) {
                tenant.takeTransaction(stream);
                throw lost();
            }
            if (kind.needsWritePermit() && !permitBefore && !permit()) {
                return false;
            }
            if (endsTransaction(kind) && permitBefore) {
                tenant.requireTransactionFits(stream);
            }
            return entered(own, Source.STREAM);
        }
        return switch (kind) {
            case READ, PRAGMA_READ, COMMIT, ROLLBACK, RELEASE, ROLLBACK_TO, NOOP -> {
                SqliteConnection reader = tenant.readers().takeOrWait(resume);
                yield reader != null && entered(reader, Source.READER);
            }
            case WRITE, DDL -> permit() && entered(tenant.writer(), Source.WRITER);
            case BEGIN_IMMEDIATE -> permit() && attachWriter();
            case BEGIN_DEFERRED, SAVEPOINT ->
                    writesFollow ? permit() && attachWriter() : attachOwn();
            case BEGIN_READONLY, PRAGMA_SET -> attachOwn();
        };
    }

    /// Gets ready to describe a statement, where the stream's own uncommitted schema is seen.
    ///
    /// @return false if it must wait, as [#enter]
    boolean enterToDescribe() {
        tenant.requireOpen();
        if (context.cancelled()) {
            throw new TenantException.Cancelled();
        }
        if (stream.connection != null) {
            return entered(stream.connection, Source.STREAM);
        }
        SqliteConnection reader = tenant.readers().takeOrWait(resume);
        return reader != null && entered(reader, Source.READER);
    }

    void leaveDescribed() {
        SqliteConnection used = left();
        if (source == Source.READER) {
            tenant.readers().giveBack(used);
        }
    }

    private SqliteConnection left() {
        SqliteConnection used = requireConnection(connection);
        connection = null;
        return used;
    }

    private static boolean endsTransaction(StatementKind kind) {
        return kind == StatementKind.COMMIT || kind == StatementKind.RELEASE;
    }

    private boolean entered(SqliteConnection connection, Source source) {
        this.connection = connection;
        this.source = source;
        this.commitsBefore = connection.commits();
        return true;
    }

    private boolean attachWriter() {
        attach(Place.WRITER, tenant.writer());
        return entered(tenant.writer(), Source.STREAM);
    }

    private boolean attachOwn() {
        SqliteConnection own = tenant.transactions().take();
        if (own == null) {
            throw new SqlFailure(
                    "TRANSACTION_BUSY",
                    null,
                    "too many open transactions [max=" + tenant.config().transactionsMax() + "]",
                    null);
        }
        attach(Place.OWN, own);
        return entered(own, Source.STREAM);
    }

    private void attach(Place place, SqliteConnection connection) {
        stream.place = place;
        stream.connection = connection;
        stream.begunAt = tenant.now();
    }

    /// Takes the write permit once there is room for what is written.
    private boolean permit() {
        tenant.requireDisk();
        if (!tenant.roomToWrite()) {
            if (!permitBefore && tenant.permit().heldBy(stream)) {
                tenant.permit().giveBack(stream);
            }
            waitForStore();
            return false;
        }
        if (permitExpired) {
            permitExpired = false;
            throw new SqlFailure("SQLITE_BUSY", null, "SQLite error: database is locked", null);
        }
        long until = tenant.now() + tenant.config().permitWaitMax().toNanos();
        if (tenant.permit().take(this, until)) {
            tenant.database().transactionBegins();
            return true;
        }
        tenant.permitAwaited();
        return false;
    }

    private void waitForStore() {
        long now = tenant.now();
        if (lagSince == Deadlines.NEVER) {
            lagSince = now;
        }
        if (now - lagSince < tenant.shipping().config().lagMax().toNanos()) {
            tenant.whenRoom(resume);
            return;
        }
        lagSince = Deadlines.NEVER;
        tenant.requireWal();
        String why = "too much waits for it already";
        if (!executed && stream.place == Place.NONE) {
            throw new TenantException.StoreUnavailable(why);
        }
        throw new SqlFailure(
                "STORE_UNAVAILABLE", null, "object store is unavailable: " + why, null);
    }

    @Override
    public Object owner() {
        return stream;
    }

    @Override
    public void granted() {
        resume.run();
    }

    @Override
    public void expired() {
        permitExpired = true;
        resume.run();
    }

    /// Runs the statement that was entered.
    StatementResult run(GatedStatement statement, Stmt stmt, ResultLimits limits) {
        Bindings bindings = Bindings.of(statement, stmt.args(), stmt.named());
        executed = true;
        SqliteConnection on = requireConnection(connection);
        try (SqliteWork work = work(on, tenant.statementNanosMax())) {
            working(work);
            try {
                return stmt.wantRows()
                        ? on.run(statement, bindings, limits)
                        : on.run(statement, bindings, limits, new RowsDropped());
            } catch (SqlFailure failed) {
                throw explained(failed, work);
            }
        } finally {
            working(null);
        }
    }

    /// What is to be interrupted when the client goes away.
    private void working(@Nullable SqliteWork work) {
        SqliteWork before;
        synchronized (running) {
            before = interruptible;
            interruptible = work;
        }
        if (before != null) {
            tenant.ran(before);
        }
        if (work != null) {
            tenant.runs(work);
            if (context.cancelled()) {
                work.cancel();
            }
        }
    }

    /// Begins the statement that was entered.
    Rows open(GatedStatement statement, Stmt stmt) {
        Bindings bindings = Bindings.of(statement, stmt.args(), stmt.named());
        executed = true;
        SqliteConnection on = requireConnection(connection);
        try (SqliteWork work = work(on, tenant.statementNanosMax())) {
            working(work);
            try {
                return on.open(statement, bindings);
            } catch (SqlFailure failed) {
                throw explained(failed, work);
            }
        } finally {
            working(null);
        }
    }

    /// Lets the statement that was opened go on.
    ///
    /// @param nanos the time it has left
    /// @return whether there is a row
    boolean next(Rows rows, long nanos) {
        try (SqliteWork work = work(requireConnection(connection), nanos)) {
            working(work);
            try {
                return rows.next();
            } catch (SqlFailure failed) {
                throw explained(failed, work);
            }
        } finally {
            working(null);
        }
    }

    SqliteConnection connection() {
        return requireConnection(connection);
    }

    /// Work of a connection, with a limit on what its transaction writes if it may write.
    private SqliteWork work(SqliteConnection on, long nanos) {
        boolean writes = source != Source.READER && tenant.permit().heldBy(stream);
        return on.within(deadline(nanos), writes ? tenant.transactionGrows() : null);
    }

    /// SQLite only knows that it was interrupted, or that it could not read.
    ///
    /// @throws TenantException if the tenant has stopped, as it does if the file is lost
    private SqlFailure explained(SqlFailure failed, SqliteWork work) {
        if (work.cancelled()) {
            tenant.requireOpen();
        }
        if (work.excessive() && failed.code().equals("SQLITE_INTERRUPT")) {
            return tenant.transactionTooLarge();
        }
        tenant.fileMayHaveFailed(failed);
        return failed;
    }

    private Deadline deadline(long nanos) {
        return new Deadline(tenant.now() + nanos, tenant.ticker());
    }

    /// Columns and rows that nobody wants.
    private static final class RowsDropped implements RowSink {
        @Override
        public void columns(List<Column> columns) {}

        @Override
        public boolean row(SqlValue[] row) {
            return true;
        }
    }

    /// Gives back what the statement no longer needs; captures what it committed. Must follow every
    /// [#enter] that returned true.
    ///
    /// @param failure how it failed, or null
    void leave(GatedStatement statement, @Nullable SqlFailure failure) {
        SqliteConnection used = left();
        switch (source) {
            case READER -> {
                if (used.sessionDirty()) {
                    used.resetSession();
                }
                tenant.readers().giveBack(used);
            }
            case WRITER -> {
                try {
                    tenant.capture(context);
                } finally {
                    tenant.permit().giveBack(stream);
                }
            }
            case STREAM -> leaveStream(statement, failure, used);
        }
    }

    private void leaveStream(
            GatedStatement statement, @Nullable SqlFailure failure, SqliteConnection used) {
        boolean holds = tenant.permit().heldBy(stream);
        try {
            if (holds) {
                tenant.capture(context);
                if (statement.kind() == StatementKind.ROLLBACK_TO && failure == null) {
                    tenant.transactionWentBack();
                }
            } else if (used.commits() != commitsBefore) {
                tenant.unpermitted(statement);
            }
        } finally {
            if (used.autocommit()) {
                tenant.transactionEnded(stream);
                stream.lost =
                        openBefore && failure != null && takenBySqlite(statement.kind(), failure);
            } else if (holds && !permitBefore && failure != null && isBusy(failure)) {
                // Its snapshot is older than the last commit: it wrote nothing and never will.
                tenant.permit().giveBack(stream);
            }
        }
    }

    private static boolean isBusy(SqlFailure failure) {
        return failure.code().equals("SQLITE_BUSY");
    }

    /// Whether SQLite rolled a transaction back that its client believes open: after an interrupt
    /// or a full disk it does so by itself.
    private static boolean takenBySqlite(StatementKind kind, SqlFailure failure) {
        return switch (kind) {
            case READ, WRITE, DDL, ROLLBACK_TO ->
                    switch (failure.code()) {
                        case "SQLITE_INTERRUPT",
                                "SQLITE_FULL",
                                "SQLITE_IOERR",
                                "SQLITE_NOMEM",
                                "TXN_TOO_LARGE" ->
                                true;
                        default -> false;
                    };
            default -> false;
        };
    }

    static SqlFailure lost() {
        return new SqlFailure(
                "TRANSACTION_TIMEOUT",
                null,
                "the transaction was rolled back: it took too long, or an earlier statement was"
                        + " ended at a limit; roll back to go on",
                null);
    }

    /// The client is gone: interrupts what runs, and lets what waits find out.
    void cancel() {
        synchronized (running) {
            if (interruptible != null) {
                interruptible.cancel();
                return;
            }
        }
        if (tenant.permit().withdraw(this)
                || tenant.readers().withdraw(resume)
                || tenant.noLongerWaitsForRoom(resume)) {
            resume.run();
        }
    }

    private static SqliteConnection requireConnection(@Nullable SqliteConnection connection) {
        if (connection == null) {
            throw new IllegalStateException("no statement has been entered");
        }
        return connection;
    }
}
