package dev.litefleet.replica.log;

import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/// What goes into one slot: commits taken from the pending ones and never put back, or the fence
/// that ends a part.
final class Batch {
    private final Slot slot;
    private final BodyId id;
    private final Slot undrainedFrom;
    private final long lastSequence;
    private final List<CommitLog.WhenDurable> whenDurable;
    private final long pageBytes;
    private final boolean endsPart;
    private List<Commit> commits;
    private List<Entry> entries = List.of(); // one for each commit; set before it is resolved
    private boolean resolved; // guarded by the log's lock

    Batch(
            Slot slot,
            BodyId id,
            Slot undrainedFrom,
            long lastSequence,
            List<Commit> commits,
            List<CommitLog.WhenDurable> whenDurable) {
        this(slot, id, undrainedFrom, lastSequence, commits, whenDurable, false);
    }

    private Batch(
            Slot slot,
            BodyId id,
            Slot undrainedFrom,
            long lastSequence,
            List<Commit> commits,
            List<CommitLog.WhenDurable> whenDurable,
            boolean endsPart) {
        this.slot = slot;
        this.id = id;
        this.undrainedFrom = undrainedFrom;
        this.lastSequence = lastSequence;
        this.commits = commits;
        this.whenDurable = whenDurable;
        this.pageBytes = commits.stream().mapToLong(Commit::pageBytes).sum();
        this.endsPart = endsPart;
    }

    /// The fence after which the log goes on in its next part (W9).
    static Batch partFence(Slot slot, BodyId id) {
        return new Batch(slot, id, slot, 0, List.of(), List.of(), true);
    }

    /// Whether it is a part fence.
    boolean endsPart() {
        return endsPart;
    }

    /// Where the durable prefix ends when this slot is its last.
    Slot prefix() {
        return endsPart ? new Slot(slot.part() + 1, 0) : slot;
    }

    Slot slot() {
        return slot;
    }

    BodyId id() {
        return id;
    }

    Slot undrainedFrom() {
        return undrainedFrom;
    }

    /// Number of the last commit in it.
    long lastSequence() {
        return lastSequence;
    }

    /// Tells every commit that it is durable.
    ///
    /// @param failed hears what a callback threw
    void tell(Consumer<RuntimeException> failed) {
        for (int i = 0; i < whenDurable.size(); i++) {
            try {
                whenDurable.get(i).durable(slot, entries.get(i));
            } catch (RuntimeException broken) {
                // One tenant's bug; the others' commits are durable all the same.
                failed.accept(broken);
            }
        }
    }

    /// Page bytes of its commits.
    long pageBytes() {
        return pageBytes;
    }

    /// The commits, once: their pages are not kept beside the frozen bytes.
    List<Commit> giveCommits() {
        List<Commit> given = commits;
        commits = List.of();
        return given;
    }

    /// What its commits, before they are given, keep on the disk.
    List<SpooledBody> spools() {
        return commits.stream().map(Commit::spool).filter(Objects::nonNull).toList();
    }

    /// Says which entry holds each commit.
    void in(List<Entry> entries) {
        this.entries = entries;
    }

    boolean resolved() {
        return resolved;
    }

    void resolve() {
        resolved = true;
    }
}
