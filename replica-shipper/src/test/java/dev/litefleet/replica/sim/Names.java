package dev.litefleet.replica.sim;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;

/// What things are called in the simulated fleet.
final class Names {
    private static final Lineage LINEAGE = new Lineage("01JD0000000000000000000000");

    private Names() {}

    static TenantKey catalog() {
        return new TenantKey(TenantId.CATALOG, LINEAGE);
    }

    static TenantKey tenant(String name) {
        return name.equals(TenantId.CATALOG.name())
                ? catalog()
                : new TenantKey(new TenantId(name), LINEAGE);
    }
}
