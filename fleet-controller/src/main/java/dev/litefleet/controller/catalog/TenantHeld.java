package dev.litefleet.controller.catalog;

import java.util.List;

/// A held tenant is not deleted.
public final class TenantHeld extends RuntimeException {
    private final transient List<HoldRow> holds;

    TenantHeld(List<HoldRow> holds) {
        super("held by " + holds.stream().map(HoldRow::name).toList());
        this.holds = List.copyOf(holds);
    }

    public List<HoldRow> holds() {
        return holds;
    }
}
