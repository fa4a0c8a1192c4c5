package dev.litefleet.controller.gateway;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.replica.TenantId;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/// Tenant to worker, as last told by the controller. A stale route costs one 421 and a second
/// question, never a wrong answer: the worker refuses what it does not hold. Any thread.
final class RouteCache {
    private static final int ROUTES_MAX = 200_000;

    private final Routing controller;
    private final AsyncCache<TenantId, Route> routes =
            Caffeine.newBuilder()
                    .maximumSize(ROUTES_MAX)
                    .executor((Executor) Runnable::run)
                    .buildAsync();

    RouteCache(Routing controller) {
        this.controller = controller;
    }

    /// The tenant's route. Concurrent questions about one tenant ask the controller once; a failed
    /// answer is not remembered.
    CompletableFuture<Route> route(TenantId tenant) {
        return routes.get(tenant, (id, _) -> controller.route(id));
    }

    /// The tenant's route after its worker said that it does not have it.
    CompletableFuture<Route> routeAgain(TenantId tenant, Route refused) {
        forget(tenant, refused);
        return routes.get(tenant, (id, _) -> controller.routeAgain(id, refused));
    }

    void forget(TenantId tenant) {
        routes.asMap().remove(tenant);
    }

    /// Forgets `stale`, unless a newer route has replaced it already.
    void forget(TenantId tenant, Route stale) {
        CompletableFuture<Route> known = routes.getIfPresent(tenant);
        if (known != null
                && known.isDone()
                && !known.isCompletedExceptionally()
                && known.join().equals(stale)) {
            routes.asMap().remove(tenant, known);
        }
    }

    /// Forgets every route to a session that is over.
    void forgetSession(String session) {
        routes.synchronous().asMap().values().removeIf(route -> route.session().equals(session));
    }
}
