package dev.litefleet.replica.log;

import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.objects.ObjectStore;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;

/// A stretch of a log: the segments of contiguous slots.
///
/// @param segments ascending, across part fences
/// @param end the first slot that is not part of it: free, or the fence's
/// @param fence what closes the log at `end`; nothing if the log is open there
public record LogTail(List<SegmentReader> segments, Slot end, Optional<FenceObject> fence) {
    public LogTail {
        segments = List.copyOf(segments);
    }

    /// Every slot from `from` to the first free one or the fence, following part fences. Commits of
    /// an open log that lie above a free slot do not exist (yet).
    public static LogTail read(ObjectStore store, LogName log, Slot from, Tasks tasks) {
        var segments = new ArrayList<SegmentReader>();
        Slot at = from.number() == 0 ? from.next() : from;
        boolean more = true;
        while (more) {
            List<Slot> run = contiguous(SlotListing.of(store, log, at, ObjectStore.LIST_MAX), at);
            more = run.size() == ObjectStore.LIST_MAX;
            for (Optional<SlotObject> object : SlotReads.all(store, log, run, tasks)) {
                switch (object.orElse(null)) {
                    case null -> {
                        return new LogTail(segments, at, Optional.empty());
                    }
                    case SegmentReader segment -> {
                        segments.add(segment);
                        at = at.next();
                    }
                    case FenceObject fence when fence.endsPart() -> {
                        at = Slot.firstOf(fence.next());
                        more = true;
                    }
                    case FenceObject fence -> {
                        return new LogTail(segments, at, Optional.of(fence));
                    }
                }
                if (at.part() != run.getFirst().part()) {
                    break; // Slots above a part fence are void.
                }
            }
        }
        return new LogTail(segments, at, Optional.empty());
    }

    /// What derived files may lack, without knowing anything about the log: from the
    /// `undrained_from` of its last slot. For readers; of an open log the answer is a moment's.
    public static LogTail undrained(ObjectStore store, LogName log, Tasks tasks) {
        Slot part = Fence.highestPart(store, log);
        Slot end = endOfPart(store, log, part);
        return lastSegment(store, log, end)
                .map(last -> read(store, log, last.comment().undrainedFrom(), tasks))
                .orElseGet(() -> read(store, log, end, tasks));
    }

    /// What a recovery must cover: the segments below the fence, from the `undrained_from` of the
    /// highest of them. Slots that are gone from a part before the fence's count as covered.
    ///
    /// Absence is never taken from a listing, which may be late: slots are asked for one by one, up
    /// to the part fences, which stay for ever.
    ///
    /// @param closed where the log ends
    /// @throws InconsistentStore if a slot of the fence's own part is missing, or a listing does
    ///   not show the fence of a part before; recover again
    public static LogTail below(ObjectStore store, LogName log, Fence.Closed closed, Tasks tasks) {
        Slot end = closed.slot();
        var segments = new ArrayList<SegmentReader>();
        Optional<SegmentReader> last = lastSegment(store, log, end);
        if (last.isPresent()) {
            Slot from = last.get().comment().undrainedFrom();
            for (int part = from.part(); part <= end.part(); part++) {
                Slot start = part == from.part() ? from : Slot.firstOf(part);
                segments.addAll(
                        part < end.part()
                                ? whatIsLeft(store, log, start, tasks)
                                : whole(store, log, start, end, tasks));
            }
        }
        return new LogTail(segments, end, Optional.of(closed.fence()));
    }

    /// All slots of one part from `start` up to, not including, `end`.
    private static List<SegmentReader> whole(
            ObjectStore store, LogName log, Slot start, Slot end, Tasks tasks) {
        var slots = new ArrayList<Slot>();
        for (Slot slot = start; slot.compareTo(end) < 0; slot = slot.next()) {
            slots.add(slot);
        }
        var segments = new ArrayList<SegmentReader>(slots.size());
        List<Optional<SlotObject>> objects = SlotReads.all(store, log, slots, tasks);
        for (int i = 0; i < slots.size(); i++) {
            if (!(objects.get(i).orElse(null) instanceof SegmentReader segment)) {
                throw new InconsistentStore(
                        slots.get(i).key(log), "no segment in a slot below the fence");
            }
            segments.add(segment);
        }
        return segments;
    }

    /// The segments of an earlier part that were not trimmed yet, below its part fence.
    private static List<SegmentReader> whatIsLeft(
            ObjectStore store, LogName log, Slot start, Tasks tasks) {
        Slot fence =
                partFence(store, log, start, SlotListing.of(store, log, start, Integer.MAX_VALUE));
        var slots = new ArrayList<Slot>();
        for (Slot slot = start; slot.compareTo(fence) < 0; slot = slot.next()) {
            slots.add(slot);
        }
        var segments = new ArrayList<SegmentReader>();
        for (Optional<SlotObject> object : SlotReads.all(store, log, slots, tasks)) {
            if (object.orElse(null) instanceof SegmentReader segment) {
                segments.add(segment);
            }
        }
        return segments;
    }

    /// The last segment below `end`; if that is the first slot of a part, the last that is left of
    /// the parts before, which may have been trimmed anywhere: an earlier one asks for no less.
    private static Optional<SegmentReader> lastSegment(ObjectStore store, LogName log, Slot end) {
        if (end.number() == 1) {
            return lastSlotBefore(store, log, end.part())
                    .flatMap(slot -> segment(store, log, slot));
        }
        return segment(store, log, new Slot(end.part(), end.number() - 1));
    }

    /// The last slot below its part's fence that is left of the parts before `part`. A part may
    /// have been trimmed whole while a segment of an earlier one had to stay, because no derived
    /// file has what is in it.
    private static Optional<Slot> lastSlotBefore(ObjectStore store, LogName log, int part) {
        NavigableSet<Integer> parts =
                part == 1 ? new TreeSet<>() : SlotListing.parts(store, log).headSet(part, false);
        if (part > 1 && !parts.contains(part - 1)) {
            throw late(log, Slot.firstOf(part - 1));
        }
        for (int before : parts.descendingSet()) {
            Slot first = Slot.firstOf(before);
            List<SlotListing.Found> slots = SlotListing.of(store, log, first, Integer.MAX_VALUE);
            Slot fence = partFence(store, log, first, slots);
            if (fence.number() > 1) {
                var previous = new Slot(before, fence.number() - 1);
                if (segment(store, log, previous).isPresent()) {
                    return Optional.of(previous);
                }
            }
            Optional<Slot> last =
                    slots.stream()
                            .map(SlotListing.Found::slot)
                            .filter(slot -> slot.compareTo(fence) < 0)
                            .max(Comparator.naturalOrder());
            if (last.isPresent()) {
                return last;
            }
        }
        return Optional.empty();
    }

    private static Optional<SegmentReader> segment(ObjectStore store, LogName log, Slot last) {
        return SegmentReader.read(store, log, last)
                .map(object -> {
                    if (!(object instanceof SegmentReader segment)) {
                        throw new InconsistentStore(last.key(log), "fence below the end");
                    }
                    return segment;
                });
    }

    /// @param from where the listing began, at or before the fence
    private static Slot partFence(
            ObjectStore store, LogName log, Slot from, List<SlotListing.Found> slots) {
        for (var found : slots) {
            if (isFence(store, log, found)) {
                return found.slot();
            }
        }
        throw late(log, from);
    }

    private static InconsistentStore late(LogName log, Slot from) {
        return new InconsistentStore(
                from.key(log), "a listing from here shows no fence, but the log has a later part");
    }

    /// The first slot of a live part that is free or holds a fence.
    private static Slot endOfPart(ObjectStore store, LogName log, Slot first) {
        Slot at = first;
        for (var found : SlotListing.of(store, log, first, Integer.MAX_VALUE)) {
            if (!found.slot().equals(at) || isFence(store, log, found)) {
                break;
            }
            at = at.next();
        }
        return at;
    }

    private static boolean isFence(ObjectStore store, LogName log, SlotListing.Found found) {
        return found.bytes() <= Fence.BYTES_MAX
                && SegmentReader.read(store, log, found.slot()).orElse(null) instanceof FenceObject;
    }

    private static List<Slot> contiguous(List<SlotListing.Found> found, Slot from) {
        var run = new ArrayList<Slot>();
        Slot at = from;
        for (var slot : found) {
            if (!slot.slot().equals(at)) {
                break;
            }
            run.add(at);
            at = at.next();
        }
        return run;
    }
}
