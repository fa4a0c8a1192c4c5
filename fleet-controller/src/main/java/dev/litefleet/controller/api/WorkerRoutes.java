package dev.litefleet.controller.api;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.catalog.WorkerRow;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Reply;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;

/// `/api/v1/workers`.
public final class WorkerRoutes {
    private final Controller controller;
    private final ApiKeys keys;
    private final Blocking blocking;

    public WorkerRoutes(Controller controller, ApiKeys keys, Blocking blocking) {
        this.controller = controller;
        this.keys = keys;
        this.blocking = blocking;
    }

    public void mount(Router router) {
        router.get("/api/v1/workers")
                .handler(keys::admit)
                .handler(blocking.route(_ -> controller, WorkerRoutes::list));
    }

    private static Reply list(Controller controller) {
        var items = new JsonArray();
        Answers.await(controller.workers()).forEach(worker -> items.add(json(worker)));
        return Reply.ok(new JsonObject().put("items", items).putNull("next_cursor"));
    }

    private static JsonObject json(WorkerRow worker) {
        return new JsonObject()
                .put("name", worker.name())
                .put("session", worker.session())
                .put("address", worker.address())
                .put("state", worker.state())
                .put("tenants", worker.tenants())
                .put("residents", worker.residents())
                .put("tenants_max", worker.tenantsMax())
                .put("cordoned", worker.cordoned())
                .put("started", TenantRoutes.time(worker.started()))
                .put("version", worker.version());
    }
}
