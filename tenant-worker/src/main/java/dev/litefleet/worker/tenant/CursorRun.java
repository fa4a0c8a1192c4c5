package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.GatedStatement;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqliteConnection.Rows;
import dev.litefleet.replica.sqlite.StatementKind;
import dev.litefleet.replica.sqlite.StatementResult;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One cursor on its way through an open tenant: a batch whose rows leave as they come. Like
/// [Pipeline] it stops wherever something must be waited for: the permit, the store, or its client,
/// which may be slow. A statement that is stopped between two rows keeps its connection.
///
/// Confined to the tenant's queue.
final class CursorRun implements Request, Gate.Waiter {
    // Rows after which others get their turn.
    private static final int ROWS_PER_TURN = 1024;

    /// Where the step under way is.
    private enum Phase {
        /// Nothing of it has run.
        TO_START,
        /// It has been opened and stands before its first row.
        OPENED,
        /// A row, or the end, has been reached and may not have left yet.
        REACHED,
        /// It is done; its end may not have left yet.
        DONE
    }

    private final @Nullable StreamId name;
    private final List<Step> steps;
    private final CursorSink sink;
    private final RequestContext context;

    private @Nullable OpenTenant tenant;
    private @Nullable Stream stream;
    private @Nullable Execution execution;
    private Deadlines.@Nullable Entry patience;

    private int step;
    private Phase phase = Phase.TO_START;
    private @Nullable GatedStatement statement; // of the step under way
    private @Nullable Rows rows; // of the step under way
    private boolean begun; // whether the beginning of the step under way has left
    private boolean gated; // whether the end of the step under way has passed the gate
    private @Nullable StatementResult result; // of the step under way, at its end
    private @Nullable SqlFailure error; // of the step under way, at its end
    private long nanosLeft; // of the statement under way
    private final BitSet succeeded = new BitSet();
    private volatile boolean impatient; // its client has not read for too long
    private volatile long stoppedSince = Deadlines.NEVER; // waiting for the client
    private boolean ended;
    private @Nullable TenantException gateFailure;

    CursorRun(@Nullable StreamId name, List<Step> steps, CursorSink sink, RequestContext context) {
        this.name = name;
        this.steps = steps;
        this.sink = sink;
        this.context = context;
    }

    @Override
    public void begin(OpenTenant open) {
        tenant = open;
        patience = open.deadline(this::lookAtClient);
        start(open);
    }

    @Override
    public void reject(RuntimeException failure) {
        sink.failed(failure);
    }

    @Override
    public void run() {
        OpenTenant open = tenant();
        try {
            if (gateFailure != null) {
                throw gateFailure;
            }
            int turn = 0;
            while (step < steps.size()) {
                if (context.cancelled()) {
                    throw new TenantException.Cancelled();
                }
                if (impatient) {
                    throw new TenantException.StreamExpired();
                }
                if (turn++ == ROWS_PER_TURN) {
                    open.queue().submit(this);
                    return;
                }
                if (!proceed(open)) {
                    return;
                }
            }
            finish(open);
        } catch (RuntimeException failure) {
            abandon(open, failure);
        } catch (Error broken) {
            abandon(open, new IllegalStateException("cursor failed: " + broken, broken));
            throw broken;
        }
    }

    /// Takes the stream, on the caller's thread: whoever comes later finds it busy.
    private void start(OpenTenant open) {
        try {
            Stream found = open.stream(name);
            switch (found.begin(() -> start(open))) {
                case BUSY -> throw new TenantException.StreamBusy();
                case LATER -> {}
                case BEGUN -> started(open, found);
            }
        } catch (TenantException refused) {
            abandon(open, refused);
        }
    }

    private void started(OpenTenant open, Stream found) {
        stream = found;
        var run = new Execution(open, found, context, () -> open.queue().submit(this));
        execution = run;
        context.onCancel(() -> cancel(open, run));
        open.queue().submit(this);
    }

    private void cancel(OpenTenant open, Execution run) {
        run.cancel();
        resumeIfStopped(open);
    }

    private OpenTenant tenant() {
        if (tenant == null) {
            throw new IllegalStateException("cursor was not begun");
        }
        return tenant;
    }

    private Deadlines.Entry patience() {
        if (patience == null) {
            throw new IllegalStateException("cursor was not begun");
        }
        return patience;
    }

    private Execution execution() {
        if (execution == null) {
            throw new IllegalStateException("cursor was not started");
        }
        return execution;
    }

    private GatedStatement statement() {
        if (statement == null) {
            throw new IllegalStateException("no step is under way");
        }
        return statement;
    }

    /// Goes on with the step under way, by one row at most.
    ///
    /// @return false if it must wait
    private boolean proceed(OpenTenant open) {
        return switch (phase) {
            case TO_START -> openStep(open);
            case OPENED -> advance(open);
            case REACHED -> deliver(open);
            case DONE -> endStep(open);
        };
    }

    private boolean openStep(OpenTenant open) {
        Step current = steps.get(step);
        if (current.condition() != null && !holds(current.condition())) {
            nextStep();
            return true;
        }
        begun = false;
        error = null;
        result = null;
        try {
            GatedStatement gated = open.sqlGate().check(current.stmt().sql()).single();
            statement = gated;
            StatementResult known = execution().answer(gated);
            if (known != null) {
                result = known;
                phase = Phase.DONE;
                return true;
            }
            if (!execution().enter(gated, writesFollow(open, gated))) {
                return false;
            }
        } catch (SqlFailure refused) {
            error = refused;
            phase = Phase.DONE;
            return true;
        }
        nanosLeft = open.statementNanosMax();
        try {
            rows = execution().open(statement(), current.stmt());
            phase = Phase.OPENED;
        } catch (SqlFailure failed) {
            failStep(failed);
        }
        return true;
    }

    private boolean writesFollow(OpenTenant open, GatedStatement begin) {
        return begin.kind() == StatementKind.BEGIN_DEFERRED
                && steps.stream()
                        .skip(step + 1L)
                        .flatMap(later ->
                                open.sqlGate().check(later.stmt().sql()).statements().stream())
                        .anyMatch(later -> later.kind().needsWritePermit());
    }

    /// Lets SQLite go on to the next row.
    private boolean advance(OpenTenant open) {
        Rows reading = rows();
        long before = open.now();
        boolean row;
        try {
            row = execution().next(reading, nanosLeft);
            if (!row) {
                result = reading.end();
            }
        } catch (SqlFailure failed) {
            failStep(failed);
            return true;
        }
        nanosLeft -= open.now() - before;
        if (!row) {
            closeRows(null);
            phase = Phase.DONE;
            return true;
        }
        phase = Phase.REACHED;
        // Its rows are one snapshot, and nothing announced later is in it.
        return begun || mayLeave(open);
    }

    private Rows rows() {
        if (rows == null) {
            throw new IllegalStateException("no statement is open");
        }
        return rows;
    }

    private void failStep(SqlFailure failure) {
        error = failure;
        closeRows(failure);
        phase = Phase.DONE;
    }

    private void closeRows(@Nullable SqlFailure failure) {
        if (rows != null) {
            rows.close();
            rows = null;
        }
        execution().leave(statement(), failure);
    }

    /// Whether everything announced until now is durable; otherwise the cursor is resumed when it
    /// is.
    private boolean mayLeave(OpenTenant open) {
        Gate gate = open.database().gate();
        long seen = gate.announced();
        if (gate.isOpen(seen) || (!open.sync() && !open.lags())) {
            return true;
        }
        long until = open.now() + open.shipping().config().gateMax().toNanos();
        open.gateAwaited(until);
        gate.await(seen, until, this);
        return false;
    }

    @Override
    public void durable() {
        OpenTenant open = tenant();
        open.queue().submit(this);
    }

    @Override
    public void failed(TenantException failure) {
        gateFailure = failure;
        tenant().queue().submit(this);
    }

    private boolean deliver(OpenTenant open) {
        if (!ready(open)) {
            return false;
        }
        if (!begun) {
            begun = true;
            sink.begin(step, rows().columns());
        }
        if (steps.get(step).stmt().wantRows()) {
            sink.row(rows().row());
        }
        phase = Phase.OPENED;
        return true;
    }

    private boolean endStep(OpenTenant open) {
        // Errors show what was there, ends of writing steps promise what they did, and a step
        // without
        // rows says that there were none.
        if (!gated) {
            gated = true;
            if (!mayLeave(open)) {
                return false;
            }
        }
        if (!ready(open)) {
            return false;
        }
        if (error != null) {
            sink.error(step, error);
        } else if (result != null) {
            if (!begun) {
                sink.begin(step, result.columns());
                if (steps.get(step).stmt().wantRows()) {
                    result.rows().forEach(sink::row);
                }
            }
            sink.end(result.rowsAffected(), result.lastInsertRowid());
            succeeded.set(step);
        }
        nextStep();
        return true;
    }

    private void nextStep() {
        step++;
        phase = Phase.TO_START;
        statement = null;
        gated = false;
    }

    private boolean holds(Condition condition) {
        return switch (condition) {
            case Condition.Ok(int of) -> succeeded.get(of);
            case Condition.Error(int of) -> !succeeded.get(of);
            case Condition.Not(var inner) -> !holds(inner);
            case Condition.And(var all) -> all.stream().allMatch(this::holds);
            case Condition.Or(var any) -> any.stream().anyMatch(this::holds);
            case Condition.IsAutocommit() -> execution().autocommit();
        };
    }

    /// Whether the client takes more; otherwise the cursor is resumed when it does, or when it has
    /// not for too long.
    private boolean ready(OpenTenant open) {
        if (sink.ready()) {
            return true;
        }
        stoppedSince = open.now();
        patience().within(open.config().cursorIdleMax());
        sink.whenReady(() -> resumeIfStopped(open));
        return false;
    }

    private void resumeIfStopped(OpenTenant open) {
        boolean stopped;
        synchronized (this) {
            stopped = stoppedSince != Deadlines.NEVER;
            stoppedSince = Deadlines.NEVER;
        }
        if (stopped) {
            open.queue().submit(this);
        }
    }

    private long lookAtClient(long now) {
        long since = stoppedSince;
        if (since == Deadlines.NEVER) {
            return Deadlines.NEVER;
        }
        long until = since + tenant().config().cursorIdleMax().toNanos();
        if (now < until) {
            return until;
        }
        impatient = true;
        resumeIfStopped(tenant());
        return Deadlines.NEVER;
    }

    private Stream stream() {
        if (stream == null) {
            throw new IllegalStateException("cursor was not started");
        }
        return stream;
    }

    private void finish(OpenTenant open) {
        Stream used = stream();
        if (name == null) {
            open.closeStream(used);
        }
        StreamState after = used.state();
        end(open);
        open.left();
        sink.done(after);
    }

    private void end(OpenTenant open) {
        if (!ended) {
            ended = true;
            open.requestEnded(stream());
        }
    }

    private void abandon(OpenTenant open, RuntimeException failure) {
        if (stream != null && !ended) {
            try {
                if (rows != null) {
                    closeRows(null);
                }
                open.closeStream(stream);
            } catch (RuntimeException closing) {
                failure.addSuppressed(closing);
            }
            end(open);
        }
        if (!(failure instanceof TenantException)) {
            open.broken(failure);
        }
        open.left();
        sink.failed(failure);
    }
}
