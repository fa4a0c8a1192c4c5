package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.litefleet.worker.tenant.DrainSchedule.Owed;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Step 6 of a write's life (architecture.md), in seconds.
final class DrainScheduleTest {
    @ParameterizedTest(name = "{0}")
    @MethodSource
    void due(String situation, Owed owed, int now, int expected) {
        assertThat(DrainSchedule.due(owed, seconds(now), ShippingConfig.DEFAULT))
                .isEqualTo(seconds(expected));
    }

    static Stream<Arguments> due() {
        return Stream.of(
                arguments("quiet for 30 s, never drained", owed(0, 0, -1, 0, 0), 1, 30),
                arguments("every commit begins the quiet time anew", owed(0, 25, -1, 0, 0), 26, 55),
                arguments("written all the time: 300 s", owed(0, 299, -1, 0, 0), 299, 300),
                arguments("quiet, but drained 100 s ago", owed(500, 500, 400, 0, 0), 540, 700),
                arguments("quiet, drained 300 s ago", owed(500, 500, 200, 0, 0), 501, 530),
                arguments("4 MiB of WAL", owed(0, 0, -1, 4 << 20, 0), 2, 2),
                arguments("not quite 4 MiB", owed(0, 0, -1, (4 << 20) - 1, 0), 2, 30),
                arguments("1,000 slots", owed(0, 0, -1, 0, 1000), 3, 3),
                arguments("999 slots", owed(0, 0, -1, 0, 999), 3, 30));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void look(String situation, Owed owed, int now, int expected) {
        assertThat(DrainSchedule.look(owed, seconds(now), ShippingConfig.DEFAULT))
                .isEqualTo(seconds(expected));
    }

    static Stream<Arguments> look() {
        return Stream.of(
                arguments("not due for long: others fill slots", owed(0, 0, -1, 0, 0), 1, 6),
                arguments("due soon", owed(0, 0, -1, 0, 0), 28, 30));
    }

    private static Owed owed(int first, int last, int drain, long walBytes, long slots) {
        return new Owed(
                seconds(first),
                seconds(last),
                drain < 0 ? DrainSchedule.NO_DRAIN : seconds(drain),
                walBytes,
                slots);
    }

    private static long seconds(int seconds) {
        return Duration.ofSeconds(seconds).toNanos();
    }
}
