package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.Txid;
import java.time.Instant;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The lineage of these tests: drains 1-4 and 5-9, then a tail 10, 11-15 (merged), 16. Commit n was
/// made n seconds after the epoch.
final class PointsTest {
    private static final Instant NOW = Instant.EPOCH.plusSeconds(100);

    private final Points points =
            Points.of(
                    LineageHistoryTest.files("1:1-4 1:5-9"),
                    RestorePlanTest.entries("1 2 3 4 5 6 7 8 9 10 11-15 16"));

    @ParameterizedTest(name = "{0} is {1}")
    @MethodSource
    void pointMeansAState(String point, long expected) {
        assertThat(points.resolve(Point.parse(point), NOW)).isEqualTo(new Txid(expected));
    }

    static Stream<Arguments> pointMeansAState() {
        return Stream.of(
                arguments("latest", 16),
                arguments("~0", 16),
                arguments("~1", 15),
                arguments("~15", 1),
                arguments("7", 7),
                arguments("000000000000000a", 10),
                arguments("1970-01-01T00:00:01Z", 1),
                arguments("1970-01-01T00:00:08.999Z", 8),
                arguments("1970-01-01T00:00:15Z", 15),
                arguments("1971-01-01T00:00:00Z", 16),
                arguments("-1m31s", 9));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void pointWithinAMergedEntryHasNeighboursOnly(String point, long before, long after) {
        assertThatThrownBy(() -> points.resolve(Point.parse(point), NOW))
                .isInstanceOfSatisfying(
                        PointNotExact.class,
                        refused -> {
                            assertThat(refused.requested()).isEqualTo(Point.parse(point));
                            assertThat(refused.before()).contains(new Txid(before));
                            assertThat(refused.after()).contains(new Txid(after));
                        });
    }

    static Stream<Arguments> pointWithinAMergedEntryHasNeighboursOnly() {
        return Stream.of(
                arguments("c", 10, 15),
                arguments("~3", 10, 15),
                arguments("1970-01-01T00:00:11Z", 10, 15),
                arguments("1970-01-01T00:00:14Z", 10, 15));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void pointOutsideIsNotFoundAndTheLastIsTold(String point) {
        assertThatThrownBy(() -> points.resolve(Point.parse(point), NOW))
                .isInstanceOfSatisfying(
                        PointNotFound.class,
                        refused -> assertThat(refused.last()).isEqualTo(new Txid(16)));
    }

    static Stream<String> pointOutsideIsNotFoundAndTheLastIsTold() {
        return Stream.of("11", "~16", "~17", "0", "1970-01-01T00:00:00Z", "-1m40s");
    }

    @Test
    void emptyLineageHasNoPoint() {
        var nothing = Points.of(LineageHistoryTest.files(""), RestorePlanTest.entries(""));

        assertThat(nothing.latest()).isEmpty();
        assertThatThrownBy(() -> nothing.resolve(Point.LATEST, NOW))
                .isInstanceOfSatisfying(
                        PointNotFound.class,
                        refused -> assertThat(refused.last()).isEqualTo(Txid.NONE));
    }

    /// The index of 5 to 9 is gone: which commit was the last before 00:06 nobody knows.
    @Test
    void timeThatTheIndexDoesNotKnowIsNotExact() {
        var gap =
                Points.of(
                        LineageHistoryTest.files("1:1-4 1:5-9"),
                        RestorePlanTest.entries("1 2 3 4 10"));

        assertThat(gap.resolve(Point.parse("9"), NOW)).isEqualTo(new Txid(9));
        assertThatThrownBy(() -> gap.resolve(Point.parse("1970-01-01T00:00:06Z"), NOW))
                .isInstanceOfSatisfying(
                        PointNotExact.class,
                        refused -> {
                            assertThat(refused.before()).contains(new Txid(4));
                            assertThat(refused.after()).contains(new Txid(9));
                        });
    }

    /// A Litestream replica has no index: files are its points, and of their times [Timeline] asks
    /// the files.
    @Test
    void foreignReplicaHasTheEndsOfItsFiles() {
        var foreign =
                Points.of(
                        LineageHistoryTest.files("9:1-4 0:5-5 0:6-6"), RestorePlanTest.entries(""));

        assertThat(foreign.exact()).containsExactly(new Txid(4), new Txid(5), new Txid(6));
        assertThatThrownBy(() -> foreign.resolve(Point.parse("1970-01-01T00:00:05Z"), NOW))
                .isInstanceOf(PointNotFound.class);
    }
}
