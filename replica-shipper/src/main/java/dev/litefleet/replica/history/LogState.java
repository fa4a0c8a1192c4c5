package dev.litefleet.replica.history;

/// What is known of a commit log, as far as retention cares.
public sealed interface LogState {
    /// Fenced and recovered.
    record Closed() implements LogState {}

    /// Live, or being fenced.
    ///
    /// @param part that the catalog names; in it and in later ones nothing is deleted (G2)
    record Open(int part) implements LogState {}

    /// Nothing is known, so nothing is touched.
    record Unknown() implements LogState {}
}
