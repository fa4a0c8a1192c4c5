package dev.litefleet.replica.history;

import dev.litefleet.replica.Txid;

/// Commits that retention must not touch: every state from `from` to `to` that could be restored
/// when the hold was set stays restorable.
///
/// @param from first state, at least 1
/// @param to last state; [#OPEN] for all that will ever come
public record HeldRange(Txid from, Txid to) {
    public static final Txid OPEN = new Txid(Long.MAX_VALUE);

    public HeldRange {
        if (from.value() < 1 || to.compareTo(from) < 0) {
            throw new IllegalArgumentException("not a range of txids: " + from + "-" + to);
        }
    }
}
