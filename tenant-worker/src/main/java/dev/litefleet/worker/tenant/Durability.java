package dev.litefleet.worker.tenant;

/// When a tenant's answers leave.
public enum Durability {
    /// Once every commit that the answer could have seen is in the store.
    SYNC,
    /// Once the local commit is done; the store follows within [ShippingConfig#lagMax].
    ASYNC
}
