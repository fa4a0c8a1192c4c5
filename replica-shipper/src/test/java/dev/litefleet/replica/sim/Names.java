package dev.litefleet.replica.sim;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;

/// What things are called in the simulated fleet.
final class Names {
    /// Of the catalog and of every tenant's first lineage.
    static final String LINEAGE = "01JD0000000000000000000000";

    private Names() {}

    static TenantKey catalog() {
        return new TenantKey(TenantId.CATALOG, new Lineage(LINEAGE));
    }

    static TenantKey tenant(String name) {
        return tenant(name, LINEAGE);
    }

    static TenantKey tenant(String name, String lineage) {
        return new TenantKey(new TenantId(name), new Lineage(lineage));
    }
}
