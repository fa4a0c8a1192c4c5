package dev.litefleet.controller.placement;

import java.util.List;

/// The fleet as placement sees it at one moment.
public record FleetView(List<Worker> workers) {
    public FleetView {
        workers = List.copyOf(workers);
    }

    /// What placement needs to know about a worker.
    ///
    /// @param session ULID of its running session
    /// @param name of the worker
    /// @param accepting its lease is live, it is not stopping and not cordoned
    /// @param tenants assigned to it
    /// @param tenantsMax how many it takes
    public record Worker(
            String session, String name, boolean accepting, long tenants, int tenantsMax) {
        double load() {
            return (double) tenants / tenantsMax;
        }
    }
}
