package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.sqlite.GatedScript;
import dev.litefleet.replica.sqlite.GatedStatement;
import dev.litefleet.replica.sqlite.ResultLimits;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.StatementKind;
import dev.litefleet.replica.sqlite.StatementResult;
import dev.litefleet.worker.tenant.StreamRequest.Batch;
import dev.litefleet.worker.tenant.StreamRequest.Close;
import dev.litefleet.worker.tenant.StreamRequest.Describe;
import dev.litefleet.worker.tenant.StreamRequest.Execute;
import dev.litefleet.worker.tenant.StreamRequest.Sequence;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// One pipeline on its way through an open tenant: a loop over its requests that stops wherever
/// something must be waited for, and goes on from there when it is run again.
///
/// Confined to the tenant's queue: at most one thread runs it at a time. Between runs nobody
/// touches it but who resumes it.
final class Pipeline implements Request, Gate.Waiter {
    private final @Nullable StreamId name;
    private final List<StreamRequest> requests;
    private final RequestContext context;
    private final CompletableFuture<Answer> answer = new CompletableFuture<>();

    private @Nullable OpenTenant tenant;
    private @Nullable Stream stream;
    private @Nullable Execution execution;

    private final List<StreamReply> replies;
    private int next; // request under way
    private int step; // of a batch or a sequence under way
    private @Nullable GatedScript script; // of the sequence under way
    private List<@Nullable StatementResult> results = List.of(); // of the batch under way
    private List<@Nullable SqlFailure> errors = List.of(); // of the batch under way
    private long bytes; // of all rows so far
    private boolean closed;
    private boolean ended;
    private StreamState state = StreamState.FREE;
    private long seen;

    Pipeline(@Nullable StreamId name, List<StreamRequest> requests, RequestContext context) {
        this.name = name;
        this.requests = requests;
        this.context = context;
        this.replies = new ArrayList<>(requests.size());
    }

    CompletableFuture<Answer> answer() {
        return answer;
    }

    @Override
    public void begin(OpenTenant open) {
        tenant = open;
        start(open);
    }

    @Override
    public void reject(RuntimeException failure) {
        answer.completeExceptionally(failure);
    }

    @Override
    public void run() {
        OpenTenant open = tenant();
        try {
            while (next < requests.size()) {
                if (!proceed(requests.get(next))) {
                    return;
                }
                next++;
            }
            finish(open);
        } catch (RuntimeException failure) {
            abandon(open, failure);
        } catch (Error broken) {
            abandon(open, new IllegalStateException("request failed: " + broken, broken));
            throw broken;
        }
    }

    private OpenTenant tenant() {
        if (tenant == null) {
            throw new IllegalStateException("pipeline was not begun");
        }
        return tenant;
    }

    private Execution execution() {
        if (execution == null) {
            throw new IllegalStateException("pipeline was not started");
        }
        return execution;
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
        context.onCancel(run::cancel);
        open.queue().submit(this);
    }

    /// Goes on with one request.
    ///
    /// @return false if it must wait
    private boolean proceed(StreamRequest request) {
        try {
            return switch (request) {
                case Execute(var stmt) -> execute(stmt);
                case Batch(var steps) -> batch(steps);
                case Sequence(var sql) -> sequence(sql);
                case Describe(var sql) -> describe(sql);
                case StreamRequest.Autocommit() ->
                        reply(new StreamReply.AutocommitIs(execution().autocommit()));
                case Close() -> close();
            };
        } catch (SqlFailure failure) {
            step = 0;
            script = null;
            return reply(new StreamReply.Failed(failure));
        }
    }

    private boolean reply(StreamReply reply) {
        replies.add(reply);
        return true;
    }

    private boolean execute(Stmt stmt) {
        GatedStatement statement = tenant().sqlGate().check(stmt.sql()).single();
        StatementResult result = statement(statement, stmt, false);
        return result != null && reply(new StreamReply.Executed(result));
    }

    /// Runs one statement.
    ///
    /// @return its result, or null if it must wait: then nothing of it has run
    /// @throws SqlFailure if it fails
    private @Nullable StatementResult statement(
            GatedStatement statement, Stmt stmt, boolean writesFollow) {
        Execution run = execution();
        StatementResult known = run.answer(statement);
        if (known != null) {
            return known;
        }
        if (!run.enter(statement, writesFollow)) {
            return null;
        }
        SqlFailure failure = null;
        try {
            StatementResult result = run.run(statement, stmt, limits());
            count(result);
            return result;
        } catch (SqlFailure failed) {
            failure = failed;
            throw failed;
        } finally {
            run.leave(statement, failure);
        }
    }

    private ResultLimits limits() {
        return new ResultLimits(
                Long.MAX_VALUE, Math.max(0, tenant().config().responseBytesMax() - bytes));
    }

    /// Adds to the size of the answer, as [ResultLimits] counts it. The last result need not be
    /// counted, and most pipelines have only one.
    private void count(StatementResult result) {
        if (requests.size() <= 2 && !(requests.getFirst() instanceof Batch)) {
            return;
        }
        for (SqlValue[] row : result.rows()) {
            for (SqlValue value : row) {
                bytes +=
                        switch (value) {
                            case SqlValue.Text(var text) -> text.length();
                            case SqlValue.Blob(var blob) -> blob.length;
                            case SqlValue.Int _, SqlValue.Real _, SqlValue.Null _ -> 8;
                        };
            }
        }
    }

    private boolean batch(List<Step> steps) {
        if (step == 0) {
            results = new ArrayList<>(steps.size());
            errors = new ArrayList<>(steps.size());
        }
        while (step < steps.size()) {
            Step current = steps.get(step);
            StatementResult result = null;
            SqlFailure error = null;
            if (current.condition() == null || holds(current.condition())) {
                try {
                    GatedStatement statement =
                            tenant().sqlGate().check(current.stmt().sql()).single();
                    result = statement(statement, current.stmt(), writesFollow(statement, steps));
                    if (result == null) {
                        return false;
                    }
                } catch (SqlFailure failure) {
                    error = failure;
                }
            }
            results.add(result);
            errors.add(error);
            step++;
        }
        step = 0;
        return reply(new StreamReply.Batched(results, errors));
    }

    private boolean holds(Condition condition) {
        return switch (condition) {
            case Condition.Ok(int of) -> results.get(of) != null;
            case Condition.Error(int of) -> results.get(of) == null;
            case Condition.Not(var inner) -> !holds(inner);
            case Condition.And(var all) -> all.stream().allMatch(this::holds);
            case Condition.Or(var any) -> any.stream().anyMatch(this::holds);
            case Condition.IsAutocommit() -> execution().autocommit();
        };
    }

    /// Whether a transaction that begins here writes later in the same batch.
    private boolean writesFollow(GatedStatement begin, List<Step> steps) {
        if (begin.kind() != StatementKind.BEGIN_DEFERRED) {
            return false;
        }
        for (int later = step + 1; later < steps.size(); later++) {
            List<GatedStatement> statements =
                    tenant().sqlGate().check(steps.get(later).stmt().sql()).statements();
            if (!statements.isEmpty()) {
                StatementKind kind = statements.getFirst().kind();
                if (kind.needsWritePermit()) {
                    return true;
                }
                if (kind == StatementKind.COMMIT || kind == StatementKind.ROLLBACK) {
                    return false;
                }
            }
        }
        return false;
    }

    private boolean sequence(String sql) {
        GatedScript statements = script;
        if (statements == null) {
            statements = tenant().sqlGate().check(sql);
            script = statements;
        }
        while (step < statements.statements().size()) {
            GatedStatement statement = statements.statements().get(step);
            var stmt = new Stmt(statement.sql(), List.of(), List.of(), false);
            if (statement(statement, stmt, writesFollow(statement, statements)) == null) {
                return false;
            }
            step++;
        }
        if (statements.refusal() != null) {
            throw statements.refusal();
        }
        step = 0;
        script = null;
        return reply(new StreamReply.Sequenced());
    }

    private boolean writesFollow(GatedStatement begin, GatedScript statements) {
        return begin.kind() == StatementKind.BEGIN_DEFERRED
                && statements.statements().stream()
                        .skip(step + 1L)
                        .anyMatch(later -> later.kind().needsWritePermit());
    }

    private boolean describe(String sql) {
        GatedScript statements = tenant().sqlGate().check(sql);
        if (statements.statements().isEmpty()) {
            statements.single();
        }
        GatedStatement statement = statements.statements().getFirst();
        Execution run = execution();
        if (!run.enterToDescribe()) {
            return false;
        }
        try {
            return reply(new StreamReply.Described(run.connection().describe(statement)));
        } finally {
            run.leaveDescribed();
        }
    }

    private boolean close() {
        tenant().closeStream(stream());
        closed = true;
        return reply(new StreamReply.Closed());
    }

    private Stream stream() {
        if (stream == null) {
            throw new IllegalStateException("pipeline was not started");
        }
        return stream;
    }

    /// All requests have run: what they saw is what had been announced by now.
    private void finish(OpenTenant open) {
        Stream used = stream();
        if (name == null && !closed) {
            open.closeStream(used);
        }
        seen = open.database().gate().announced();
        state = closed ? StreamState.CLOSED : used.state();
        end(open);
        Gate gate = open.database().gate();
        // An async answer waits too when the store is further behind than it may be (P2).
        boolean gated = open.sync() || open.lags();
        if (gate.isOpen(seen) || !gated) {
            durable();
        } else {
            long until = open.now() + open.shipping().config().gateMax().toNanos();
            open.gateAwaited(until);
            gate.await(seen, until, this);
        }
    }

    private void end(OpenTenant open) {
        if (!ended) {
            ended = true;
            open.requestEnded(stream());
        }
    }

    @Override
    public void durable() {
        Txid last = new Txid(tenant().database().gate().durable());
        tenant().left();
        answer.complete(new Answer(replies, state, new Txid(seen), last));
    }

    /// The outcome is unknown: the stream goes with it.
    @Override
    public void failed(TenantException failure) {
        OpenTenant open = tenant();
        if (name != null && state == StreamState.HELD) {
            open.forget(name);
        }
        open.left();
        answer.completeExceptionally(failure);
    }

    private void abandon(OpenTenant open, RuntimeException failure) {
        if (stream != null && !ended) {
            try {
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
        answer.completeExceptionally(failure);
    }
}
