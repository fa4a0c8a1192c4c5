package dev.litefleet.replica.history;

import dev.litefleet.replica.Txid;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Which states a set of files and log entries can produce. An item that holds TXIDs a to b makes
/// state b of any state from a-1 to b-1: it has the newest content of every page that changed in
/// between, so content that is already there is merely written again.
final class Reach {
    /// A derived file or a log entry.
    ///
    /// @param file null if it is `entry`
    record Item(long min, long max, @Nullable DerivedFile file, @Nullable IndexPoint entry) {
        static Item of(DerivedFile file) {
            return new Item(file.min().value(), file.max().value(), file, null);
        }

        static Item of(IndexPoint entry) {
            return new Item(entry.min().value(), entry.max().value(), null, entry);
        }
    }

    private Reach() {}

    static List<Item> items(List<DerivedFile> files, List<IndexPoint> points) {
        return Stream.concat(files.stream().map(Item::of), points.stream().map(Item::of)).toList();
    }

    /// The states that `items` can produce, starting from nothing.
    static NavigableSet<Txid> states(List<Item> items) {
        var states = new TreeSet<Txid>();
        long reached = 0;
        // By their ends: the greatest state below an item's end is the best one to apply it to.
        for (Item item : items.stream().sorted(Comparator.comparingLong(Item::max)).toList()) {
            if (item.min() <= reached + 1) {
                reached = item.max();
                states.add(new Txid(reached));
            }
        }
        return states;
    }

    /// The fewest items after `from` that end exactly at `target`, oldest first, or nothing if
    /// there is no such chain. Of items that reach equally far files are preferred to entries, and
    /// of files the one that begins last, as it is the smallest.
    static @Nullable List<Item> chain(List<Item> items, long from, long target) {
        List<Item> usable =
                items.stream()
                        .filter(item -> item.max() > from && item.max() <= target)
                        .sorted(Comparator.comparingLong(Item::min))
                        .toList();
        var chain = new ArrayList<Item>();
        long reached = from;
        int next = 0;
        while (reached < target) {
            Item best = null;
            while (next < usable.size() && usable.get(next).min() <= reached + 1) {
                Item item = usable.get(next++);
                if (best == null || better(item, best)) {
                    best = item;
                }
            }
            if (best == null || best.max() <= reached) {
                return null;
            }
            chain.add(best);
            reached = best.max();
        }
        return chain;
    }

    private static boolean better(Item item, Item than) {
        if (item.max() != than.max()) {
            return item.max() > than.max();
        }
        if ((item.file() == null) != (than.file() == null)) {
            return item.file() != null;
        }
        return item.min() > than.min();
    }
}
