package dev.litefleet.controller.catalog;

import java.time.Instant;
import java.util.List;

/// What became of a request to delete.
public sealed interface Deletion {
    /// The tombstone is durable: nothing is served to this tenant any more and nobody will be
    /// assigned it.
    ///
    /// @param released whether no session holds it any more; if not, its session could not be asked
    ///   yet, and is asked again until it has released the tenant or is closed
    record Done(Instant at, boolean released) implements Deletion {}

    /// It may not be deleted while these are in force.
    record Held(List<HoldRow> holds) implements Deletion {}

    /// The catalog does not know the id.
    record NotFound() implements Deletion {}
}
