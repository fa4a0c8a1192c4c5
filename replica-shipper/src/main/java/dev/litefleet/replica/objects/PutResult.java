package dev.litefleet.replica.objects;

/// What the store said to a put-if-absent. Not knowing is not an answer: a timeout is thrown as
/// [StoreException.Unavailable].
public sealed interface PutResult {
    /// The key was free and now holds our bytes.
    record Created() implements PutResult {}

    /// The key was taken, perhaps by an earlier attempt of ours whose answer was lost: read it to
    /// know.
    record Occupied() implements PutResult {}
}
