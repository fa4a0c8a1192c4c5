package dev.litefleet.controller.catalog;

/// What became of a request to cancel an operation.
public sealed interface Cancellation {
    /// It has failed with `CANCELLED`, and nothing that it would have made or changed is there.
    record Done(OperationRow operation) implements Cancellation {}

    /// It had ended before.
    record Finished(OperationRow operation) implements Cancellation {}

    /// The catalog does not know it.
    record NotFound() implements Cancellation {}
}
