package dev.litefleet.service;

/// A queue or permit limit was reached. Nothing was started; the caller may try later.
public final class Overloaded extends RuntimeException {
    /// @param what the queue or permit that is full, in words
    /// @param limit how many it holds
    public Overloaded(String what, int limit) {
        super(what + " is full [limit=" + limit + "]");
    }
}
