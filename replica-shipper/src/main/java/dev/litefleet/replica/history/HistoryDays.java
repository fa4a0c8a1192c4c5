package dev.litefleet.replica.history;

import static java.util.Comparator.comparing;
import static java.util.Comparator.comparingLong;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.HistoryIndex.Range;
import dev.litefleet.replica.objects.ObjectStore;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// Merges the history objects of past days to one per day (of UTC, by the time of the commits), or
/// several if a day has more than [HistoryIndex#POINTS_MAX] points. A day is past when the index
/// has a point of a later one, so a tenant that is not written costs nothing. Put-if-absent, as
/// everything derived: the content of an object is a function of the log entries in its range.
///
/// The small objects stay: readers accept overlaps, and the janitor asks [#covered].
public final class HistoryDays {
    // About a third of the points that an object may have.
    private static final long LARGE_BYTES = 256 << 10;

    private HistoryDays() {}

    /// Merges what can be merged and returns the number of objects written. Costs one LIST request
    /// per 1,000 objects, and once a day one GET for each object of the last day written. Holds the
    /// points of one object read and one to be written.
    ///
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt naming the object that is damaged
    public static int merge(ObjectStore store, TenantKey tenant) {
        List<Range> listed = HistoryIndex.list(store, tenant);
        List<Range> needed = without(listed, covered(listed));
        List<Range> read = toRead(needed);
        if (read.isEmpty()) {
            return 0;
        }
        var days = new Days(store, tenant, keys(listed), read.getFirst().equals(needed.getFirst()));
        for (Range range : read) {
            days.add(HistoryIndex.read(store, range));
        }
        return days.written;
    }

    /// The objects whose every point is in others that are larger: what the janitor may delete once
    /// the larger ones have been read. What is left covers the same TXIDs.
    public static List<Range> covered(List<Range> objects) {
        var union = new TreeMap<Long, Long>(); // ranges that neither overlap nor touch
        var covered = new ArrayList<Range>();
        List<Range> largestFirst =
                objects.stream()
                        .sorted(
                                comparingLong(HistoryDays::span)
                                        .reversed()
                                        .thenComparing(Range::min))
                        .toList();
        for (Range object : largestFirst) {
            long min = object.min().value();
            long max = object.max().value();
            Map.Entry<Long, Long> before = union.floorEntry(min);
            if (before != null && before.getValue() >= max) {
                covered.add(object);
                continue;
            }
            if (before != null && before.getValue() >= min - 1) {
                min = before.getKey();
            }
            Map.Entry<Long, Long> next = union.ceilingEntry(min);
            while (next != null && next.getKey() <= max + 1) {
                max = Math.max(max, next.getValue());
                union.remove(next.getKey());
                next = union.ceilingEntry(min);
            }
            union.put(min, max);
        }
        covered.sort(comparing(Range::min).thenComparing(Range::max));
        return List.copyOf(covered);
    }

    private static long span(Range object) {
        return object.max().value() - object.min().value() + 1;
    }

    private static List<Range> without(List<Range> objects, List<Range> covered) {
        var left = new ArrayList<>(objects);
        left.removeAll(new HashSet<>(covered));
        return left;
    }

    private static Set<String> keys(List<Range> objects) {
        var keys = new HashSet<String>();
        objects.forEach(object -> keys.add(object.key()));
        return keys;
    }

    /// From the first two objects that were written on the same day, and the one before them, which
    /// tells where their first day begins. Listed times are those of the writing, so this is a
    /// hint: it may read more than is of use, and after a pause it leaves a day for later. Two
    /// objects that are both large do not count.
    static List<Range> toRead(List<Range> objects) {
        for (int i = 0; i + 1 < objects.size(); i++) {
            Range one = objects.get(i);
            Range next = objects.get(i + 1);
            if (listedDay(one) == listedDay(next)
                    && Math.min(one.size(), next.size()) < LARGE_BYTES) {
                return objects.subList(Math.max(0, i - 1), objects.size());
            }
        }
        return List.of();
    }

    private static long listedDay(Range object) {
        return MergeSchedule.dayOf(object.modified().toEpochMilli());
    }

    /// Gathers objects of one day, whole ones only, so that each is covered by what is written.
    private static final class Days {
        private final ObjectStore store;
        private final TenantKey tenant;
        private final Set<String> there;
        private final List<IndexPoint> part = new ArrayList<>();
        private boolean begun; // whether the beginning of the day of `part` is known
        private long reached;
        private int written;

        Days(ObjectStore store, TenantKey tenant, Set<String> there, boolean fromTheStart) {
            this.store = store;
            this.tenant = tenant;
            this.there = there;
            this.begun = fromTheStart;
        }

        void add(List<IndexPoint> object) {
            List<IndexPoint> more =
                    object.stream().filter(point -> point.max().value() > reached).toList();
            if (more.isEmpty()) {
                return;
            }
            if (!part.isEmpty()) {
                long day = HistoryIndex.day(part.getFirst());
                boolean nextDay = day != HistoryIndex.day(more.getLast());
                boolean gap = more.getFirst().min().value() != reached + 1;
                if (nextDay || gap || part.size() + more.size() > HistoryIndex.POINTS_MAX) {
                    if (begun) {
                        write();
                    }
                    begun |= nextDay || gap;
                    part.clear();
                }
            }
            part.addAll(more);
            reached = more.getLast().max().value();
        }

        private void write() {
            String key = HistoryIndex.key(tenant, part.getFirst().min(), part.getLast().max());
            if (there.add(key)) {
                HistoryIndex.write(store, tenant, part);
                written++;
            }
        }
    }
}
