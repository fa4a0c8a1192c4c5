package dev.litefleet.replica.log;

import dev.litefleet.testing.MemoryObjectStore;
import java.util.List;
import java.util.SplittableRandom;

/// Slots filled by hand.
final class Slots {
    private Slots() {}

    /// Segments of one small commit each, of tenant `t<part>-<number>`.
    static void segments(
            MemoryObjectStore store, LogName log, int part, long from, long to, Slot undrained) {
        for (long number = from; number <= to; number++) {
            var slot = new Slot(part, number);
            var commit = new Commits(number).next("t" + part + "-" + number);
            var comment =
                    new Segment.Comment(
                            BodyId.draw(new SplittableRandom(number)), log, slot, 4, undrained);
            store.damage(
                    slot.key(log), Segment.encode(comment, LtxBodies.of(List.of(commit)).bodies()));
        }
    }
}
