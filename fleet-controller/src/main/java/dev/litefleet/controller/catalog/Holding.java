package dev.litefleet.controller.catalog;

/// What became of a request to hold commits.
public sealed interface Holding {
    /// The hold is durable.
    ///
    /// @param fresh whether there was none of this name before
    record Held(HoldRow hold, boolean fresh) implements Holding {}

    /// The tenant is a tombstone.
    record Deleted() implements Holding {}

    /// The catalog does not know the tenant.
    record NotFound() implements Holding {}

    /// The tenant has as many as it may have.
    record TooMany(int max) implements Holding {}
}
