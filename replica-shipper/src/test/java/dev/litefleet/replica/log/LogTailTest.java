package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.testing.MemoryObjectStore;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// Which slots of a log a reader believes, on logs made by hand.
final class LogTailTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));

    private final MemoryObjectStore store = new MemoryObjectStore();
    private final Tasks tasks = new ThreadTasks();

    @Test
    void openLogIsReadToItsFirstFreeSlot() {
        segments(1, 1, 40, Slot.FIRST);
        segments(1, 42, 43, Slot.FIRST); // above an unresolved slot: nothing yet

        LogTail tail = LogTail.read(store, LOG, new Slot(1, 3), tasks);

        assertThat(tail.segments()).hasSize(38);
        assertThat(tail.segments().getFirst().slot()).isEqualTo(new Slot(1, 3));
        assertThat(tail.end()).isEqualTo(new Slot(1, 41));
        assertThat(tail.fence()).isEmpty();
    }

    @Test
    void longLogIsReadWhole() {
        segments(1, 1, 2001, Slot.FIRST);

        assertThat(LogTail.read(store, LOG, Slot.FIRST, tasks).segments()).hasSize(2001);
    }

    /// "Recovery reading beyond the fence".
    @Test
    void nothingAboveAFenceExists() {
        segments(1, 1, 5, Slot.FIRST);
        fence(1, 4, 0);

        LogTail tail = LogTail.read(store, LOG, Slot.FIRST, tasks);

        assertThat(slots(tail)).containsExactly("1.1", "1.2", "1.3");
        assertThat(tail.fence()).isPresent();
        assertThat(slots(LogTail.below(store, LOG, closed(1, 4), tasks)))
                .containsExactly("1.1", "1.2", "1.3");
        assertThat(slots(LogTail.undrained(store, LOG, tasks)))
                .containsExactly("1.1", "1.2", "1.3");
    }

    /// "Recovery of the last part only".
    @Test
    void undrainedReachesBackIntoEarlierParts() {
        twoParts();

        assertThat(slots(LogTail.undrained(store, LOG, tasks)))
                .containsExactly("1.3", "1.4", "2.1", "2.2");
        assertThat(slots(LogTail.below(store, LOG, closed(2, 3), tasks)))
                .containsExactly("1.3", "1.4", "2.1", "2.2");
    }

    @Test
    void fenceInTheFirstSlotOfAPartLooksBack() {
        segments(1, 1, 4, new Slot(1, 1));
        segments(1, 4, 4, new Slot(1, 3));
        fence(1, 5, 2);
        fence(2, 1, 0);

        assertThat(slots(LogTail.below(store, LOG, closed(2, 1), tasks)))
                .containsExactly("1.3", "1.4");
        assertThat(slots(LogTail.undrained(store, LOG, tasks))).containsExactly("1.3", "1.4");
    }

    /// Its last slot may be the one that a janitor took first.
    @Test
    void fenceInTheFirstSlotOfAPartLooksBackPastTrimmedSlots() {
        segments(1, 1, 3, new Slot(1, 1));
        segments(1, 4, 4, new Slot(1, 3));
        fence(1, 5, 2);
        fence(2, 1, 0);
        store.delete(new Slot(1, 4).key(LOG));

        assertThat(slots(LogTail.below(store, LOG, closed(2, 1), tasks)))
                .containsExactly("1.1", "1.2", "1.3");
    }

    /// An idle worker's last part may be trimmed whole, while a segment before it holds what no
    /// derived file has.
    @Test
    void fenceInTheFirstSlotOfAPartLooksBackPastTrimmedParts() {
        segments(1, 1, 1, Slot.FIRST);
        segments(1, 2, 3, new Slot(1, 2));
        fence(1, 4, 2);
        segments(2, 1, 1, new Slot(1, 2));
        fence(2, 2, 3);
        segments(3, 1, 2, new Slot(1, 2));
        fence(3, 3, 4);
        fence(4, 1, 0);
        for (Slot trimmed :
                List.of(new Slot(1, 3), new Slot(2, 1), new Slot(3, 1), new Slot(3, 2))) {
            store.delete(trimmed.key(LOG));
        }

        assertThat(slots(LogTail.below(store, LOG, closed(4, 1), tasks))).containsExactly("1.2");
    }

    /// A reader would go round for ever.
    @Test
    void partFenceThatNamesAnotherPartThanTheNextIsRefused() {
        segments(1, 1, 2, Slot.FIRST);
        fence(1, 3, 1);

        assertThatThrownBy(() -> LogTail.read(store, LOG, Slot.FIRST, tasks))
                .isInstanceOf(Corrupt.class)
                .hasRootCauseMessage("fence of part 1 names part 1");
        assertThatThrownBy(() ->
                        Fence.close(store, LOG, Slot.FIRST, "c", 1, tasks, new SplittableRandom(1)))
                .isInstanceOf(Corrupt.class);
    }

    @Test
    void trimmedSlotsOfEarlierPartsCountAsCovered() {
        twoParts();
        store.delete(new Slot(1, 3).key(LOG));

        assertThat(slots(LogTail.below(store, LOG, closed(2, 3), tasks)))
                .containsExactly("1.4", "2.1", "2.2");
    }

    @Test
    void missingSlotOfTheFencesPartIsNotCovered() {
        twoParts();
        store.delete(new Slot(2, 1).key(LOG));

        assertThatThrownBy(() -> LogTail.below(store, LOG, closed(2, 3), tasks))
                .isInstanceOf(InconsistentStore.class);
    }

    @Test
    void emptyLogOwesNothing() {
        fence(1, 1, 0);

        assertThat(LogTail.below(store, LOG, closed(1, 1), tasks).segments()).isEmpty();
        assertThat(LogTail.undrained(store, LOG, tasks).segments()).isEmpty();
    }

    private void twoParts() {
        segments(1, 1, 4, Slot.FIRST);
        fence(1, 5, 2);
        segments(2, 1, 2, new Slot(1, 3));
        fence(2, 3, 0);
    }

    private static List<String> slots(LogTail tail) {
        return tail.segments().stream().map(segment -> segment.slot().toString()).toList();
    }

    private Fence.Closed closed(int part, long number) {
        var slot = new Slot(part, number);
        return new Fence.Closed(
                slot, (FenceObject) SegmentReader.read(store, LOG, slot).orElseThrow());
    }

    private void segments(int part, long from, long to, Slot undrained) {
        Slots.segments(store, LOG, part, from, to, undrained);
    }

    private void fence(int part, long number, int next) {
        store.damage(
                new Slot(part, number).key(LOG),
                Fence.encode(
                        new FenceObject(
                                BodyId.draw(new SplittableRandom(part)), "somebody", 3, next)));
    }
}
