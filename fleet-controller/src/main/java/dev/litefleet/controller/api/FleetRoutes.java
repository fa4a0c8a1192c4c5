package dev.litefleet.controller.api;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.catalog.FleetCounts;
import dev.litefleet.controller.catalog.TenantState;
import dev.litefleet.controller.catalog.WorkerRow;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Reply;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.Router;
import java.time.InstantSource;
import java.util.List;

/// `/api/v1/fleet`: the whole in numbers, and what the janitor last said.
public final class FleetRoutes {
    private final Controller controller;
    private final ApiKeys keys;
    private final InstantSource clock;
    private final Blocking blocking;

    public FleetRoutes(
            Controller controller, ApiKeys keys, InstantSource clock, Blocking blocking) {
        this.controller = controller;
        this.keys = keys;
        this.clock = clock;
        this.blocking = blocking;
    }

    public void mount(Router router) {
        router.get("/api/v1/fleet")
                .handler(keys::admit)
                .handler(blocking.route(_ -> controller, this::fleet));
    }

    private Reply fleet(Controller controller) {
        FleetCounts counts = Answers.await(controller.counts());
        List<WorkerRow> sessions = Answers.await(controller.workers());
        var tenants = new JsonObject();
        for (TenantState state : TenantState.values()) {
            tenants.put(state.word(), counts.tenants().getOrDefault(state, 0L));
        }
        var workers = new JsonObject();
        for (String state : List.of("live", "silent", "fencing")) {
            workers.put(
                    state,
                    sessions.stream().filter(session -> session.state().equals(state)).count());
        }
        HistoryWindows windows = controller.windows();
        return Reply.ok(
                new JsonObject()
                        .put("tenants", tenants)
                        .put("workers", workers)
                        .put("operations", new JsonObject().put("running", counts.operations()))
                        .put(
                                "history",
                                new JsonObject()
                                        .put("exact", Lifetime.words(windows.exact()))
                                        .put("merged", Lifetime.words(windows.merged())))
                        .put("janitor", janitor(counts))
                        .put("epoch", controller.epoch())
                        .put("as_of", TenantRoutes.time(clock.instant())));
    }

    private static JsonObject janitor(FleetCounts counts) {
        var at = counts.cleaned();
        return new JsonObject()
                .put("last_run_at", at == null ? null : TenantRoutes.time(at))
                .put("last_report", at == null ? null : new JsonObject(counts.cleaning()));
    }
}
