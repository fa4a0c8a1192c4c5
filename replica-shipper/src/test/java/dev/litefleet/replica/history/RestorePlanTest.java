package dev.litefleet.replica.history;

import static dev.litefleet.replica.history.LineageHistoryTest.files;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.RestorePlan.Step;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.testing.Seeds;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class RestorePlanTest {
    @ParameterizedTest(name = "{0}")
    @MethodSource
    void planIsTheNewestSnapshotAndTheFewestSteps(
            String situation, String files, String entries, long target, String expected) {
        RestorePlan plan = plan(files, entries, target);

        assertThat(steps(plan)).isEqualTo(expected);
    }

    static Stream<Arguments> planIsTheNewestSnapshotAndTheFewestSteps() {
        return Stream.of(
                arguments("first drain", "1:1-4", "", 4, "1:1-4"),
                arguments("drains", "1:1-4 1:5-9", "", 9, "1:1-4 1:5-9"),
                arguments("an earlier drain", "1:1-4 1:5-9", "", 4, "1:1-4"),
                arguments("snapshot", "1:1-4 1:5-9 9:1-9 1:10-12", "", 12, "9:1-9 1:10-12"),
                arguments("before the snapshot", "1:1-4 1:5-9 9:1-9", "", 4, "1:1-4"),
                arguments("the snapshot of the same end", "1:1-4 9:1-4", "", 4, "9:1-4"),
                arguments("merged files", "9:1-4 1:5-6 1:7-8 2:5-8", "", 8, "9:1-4 2:5-8"),
                arguments("overlap", "1:1-4 1:3-9", "", 9, "1:1-4 1:3-9"),
                arguments(
                        "a gap after the snapshot, but an older way",
                        "9:1-4 1:1-3 2:2-8",
                        "",
                        8,
                        "9:1-4 2:2-8"),
                arguments("within a drain", "1:1-4 1:5-9", "5 6 7", 6, "1:1-4 @5 @6"),
                arguments("a tail", "1:1-4", "5 6-9 10", 10, "1:1-4 @5 @6-9 @10"),
                arguments("only a tail", "", "1 2", 2, "@1 @2"),
                arguments(
                        "file over entry of the same end", "1:1-4 1:5-6", "5 6", 6, "1:1-4 1:5-6"),
                arguments(
                        "an entry that bridges two files", "1:1-4 1:6-9", "5", 9, "1:1-4 @5 1:6-9"),
                arguments("an entry that begins within", "1:1-4", "3-7", 7, "1:1-4 @3-7"),
                arguments(
                        "an older snapshot when the newest leads nowhere",
                        "9:1-9 9:1-3 1:4-8 1:9-11",
                        "",
                        8,
                        "9:1-3 1:4-8"));
    }

    @Test
    void pointInsideAMergedEntryHasNeighboursOnly() {
        assertThatThrownBy(() -> plan("1:1-4", "5-9", 7))
                .isInstanceOfSatisfying(
                        PointNotExact.class,
                        refused -> {
                            assertThat(refused.before()).contains(new Txid(4));
                            assertThat(refused.after()).contains(new Txid(9));
                        });
    }

    @Test
    void pointAfterTheLastCommitOrAGapIsNotFound() {
        assertThatThrownBy(() -> plan("1:1-4", "", 5)).isInstanceOf(PointNotFound.class);
        assertThatThrownBy(() -> plan("1:1-4 1:6-9", "", 9)).isInstanceOf(PointNotFound.class);
        assertThatThrownBy(() -> plan("", "", 1)).isInstanceOf(PointNotFound.class);
    }

    @Test
    void planKnowsTheNeighboursThatNeedNoSegment() {
        RestorePlan plan = plan("1:1-4 1:5-9", "5 6 7", 6);

        assertThat(plan.before()).isEqualTo(new Txid(4));
        assertThat(plan.after()).isEqualTo(new Txid(9));
    }

    /// Any set of files and entries: the states that are found are those that a search over all
    /// steps finds, and every one has a plan whose steps follow one another.
    @Seeds(300)
    void everyStateThatStepsCanReachHasAPlan(long seed) {
        var random = new SplittableRandom(seed);
        String files = ranges(random, true);
        String entries = ranges(random, false);
        List<DerivedFile> derived = files(files);
        List<IndexPoint> points = entries(entries);
        var reachable = new TreeSet<Long>();
        for (boolean grew = true; grew; ) {
            grew = false;
            for (Reach.Item item : Reach.items(derived, points)) {
                boolean applies =
                        item.min() == 1
                                || reachable.stream()
                                        .anyMatch(state ->
                                                state >= item.min() - 1 && state < item.max());
                grew |= applies && reachable.add(item.max());
            }
        }

        for (long target = 1; target <= 20; target++) {
            if (reachable.contains(target)) {
                long state = 0;
                for (Step step : plan(files, entries, target).steps()) {
                    Reach.Item item = item(step);
                    assertThat(item.min()).isLessThanOrEqualTo(state + 1);
                    assertThat(item.max()).isGreaterThan(state);
                    state = item.max();
                }
                assertThat(state).isEqualTo(target);
            } else {
                long unreachable = target;
                assertThatThrownBy(() -> plan(files, entries, unreachable))
                        .isInstanceOfAny(PointNotExact.class, PointNotFound.class);
            }
        }
    }

    private static String ranges(SplittableRandom random, boolean files) {
        return random.ints(random.nextInt(8), 1, 16)
                .mapToObj(min -> {
                    int max = min + random.nextInt(6);
                    int from = random.nextInt(3) == 0 ? 1 : min;
                    return files ? "1:" + from + "-" + max : min + "-" + max;
                })
                .collect(Collectors.joining(" "));
    }

    private static Reach.Item item(Step step) {
        return switch (step) {
            case Step.ApplyFile(var file) -> Reach.Item.of(file);
            case Step.ApplyEntry(var entry) -> Reach.Item.of(entry);
        };
    }

    private static RestorePlan plan(String files, String entries, long target) {
        return RestorePlan.of(DrainedLife.TENANT, files(files), new Txid(target), entries(entries));
    }

    private static String steps(RestorePlan plan) {
        return plan.steps().stream()
                .map(step ->
                        switch (step) {
                            case Step.ApplyFile(var file) ->
                                    "%d:%d-%d"
                                            .formatted(
                                                    file.level(),
                                                    file.min().value(),
                                                    file.max().value());
                            case Step.ApplyEntry(var entry) ->
                                    entry.min().equals(entry.max())
                                            ? "@" + entry.max().value()
                                            : "@%d-%d"
                                                    .formatted(
                                                            entry.min().value(),
                                                            entry.max().value());
                        })
                .collect(Collectors.joining(" "));
    }

    /// `min-max` or one decimal TXID each, separated by spaces; time is the TXID in seconds.
    static List<IndexPoint> entries(String text) {
        return Arrays.stream(text.split(" "))
                .filter(word -> !word.isEmpty())
                .map(word -> {
                    String[] parts = word.split("-");
                    long min = Long.parseLong(parts[0]);
                    long max = Long.parseLong(parts[parts.length - 1]);
                    return new IndexPoint(
                            new Txid(min),
                            new Txid(max),
                            min * 1000,
                            max * 1000,
                            4096,
                            10,
                            1,
                            100,
                            new LogRef(DrainedLife.LOG, new Slot(1, max)),
                            0,
                            0,
                            null,
                            null,
                            null);
                })
                .toList();
    }
}
