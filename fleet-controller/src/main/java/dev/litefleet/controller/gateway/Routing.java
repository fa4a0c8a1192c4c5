package dev.litefleet.controller.gateway;

import dev.litefleet.controller.operation.Route;
import dev.litefleet.replica.TenantId;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import java.util.function.Function;

/// The two questions a gateway has for the controller.
///
/// @param first where is this tenant?
/// @param afterRefusal where is it, now that this route was answered with 421?
public record Routing(
        Function<TenantId, CompletableFuture<Route>> first,
        BiFunction<TenantId, Route, CompletableFuture<Route>> afterRefusal) {
    CompletableFuture<Route> route(TenantId tenant) {
        return first.apply(tenant);
    }

    CompletableFuture<Route> routeAgain(TenantId tenant, Route refused) {
        return afterRefusal.apply(tenant, refused);
    }
}
