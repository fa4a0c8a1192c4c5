package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.log.Tasks.TasksInterrupted;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.SimTasks;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/// Fence(W) of C2, branch by branch.
final class FenceTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final String BY = "01JD2222222222222222222222";

    private final MemoryObjectStore objects = new MemoryObjectStore();
    private final CountingObjectStore counting = new CountingObjectStore(objects);
    private final FlakyObjectStore store = new FlakyObjectStore(counting);

    @Test
    void emptyLogIsClosedAtItsFirstSlot() {
        assertThat(close(Slot.FIRST).slot()).isEqualTo(Slot.FIRST);
        assertThat(objects.keys()).containsExactly(Slot.FIRST.key(LOG));
    }

    /// "Fence after the last listed slot instead of the first absent".
    @Test
    void fenceStandsAtTheFirstAbsentSlotNotAfterTheLast() {
        segments(1, 1, 2);
        segments(1, 4, 5);

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 3));
    }

    /// "Starting from the smallest listed slot".
    @Test
    void startIsWhereTheCatalogSaysNotTheSmallestListed() {
        segments(1, 2, 3);

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 1));
    }

    /// "Walking past a fence".
    @Test
    void secondFencerStopsAtTheFirstOnesFence() {
        segments(1, 1, 2);
        Fence.Closed first = close(Slot.FIRST);
        segments(1, 4, 6); // late slots of the writer: void

        Fence.Closed second = close(Slot.FIRST, "01JD3333333333333333333333", 8);

        assertThat(second).isEqualTo(first);
        assertThat(second.fence().by()).isEqualTo(BY);
    }

    @Test
    void closingAgainGivesTheSameAnswer() {
        segments(1, 1, 5);

        assertThat(close(Slot.FIRST)).isEqualTo(close(new Slot(1, 4)));
    }

    /// "Advancing the fencer on a timeout": whether the put landed or not, it is the same slot.
    @Test
    void unknownOutcomeKeepsTheSlot() {
        segments(1, 1, 2);
        store.loseNextAnswer();
        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 3));
    }

    @Test
    void lateLandingFenceIsFoundBySomebody() {
        segments(1, 1, 2);
        store.delayNextPut();
        store.loseNextPut();
        Fence.Closed closed = close(Slot.FIRST);
        store.land();

        assertThat(closed.slot()).isEqualTo(new Slot(1, 3));
        assertThat(close(Slot.FIRST)).isEqualTo(closed);
    }

    @Test
    void silentAndDenyingStoreIsAskedAgain() {
        segments(1, 1, 2);
        store.failNext(7);
        store.failNext(request -> new Denied(request, "403 ExpiredToken", null));

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 3));
    }

    /// Whoever wants to leave meanwhile must get a turn; then "same slot, again" goes on.
    @Test
    void silentStoreIsGivenUpAfterAWhileAndTheSameSlotIsClosedLater() {
        segments(1, 1, 2);
        store.down(true);

        SimTasks.run(
                1,
                world -> {
                    Tasks node = world.node("controller");
                    long began = node.nanos();
                    var random = new SplittableRandom(3);
                    assertThatThrownBy(
                                    () -> Fence.close(store, LOG, Slot.FIRST, BY, 1, node, random))
                            .isInstanceOf(Unavailable.class);
                    assertThat(Duration.ofNanos(node.nanos() - began))
                            .isBetween(Duration.ofSeconds(30), Duration.ofSeconds(36));

                    store.down(false);
                    assertThat(Fence.close(store, LOG, Slot.FIRST, BY, 1, node, random).slot())
                            .isEqualTo(new Slot(1, 3));
                });
    }

    /// "Same slot, again" has no end for its callers, so it is paced.
    @Test
    void silentStoreIsAskedAtMostOncePerSecond() {
        segments(1, 1, 2);
        var asked = new CountingObjectStore(store);
        store.down(true);
        SimTasks.run(
                1,
                world -> {
                    Tasks node = world.node("controller");
                    var random = new SplittableRandom(3);
                    long began = node.nanos();
                    for (int call = 1; call <= 20; call++) {
                        assertThatThrownBy(() ->
                                        Fence.close(asked, LOG, Slot.FIRST, BY, 1, node, random))
                                .isInstanceOf(Unavailable.class);
                        assertThat(asked.total())
                                .isLessThanOrEqualTo(
                                        Duration.ofNanos(node.nanos() - began).toSeconds());
                    }
                });
        assertThat(objects.keys()).doesNotContain(new Slot(1, 3).key(LOG));
    }

    @Test
    void fencerThatWaitsCanBeInterrupted() throws InterruptedException {
        store.down(true);
        var ended = new AtomicReference<RuntimeException>();
        Thread fencer =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                Fence.close(
                                        store,
                                        LOG,
                                        Slot.FIRST,
                                        BY,
                                        1,
                                        new ThreadTasks(),
                                        new SplittableRandom(3));
                            } catch (RuntimeException interrupted) {
                                ended.set(interrupted);
                            }
                        });

        fencer.interrupt();

        assertThat(fencer.join(Duration.ofSeconds(20))).isTrue();
        assertThat(ended.get()).isInstanceOf(TasksInterrupted.class);
        assertThat(objects.keys()).isEmpty();
    }

    @Test
    void refusalIsTold() {
        store.failNext(request -> new Misconfigured(request, "501 NotImplemented", null));

        assertThatThrownBy(() -> close(Slot.FIRST)).hasRootCauseInstanceOf(Misconfigured.class);
    }

    /// The writer's slot lands between the fencer's look and its put.
    @Test
    void writerThatIsFasterPushesTheFenceUp() {
        segments(1, 1, 2);
        store.beforePut(key -> {
            if (key.equals(new Slot(1, 3).key(LOG))) {
                segments(1, 3, 3);
            }
        });

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 4));
    }

    @Test
    void partFencesAreFollowedFromTheirNextPartsFirstSlot() {
        segments(1, 1, 4);
        partFence(1, 5, 2);
        segments(2, 1, 2);

        // Never slot 5, or what was durable in part 1, of part 2.
        assertThat(close(new Slot(1, 4)).slot()).isEqualTo(new Slot(2, 3));
    }

    /// Mutant Pc2: the fencer's put is beaten by a part fence; the log goes on behind it.
    @Test
    void partFenceThatIsFasterIsFollowedToo() {
        segments(1, 1, 2);
        store.beforePut(key -> {
            if (key.equals(new Slot(1, 3).key(LOG))) {
                partFence(1, 3, 2);
                segments(2, 1, 1);
            }
        });

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(2, 2));
    }

    @Test
    void largeSegmentsAreSeenInTheListingAlone() {
        segments(1, 1, 1500);
        counting.reset();

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 1501));
        assertThat(counting.count(Verb.LIST)).isEqualTo(2);
        assertThat(counting.count(Verb.PUT)).isEqualTo(1);
        assertThat(counting.count(Verb.GET)).isZero();
    }

    @Test
    void emptySegmentIsNotMistakenForAFence() {
        var slot = Slot.FIRST;
        objects.damage(
                slot.key(LOG),
                Segment.encode(new Segment.Comment(body(1), LOG, slot, 4, slot), List.of()));

        assertThat(close(Slot.FIRST).slot()).isEqualTo(new Slot(1, 2));
    }

    @Test
    void occupiedSlotThatCannotBeReadStopsTheFencer() {
        store.beforePut(key -> objects.damage(key, new byte[1]));
        store.afterPut(objects::delete);

        assertThatThrownBy(() -> close(Slot.FIRST)).hasRootCauseInstanceOf(InconsistentStore.class);
    }

    @Test
    void highestPartIsTheLastThatHasAnObject() {
        assertThat(Fence.highestPart(store, LOG)).isEqualTo(Slot.FIRST);
        segments(1, 1, 1);
        objects.damage(LOG.prefix() + "blobs/x.ltx", new byte[1]);
        assertThat(Fence.highestPart(store, LOG)).isEqualTo(Slot.FIRST);
        segments(0x1f, 1, 1);
        assertThat(Fence.highestPart(store, LOG)).isEqualTo(new Slot(0x1f, 1));
    }

    private Fence.Closed close(Slot from) {
        return close(from, BY, 7);
    }

    private Fence.Closed close(Slot from, String by, long epoch) {
        var closed = new Fence.Closed[1];
        SimTasks.run(
                1,
                world ->
                        closed[0] =
                                Fence.close(
                                        store,
                                        LOG,
                                        from,
                                        by,
                                        epoch,
                                        world.node("controller"),
                                        new SplittableRandom(3)));
        return closed[0];
    }

    private void segments(int part, long from, long to) {
        Slots.segments(objects, LOG, part, from, to, Slot.FIRST);
    }

    private void partFence(int part, long number, int next) {
        objects.damage(
                new Slot(part, number).key(LOG),
                Fence.encode(new FenceObject(body(number), LOG.session().ulid(), 0, next)));
    }

    private static BodyId body(long seed) {
        return BodyId.draw(new SplittableRandom(seed));
    }
}
