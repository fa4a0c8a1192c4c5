package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.testing.Seeds;
import dev.litefleet.testing.SimTasks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/// Turns, in virtual time and in an order drawn from a seed.
final class HydrationsTest {
    @Seeds(5)
    void oneAtATimeIsInTheOrderOfAsking(long seed) {
        List<Integer> order = run(seed, 1, 50);

        assertThat(order).isEqualTo(IntStream.range(0, 50).boxed().toList());
    }

    @Seeds(5)
    void allHaveTheirTurnAndNeverMoreThanTheBound(long seed) {
        assertThat(run(seed, 4, 60)).hasSize(60);
    }

    /// Each takes a while.
    private static List<Integer> run(long seed, int max, int works) {
        var order = new ArrayList<Integer>();
        var running = new int[1];
        SimTasks.run(
                seed,
                world -> {
                    var random = new SplittableRandom(seed);
                    var hydrations = new Hydrations(world.node("w-1"), max);
                    for (int i = 0; i < works; i++) {
                        int number = i;
                        Duration time = Duration.ofMillis(random.nextInt(100));
                        hydrations.start(
                                "work",
                                () -> {
                                    order.add(number);
                                    assertThat(++running[0]).isLessThanOrEqualTo(max);
                                    world.sleep(time);
                                    running[0]--;
                                });
                    }
                    world.sleep(Duration.ofMinutes(1));
                    // Nothing is left behind: another one goes at once.
                    hydrations.start("last", () -> order.add(works));
                    world.sleep(Duration.ofMillis(1));
                    assertThat(order.removeLast()).isEqualTo(works);
                });
        return order;
    }
}
