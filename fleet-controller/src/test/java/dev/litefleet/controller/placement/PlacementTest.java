package dev.litefleet.controller.placement;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.controller.placement.Placement.Decision;
import dev.litefleet.controller.placement.Placement.Decision.NoRoom;
import dev.litefleet.controller.placement.Placement.Decision.Place;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class PlacementTest {
    private static final boolean READY = true;
    private static final boolean CLOSED = false;

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void choose(String situation, FleetView fleet, Decision expected) {
        assertThat(Placement.choose(fleet)).as(situation).isEqualTo(expected);
    }

    static Stream<Arguments> choose() {
        return Stream.of(
                row("empty fleet", new NoRoom("0 workers, none accepting")),
                row("the only one", new Place("a"), worker("a", READY, 0, 10)),
                row(
                        "emptier one",
                        new Place("b"),
                        worker("a", READY, 9, 10),
                        worker("b", READY, 8, 10)),
                row(
                        "by share, not by count",
                        new Place("b"),
                        worker("a", READY, 5, 10),
                        worker("b", READY, 8, 100)),
                row(
                        "tie by name",
                        new Place("a"),
                        worker("b", READY, 3, 10),
                        worker("a", READY, 3, 10)),
                row(
                        "skips silent and cordoned",
                        new Place("b"),
                        worker("a", CLOSED, 0, 10),
                        worker("b", READY, 9, 10)),
                homed(
                        "where its files are, however loaded",
                        new Place("b"),
                        worker("a", READY, 0, 10),
                        worker("b", READY, 9, 10)),
                homed(
                        "not there when it is silent or cordoned",
                        new Place("a"),
                        worker("a", READY, 5, 10),
                        worker("b", CLOSED, 0, 10)),
                homed(
                        "not there when it is full",
                        new Place("c"),
                        worker("a", READY, 5, 10),
                        worker("b", READY, 10, 10),
                        worker("c", READY, 4, 10)),
                homed(
                        "its running session, not the one that ends",
                        new Place("b2"),
                        worker("a", READY, 0, 10),
                        new FleetView.Worker("b1", "b", CLOSED, 5, 10),
                        new FleetView.Worker("b2", "b", READY, 8, 10)),
                row(
                        "full",
                        new NoRoom("1 workers, 1 accepting, all full"),
                        worker("a", READY, 10, 10)),
                row(
                        "takes nothing at all",
                        new NoRoom("1 workers, 1 accepting, all full"),
                        worker("a", READY, 0, 0)),
                row(
                        "nobody accepting",
                        new NoRoom("2 workers, none accepting"),
                        worker("a", CLOSED, 0, 10),
                        worker("b", CLOSED, 0, 10)));
    }

    private static Arguments row(String situation, Decision expected, FleetView.Worker... workers) {
        return Arguments.of(situation, new FleetView(List.of(workers), Optional.empty()), expected);
    }

    /// Worker b had the tenant last.
    private static Arguments homed(
            String situation, Decision expected, FleetView.Worker... workers) {
        return Arguments.of(situation, new FleetView(List.of(workers), Optional.of("b")), expected);
    }

    private static FleetView.Worker worker(String name, boolean accepting, long tenants, int max) {
        return new FleetView.Worker(name, name, accepting, tenants, max);
    }
}
