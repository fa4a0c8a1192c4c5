package dev.litefleet.controller.api;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.catalog.Erasure;
import dev.litefleet.controller.catalog.HoldRow;
import dev.litefleet.controller.catalog.Holding;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Refused;
import dev.litefleet.service.Reply;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Below `/api/v1/tenants/{id}`: holds, and the receipt of a deletion.
public final class HoldRoutes {
    private static final int BODY_BYTES_MAX = 4 << 10;
    private static final Pattern TXID = Pattern.compile("[0-9a-f]{1,16}");

    private final Controller controller;
    private final InstantSource clock;
    private final Blocking blocking;

    public HoldRoutes(Controller controller, InstantSource clock, Blocking blocking) {
        this.controller = controller;
        this.clock = clock;
        this.blocking = blocking;
    }

    /// After [TenantRoutes#mount], which lets only keys in.
    public void mount(Router router) {
        var body = BodyHandler.create(false).setBodyLimit(BODY_BYTES_MAX);
        router.get("/api/v1/tenants/:id/holds").handler(blocking.route(this::tenant, this::list));
        router.put("/api/v1/tenants/:id/holds/:hold")
                .handler(body)
                .handler(blocking.route(this::readPut, this::put));
        router.get("/api/v1/tenants/:id/holds/:hold")
                .handler(blocking.route(this::readOne, this::get));
        router.delete("/api/v1/tenants/:id/holds/:hold")
                .handler(blocking.route(this::readOne, this::release));
        router.get("/api/v1/tenants/:id/receipt")
                .handler(blocking.route(this::tenant, this::receipt));
    }

    private record One(TenantId tenant, String hold) {}

    private record Put(TenantId tenant, HoldRow hold) {}

    private TenantId tenant(RoutingContext context) {
        return TenantId.parse(String.valueOf(context.pathParam("id")));
    }

    private One readOne(RoutingContext context) {
        return new One(tenant(context), String.valueOf(context.pathParam("hold")));
    }

    private Put readPut(RoutingContext context) {
        JsonObject json = context.body().isEmpty() ? null : context.body().asJsonObject();
        var fields = new Fields(json == null ? new JsonObject() : json);
        Txid from = fields.text("from", HoldRoutes::txid).orElse(new Txid(1));
        Txid to = fields.text("to", HoldRoutes::txid).orElse(HeldRange.OPEN);
        Optional<String> reason = fields.text("reason", text -> text);
        Optional<Duration> life =
                fields.text("expires_in", Lifetime::parse).flatMap(duration -> duration);
        Optional<HeldRange> range = fields.checked("to", () -> new HeldRange(from, to));
        Instant now = clock.instant();
        Optional<HoldRow> hold =
                fields.checked(
                        "reason",
                        () ->
                                new HoldRow(
                                        String.valueOf(context.pathParam("hold")),
                                        range.orElse(new HeldRange(from, HeldRange.OPEN)),
                                        reason.orElse(""),
                                        now,
                                        life.map(now::plus).orElse(null)));
        fields.refuseIfWrong();
        return new Put(tenant(context), hold.orElseThrow());
    }

    private static Txid txid(String text) {
        if (!TXID.matcher(text).matches() || HexFormat.fromHexDigitsToLong(text) < 1) {
            throw new IllegalArgumentException("must be a TXID, 1 to 16 hexadecimal digits");
        }
        return new Txid(HexFormat.fromHexDigitsToLong(text));
    }

    private Reply put(Put put) {
        return switch (Answers.await(controller.hold(put.tenant(), put.hold()))) {
            case Holding.Held(var hold, var fresh) ->
                    Reply.json(fresh ? 201 : 200, json(hold))
                            .with(
                                    "location",
                                    "/api/v1/tenants/" + put.tenant() + "/holds/" + hold.name());
            case Holding.NotFound() -> Reply.of(notFound(put.tenant()));
            case Holding.Deleted() ->
                    Reply.of(
                            new Problem(
                                    410,
                                    "TENANT_DELETED",
                                    "tenant " + put.tenant() + " is deleted and cannot be held",
                                    false));
            case Holding.TooMany(var max) ->
                    Reply.of(
                            new Problem(
                                    409,
                                    "TOO_MANY_HOLDS",
                                    "a tenant has at most %d holds; release one first"
                                            .formatted(max),
                                    false));
        };
    }

    private Reply list(TenantId tenant) {
        known(tenant);
        return Reply.ok(
                new JsonObject()
                        .put("items", json(Answers.await(controller.holds(tenant))))
                        .putNull("next_cursor"));
    }

    private Reply get(One one) {
        return Answers.await(controller.holds(one.tenant())).stream()
                .filter(hold -> hold.name().equals(one.hold()))
                .findAny()
                .map(hold -> Reply.ok(json(hold)))
                .orElseGet(() -> Reply.of(noHold(one)));
    }

    /// Not idempotent by status, so that a mistyped name is noticed.
    private Reply release(One one) {
        return Answers.await(controller.releaseHold(one.tenant(), one.hold()))
                ? Reply.ok(new JsonObject().put("id", one.hold()).put("released", true))
                : Reply.of(noHold(one));
    }

    private Reply receipt(TenantId tenant) {
        TenantRow row = known(tenant);
        Optional<Erasure> erasure = Answers.await(controller.erasure(tenant));
        return erasure.isEmpty()
                ? Reply.of(
                        new Problem(
                                404,
                                "NOT_DELETED",
                                "tenant " + row.id() + " is not deleted",
                                false))
                : Reply.ok(json(erasure.get()));
    }

    private TenantRow known(TenantId tenant) {
        return Answers.await(controller.tenant(tenant))
                .orElseThrow(() -> new Refused(notFound(tenant)));
    }

    private static Problem notFound(TenantId tenant) {
        return new Problem(404, "TENANT_NOT_FOUND", "no tenant has the id " + tenant, false);
    }

    private static Problem noHold(One one) {
        return new Problem(
                404,
                "HOLD_NOT_FOUND",
                "tenant %s has no hold '%s'".formatted(one.tenant(), one.hold()),
                false);
    }

    /// Why a held tenant is not deleted.
    static Reply held(TenantId tenant, List<HoldRow> holds) {
        var problem =
                new Problem(
                        423,
                        "HELD",
                        "tenant %s has holds; release them first".formatted(tenant),
                        false);
        return new Reply(
                423,
                Reply.of(problem).headers(),
                problem.toJson().put("holds", json(holds)).toBuffer());
    }

    /// How far a deleted tenant is erased.
    static JsonObject json(Erasure erasure) {
        var json =
                new JsonObject()
                        .put("id", erasure.tenant().name())
                        .put("state", "deleted")
                        .put("phase", phase(erasure))
                        .put("deleted_at", TenantRoutes.time(erasure.deletedAt()))
                        .put("released_at", time(erasure.unheldAt()))
                        .put("erased_by", time(erasure.erasedBy()));
        Erasure.Receipt receipt = erasure.receipt();
        if (receipt != null) {
            json.put(
                    "receipt",
                    new JsonObject()
                            .put("objects", receipt.objects())
                            .put("bytes", receipt.bytes())
                            .put("versions", receipt.versions())
                            .put("uploads", receipt.uploads())
                            .put("first_pass_at", TenantRoutes.time(receipt.firstAt()))
                            .put("listed_empty_at", TenantRoutes.time(receipt.emptyAt()))
                            .put("listed_prefix", "tenants/" + erasure.tenant() + "/")
                            .put("listed_objects", 0));
        }
        return json;
    }

    private static String phase(Erasure erasure) {
        if (erasure.receipt() != null) {
            return "erased";
        }
        return erasure.unheldAt() == null ? "releasing" : "erasing";
    }

    private static JsonArray json(List<HoldRow> holds) {
        var items = new JsonArray();
        holds.forEach(hold -> items.add(json(hold)));
        return items;
    }

    private static JsonObject json(HoldRow hold) {
        HeldRange range = hold.range();
        return new JsonObject()
                .put("id", hold.name())
                .put("from", range.from().toString())
                .put("to", range.to().equals(HeldRange.OPEN) ? null : range.to().toString())
                .put("reason", hold.reason())
                .put("created_at", TenantRoutes.time(hold.createdAt()))
                .put("until", time(hold.until()));
    }

    private static @Nullable String time(@Nullable Instant at) {
        return at == null ? null : TenantRoutes.time(at);
    }
}
