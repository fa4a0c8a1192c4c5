package dev.litefleet.worker.tenant;

/// What a stream is left with after a request.
public enum StreamState {
    /// Nothing: no transaction, no changed settings. It may be forgotten.
    FREE,
    /// A transaction, changed settings of its connection, or the loss of a transaction that its
    /// client has not been told to give up yet.
    HELD,
    /// Closed by its client.
    CLOSED
}
