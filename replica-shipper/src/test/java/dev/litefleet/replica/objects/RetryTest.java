package dev.litefleet.replica.objects;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.Seeds;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

final class RetryTest {
    private final List<Duration> pauses = new ArrayList<>();
    private int attempts;

    @Test
    void theFirstAnswerCounts() {
        assertThat(retry(0).reading(failing(0))).isEqualTo("answer");
        assertThat(attempts).isEqualTo(1);
        assertThat(pauses).isEmpty();
    }

    @Test
    void theLastFailureKeepsTheEarlierOnes() {
        assertThatThrownBy(() -> retry(0).reading(failing(3)))
                .isInstanceOf(Unavailable.class)
                .hasMessageContaining("attempt 3")
                .satisfies(failure ->
                        assertThat(failure.getSuppressed()[0]).hasMessageContaining("attempt 2"));
        assertThat(attempts).isEqualTo(3);
    }

    @Test
    void whatIsRefusedIsNotRepeated() {
        assertThatThrownBy(() ->
                        retry(0).reading(() -> {
                            attempts++;
                            throw new Denied("get a", "403", null);
                        }))
                .isInstanceOf(Denied.class);
        assertThat(attempts).isEqualTo(1);
    }

    @Test
    void anInterruptedReaderGivesUp() {
        Thread.currentThread().interrupt();

        assertThatThrownBy(() -> retry(0).reading(failing(3))).isInstanceOf(Unavailable.class);

        assertThat(Thread.interrupted()).isTrue();
        assertThat(attempts).isEqualTo(1);
    }

    /// A store that is down is not asked three times for everything.
    @Test
    void whatFollowsOnSilenceIsAskedOnce() {
        Retry retry = retry(0);
        assertThatThrownBy(() -> retry.reading(failing(3))).isInstanceOf(Unavailable.class);
        attempts = 0;

        assertThatThrownBy(() -> retry.reading(failing(1))).isInstanceOf(Unavailable.class);
        assertThat(attempts).isEqualTo(1);

        assertThat(retry.reading(failing(1))).isEqualTo("answer");
        assertThatThrownBy(() -> retry.reading(failing(9))).isInstanceOf(Unavailable.class);
        assertThat(attempts).isEqualTo(5);
    }

    @Seeds(50)
    void pausesGrowAndAreSpread(long seed) {
        assertThat(retry(seed).reading(failing(2))).isEqualTo("answer");

        assertThat(pauses).hasSize(2);
        assertThat(pauses.get(0)).isBetween(Duration.ofMillis(25), Duration.ofMillis(100));
        assertThat(pauses.get(1)).isBetween(Duration.ofMillis(50), Duration.ofMillis(200));
    }

    private Retry retry(long seed) {
        return new Retry(new SplittableRandom(seed), pauses::add);
    }

    private Supplier<String> failing(int times) {
        return () -> {
            if (++attempts <= times) {
                throw new Unavailable("get a", "attempt " + attempts, null);
            }
            return "answer";
        };
    }
}
