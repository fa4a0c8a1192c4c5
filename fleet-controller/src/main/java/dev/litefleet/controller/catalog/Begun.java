package dev.litefleet.controller.catalog;

import java.time.Instant;

/// What became of a request to begin an operation.
public sealed interface Begun {
    /// It runs.
    record Started(OperationRow operation) implements Begun {}

    /// The same request came before, with the same idempotency key.
    record Again(OperationRow operation) implements Begun {}

    /// The idempotency key came with another request before.
    record KeyReused() implements Begun {}

    /// Another operation has the tenant.
    record Busy(String operation) implements Begun {}

    /// The tenant that should be made is there.
    record Exists() implements Begun {}

    /// The tenant that should be changed is not.
    record NotFound() implements Begun {}

    /// The id belongs to a tombstone.
    record Deleted(Instant at) implements Begun {}

    /// The tenant is not as the client knew it.
    ///
    /// @param etag its etag now
    record Stale(long etag) implements Begun {}
}
