package dev.litefleet.replica.log.model;

import static dev.litefleet.replica.log.model.Change.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Verdicts on the commit log's protocol and on every way to get it wrong that the model can
/// express. All of them are pinned: a safe variant to the number of its states, so that a change of
/// the model is noticed, and a defect to the invariant it breaks and the length of the shortest way
/// there. A defect that is no longer found has lost its tooth, and fails.
///
/// Bounds are small on purpose: every defect known shows with two sessions, two parts, two slots in
/// flight (K = 2) and at most four commits. `-Dmodel.large=true` searches further and needs a heap
/// of 4 GiB.
final class CommitLogModelTest {
    /// One writer, whose log has two parts of two slots.
    private static final Bounds ONE = Bounds.commits(2).parts(2, 2);

    /// Two writers with logs of one part.
    private static final Bounds TWO = Bounds.commits(2, 1);

    /// Two writers, the first with two parts of a slot.
    private static final Bounds TWO_PARTED = Bounds.commits(1, 1).parts(1, 2, 1);

    /// @param states in all
    private record Safe(String name, Bounds bounds, Set<Change> changes, int states) {
        Safe(String name, int states, Bounds bounds, Change... changes) {
            this(name, bounds, setOf(changes), states);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /// @param steps of the shortest counterexample
    private record Defect(
            String name, String invariant, int steps, Bounds bounds, Set<Change> changes) {
        Defect(String name, String invariant, int steps, Bounds bounds, Change... changes) {
            this(name, invariant, steps, bounds, setOf(changes));
        }

        @Override
        public String toString() {
            return name;
        }
    }

    private static Set<Change> setOf(Change... changes) {
        Set<Change> set = EnumSet.noneOf(Change.class);
        set.addAll(List.of(changes));
        return set;
    }

    static Stream<Safe> safe() {
        return Stream.of(
                new Safe("two writers, one part each", 2_743_494, TWO),
                new Safe("two writers, parts", 2_432_144, TWO_PARTED),
                new Safe("one writer, three parts", 708_754, Bounds.commits(3).parts(1, 3)),
                new Safe("one writer, longer parts", 495_800, Bounds.commits(3).parts(2, 2)),
                new Safe(
                        "two tenants, recovery from undrained_from",
                        2_552_125,
                        ONE.twoTenantsApart(),
                        RECOVERS_FROM_UNDRAINED),
                new Safe("plain reads under a lease", 637_649, Bounds.commits(1, 1), LEASES),
                new Safe(
                        "controllers' logs",
                        76_854,
                        ONE,
                        PARTS_NOT_RECORDED,
                        TRIMS_CLOSED_SESSIONS_ONLY,
                        FENCE_FROM_HIGHEST_LISTED_PART),
                new Safe(
                        "fence from K below the highest listed slot",
                        576_855,
                        Bounds.commits(4),
                        FENCE_FROM_HIGHEST_LISTED_LESS_WINDOW));
    }

    static Stream<Safe> harmless() {
        return Stream.of(
                // Pipelining through the part fence needs both halves, so W9 has neither.
                new Safe(
                        "next part early, D and heartbeat over all parts",
                        205_564,
                        ONE,
                        NEXT_PART_BEFORE_PART_FENCE,
                        PART_FENCE_BEFORE_WINDOW_EMPTY,
                        DURABLE_OVER_ALL_PARTS,
                        HEARTBEAT_NAMES_DURABLE_PART),
                // Either alone would do: the freeze at `fencing`, or no trimming from then on.
                new Safe(
                        "part recorded after fencing, nothing trimmed then",
                        153_016,
                        ONE,
                        PART_RECORDED_AFTER_FENCING,
                        TRIMS_LIVE_SESSIONS_ONLY),
                new Safe(
                        "heartbeat names a part whose fence is attempted",
                        107_338,
                        ONE,
                        HEARTBEAT_NAMES_ATTEMPTED_PART),
                new Safe(
                        "part fences before the catalog's part deleted",
                        117_914,
                        ONE,
                        DELETES_EARLIER_PART_FENCES),
                new Safe(
                        "fence after the highest listed part fence, trimmed as frozen",
                        89_368,
                        ONE,
                        FENCE_AFTER_HIGHEST_LISTED_PART_FENCE),
                // Wrong only where a fencer does not start at slot 1, see below.
                new Safe(
                        "K unresolved as the window, fence from slot 1",
                        993_863,
                        Bounds.commits(4),
                        WINDOW_COUNTS_UNRESOLVED));
    }

    static Stream<Safe> large() {
        if (!Boolean.getBoolean("model.large")) {
            return Stream.empty();
        }
        Bounds parted = Bounds.commits(2, 1).parts(1, 2, 1);
        return Stream.of(
                new Safe("parts", 7_118_768, parted),
                new Safe(
                        "fence from a later confirmed part",
                        7_118_768,
                        parted,
                        FENCE_FROM_LATER_CONFIRMED_PART),
                new Safe(
                        "recovery from undrained_from",
                        10_615_812,
                        parted,
                        RECOVERS_FROM_UNDRAINED),
                new Safe(
                        "controllers' logs",
                        5_371_900,
                        parted,
                        PARTS_NOT_RECORDED,
                        TRIMS_CLOSED_SESSIONS_ONLY,
                        FENCE_FROM_HIGHEST_LISTED_PART),
                new Safe("longer parts", 24_397_424, Bounds.commits(2, 1).parts(2, 2, 1)),
                new Safe("four commits, three parts", 30_124_343, Bounds.commits(4).parts(2, 3)));
    }

    static Stream<Defect> defects() {
        return Stream.of(fencing(), writing(), parts(), recovering(), cleaning(), reading())
                .flatMap(list -> list);
    }

    private static Stream<Defect> fencing() {
        return Stream.of(
                new Defect(
                        "fence after the last listed slot", "I2", 10, TWO, FENCE_AFTER_LAST_LISTED),
                new Defect(
                        "fence from the smallest listed",
                        "I2",
                        10,
                        TWO,
                        FENCE_FROM_SMALLEST_LISTED),
                new Defect("walking past a fence", "I2", 13, TWO, FENCE_WALKS_PAST_FENCES),
                new Defect(
                        "fencer goes on after a timeout", "I5", 11, TWO, FENCE_ADVANCES_ON_TIMEOUT),
                new Defect(
                        "fencer ends at a part fence", "I1/I5", 10, ONE, FENCE_ENDS_AT_PART_FENCE),
                new Defect(
                        "fencer ends at a part fence on 412",
                        "I1/I5",
                        11,
                        ONE,
                        FENCE_ENDS_AT_PART_FENCE_ON_412),
                new Defect(
                        "durable slot of one part used in another",
                        "I1/I5",
                        15,
                        ONE,
                        FENCE_FROM_DURABLE_SLOT_OF_ANOTHER_PART),
                new Defect(
                        "part read before fencing",
                        "I1/I5",
                        20,
                        ONE,
                        FENCE_FROM_PART_READ_BEFORE_FENCING),
                new Defect(
                        "part read before fencing, nothing trimmed from then on",
                        "I1/I5",
                        20,
                        ONE,
                        FENCE_FROM_PART_READ_BEFORE_FENCING,
                        TRIMS_LIVE_SESSIONS_ONLY));
    }

    private static Stream<Defect> writing() {
        return Stream.of(
                new Defect(
                        "K unresolved as the window, fence from K below the highest",
                        "I2",
                        13,
                        Bounds.commits(4),
                        FENCE_FROM_HIGHEST_LISTED_LESS_WINDOW,
                        WINDOW_COUNTS_UNRESOLVED),
                new Defect("slot k acknowledged before k-1", "I1/I5", 10, TWO, ACKS_OUT_OF_ORDER),
                new Defect("re-batch on retry", "I1", 6, TWO, REBATCHES_ON_RETRY),
                new Defect("identity by writer", "I1", 6, TWO, IDENTIFIES_BY_WRITER),
                new Defect("reads not gated", "I1", 6, TWO, READS_NOT_GATED));
    }

    private static Stream<Defect> parts() {
        return Stream.of(
                new Defect(
                        "slot 1 of the next part before the part fence is resolved",
                        "I2",
                        7,
                        ONE,
                        NEXT_PART_BEFORE_PART_FENCE),
                new Defect(
                        "the same, D over all parts",
                        "I2",
                        11,
                        ONE,
                        NEXT_PART_BEFORE_PART_FENCE,
                        DURABLE_OVER_ALL_PARTS),
                new Defect(
                        "part fence with the window not empty",
                        "I1/I5",
                        13,
                        ONE,
                        PART_FENCE_BEFORE_WINDOW_EMPTY),
                new Defect(
                        "the same, D over all parts",
                        "I5",
                        13,
                        ONE,
                        PART_FENCE_BEFORE_WINDOW_EMPTY,
                        DURABLE_OVER_ALL_PARTS),
                new Defect(
                        "part fence's 412 taken for ours", "I2", 11, ONE, PART_FENCE_412_IS_OURS),
                new Defect(
                        "heartbeat names a part not begun",
                        "I5",
                        10,
                        ONE,
                        HEARTBEAT_NAMES_UNBEGUN_PART),
                new Defect("part lowered", "I1/I5", 21, ONE, PART_IS_LOWERED),
                new Defect(
                        "part recorded after fencing",
                        "I1/I5",
                        20,
                        ONE,
                        PART_RECORDED_AFTER_FENCING),
                new Defect(
                        "self-check past an unresolved part fence",
                        "I4",
                        13,
                        Bounds.commits(0, 1).parts(1, 2, 1),
                        CHECKS_PAST_UNRESOLVED_PART_FENCE));
    }

    private static Stream<Defect> recovering() {
        return Stream.of(
                new Defect(
                        "drain of what is not durable", "I2", 4, TWO, DRAINS_WHAT_IS_NOT_DURABLE),
                new Defect(
                        "undrained_from moves on sent",
                        "I1",
                        17,
                        ONE.twoTenantsApart(),
                        RECOVERS_FROM_UNDRAINED,
                        UNDRAINED_MOVES_ON_SENT),
                new Defect("coverage as the highest TXID", "I1", 14, TWO, COVERAGE_IS_HIGHEST_TXID),
                new Defect("recovery beyond the fence", "I2", 10, TWO, RECOVERS_BEYOND_FENCE),
                new Defect(
                        "recovery of the last part only", "I1", 13, ONE, RECOVERS_LAST_PART_ONLY),
                new Defect(
                        "recovery from the catalog's part",
                        "I1",
                        14,
                        ONE,
                        RECOVERS_FROM_CATALOGS_PART),
                new Defect(
                        "assigning before recovery ended", "I1", 10, TWO, CLOSES_BEFORE_RECOVERY),
                new Defect("releasing before the drain", "I1", 10, TWO, RELEASES_BEFORE_DRAIN),
                new Defect(
                        "assignment without its number", "I3", 8, TWO, ASSIGNMENT_WITHOUT_NUMBER),
                new Defect(
                        "release without its number",
                        "I3",
                        10,
                        Bounds.commits(0, 1).assignments(3),
                        RELEASE_WITHOUT_NUMBER));
    }

    private static Stream<Defect> cleaning() {
        return Stream.of(
                new Defect("deleting fences", "I3", 10, TWO, DELETES_FENCES),
                new Defect("trimming a live log", "I1/I5", 16, Bounds.commits(2), TRIMS_LIVE_PART),
                new Defect("trimming a live part", "I1/I5", 16, ONE, TRIMS_LIVE_PART),
                new Defect(
                        "trimming before the part is named",
                        "I1/I5",
                        19,
                        ONE,
                        TRIMS_BEFORE_PART_IS_NAMED),
                new Defect(
                        "trimming what is not covered", "I1", 11, ONE, TRIMS_WHAT_IS_NOT_COVERED),
                new Defect(
                        "controller's log trimmed by the frozen part",
                        "I1/I5",
                        20,
                        ONE,
                        FENCE_FROM_HIGHEST_LISTED_PART),
                new Defect(
                        "controller's log trimmed while it lives",
                        "I1/I5",
                        20,
                        ONE,
                        FENCE_FROM_HIGHEST_LISTED_PART,
                        PART_RECORDED_AFTER_FENCING),
                new Defect(
                        "the same, fence after the highest listed part fence",
                        "I1/I5",
                        20,
                        ONE,
                        FENCE_AFTER_HIGHEST_LISTED_PART_FENCE,
                        PART_RECORDED_AFTER_FENCING));
    }

    private static Stream<Defect> reading() {
        Bounds bounds = Bounds.commits(1, 1);
        return Stream.of(
                new Defect(
                        "tenants given away while the lease runs",
                        "I4",
                        12,
                        bounds,
                        LEASES,
                        CLOSES_DURING_LEASE),
                new Defect(
                        "a worker grants itself a lease",
                        "I4",
                        14,
                        bounds,
                        LEASES,
                        GRANTS_ITSELF_A_LEASE));
    }

    @ParameterizedTest
    @MethodSource("safe")
    void protocolIsSafe(Safe variant, TestReporter reporter) {
        holds(variant, reporter);
    }

    @ParameterizedTest
    @MethodSource("harmless")
    void redundantRulesCanBeDroppedOneAtATime(Safe variant, TestReporter reporter) {
        holds(variant, reporter);
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("large")
    void protocolIsSafeFurtherOut(Safe variant, TestReporter reporter) {
        holds(variant, reporter);
    }

    private static void holds(Safe variant, TestReporter reporter) {
        var verdict = Search.of(new CommitLogModel(variant.bounds(), variant.changes()));

        reporter.publishEntry("states", Integer.toString(verdict.states()));
        assertThat(verdict.violation()).as(verdict.toString()).isNull();
        assertThat(verdict.states()).isEqualTo(variant.states());
    }

    @ParameterizedTest
    @MethodSource("defects")
    void everyDefectIsFound(Defect defect) {
        var verdict = Search.of(new CommitLogModel(defect.bounds(), defect.changes()));

        assertThat(verdict.violation())
                .as(verdict.toString())
                .isNotNull()
                .startsWith(defect.invariant() + ":");
        assertThat(verdict.trace()).as(verdict.toString()).hasSize(defect.steps());
    }

    /// What a worker is asked to do for the janitor's sake (P8) is a step of the model already: a
    /// part may end after any of its slots, and before the first.
    @Test
    void partsEndAtAnyTime() {
        var model = new CommitLogModel(ONE, setOf());
        var ends = new TreeSet<String>();
        var seen = new HashSet<List<Integer>>();
        var queue = new ArrayDeque<int[]>(List.of(model.start()));
        while (!queue.isEmpty() && ends.size() < 3) {
            model.next(
                    queue.remove(),
                    (next, event, _, _, slot, _) -> {
                        if (event == Event.PART_ENDS) {
                            ends.add(model.name(slot));
                        }
                        model.reduce(next);
                        if (seen.add(Arrays.stream(next).boxed().toList())) {
                            queue.add(next);
                        }
                    });
            model.takeViolation();
        }

        assertThat(ends).containsExactly("1.1", "1.2", "1.3");
    }

    @Test
    void tracesCanBeRead() {
        var verdict = Search.of(new CommitLogModel(TWO, setOf(DRAINS_WHAT_IS_NOT_DURABLE)));

        assertThat(verdict.trace())
                .containsExactly(
                        "1. the catalog assigns T0 to W0 as #1, message sent",
                        "2. W0 gets assign(T0 #1): hydrates from derived files and opens",
                        "3. W0 commits T0 in slot 1.1 as txid 1, PUT sent",
                        "4. W0 sends derived file T0 txid 1, from slot 1.1");
    }
}
