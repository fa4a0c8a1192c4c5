package dev.litefleet.controller.lease;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.testing.TickerTasks;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.testing.TestClock;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// When a controller may grant leases, on a clock that only the test moves.
final class TenureTest {
    private static final Duration LEASE = Duration.ofSeconds(3);
    private static final Duration WAIT = Duration.ofMillis(500);

    private final TickerTasks tasks = new TickerTasks();
    private final AtomicInteger looks = new AtomicInteger();
    private volatile SelfCheck found = SelfCheck.ABSENT;
    private volatile Runnable during = () -> {};
    private final Tenure tenure =
            new Tenure(
                    new Epoch(1, SessionId.create(new TestClock(), new SplittableRandom(1))),
                    this::look,
                    LEASE,
                    tasks);

    private SelfCheck look() {
        looks.incrementAndGet();
        during.run();
        return found;
    }

    @Test
    void nobodyAskingCostsNothing() {
        tasks.advance(Duration.ofDays(1));

        assertThat(looks).hasValue(0);
    }

    @Test
    void oneLookServesALeasePeriod() {
        for (int ask = 0; ask < 30; ask++) {
            assertThat(tenure.sure(WAIT)).isTrue();
            tasks.advance(Duration.ofSeconds(1));
        }

        assertThat(looks).hasValue(10);
    }

    @Test
    void proofIsAsOldAsTheBeginningOfTheLook() {
        during = () -> tasks.advance(Duration.ofSeconds(2));
        tenure.sure(Duration.ofSeconds(10));
        during = () -> {};
        tasks.advance(Duration.ofMillis(999));
        assertThat(tenure.sure(WAIT)).isTrue();
        found = SelfCheck.UNREACHABLE;

        tasks.advance(Duration.ofMillis(1));

        assertThat(tenure.sure(WAIT)).isFalse();
    }

    @Test
    void withoutStoreNobodyIsSureForLongerThanTheProof() {
        assertThat(tenure.sure(WAIT)).isTrue();
        found = SelfCheck.UNREACHABLE;
        tasks.advance(LEASE.minusMillis(1));
        assertThat(tenure.sure(WAIT)).isTrue();

        tasks.advance(Duration.ofMillis(1));

        assertThat(tenure.sure(WAIT)).isFalse();
        found = SelfCheck.ABSENT;
        assertThat(tenure.sure(WAIT)).isTrue();
    }

    @Test
    void fencedControllerIsNotSure() {
        found = SelfCheck.FENCED;

        assertThat(tenure.sure(WAIT)).isFalse();
    }

    @Test
    void askersShareOneLookAndDoNotWaitForever() throws Exception {
        var release = new CountDownLatch(1);
        during =
                () -> {
                    try {
                        release.await();
                    } catch (InterruptedException stopped) {
                        throw new IllegalStateException(stopped);
                    }
                };
        var one = asked(WAIT);
        var two = asked(Duration.ofHours(1));
        await().until(() -> tasks.waiting() == 2);

        tasks.advance(WAIT);

        assertThat(one.get(5, SECONDS)).isFalse();
        assertThat(two).isNotDone();
        release.countDown();
        assertThat(two.get(5, SECONDS)).isTrue();
        assertThat(looks).hasValue(1);
    }

    private CompletableFuture<Boolean> asked(Duration max) {
        return CompletableFuture.supplyAsync(
                () -> tenure.sure(max), task -> Thread.startVirtualThread(task));
    }
}
