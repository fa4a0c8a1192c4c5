package dev.litefleet.replica.history;

/// Told how far a hydration is; from any of its threads, one at a time, at least once per object
/// range. It must not block.
@FunctionalInterface
public interface Progress {
    /// For callers that do not care.
    Progress NONE = (_, _) -> {};

    /// @param done bytes read from the store so far
    /// @param total bytes to be read; it may be corrected once, when the indexes are known
    void at(long done, long total);
}
