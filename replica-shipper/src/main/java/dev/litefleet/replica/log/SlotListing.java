package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ObjectStore;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.regex.Pattern;

/// What a listing shows of a log.
final class SlotListing {
    /// @param bytes size of the object
    record Found(Slot slot, long bytes) {}

    private static final Pattern PART = Pattern.compile("[0-9a-f]{4}");

    private SlotListing() {}

    /// The occupied slots of `from`'s part, from `from` on, ascending; they may have gaps.
    ///
    /// @param max stop after so many
    static List<Found> of(ObjectStore store, LogName log, Slot from, int max) {
        String prefix = Slot.partPrefix(log, from.part());
        String after = from.number() <= 1 ? "" : new Slot(from.part(), from.number() - 1).key(log);
        var found = new ArrayList<Found>();
        while (true) {
            ListPage page =
                    store.list(prefix, after, Math.min(max - found.size(), ObjectStore.LIST_MAX));
            for (var object : page.objects()) {
                Slot.ofKey(log, from.part(), object.key())
                        .ifPresent(slot -> found.add(new Found(slot, object.size())));
            }
            if (!page.more() || found.size() >= max) {
                return found;
            }
            after = page.last();
        }
    }

    /// The parts that have an object, ascending.
    static NavigableSet<Integer> parts(ObjectStore store, LogName log) {
        var parts = new TreeSet<Integer>();
        for (String name : store.folders(log.prefix())) {
            if (PART.matcher(name).matches() && !name.equals("0000")) {
                parts.add(HexFormat.fromHexDigits(name));
            }
        }
        return parts;
    }
}
