package dev.litefleet.worker.tenant;

import java.util.ArrayDeque;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/// The right to write to one database: one holder at a time, in the order of asking.
///
/// A holder is a stream, for one statement or for the rest of its transaction, or the checkpointer.
/// Nobody blocks: who has to wait is called when the permit is his. Thread-safe; claims are called
/// outside the lock.
@SuppressWarnings("ReferenceEquality") // Owners and claims are told apart by identity.
final class WritePermit {
    /// Somebody who waits.
    interface Claim {
        /// For whom the permit is.
        Object owner();

        /// The permit is the owner's now.
        void granted();

        /// It has not come in time, and will not.
        void expired();
    }

    private record Waiting(Claim claim, long until) {}

    private @Nullable Object holder; // guarded by this
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>(); // guarded by this

    /// Takes the permit, or puts `claim` in line.
    ///
    /// @param until when the claim expires, [Deadlines#NEVER] for not at all
    /// @return whether the owner holds the permit now
    synchronized boolean take(Claim claim, long until) {
        if (holder == claim.owner()) {
            return true;
        }
        if (holder == null) {
            holder = claim.owner();
            return true;
        }
        waiting.add(new Waiting(claim, until));
        return false;
    }

    synchronized boolean heldBy(Object owner) {
        return holder == owner;
    }

    synchronized boolean isFree() {
        return holder == null;
    }

    /// Whether somebody waits for it.
    synchronized boolean contended() {
        return !waiting.isEmpty();
    }

    /// Passes the permit on to the first in line.
    void giveBack(Object owner) {
        Waiting next;
        synchronized (this) {
            if (holder != owner) {
                throw new IllegalStateException("permit is not held by who gives it back");
            }
            next = waiting.poll();
            holder = next == null ? null : next.claim.owner();
        }
        if (next != null) {
            next.claim.granted();
        }
    }

    /// Takes a claim out of the line.
    ///
    /// @return whether it was there; otherwise it was granted, or has expired
    synchronized boolean withdraw(Claim claim) {
        return waiting.removeIf(place -> place.claim == claim);
    }

    /// Tells the claims whose time is over.
    ///
    /// @return when the next one's will be, [Deadlines#NEVER] if none waits
    long expire(long now) {
        var late = new ArrayList<Waiting>();
        long next = Deadlines.NEVER;
        synchronized (this) {
            waiting.removeIf(place -> place.until <= now && late.add(place));
            for (Waiting place : waiting) {
                next = Math.min(next, place.until);
            }
        }
        late.forEach(place -> place.claim.expired());
        return next;
    }
}
