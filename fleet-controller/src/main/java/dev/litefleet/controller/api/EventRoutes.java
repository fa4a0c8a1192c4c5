package dev.litefleet.controller.api;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.catalog.EventQuery;
import dev.litefleet.controller.catalog.EventRow;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Reply;
import io.vertx.core.MultiMap;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import java.util.Objects;

/// `/api/v1/events`, and the events of one operation: the oldest first, the rest behind a cursor.
public final class EventRoutes {
    private final Controller controller;
    private final ApiKeys keys;
    private final Blocking blocking;

    public EventRoutes(Controller controller, ApiKeys keys, Blocking blocking) {
        this.controller = controller;
        this.keys = keys;
        this.blocking = blocking;
    }

    /// After [OperationRoutes#mount], which lets only keys in.
    public void mount(Router router) {
        router.get("/api/v1/events")
                .handler(keys::admit)
                .handler(blocking.route(EventRoutes::readList, this::list));
        router.get("/api/v1/operations/:id/events")
                .handler(blocking.route(EventRoutes::readOne, this::ofOperation));
    }

    private static EventQuery readList(RoutingContext context) {
        MultiMap params = context.queryParams();
        return new EventQuery(
                after(params),
                Objects.requireNonNullElse(params.get("kind"), "").replaceFirst("\\.", "_"),
                Objects.requireNonNullElse(params.get("tenant"), ""),
                "",
                limit(params));
    }

    private static EventQuery readOne(RoutingContext context) {
        return new EventQuery(
                after(context.queryParams()),
                "",
                "",
                OperationRoutes.id(String.valueOf(context.pathParam("id"))),
                limit(context.queryParams()));
    }

    private static long after(MultiMap params) {
        String text = params.get("after");
        if (text != null && !text.matches("[0-9]{1,18}")) {
            throw new IllegalArgumentException("after must be the seq of an event: " + text);
        }
        return text == null ? 0 : Long.parseLong(text);
    }

    private static int limit(MultiMap params) {
        String text = params.get("limit");
        if (text == null) {
            return EventQuery.LIMIT_DEFAULT;
        }
        return text.matches("[0-9]{1,5}") ? Integer.parseInt(text) : 0;
    }

    private Reply ofOperation(EventQuery query) {
        OperationRoutes.known(controller, query.operation());
        return list(query);
    }

    private Reply list(EventQuery query) {
        List<EventRow> rows = Answers.await(controller.events(query));
        var items = new JsonArray();
        rows.forEach(event -> items.add(json(event)));
        return Reply.ok(
                new JsonObject()
                        .put("items", items)
                        .put("next_after", rows.isEmpty() ? query.after() : rows.getLast().seq()));
    }

    private static JsonObject json(EventRow event) {
        return new JsonObject()
                .put("seq", event.seq())
                .put("time", TenantRoutes.time(event.at()))
                .put("kind", event.kind().replaceFirst("_", "."))
                .put("tenant", event.tenant())
                .put("session", event.session())
                .put("detail", new JsonObject(event.detail()));
    }
}
