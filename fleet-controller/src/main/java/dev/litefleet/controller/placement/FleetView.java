package dev.litefleet.controller.placement;

import java.util.List;
import java.util.Optional;

/// The fleet as placement sees it at one moment, for one tenant.
///
/// @param home name of the worker that had the tenant last: its disk may still hold the files, and
///   with them commits that never reached the store; empty if nobody had it
public record FleetView(List<Worker> workers, Optional<String> home) {
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

        boolean takes() {
            return accepting && tenants < tenantsMax;
        }
    }
}
