package dev.litefleet.controller.catalog;

import java.util.List;

/// A piece of a listing.
///
/// @param next what to give as [TenantQuery#after] for the next piece; empty if this was the last
public record TenantPage(List<TenantRow> tenants, String next) {
    public TenantPage {
        tenants = List.copyOf(tenants);
    }
}
