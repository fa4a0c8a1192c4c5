package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.log.SlotOutcome.Fatal;
import dev.litefleet.replica.log.SlotOutcome.Fenced;
import dev.litefleet.replica.log.SlotOutcome.Ours;
import dev.litefleet.replica.log.SlotOutcome.Seen;
import dev.litefleet.replica.log.SlotOutcome.Unknown;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.MemoryObjectStore;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The second half of W3's table, row by row.
final class SlotOutcomeTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final BodyId OURS = BodyId.draw(new SplittableRandom(1));
    private static final BodyId OTHER = BodyId.draw(new SplittableRandom(2));

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void rows(String row, Seen seen, Class<? extends SlotOutcome> outcome) {
        assertThat(SlotOutcome.of(seen, OURS)).as(row).isInstanceOf(outcome);
    }

    static Stream<Arguments> rows() {
        return Stream.of(
                row("created", new Seen.Created(), Ours.class),
                row("our segment", new Seen.Taken(segment(OURS), true), Ours.class),
                row("our part fence", new Seen.Taken(fence(OURS, 2), true), Ours.class),
                row("our id, other bytes", new Seen.Taken(fence(OURS, 2), false), Fatal.class),
                row("a fence", new Seen.Taken(fence(OTHER, 0), false), Fenced.class),
                row("another's part fence", new Seen.Taken(fence(OTHER, 2), false), Fenced.class),
                row("another segment", new Seen.Taken(segment(OTHER), false), Fatal.class),
                row("taken and not there", new Seen.TakenButFree(), Fatal.class),
                row("unreadable", new Seen.Unreadable(new Corrupt("k", 0, "rubbish")), Fatal.class),
                row(
                        "no answer",
                        new Seen.Refused(new Unavailable("put", "409", null)),
                        Unknown.class),
                row("credentials", new Seen.Refused(new Denied("put", "403", null)), Unknown.class),
                row(
                        "configuration",
                        new Seen.Refused(new Misconfigured("put", "501", null)),
                        Fatal.class));
    }

    private static Arguments row(String row, Seen seen, Class<? extends SlotOutcome> outcome) {
        return Arguments.of(row, seen, outcome);
    }

    private static FenceObject fence(BodyId body, int next) {
        return new FenceObject(body, "x", 0, next);
    }

    private static SlotObject segment(BodyId body) {
        var store = new MemoryObjectStore();
        var comment = new Segment.Comment(body, LOG, Slot.FIRST, 4, Slot.FIRST);
        store.damage(Slot.FIRST.key(LOG), Segment.encode(comment, List.of()));
        return SegmentReader.read(store, LOG, Slot.FIRST).orElseThrow();
    }
}
