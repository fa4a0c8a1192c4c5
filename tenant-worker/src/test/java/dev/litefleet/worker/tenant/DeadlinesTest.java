package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.log.ThreadTasks;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class DeadlinesTest {
    private final Deadlines deadlines = new Deadlines(new ThreadTasks());
    private final AtomicInteger calls = new AtomicInteger();

    @AfterEach
    void close() {
        deadlines.close();
    }

    private Deadlines.Entry counting() {
        return deadlines.entry(_ -> {
            calls.incrementAndGet();
            return Deadlines.NEVER;
        });
    }

    @Test
    void callsOnceAndIsEmptyAgain() {
        counting().within(Duration.ofMillis(20));

        await().until(() -> calls.get() == 1);
        assertThat(deadlines.size()).isZero();
    }

    @Test
    void laterTimeDoesNotPutACallOff() {
        Deadlines.Entry entry = counting();
        entry.within(Duration.ofMillis(50));

        entry.within(Duration.ofMinutes(5));

        await().until(() -> calls.get() == 1);
        assertThat(deadlines.size()).isZero();
    }

    @Test
    void soonerTimeBringsACallForwardAndCallsOnce() {
        Deadlines.Entry entry = counting();
        entry.within(Duration.ofMillis(300));

        entry.within(Duration.ofMillis(10));

        await().during(Duration.ofMillis(500))
                .atMost(Duration.ofSeconds(2))
                .until(() -> calls.get() <= 1);
        assertThat(calls).hasValue(1);
    }

    @Test
    void callsAgainWhenAskedTo() {
        Deadlines.Entry entry =
                deadlines.entry(now ->
                        calls.incrementAndGet() < 3
                                ? now + Duration.ofMillis(5).toNanos()
                                : Deadlines.NEVER);

        entry.within(Duration.ZERO);

        await().until(() -> calls.get() == 3);
        assertThat(deadlines.size()).isZero();
    }

    @Test
    void cancelledEntryIsNotCalled() {
        Deadlines.Entry entry = counting();
        entry.within(Duration.ofMillis(100));

        entry.cancel();

        assertThat(deadlines.size()).isZero();
        await().during(Duration.ofMillis(250)).until(() -> calls.get() == 0);
    }
}
