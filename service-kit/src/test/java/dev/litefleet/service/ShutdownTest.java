package dev.litefleet.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

final class ShutdownTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    private final List<String> ran = new CopyOnWriteArrayList<>();

    @Test
    void stepsRunInOrder() {
        boolean clean =
                new Shutdown()
                        .then("admit", LONG, () -> ran.add("admit"))
                        .then("drain", LONG, () -> ran.add("drain"))
                        .then("close", LONG, () -> ran.add("close"))
                        .run();

        assertThat(clean).isTrue();
        assertThat(ran).containsExactly("admit", "drain", "close");
    }

    @Test
    void failedAndOverdueStepsDoNotKeepTheNextOneFromRunning() {
        var never = new CountDownLatch(1);
        boolean clean =
                new Shutdown()
                        .then(
                                "fails",
                                LONG,
                                () -> {
                                    throw new IllegalStateException("broken");
                                })
                        .then("hangs", Duration.ofMillis(20), () -> await(never))
                        .then("close", LONG, () -> ran.add("close"))
                        .run();

        assertThat(clean).isFalse();
        assertThat(ran).containsExactly("close");
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }
}
