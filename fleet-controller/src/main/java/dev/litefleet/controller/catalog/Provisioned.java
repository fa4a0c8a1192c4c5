package dev.litefleet.controller.catalog;

import dev.litefleet.replica.TenantId;
import java.time.Instant;

/// What became of a request to provision.
public sealed interface Provisioned {
    /// It is new.
    record Created(TenantRow tenant) implements Provisioned {}

    /// It was there, with the same spec; or with any spec, if the caller wanted to create only.
    record AlreadyThere(TenantRow tenant) implements Provisioned {}

    /// It was there and has the new spec now.
    ///
    /// @param before its spec until now
    record Updated(TenantRow tenant, TenantSpec before) implements Provisioned {}

    /// The id belongs to a tombstone.
    record Deleted(TenantId tenant, Instant at) implements Provisioned {}
}
