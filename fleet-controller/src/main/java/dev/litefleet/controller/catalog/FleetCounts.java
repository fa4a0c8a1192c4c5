package dev.litefleet.controller.catalog;

import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The fleet in numbers.
///
/// @param tenants by state
/// @param operations that run
/// @param cleaned when the janitor last ran to its end; null if it never did
/// @param cleaning what it then said, a JSON object
public record FleetCounts(
        Map<TenantState, Long> tenants,
        long operations,
        @Nullable Instant cleaned,
        String cleaning) {
    public FleetCounts {
        tenants = Map.copyOf(tenants);
    }
}
