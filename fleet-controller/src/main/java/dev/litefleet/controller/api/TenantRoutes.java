package dev.litefleet.controller.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.github.f4b6a3.ulid.UlidCreator;
import dev.litefleet.controller.Controller;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.auth.TenantTokens;
import dev.litefleet.controller.auth.TenantTokens.Token;
import dev.litefleet.controller.catalog.Changed;
import dev.litefleet.controller.catalog.Deletion;
import dev.litefleet.controller.catalog.OwnWindows;
import dev.litefleet.controller.catalog.Provisioned;
import dev.litefleet.controller.catalog.TenantPage;
import dev.litefleet.controller.catalog.TenantQuery;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.catalog.TenantState;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Problem.FieldError;
import dev.litefleet.service.Refused;
import dev.litefleet.service.Reply;
import dev.litefleet.worker.control.Quotas;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.core.net.HostAndPort;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import java.security.InvalidKeyException;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/// `/api/v1/tenants`.
public final class TenantRoutes {
    private static final int BODY_BYTES_MAX = 64 << 10;
    private static final int IDEMPOTENCY_KEY_CHARS_MAX = 255;

    /// How long after its creation a repeated provision still gets a token: the first answer may
    /// have been lost.
    private static final Duration TOKEN_AGAIN_MAX = Duration.ofSeconds(60);

    /// How often a patch is applied anew because somebody else changed the tenant in between.
    private static final int PATCH_ATTEMPTS_MAX = 10;

    private final Controller controller;
    private final ApiKeys keys;
    private final TenantTokens tokens;
    private final SecretKeySpec idempotency;
    private final InstantSource clock;
    private final Blocking blocking;

    /// @param idempotencyKey 32 bytes; makes ids from `Idempotency-Key` headers
    public TenantRoutes(
            Controller controller,
            ApiKeys keys,
            TenantTokens tokens,
            byte[] idempotencyKey,
            InstantSource clock,
            Blocking blocking) {
        this.controller = controller;
        this.keys = keys;
        this.tokens = tokens;
        this.idempotency = new SecretKeySpec(idempotencyKey, "HmacSHA256");
        this.clock = clock;
        this.blocking = blocking;
    }

    public void mount(Router router) {
        var body = BodyHandler.create(false).setBodyLimit(BODY_BYTES_MAX);
        // Before any body is read; covers the path without more segments too.
        router.route("/api/v1/tenants/*").handler(keys::admit);
        router.put("/api/v1/tenants/:id")
                .handler(body)
                .handler(blocking.route(this::readPut, this::provision));
        router.patch("/api/v1/tenants/:id")
                .handler(body)
                .handler(blocking.route(this::readPatch, this::patch));
        router.post("/api/v1/tenants")
                .handler(body)
                .handler(blocking.route(this::readPost, this::provision));
        router.get("/api/v1/tenants").handler(blocking.route(this::readList, this::list));
        router.get("/api/v1/tenants/:id").handler(blocking.route(this::readOne, this::get));
        router.delete("/api/v1/tenants/:id").handler(blocking.route(this::readOne, this::delete));
        router.post("/api/v1/tenants/:id/tokens")
                .handler(body)
                .handler(blocking.route(this::readToken, this::mint));
    }

    /// @param base where the client reaches us, ends in `/`
    /// @param generated whether the id was made from an idempotency key or by us
    private record Put(
            TenantId tenant,
            ProvisionRequest body,
            boolean createOnly,
            boolean generated,
            String base) {}

    /// @param etag that the tenant must have; nothing for any
    private record Patch(TenantId tenant, JsonObject changes, Optional<Long> etag, String base) {}

    private record One(TenantId tenant, String base) {}

    private record Listing(TenantQuery query, String base) {}

    private record Mint(TenantId tenant, Optional<Duration> life, boolean readOnly) {}

    private Put readPut(RoutingContext context) {
        return new Put(
                named(context),
                ProvisionRequest.read(object(context), false, controller.windows()),
                "*".equals(context.request().getHeader("if-none-match")),
                false,
                base(context.request()));
    }

    private Patch readPatch(RoutingContext context) {
        JsonObject changes = object(context);
        if (changes.containsKey("token") || changes.containsKey("id")) {
            String name = changes.containsKey("id") ? "id" : "token";
            throw new Refused(
                    new Problem(
                            400,
                            "VALIDATION",
                            "1 field is wrong",
                            false,
                            List.of(new FieldError("/" + name, "cannot be changed"))));
        }
        return new Patch(
                named(context),
                changes,
                Optional.ofNullable(context.request().getHeader("if-match"))
                        .map(OperationRoutes::etag),
                base(context.request()));
    }

    /// Merge patch (RFC 7396): what is null goes back to its default. Without `If-Match` it is
    /// applied to whatever the tenant is at that moment.
    private Reply patch(Patch patch) {
        for (int attempt = 0; attempt < PATCH_ATTEMPTS_MAX; attempt++) {
            TenantRow tenant = living(patch.tenant());
            JsonObject merged = spec(tenant);
            merge(merged, patch.changes());
            TenantSpec spec = ProvisionRequest.read(merged, false, controller.windows()).spec();
            long etag = patch.etag().orElse(tenant.etag());
            switch (Answers.await(controller.change(tenant.id(), etag, spec))) {
                case Changed.Done(var row, _) -> {
                    return Reply.ok(json(row, patch.base())).with("etag", etag(row));
                }
                case Changed.Stale(var now) -> {
                    if (patch.etag().isPresent()) {
                        return Reply.of(OperationRoutes.stale(now));
                    }
                }
                case Changed.Deleted(var at) -> {
                    return Reply.of(deleted(tenant.id(), at));
                }
                case Changed.NotFound() ->
                        throw new IllegalStateException("tenant vanished: " + tenant.id());
            }
        }
        throw Refused.of(
                503, "BUSY", "the tenant is being changed all the time; send it again", true);
    }

    private static void merge(JsonObject into, JsonObject changes) {
        for (String name : changes.fieldNames()) {
            Object change = changes.getValue(name);
            if (change instanceof JsonObject section
                    && into.getValue(name) instanceof JsonObject there) {
                merge(there, section);
            } else if (change == null) {
                into.remove(name);
            } else {
                into.put(name, change);
            }
        }
    }

    /// What a client would have to ask for to get this tenant.
    private static JsonObject spec(TenantRow tenant) {
        var labels = new JsonObject();
        tenant.spec().labels().forEach(labels::put);
        var history = new JsonObject();
        OwnWindows own = tenant.spec().windows();
        put(history, "exact", own.exact());
        put(history, "merged", own.merged());
        return new JsonObject()
                .put("durability", tenant.spec().durability().word())
                .put("labels", labels)
                .put("quota", quota(tenant))
                .put("history", history);
    }

    private static void put(JsonObject history, String name, Duration window) {
        if (!window.isZero()) {
            history.put(name, Lifetime.words(window));
        }
    }

    private Put readPost(RoutingContext context) {
        var body = ProvisionRequest.read(object(context), true, controller.windows());
        String key = context.request().getHeader("idempotency-key");
        if (key != null && (key.isBlank() || key.length() > IDEMPOTENCY_KEY_CHARS_MAX)) {
            throw new IllegalArgumentException(
                    "Idempotency-Key must have 1 to %d characters"
                            .formatted(IDEMPOTENCY_KEY_CHARS_MAX));
        }
        return new Put(
                body.id().orElseGet(() -> new TenantId(key == null ? freshId() : idOf(key))),
                body,
                true,
                body.id().isEmpty() && key != null,
                base(context.request()));
    }

    private static TenantId named(RoutingContext context) {
        return TenantId.parse(String.valueOf(context.pathParam("id")));
    }

    /// @throws io.vertx.core.json.DecodeException if the body is not a JSON object
    private static JsonObject object(RoutingContext context) {
        JsonObject json = context.body().isEmpty() ? null : context.body().asJsonObject();
        return json == null ? new JsonObject() : json;
    }

    /// 201 if the tenant is new, 200 if it was there already, so a client may repeat the request.
    private Reply provision(Put put) {
        var answer =
                Answers.await(
                        controller.provision(put.tenant(), put.body().spec(), put.createOnly()));
        return switch (answer) {
            case Provisioned.Created(var tenant) ->
                    Reply.created(json(tenant, put.base(), Optional.of(mint(tenant, put))))
                            .with("location", "/api/v1/tenants/" + tenant.id())
                            .with("etag", etag(tenant));
            case Provisioned.Updated(var tenant, _) -> there(tenant, put, 200);
            case Provisioned.AlreadyThere(var tenant) -> alreadyThere(tenant, put);
            case Provisioned.Deleted(var id, var at) -> Reply.of(deleted(id, at));
        };
    }

    private Reply alreadyThere(TenantRow tenant, Put put) {
        boolean sameSpec = tenant.spec().equals(put.body().spec());
        if (put.generated()) {
            return sameSpec
                    ? there(tenant, put, 201).with("idempotency-replayed", "true")
                    : Reply.of(
                            new Problem(
                                    422,
                                    "IDEMPOTENCY_KEY_REUSED",
                                    "this Idempotency-Key was used with another body",
                                    false));
        }
        return put.createOnly()
                ? Reply.of(
                        new Problem(
                                412,
                                "ALREADY_EXISTS",
                                "tenant "
                                        + tenant.id()
                                        + " exists; choose another id, or PUT without"
                                        + " If-None-Match to get it",
                                false))
                : there(tenant, put, 200);
    }

    private Reply there(TenantRow tenant, Put put, int status) {
        boolean fresh = tenant.createdAt().plus(TOKEN_AGAIN_MAX).isAfter(clock.instant());
        return Reply.json(
                        status,
                        json(
                                tenant,
                                put.base(),
                                fresh ? Optional.of(mint(tenant, put)) : Optional.empty()))
                .with("etag", etag(tenant));
    }

    private Token mint(TenantRow tenant, Put put) {
        return tokens.mint(tenant.id(), tenant.tokenGen(), put.body().tokenLife(), false);
    }

    private One readOne(RoutingContext context) {
        return new One(named(context), base(context.request()));
    }

    private Reply get(One one) {
        TenantRow tenant = living(one.tenant());
        return Reply.ok(json(tenant, one.base())).with("etag", etag(tenant));
    }

    private TenantRow living(TenantId id) {
        TenantRow tenant =
                Answers.await(controller.tenant(id))
                        .orElseThrow(() ->
                                Refused.of(
                                        404,
                                        "TENANT_NOT_FOUND",
                                        "no tenant has the id " + id,
                                        false));
        Instant deletedAt = tenant.deletedAt();
        if (deletedAt != null) {
            throw new Refused(deleted(id, deletedAt));
        }
        return tenant;
    }

    private Reply delete(One one) {
        return switch (Answers.await(controller.delete(one.tenant()))) {
            case Deletion.Done(_, var released) ->
                    Reply.ok(
                            HoldRoutes.json(
                                            Answers.await(controller.erasure(one.tenant()))
                                                    .orElseThrow())
                                    .put("released", released));
            case Deletion.Held(var holds) -> HoldRoutes.held(one.tenant(), holds);
            case Deletion.NotFound() ->
                    Reply.of(
                            new Problem(
                                    404,
                                    "TENANT_NOT_FOUND",
                                    "no tenant has the id " + one.tenant(),
                                    false));
        };
    }

    private Mint readToken(RoutingContext context) {
        var fields = new Fields(object(context));
        boolean readOnly = fields.truth("read_only", false);
        Optional<Duration> life = ProvisionRequest.tokenLife(fields);
        fields.refuseIfWrong();
        return new Mint(named(context), life, readOnly);
    }

    private Reply mint(Mint request) {
        TenantRow tenant = living(request.tenant());
        return Reply.created(
                json(
                        tokens.mint(
                                tenant.id(),
                                tenant.tokenGen(),
                                request.life(),
                                request.readOnly())));
    }

    private Listing readList(RoutingContext context) {
        var params = context.queryParams();
        String limit = params.get("limit");
        String state = params.get("state");
        return new Listing(
                new TenantQuery(
                        Objects.requireNonNullElse(params.get("prefix"), ""),
                        labels(params.get("label")),
                        state == null ? null : TenantState.parse(state),
                        cursor(params.get("cursor")),
                        limit == null ? TenantQuery.LIMIT_DEFAULT : limit(limit)),
                base(context.request()));
    }

    private Reply list(Listing listing) {
        TenantPage page = Answers.await(controller.tenants(listing.query()));
        var items = new JsonArray();
        page.tenants().forEach(tenant -> items.add(json(tenant, listing.base())));
        return Reply.ok(
                new JsonObject()
                        .put("items", items)
                        .put(
                                "next_cursor",
                                page.next().isEmpty()
                                        ? null
                                        : Base64.getUrlEncoder()
                                                .withoutPadding()
                                                .encodeToString(page.next().getBytes(UTF_8))));
    }

    private static int limit(String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException notOne) {
            throw new IllegalArgumentException("limit must be a number: " + text, notOne);
        }
    }

    private static String cursor(@Nullable String text) {
        try {
            return text == null ? "" : new String(Base64.getUrlDecoder().decode(text), UTF_8);
        } catch (IllegalArgumentException foreign) {
            throw new IllegalArgumentException(
                    "cursor is not the next_cursor of an answer: " + text, foreign);
        }
    }

    private static Map<String, String> labels(@Nullable String selector) {
        var labels = new HashMap<String, String>();
        if (selector != null && !selector.isEmpty()) {
            for (String pair : selector.split(",", -1)) {
                int equals = pair.indexOf('=');
                if (equals < 1) {
                    throw new IllegalArgumentException(
                            "label must be key=value[,key=value...]: " + selector);
                }
                labels.put(pair.substring(0, equals), pair.substring(equals + 1));
            }
        }
        return labels;
    }

    private JsonObject json(TenantRow tenant, String base, Optional<Token> token) {
        JsonObject json = json(tenant, base);
        return json.put(
                "token",
                token.map(TenantRoutes::json)
                        .orElseGet(() -> new JsonObject().putNull("jwt").put("jwt_omitted", true)));
    }

    static JsonObject json(Token token) {
        return new JsonObject()
                .put("jti", token.jti())
                .put("jwt", token.jwt())
                .put("expires_at", token.expires().map(TenantRoutes::time).orElse(null));
    }

    private static JsonObject quota(TenantRow tenant) {
        Quotas quotas = tenant.spec().quotas();
        return new JsonObject()
                .put("max_bytes", quotas.databaseBytesMax())
                .put("max_statement_ms", quotas.statementMillisMax())
                .put("max_value_bytes", quotas.valueBytesMax());
    }

    private JsonObject json(TenantRow tenant, String base) {
        var labels = new JsonObject();
        tenant.spec().labels().forEach(labels::put);
        HistoryWindows windows = tenant.spec().windows().over(controller.windows());
        return new JsonObject()
                .put("id", tenant.id().name())
                .put("state", tenant.state().word())
                .put("labels", labels)
                .put("durability", tenant.spec().durability().word())
                .put("worker", tenant.worker())
                .put("assignment", tenant.assignment())
                .put("lineage", tenant.lineage().ulid())
                .put("quota", quota(tenant))
                .put(
                        "history",
                        new JsonObject()
                                .put("exact", Lifetime.words(windows.exact()))
                                .put("merged", Lifetime.words(windows.merged())))
                .put("created_at", time(tenant.createdAt()))
                .put("url", base + "t/" + tenant.id() + "/")
                .put("etag", String.valueOf(tenant.etag()));
    }

    private static Problem deleted(TenantId id, Instant at) {
        return new Problem(
                410,
                "TENANT_DELETED",
                "tenant "
                        + id
                        + " was deleted at "
                        + time(at)
                        + "; its id is not used again; see /api/v1/tenants/"
                        + id
                        + "/receipt",
                false);
    }

    private static String etag(TenantRow tenant) {
        return '"' + String.valueOf(tenant.etag()) + '"';
    }

    static String time(Instant at) {
        return at.truncatedTo(ChronoUnit.MILLIS).toString();
    }

    /// Where this client reaches us, as its own request says.
    private static String base(HttpServerRequest request) {
        HostAndPort authority = request.authority();
        return request.scheme() + "://" + (authority == null ? "localhost" : authority) + "/";
    }

    private static String freshId() {
        return UlidCreator.getMonotonicUlid().toString().toLowerCase(Locale.ROOT);
    }

    /// The same key gives the same id, so a repeated POST finds what the first one made.
    private String idOf(String key) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(idempotency);
            return "t-" + HexFormat.of().formatHex(mac.doFinal(key.getBytes(UTF_8)), 0, 13);
        } catch (NoSuchAlgorithmException | InvalidKeyException e) {
            throw new IllegalStateException("no HmacSHA256 in this JDK", e);
        }
    }
}
