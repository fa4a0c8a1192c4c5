package dev.litefleet.controller.api;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.catalog.Erasure;
import dev.litefleet.controller.catalog.HoldRow;
import dev.litefleet.controller.catalog.Holding;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
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
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Below `/api/v1/tenants/{id}`: holds, and the receipt of a deletion.
public final class HoldRoutes {
    private static final int BODY_BYTES_MAX = 4 << 10;

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

    /// @param from nothing for the oldest commit
    /// @param to nothing for all that will ever come
    /// @param life nothing for a hold that does not end by itself
    private record Put(
            TenantId tenant,
            String name,
            Optional<AskedPoint> from,
            Optional<AskedPoint> to,
            String reason,
            Optional<Duration> life) {}

    private TenantId tenant(RoutingContext context) {
        return TenantId.parse(String.valueOf(context.pathParam("id")));
    }

    private One readOne(RoutingContext context) {
        return new One(tenant(context), String.valueOf(context.pathParam("hold")));
    }

    private Put readPut(RoutingContext context) {
        JsonObject json = context.body().isEmpty() ? null : context.body().asJsonObject();
        var fields = new Fields(json == null ? new JsonObject() : json);
        Optional<Point> from = fields.text("from", HoldRoutes::point);
        Optional<Point> to = fields.text("to", HoldRoutes::point);
        Optional<AskedPoint.Nearest> nearest = AskedPoint.nearest(fields);
        String reason = fields.text("reason", text -> text).orElse("");
        Optional<Duration> life =
                fields.text("expires_in", Lifetime::parse).flatMap(duration -> duration);
        if (from.orElse(null) instanceof Point.At(var first)
                && to.orElse(null) instanceof Point.At(var last)) {
            fields.checked("to", () -> new HeldRange(first, last));
        }
        fields.checked("reason", () -> HoldRow.checkedReason(reason));
        fields.refuseIfWrong();
        return new Put(
                tenant(context),
                HoldRow.checkedName(String.valueOf(context.pathParam("hold"))),
                from.map(at -> new AskedPoint(at, nearest)),
                to.map(at -> new AskedPoint(at, nearest)),
                reason,
                life);
    }

    private static Point point(String text) {
        Point point = Point.parse(text);
        if (point.equals(new Point.At(Txid.NONE))) {
            throw new IllegalArgumentException("there is no commit 0");
        }
        return point;
    }

    /// A TXID stands for itself, whether or not there is such a commit yet; other points are looked
    /// for now.
    private Txid txid(TenantId tenant, AskedPoint asked) {
        return asked.at() instanceof Point.At(var txid)
                ? txid
                : asked.find(controller, tenant).plan().target();
    }

    private HoldRow hold(Put put) {
        Txid from = put.from().map(asked -> txid(put.tenant(), asked)).orElse(new Txid(1));
        Txid to = put.to().map(asked -> txid(put.tenant(), asked)).orElse(HeldRange.OPEN);
        HeldRange range;
        try {
            range = new HeldRange(from, to);
        } catch (IllegalArgumentException backwards) {
            throw new Refused(
                    new Problem(
                            422,
                            "VALIDATION",
                            "1 field is wrong",
                            false,
                            List.of(
                                    new FieldError(
                                            "/to", String.valueOf(backwards.getMessage())))));
        }
        Instant now = clock.instant();
        return new HoldRow(
                put.name(), range, put.reason(), now, put.life().map(now::plus).orElse(null));
    }

    private Reply put(Put put) {
        return switch (Answers.await(controller.hold(put.tenant(), hold(put)))) {
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
        return Reply.of(
                new Problem(
                        423,
                        "HELD",
                        "tenant %s has holds; release them first".formatted(tenant),
                        false,
                        List.of(),
                        Map.of("holds", json(holds))));
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
