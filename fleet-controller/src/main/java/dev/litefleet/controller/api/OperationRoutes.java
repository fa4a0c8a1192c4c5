package dev.litefleet.controller.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.auth.TenantTokens;
import dev.litefleet.controller.catalog.Begun;
import dev.litefleet.controller.catalog.Cancellation;
import dev.litefleet.controller.catalog.IdempotencyKey;
import dev.litefleet.controller.catalog.OperationDetail;
import dev.litefleet.controller.catalog.OperationKind;
import dev.litefleet.controller.catalog.OperationRow;
import dev.litefleet.controller.catalog.OperationState;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.operation.Copies;
import dev.litefleet.controller.operation.Operations;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Problem.FieldError;
import dev.litefleet.service.Refused;
import dev.litefleet.service.Reply;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// Fork, import and restore of tenants, and `/api/v1/operations`, where they can be watched. What
/// is done within the time that a request waits is answered at once, the rest with 202.
public final class OperationRoutes {
    private static final int BODY_BYTES_MAX = 64 << 10;
    private static final int IDEMPOTENCY_KEY_CHARS_MAX = 255;
    private static final int LIMIT_DEFAULT = 50;
    private static final int LIMIT_MAX = 1000;
    private static final Duration WAIT_DEFAULT = Duration.ofSeconds(10);
    private static final Duration WAIT_MAX = Duration.ofSeconds(60);

    private final Controller controller;
    private final ApiKeys keys;
    private final TenantTokens tokens;
    private final Blocking blocking;

    public OperationRoutes(
            Controller controller, ApiKeys keys, TenantTokens tokens, Blocking blocking) {
        this.controller = controller;
        this.keys = keys;
        this.tokens = tokens;
        this.blocking = blocking;
    }

    /// After [TenantRoutes#mount], which sees to the keys of everything below a tenant.
    public void mount(Router router) {
        var body = BodyHandler.create(false).setBodyLimit(BODY_BYTES_MAX);
        router.post("/api/v1/tenants/:id/fork")
                .handler(body)
                .handler(blocking.route(this::readFork, this::fork));
        router.post("/api/v1/tenants/:id/restore")
                .handler(body)
                .handler(blocking.route(this::readRestore, this::restore));
        router.post("/api/v1/tenants/:id/import")
                .handler(new Upload(controller.uploads()))
                .handler(blocking.route(this::readImport, this::importFile));
        router.route("/api/v1/operations*").handler(keys::admit);
        router.get("/api/v1/operations").handler(blocking.route(this::readList, this::list));
        router.get("/api/v1/operations/:id").handler(blocking.route(this::readOne, this::one));
        router.post("/api/v1/operations/:id/cancel")
                .handler(blocking.route(this::readOne, this::cancel));
    }

    // Fork

    /// @param given fields of the spec that the body names; the others are the source's
    private record ForkRequest(
            TenantId source,
            TenantId target,
            AskedPoint point,
            JsonObject given,
            ProvisionRequest spec,
            Call call) {}

    /// How a request wants to be answered.
    private record Call(Duration patience, Optional<String> key, String said) {
        /// @param what everything that the request says beyond its text
        Optional<IdempotencyKey> repeat(String what) {
            return key.map(given -> new IdempotencyKey(given, sha256(what + "\n" + said)));
        }
    }

    private ForkRequest readFork(RoutingContext context) {
        JsonObject given = object(context);
        var own = new JsonObject();
        for (String name : List.of("id", "at", "nearest")) {
            if (given.containsKey(name)) {
                own.put(name, given.remove(name));
            }
        }
        var fields = new Fields(own);
        Optional<TenantId> target = fields.text("id", TenantId::parse);
        Point at = fields.text("at", Point::parse).orElse(Point.LATEST);
        var point = new AskedPoint(at, AskedPoint.nearest(fields));
        fields.refuseIfWrong();
        return new ForkRequest(
                named(context),
                target.orElseThrow(() -> missing("id", "the id of the new tenant")),
                point,
                given,
                ProvisionRequest.read(given, false, controller.windows()),
                call(context));
    }

    private Reply fork(ForkRequest request) {
        Copies.Found found = request.point().find(controller, request.source());
        TenantSpec source = found.tenant().spec();
        TenantSpec asked = request.spec().spec();
        JsonObject given = request.given();
        var spec =
                new TenantSpec(
                        given.containsKey("durability") ? asked.durability() : source.durability(),
                        given.containsKey("labels") ? asked.labels() : source.labels(),
                        given.containsKey("quota") ? asked.quotas() : source.quotas(),
                        given.containsKey("history") ? asked.windows() : source.windows());
        Begun begun =
                Answers.await(
                        controller.fork(
                                request.target(),
                                spec,
                                found,
                                request.call().repeat("fork " + request.source())));
        return answer(begun, request.call().patience(), Optional.of(request.spec()));
    }

    // Restore in place

    private record RestoreRequest(
            TenantId tenant, AskedPoint point, long etag, boolean dry, Call call) {}

    private RestoreRequest readRestore(RoutingContext context) {
        TenantId tenant = named(context);
        var fields = new Fields(object(context));
        Optional<Point> at = fields.text("at", Point::parse);
        Optional<AskedPoint.Nearest> nearest = AskedPoint.nearest(fields);
        Optional<String> confirm = fields.text("confirm", text -> text);
        boolean dry = fields.truth("dry_run", false);
        fields.close();
        fields.refuseIfWrong();
        if (at.isEmpty()) {
            throw missing("at", "a point");
        }
        if (!dry && !confirm.equals(Optional.of(tenant.name()))) {
            throw missing("confirm", "the tenant's id, as its present state is replaced");
        }
        String match = context.request().getHeader("if-match");
        if (match == null && !dry) {
            throw Refused.of(
                    428,
                    "IF_MATCH_REQUIRED",
                    "send If-Match with the tenant's ETag: what is restored must be what you know",
                    false);
        }
        return new RestoreRequest(
                tenant,
                new AskedPoint(at.get(), nearest),
                match == null ? 0 : etag(match),
                dry,
                call(context));
    }

    static long etag(String header) {
        if (!header.matches("\"[1-9][0-9]{0,17}\"")) {
            throw new IllegalArgumentException("If-Match must be one ETag, as in \"4\": " + header);
        }
        return Long.parseLong(header.substring(1, header.length() - 1));
    }

    private Reply restore(RestoreRequest request) {
        Copies.Found found = request.point().find(controller, request.tenant());
        if (request.dry()) {
            Txid target = found.plan().target();
            return Reply.ok(
                    new JsonObject()
                            .put(
                                    "plan",
                                    new JsonObject()
                                            .put("txid", target.toString())
                                            .put("latest_txid", found.latest().toString())
                                            .put(
                                                    "discards_txns",
                                                    found.latest().value() - target.value())
                                            .put("bytes", found.plan().bytes())));
        }
        Begun begun =
                Answers.await(
                        controller.restore(
                                found,
                                request.etag(),
                                request.call().repeat("restore " + request.tenant())));
        return answer(begun, request.call().patience(), Optional.empty());
    }

    // Import

    /// @param sha256 that the file must have
    private record ImportRequest(
            TenantId target,
            ProvisionRequest spec,
            Optional<String> sha256,
            Path file,
            Call call) {}

    private ImportRequest readImport(RoutingContext context) {
        Path file = Upload.received(context);
        try {
            String spec = context.queryParams().get("spec");
            String sha256 = context.queryParams().get("sha256");
            if (sha256 != null && !sha256.matches("[0-9a-f]{64}")) {
                throw new IllegalArgumentException("sha256 must have 64 lower-case hex digits");
            }
            return new ImportRequest(
                    named(context),
                    ProvisionRequest.read(
                            spec == null ? new JsonObject() : new JsonObject(spec),
                            false,
                            controller.windows()),
                    Optional.ofNullable(sha256),
                    file,
                    call(context));
        } catch (RuntimeException refused) {
            file.toFile().delete();
            throw refused;
        }
    }

    private Reply importFile(ImportRequest request) {
        try {
            String digest = sha256(request.file());
            request.sha256()
                    .filter(wanted -> !wanted.equals(digest))
                    .ifPresent(_ -> {
                        throw Refused.of(
                                422,
                                "DIGEST_MISMATCH",
                                "the file that arrived has the SHA-256 "
                                        + digest
                                        + "; send it again",
                                true);
                    });
            Begun begun =
                    Answers.await(
                            controller.importFile(
                                    request.target(),
                                    request.spec().spec(),
                                    request.file(),
                                    request.call()
                                            .repeat("import " + request.target() + " " + digest)));
            return answer(begun, request.call().patience(), Optional.of(request.spec()));
        } finally {
            request.file().toFile().delete(); // Unless it was moved to its operation.
        }
    }

    // Answers

    /// @param spec of the tenant that is made, whose token goes into the first answer
    private Reply answer(Begun begun, Duration wait, Optional<ProvisionRequest> spec) {
        return switch (begun) {
            case Begun.Started(var operation) -> settled(operation, wait, spec);
            case Begun.Again(var operation) ->
                    settled(operation, wait, Optional.empty()).with("idempotency-replayed", "true");
            case Begun.KeyReused() ->
                    refused(
                            422,
                            "IDEMPOTENCY_KEY_REUSED",
                            "this Idempotency-Key was used with another request",
                            false);
            case Begun.Busy(var other) ->
                    refused(
                            409,
                            "OPERATION_IN_PROGRESS",
                            "operation " + other + " has this tenant; wait for its end",
                            true);
            case Begun.Exists() ->
                    refused(
                            409,
                            "ALREADY_EXISTS",
                            "a tenant of that id exists; choose another",
                            false);
            case Begun.NotFound() ->
                    refused(404, "TENANT_NOT_FOUND", "no tenant has this id", false);
            case Begun.Deleted(var at) ->
                    refused(
                            410,
                            "TENANT_DELETED",
                            "a tenant of that id was deleted at "
                                    + TenantRoutes.time(at)
                                    + "; its id is not used again",
                            false);
            case Begun.Stale(var etag) -> Reply.of(stale(etag));
        };
    }

    static Problem stale(long etag) {
        return new Problem(
                412,
                "STALE",
                "the tenant has changed, its ETag is \"" + etag + "\"; look again",
                false);
    }

    private static Reply refused(int status, String code, String detail, boolean retryable) {
        return Reply.of(new Problem(status, code, detail, retryable));
    }

    private Reply settled(OperationRow begun, Duration wait, Optional<ProvisionRequest> spec) {
        OperationRow operation =
                Answers.await(controller.operation(begun.id(), wait)).orElse(begun);
        JsonObject json = json(operation);
        return switch (operation.state()) {
            case RUNNING ->
                    Reply.json(202, json).with("location", "/api/v1/operations/" + operation.id());
            case FAILED -> Reply.of(failure(operation).problem());
            case SUCCEEDED -> {
                if (operation.kind() == OperationKind.RESTORE) {
                    yield Reply.ok(json);
                }
                spec.ifPresent(asked ->
                        json.put(
                                "token",
                                TenantRoutes.json(
                                        tokens.mint(
                                                operation.target(), 1, asked.tokenLife(), false))));
                yield Reply.created(json).with("location", "/api/v1/tenants/" + operation.target());
            }
        };
    }

    private static OperationDetail.Failure failure(OperationRow operation) {
        OperationDetail.Failure failure = operation.detail().failure();
        if (failure == null) {
            throw new IllegalStateException("failed for no reason: " + operation);
        }
        return failure;
    }

    private JsonObject json(OperationRow operation) {
        Instant finished = operation.finishedAt();
        var json =
                new JsonObject()
                        .put("id", operation.id())
                        .put("kind", operation.kind().word())
                        .put("target", "tenants/" + operation.target())
                        .put("state", operation.state().word())
                        .put("phase", operation.phase())
                        .put("started_at", TenantRoutes.time(operation.startedAt()))
                        .put("finished_at", finished == null ? null : TenantRoutes.time(finished))
                        .put("cancelable", operation.state() == OperationState.RUNNING);
        controller
                .progress(operation.id())
                .ifPresent(progress -> json.put("progress", json(progress)));
        OperationDetail.Outcome outcome = operation.detail().outcome();
        if (outcome != null) {
            json.put("result", json(operation, outcome));
        }
        if (operation.detail().failure() != null) {
            json.put("error", failure(operation).problem().toJson());
        }
        return json;
    }

    private static JsonObject json(Operations.Progress progress) {
        return new JsonObject()
                .put("done", progress.done())
                .put("total", progress.total())
                .put("unit", "bytes");
    }

    private static JsonObject json(OperationRow operation, OperationDetail.Outcome outcome) {
        var json =
                new JsonObject()
                        .put("tenant", operation.target().name())
                        .put("lineage", operation.detail().lineage())
                        .put("txid", new Txid(outcome.txid()).toString())
                        .put("bytes", outcome.bytes());
        if (operation.detail().source() != null) {
            json.put(
                    "source",
                    new JsonObject()
                            .put("tenant", operation.detail().source())
                            .put("txid", new Txid(operation.detail().sourceTxid()).toString())
                            .put(
                                    "commit_time",
                                    TenantRoutes.time(Instant.ofEpochMilli(outcome.millis())))
                            .put("resolution", "exact"));
        }
        if (outcome.bookmark() != null) {
            json.put("bookmark", outcome.bookmark());
        }
        return json;
    }

    // Operations

    private record Listing(String before, int limit, Optional<OperationState> state) {}

    private record One(String id, Duration patience) {}

    private Listing readList(RoutingContext context) {
        String limit = context.queryParams().get("limit");
        String cursor = context.queryParams().get("cursor");
        int wanted = LIMIT_DEFAULT;
        if (limit != null) {
            wanted = limit.matches("[0-9]{1,5}") ? Integer.parseInt(limit) : 0;
        }
        if (wanted < 1 || wanted > LIMIT_MAX) {
            throw new IllegalArgumentException("limit must be from 1 to " + LIMIT_MAX);
        }
        return new Listing(
                cursor == null ? "" : id(cursor),
                wanted,
                Optional.ofNullable(context.queryParams().get("state")).map(OperationState::parse));
    }

    static String id(String text) {
        if (!text.matches("op_[0-9A-Z]{26}")) {
            throw new IllegalArgumentException("no operation's id: " + text);
        }
        return text;
    }

    private Reply list(Listing listing) {
        List<OperationRow> rows =
                Answers.await(
                        controller.operations(
                                listing.before(), listing.limit() + 1, listing.state()));
        boolean more = rows.size() > listing.limit();
        List<OperationRow> page = more ? rows.subList(0, listing.limit()) : rows;
        var items = new JsonArray();
        page.forEach(operation -> items.add(json(operation)));
        return Reply.ok(
                new JsonObject()
                        .put("items", items)
                        .put("next_cursor", more ? page.getLast().id() : null));
    }

    private One readOne(RoutingContext context) {
        return new One(id(String.valueOf(context.pathParam("id"))), wait(context, Duration.ZERO));
    }

    private Reply one(One one) {
        return Answers.await(controller.operation(one.id(), one.patience()))
                .map(operation -> Reply.ok(json(operation)))
                .orElseGet(() -> Reply.of(unknown(one.id())));
    }

    private Reply cancel(One one) {
        return switch (Answers.await(controller.cancel(one.id()))) {
            case Cancellation.Done(var operation) -> Reply.ok(json(operation));
            case Cancellation.Finished(var operation) ->
                    refused(
                            409,
                            "OPERATION_FINISHED",
                            "operation %s has %s already"
                                    .formatted(one.id(), operation.state().word()),
                            false);
            case Cancellation.NotFound() -> Reply.of(unknown(one.id()));
        };
    }

    /// @throws Refused if there is no such operation
    static OperationRow known(Controller controller, String id) {
        return Answers.await(controller.operation(id, Duration.ZERO))
                .orElseThrow(() -> new Refused(unknown(id)));
    }

    private static Problem unknown(String id) {
        return new Problem(
                404,
                "OPERATION_NOT_FOUND",
                "no operation has the id %s; those that ended are forgotten after 30 days"
                        .formatted(id),
                false);
    }

    // Reading

    private static TenantId named(RoutingContext context) {
        return TenantId.parse(String.valueOf(context.pathParam("id")));
    }

    private static JsonObject object(RoutingContext context) {
        JsonObject json = context.body().isEmpty() ? null : context.body().asJsonObject();
        return json == null ? new JsonObject() : json.copy();
    }

    private static Refused missing(String field, String what) {
        return new Refused(
                new Problem(
                        422,
                        "VALIDATION",
                        "1 field is wrong",
                        false,
                        List.of(new FieldError("/" + field, "must be " + what))));
    }

    private static Call call(RoutingContext context) {
        String key = context.request().getHeader("idempotency-key");
        if (key != null && (key.isBlank() || key.length() > IDEMPOTENCY_KEY_CHARS_MAX)) {
            throw new IllegalArgumentException(
                    "Idempotency-Key must have 1 to %d characters"
                            .formatted(IDEMPOTENCY_KEY_CHARS_MAX));
        }
        boolean async = "respond-async".equals(context.request().getHeader("prefer"));
        return new Call(
                async ? Duration.ZERO : wait(context, WAIT_DEFAULT),
                Optional.ofNullable(key),
                context.request().query()
                        + "\n"
                        + (context.body() == null ? "" : context.body().asString()));
    }

    private static Duration wait(RoutingContext context, Duration otherwise) {
        String text = context.queryParams().get("wait");
        if (text == null) {
            return otherwise;
        }
        Duration wait = Lifetime.parse(text).orElse(WAIT_MAX);
        return wait.compareTo(WAIT_MAX) < 0 ? wait : WAIT_MAX;
    }

    private static String sha256(String text) {
        return HexFormat.of().formatHex(sha256().digest(text.getBytes(UTF_8)));
    }

    private static String sha256(Path file) {
        try (var in = new DigestInputStream(Files.newInputStream(file), sha256())) {
            byte[] buffer = new byte[1 << 20];
            while (in.read(buffer) >= 0) {
                // Reading is digesting.
            }
            return HexFormat.of().formatHex(in.getMessageDigest().digest());
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot read an upload", failed);
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("no SHA-256 in this JDK", e);
        }
    }
}
