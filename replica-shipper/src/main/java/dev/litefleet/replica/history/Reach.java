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

        private long cost() {
            long bytes = file != null ? file.size() : entry != null ? entry.bytes() : 0;
            return bytes + REQUEST_BYTES;
        }
    }

    // What a store sends in the time that it takes to answer one request.
    private static final long REQUEST_BYTES = 64 << 10;

    private static final Comparator<Item> PREFERRED =
            Comparator.<Item>comparingInt(item -> item.file() == null ? -1 : item.file().level())
                    .reversed()
                    .thenComparing(Comparator.comparingLong(Item::min).reversed());

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

    /// The cheapest items that make `target` of nothing, oldest first, or nothing if there is no
    /// such chain. An item costs its bytes and one request, which takes about as long as reading
    /// [#REQUEST_BYTES]: so a merge is preferred to the files it was made of, but not a large file
    /// to a few small ones. Of ways that cost the same the one over files is taken, and over the
    /// higher level.
    static @Nullable List<Item> cheapest(List<Item> items, long target) {
        List<Item> usable =
                items.stream()
                        .filter(item -> item.max() <= target)
                        .sorted(Comparator.comparingLong(Item::max).thenComparing(PREFERRED))
                        .toList();
        // States with the cheapest way to each. A state that is neither later nor cheaper than
        // another is of no use to any later item, so both state and cost ascend.
        var ways = new ArrayList<Way>();
        ways.add(new Way(0, 0, null, null));
        for (int i = 0; i < usable.size(); ) {
            long state = usable.get(i).max();
            Way best = null;
            for (; i < usable.size() && usable.get(i).max() == state; i++) {
                Item item = usable.get(i);
                Way from = firstFrom(ways, item.min() - 1);
                if (from != null && (best == null || from.cost() + item.cost() < best.cost())) {
                    best = new Way(state, from.cost() + item.cost(), item, from);
                }
            }
            if (best != null) {
                while (ways.getLast().cost() >= best.cost()) {
                    ways.removeLast();
                }
                ways.add(best);
            }
        }
        Way last = ways.getLast();
        return last.state() == target ? last.items() : null;
    }

    /// The earliest state not before `state`: the cheapest of those.
    private static @Nullable Way firstFrom(List<Way> ways, long state) {
        int low = 0;
        int high = ways.size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (ways.get(middle).state() < state) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low < ways.size() ? ways.get(low) : null;
    }

    /// A state and how it is reached.
    private record Way(long state, long cost, @Nullable Item item, @Nullable Way from) {
        List<Item> items() {
            var items = new ArrayList<Item>();
            for (Way way = this; way != null && way.item() != null; way = way.from()) {
                items.add(way.item());
            }
            return List.copyOf(items.reversed());
        }
    }
}
