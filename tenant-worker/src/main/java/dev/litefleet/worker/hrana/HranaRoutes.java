package dev.litefleet.worker.hrana;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.StatementResult;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Refused;
import dev.litefleet.service.RestOfBody;
import dev.litefleet.service.Tokens;
import dev.litefleet.service.Tokens.Access;
import dev.litefleet.worker.control.Lease;
import dev.litefleet.worker.hrana.PipelineRequest.Request;
import dev.litefleet.worker.hrana.PipelineResponse.Result;
import dev.litefleet.worker.tenant.Answer;
import dev.litefleet.worker.tenant.RequestContext;
import dev.litefleet.worker.tenant.Step;
import dev.litefleet.worker.tenant.StreamId;
import dev.litefleet.worker.tenant.StreamReply;
import dev.litefleet.worker.tenant.StreamRequest;
import dev.litefleet.worker.tenant.StreamState;
import dev.litefleet.worker.tenant.Tenant;
import dev.litefleet.worker.tenant.TenantException;
import dev.litefleet.worker.tenant.Tenants;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// `/t/{tenant}/...`: the data plane. One instance serves all event loops.
///
/// A request's way: path, token and assignment on the event loop; the body, bounded; the lease; the
/// tenant, which answers after it has run everything and the gate has opened; back to the event
/// loop; one write. Nothing here blocks, and nothing is executed before it is known that the answer
/// may be given (421 and 503 come first).
public final class HranaRoutes {
    /// Bodies larger than this are parsed, and answers with more cells than this are written, on a
    /// thread of their own: it would keep an event loop for more than a millisecond.
    private static final int PARSE_INLINE_BYTES = 128 << 10;

    private static final int WRITE_INLINE_BYTES = 256 << 10;

    private static final int WRITE_INLINE_ROWS = 1_000;

    /// A kind of POST.
    private interface Endpoint {
        void run(HranaRoutes routes, Call call, byte[] body);
    }

    private static final Map<String, Endpoint> POSTS =
            Map.of(
                    "v2/pipeline", HranaRoutes::pipeline,
                    "v3/pipeline", HranaRoutes::pipeline,
                    "v3/cursor", HranaRoutes::cursor,
                    "v1/execute", HranaRoutes::executeAlone,
                    "v1/batch", HranaRoutes::batchAlone,
                    "", HranaRoutes::statements);

    private final Vertx vertx;
    private final Tenants tenants;
    private final Tokens tokens;
    private final Lease lease;
    private final HranaConfig config;
    private final Streams streams;
    private final Ticker ticker;
    private final RequestListener listener;

    public HranaRoutes(
            Vertx vertx,
            Tenants tenants,
            Tokens tokens,
            Lease lease,
            Keys keys,
            HranaConfig config,
            RandomGenerator random,
            Ticker ticker,
            RequestListener listener) {
        this.vertx = vertx;
        this.tenants = tenants;
        this.tokens = tokens;
        this.lease = lease;
        this.config = config;
        this.streams =
                new Streams(
                        new Batons(keys.derive(Batons.PURPOSE)),
                        random,
                        ticker,
                        config.streamIdle(),
                        config.streamBytesMax());
        this.ticker = ticker;
        this.listener = listener;
    }

    /// Answers a request of the data plane.
    ///
    /// @return false if it is not one; nothing has been done then
    public boolean handle(HttpServerRequest request) {
        Optional<TenantPath> path;
        try {
            path = TenantPath.parse(String.valueOf(request.path()));
        } catch (Refused refused) {
            refuse(request, HranaError.of(refused));
            return true;
        }
        if (path.isEmpty()) {
            return false;
        }
        HttpMethod method = request.method();
        if (method.equals(HttpMethod.POST)) {
            post(request, path.get());
        } else if (method.equals(HttpMethod.OPTIONS)) {
            Cors.preflight(request);
        } else if (method.equals(HttpMethod.GET) || method.equals(HttpMethod.HEAD)) {
            probe(request, path.get().endpoint());
        } else {
            request.response().putHeader("allow", "GET, HEAD, POST, OPTIONS");
            refuse(request, new HranaError(405, "METHOD_NOT_ALLOWED", "use POST"));
        }
        return true;
    }

    /// Clients ask which versions there are; the body means nothing. A 404 for `v3-protobuf` sends
    /// them to JSON.
    private static void probe(HttpServerRequest request, String endpoint) {
        switch (endpoint) {
            case "", "v2", "v3", "health", "version" -> {
                Cors.answer(request);
                request.response()
                        .putHeader("content-type", "text/plain")
                        .end("litefleet speaks Hrana 2 and 3 over HTTP, as JSON\n");
            }
            default -> refuse(request, unknownEndpoint());
        }
    }

    private void post(HttpServerRequest request, TenantPath path) {
        Endpoint endpoint = POSTS.get(path.endpoint());
        if (endpoint == null) {
            refuse(request, unknownEndpoint());
            return;
        }
        Call call;
        try {
            call = admit(request, path);
        } catch (RuntimeException failure) {
            refuse(request, HranaError.of(failure));
            return;
        }
        call.attempt(() ->
                Body.read(
                        request,
                        vertx,
                        config,
                        body -> owned(call, () -> endpoint.run(this, call, body)),
                        call::fail));
    }

    /// Who asks, and may they; and is the tenant here at all.
    private Call admit(HttpServerRequest request, TenantPath path) {
        String authorization = request.getHeader("authorization");
        Optional<Tenant> tenant = tenants.find(path.tenant());
        if (tenant.isEmpty()) {
            // Strangers do not learn who lives here.
            tokens.verify(authorization);
            throw new TenantException.NotHere(path.tenant().name());
        }
        Access access = tokens.verify(authorization, path.tenant(), tenant.get().tokenGen());
        var about =
                new RequestContext(
                        null,
                        cut(request.getHeader("traceparent")),
                        cut(request.getHeader("x-request-id")),
                        access == Access.READ);
        Context context = vertx.getOrCreateContext();
        return new Call(
                request,
                "/t/{tenant}/" + path.endpoint(),
                tenant.get(),
                about,
                context,
                ticker,
                listener);
    }

    private static @Nullable String cut(@Nullable String text) {
        return text == null || text.length() <= Commit.TEXT_LENGTH_MAX
                ? text
                : text.substring(0, Commit.TEXT_LENGTH_MAX);
    }

    /// Runs `work` when it is certain that this session owned its log at some moment after the
    /// request arrived: at once under the lease, else, and if the client insists, after a look at
    /// the log (commit-log.md, Reads by a possible zombie). Nothing has been executed before.
    private void owned(Call call, Runnable work) {
        if (!strong(call.request) && lease.covers()) {
            call.attempt(work);
            return;
        }
        call.checked = true;
        later(
                call,
                lease.check(),
                (found, failure) -> {
                    if (found != SelfCheck.ABSENT) {
                        throw notOwner(found);
                    }
                    work.run();
                });
    }

    private static boolean strong(HttpServerRequest request) {
        return "strong".equals(request.getHeader("litefleet-consistency"))
                || (request.query() != null && "strong".equals(request.getParam("consistency")));
    }

    private static Refused notOwner(@Nullable SelfCheck found) {
        return found == SelfCheck.FENCED
                ? Refused.of(503, "WORKER_FENCED", "this worker's session is over; retry", true)
                : Refused.of(
                        503,
                        "STORE_UNAVAILABLE",
                        "neither the controller nor the object store answers this worker",
                        true);
    }

    private void pipeline(Call call, byte[] body) {
        parsed(call, body, () -> WireReader.pipeline(body), this::pipeline);
    }

    private void pipeline(Call call, PipelineRequest request) {
        HranaStream stream = stream(call, request.baton());
        var work = new ArrayList<StreamRequest>(request.requests().size());
        List<@Nullable Result> here;
        try {
            here = resolve(request.requests(), stream, work);
        } catch (HranaFailure failure) {
            breakOff(call, stream);
            throw failure;
        }
        // A stream that ends with the request that began it needs no name.
        boolean alone = request.baton() == null && request.closes();
        if (work.isEmpty()) {
            answer(call, stream, alone, here, null);
            return;
        }
        later(
                call,
                call.tenant.run(alone ? null : stream.id(), work, call.about),
                (answer, failure) -> {
                    if (answer == null) {
                        breakOff(call, stream);
                        call.fail(failure);
                    } else {
                        stillOwned(call, () -> answer(call, stream, alone, here, answer));
                    }
                });
    }

    /// Stored texts are resolved and kept here; the rest goes to the tenant.
    ///
    /// @param work receives what the tenant must do
    /// @return by request: its result if it is known already, else null
    private static List<@Nullable Result> resolve(
            List<Request> requests, HranaStream stream, List<StreamRequest> work) {
        var here = new ArrayList<@Nullable Result>(requests.size());
        for (Request request : requests) {
            Result result = null;
            switch (request) {
                case Request.Execute(Statement statement) ->
                        work.add(new StreamRequest.Execute(statement.resolve(stream)));
                case Request.RunBatch(Batch batch) ->
                        work.add(new StreamRequest.Batch(batch.resolve(stream)));
                case Request.Sequence(var sql, int sqlId) ->
                        work.add(new StreamRequest.Sequence(text(stream, sql, sqlId)));
                case Request.Describe(var sql, int sqlId) ->
                        work.add(new StreamRequest.Describe(text(stream, sql, sqlId)));
                case Request.GetAutocommit() -> work.add(new StreamRequest.Autocommit());
                case Request.Close() -> work.add(new StreamRequest.Close());
                case Request.StoreSql(int sqlId, String sql) -> {
                    HranaError error = stream.texts().store(sqlId, sql);
                    result =
                            error == null ? new Result.Done("store_sql") : new Result.Failed(error);
                }
                case Request.CloseSql(int sqlId) -> {
                    stream.texts().close(sqlId);
                    result = new Result.Done("close_sql");
                }
            }
            here.add(result);
        }
        return here;
    }

    private static String text(HranaStream stream, @Nullable String sql, int sqlId) {
        return sql == null ? stream.texts().text(sqlId) : sql;
    }

    private void answer(
            Call call,
            HranaStream stream,
            boolean alone,
            List<@Nullable Result> here,
            @Nullable Answer answer) {
        String baton = null;
        if (answer != null) {
            stream.state(answer.after());
        }
        if (answer != null && answer.after() == StreamState.CLOSED) {
            streams.forget(stream);
        } else if (!alone) {
            baton = streams.baton(stream, stream.stateful());
        }
        List<Result> results = merged(here, answer);
        String last = baton;
        written(
                call,
                answer,
                () -> PipelineResponse.body(last, results),
                bytes -> {
                    stream.leave();
                    call.send(
                            bytes,
                            answer == null ? null : answer.seen(),
                            answer == null ? null : answer.durable());
                });
    }

    private static List<Result> merged(List<@Nullable Result> here, @Nullable Answer answer) {
        var results = new ArrayList<Result>(here.size());
        int next = 0;
        for (Result result : here) {
            if (result == null) {
                result = new Result.Replied(replies(answer).get(next++));
            }
            results.add(result);
        }
        return results;
    }

    private static List<StreamReply> replies(@Nullable Answer answer) {
        if (answer == null) {
            throw new IllegalStateException("the tenant was not asked");
        }
        return answer.replies();
    }

    private void cursor(Call call, byte[] body) {
        parsed(call, body, () -> WireReader.cursor(body), this::cursor);
    }

    private void cursor(Call call, Cursor cursor) {
        HranaStream stream = stream(call, cursor.baton());
        List<Step> steps;
        try {
            steps = cursor.batch().resolve(stream);
        } catch (HranaFailure failure) {
            breakOff(call, stream);
            throw failure;
        }
        StreamId id = stream.id();
        String baton = streams.baton(stream, stream.stateful() || Batch.mayLeaveState(steps));
        var response =
                new CursorResponse(
                        call,
                        baton,
                        after -> {
                            if (after == null || after == StreamState.CLOSED) {
                                streams.forget(stream);
                            } else {
                                stream.state(after);
                            }
                            stream.leave();
                        });
        call.tenant.cursor(id, steps, response, call.about);
    }

    /// `v1/execute`: one statement, no stream.
    private void executeAlone(Call call, byte[] body) {
        parsed(
                call,
                body,
                () -> WireReader.execute(body),
                statement ->
                        alone(
                                call,
                                new StreamRequest.Execute(statement.resolve(noStream(call))),
                                SingleResponse::result));
    }

    /// `v1/batch`: one batch, no stream.
    private void batchAlone(Call call, byte[] body) {
        parsed(
                call,
                body,
                () -> WireReader.batch(body),
                batch ->
                        alone(
                                call,
                                new StreamRequest.Batch(batch.resolve(noStream(call))),
                                SingleResponse::result));
    }

    /// The v0 API: all statements in one transaction.
    private void statements(Call call, byte[] body) {
        parsed(
                call,
                body,
                () -> WireReader.statements(body),
                statements ->
                        alone(
                                call,
                                new StreamRequest.Batch(Transaction.around(statements)),
                                SingleResponse::plain));
    }

    private HranaStream noStream(Call call) {
        return streams.open(call.tenant.id(), call.tenant.assignment().number());
    }

    private void alone(Call call, StreamRequest work, Function<StreamReply, byte[]> render) {
        later(
                call,
                call.tenant.run(null, List.of(work), call.about),
                (answer, failure) -> {
                    if (answer == null) {
                        call.fail(failure);
                    } else {
                        stillOwned(call, () -> answer(call, answer, render));
                    }
                });
    }

    private static void answer(Call call, Answer answer, Function<StreamReply, byte[]> render) {
        written(
                call,
                answer,
                () -> render.apply(answer.replies().getFirst()),
                bytes -> call.send(bytes, answer.seen(), answer.durable()));
    }

    private HranaStream stream(Call call, @Nullable String baton) {
        TenantId tenant = call.tenant.id();
        long assignment = call.tenant.assignment().number();
        return baton == null
                ? streams.open(tenant, assignment)
                : streams.resume(tenant, assignment, baton);
    }

    /// The request fails as a whole, before the tenant has heard of it: its stream goes with it.
    private void breakOff(Call call, HranaStream stream) {
        streams.forget(stream);
        if (stream.stateful()) {
            call.tenant.closeStream(stream.id());
        }
    }

    /// Under a lease that ended while the request ran, the answer waits for a look at the log.
    private void stillOwned(Call call, Runnable answer) {
        if (call.checked || lease.live()) {
            answer.run();
            return;
        }
        call.checked = true;
        later(
                call,
                lease.check(),
                (found, failure) -> {
                    if (found != SelfCheck.ABSENT) {
                        throw new TenantException.OutcomeUnknown(
                                "this worker could not make sure that it still owns its log");
                    }
                    answer.run();
                });
    }

    /// Goes on with the outcome of `future` on the request's event loop.
    ///
    /// @param next is given the value, or null and the failure
    private static <T> void later(
            Call call, CompletableFuture<T> future, BiConsumer<@Nullable T, Throwable> next) {
        var _ =
                future.whenComplete(
                        (value, failure) -> call.later(() -> next.accept(value, failure)));
    }

    /// Parses a body, elsewhere if it is large, and goes on with it on the event loop.
    private static <T> void parsed(
            Call call, byte[] body, Supplier<T> parse, BiConsumer<Call, T> next) {
        if (body.length <= PARSE_INLINE_BYTES) {
            next.accept(call, parse.get());
            return;
        }
        Thread.startVirtualThread(() -> {
            T request;
            try {
                request = parse.get();
            } catch (RuntimeException failure) {
                call.later(() -> call.fail(failure));
                return;
            }
            call.later(() -> next.accept(call, request));
        });
    }

    private static <T> void parsed(Call call, byte[] body, Supplier<T> parse, Consumer<T> next) {
        parsed(call, body, parse, (_, request) -> next.accept(request));
    }

    /// Writes an answer, elsewhere if it is large, and sends it on the event loop.
    private static void written(
            Call call, @Nullable Answer answer, Supplier<byte[]> render, Consumer<byte[]> send) {
        if (answer == null || !large(answer)) {
            send.accept(render.get());
            return;
        }
        Thread.startVirtualThread(() -> {
            byte[] bytes;
            try {
                bytes = render.get();
            } catch (RuntimeException failure) {
                call.later(() -> call.fail(failure));
                return;
            }
            call.later(() -> send.accept(bytes));
        });
    }

    private static boolean large(Answer answer) {
        long bytes = 0;
        for (StreamReply reply : answer.replies()) {
            switch (reply) {
                case StreamReply.Executed(StatementResult result) -> bytes += bytes(result);
                case StreamReply.Batched(var results, _) -> {
                    for (StatementResult result : results) {
                        bytes += result == null ? 0 : bytes(result);
                    }
                }
                default -> {}
            }
            if (bytes > WRITE_INLINE_BYTES) {
                return true;
            }
        }
        return false;
    }

    private static long bytes(StatementResult result) {
        if (result.rows().size() > WRITE_INLINE_ROWS) {
            return WRITE_INLINE_BYTES + 1;
        }
        long bytes = 0;
        for (SqlValue[] row : result.rows()) {
            for (SqlValue value : row) {
                bytes +=
                        switch (value) {
                            case SqlValue.Text(String text) -> text.length();
                            case SqlValue.Blob(byte[] blob) -> blob.length;
                            default -> Long.BYTES;
                        };
            }
        }
        return bytes;
    }

    private static void refuse(HttpServerRequest request, HranaError error) {
        HttpServerResponse response = request.response();
        if (response.closed() || response.ended()) {
            return;
        }
        Cors.answer(request);
        RestOfBody.discard(request);
        response.setStatusCode(error.status())
                .putHeader("content-type", "application/json")
                .end(Buffer.buffer(error.body()));
    }

    private static HranaError unknownEndpoint() {
        return new HranaError(
                404, "ENDPOINT_UNKNOWN", "a tenant answers at v2/pipeline, v3/pipeline, v3/cursor");
    }
}
