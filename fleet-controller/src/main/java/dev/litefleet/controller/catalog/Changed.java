package dev.litefleet.controller.catalog;

import java.time.Instant;

/// What became of a request to change a tenant's spec.
public sealed interface Changed {
    /// It has the new spec.
    ///
    /// @param before its spec until now, perhaps the same
    record Done(TenantRow tenant, TenantSpec before) implements Changed {}

    /// It is not as the client knew it.
    ///
    /// @param etag its etag now
    record Stale(long etag) implements Changed {}

    /// It is a tombstone.
    record Deleted(Instant at) implements Changed {}

    /// The catalog does not know it.
    record NotFound() implements Changed {}
}
