package dev.litefleet.worker.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.log.SelfCheck;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// The lease on a clock that only the test moves (commit-log.md, Reads by a possible zombie).
final class LeaseTest {
    private static final Duration LENGTH = Duration.ofSeconds(3);

    private final HandTasks tasks = new HandTasks();
    private final AtomicInteger checks = new AtomicInteger();
    private SelfCheck found = SelfCheck.ABSENT;
    private Runnable during = () -> {};
    private final Lease lease =
            new Lease(
                    tasks,
                    () -> {
                        checks.incrementAndGet();
                        during.run();
                        return found;
                    });

    @Test
    void nobodyGrantsItselfLease() {
        assertThat(lease.live()).isFalse();

        lease.check();
        tasks.run();

        assertThat(lease.live()).isFalse();
    }

    @Test
    void leaseIsMeasuredFromTheMomentTheHeartbeatWasSent() {
        long sent = tasks.nanos();
        advance(2500);
        lease.renewed(sent, LENGTH);

        advance(499);
        assertThat(lease.live()).isTrue();
        assertThat(lease.age()).isEqualTo(Duration.ofMillis(2999));
        advance(1);

        assertThat(lease.live()).isFalse();
    }

    @Test
    void answerThatTookLongerThanTheLeaseRenewsNothing() {
        long sent = tasks.nanos();
        advance(3000);

        lease.renewed(sent, LENGTH);

        assertThat(lease.live()).isFalse();
    }

    @Test
    void lateAnswerDoesNotShortenTheLease() {
        long first = tasks.nanos();
        advance(1000);
        long second = tasks.nanos();

        lease.renewed(second, LENGTH);
        lease.renewed(first, LENGTH);
        advance(2999);

        assertThat(lease.live()).isTrue();
    }

    @Test
    void endedLeaseIsNotLiveUntilRenewed() {
        lease.renewed(tasks.nanos(), LENGTH);
        lease.end();
        assertThat(lease.live()).isFalse();

        lease.renewed(tasks.nanos(), LENGTH);

        assertThat(lease.live()).isTrue();
    }

    @Test
    void leaseIsWantedForAWhileAfterARead() {
        assertThat(lease.wanted()).isFalse();
        lease.live();
        assertThat(lease.wanted()).isFalse();

        assertThat(lease.covers()).isFalse();

        assertThat(lease.wanted()).isTrue();
        advance(Lease.WANTED.toMillis());
        assertThat(lease.wanted()).isFalse();
    }

    @Test
    void readWithoutLeaseIsToldToWhoAsksForOne() {
        var missed = new AtomicInteger();
        lease.onMissed(missed::incrementAndGet);
        lease.covers();
        assertThat(missed).hasValue(1);
        lease.renewed(tasks.nanos(), LENGTH);

        assertThat(lease.covers()).isTrue();

        assertThat(missed).hasValue(1);
    }

    @Test
    void readsThatWaitShareOneCheck() {
        CompletableFuture<SelfCheck> one = lease.check();
        CompletableFuture<SelfCheck> two = lease.check();

        tasks.run();

        assertThat(one).isCompletedWithValue(SelfCheck.ABSENT);
        assertThat(two).isCompletedWithValue(SelfCheck.ABSENT);
        assertThat(checks).hasValue(1);
    }

    /// A check that began before the read arrived proves nothing for it: the fence may have been
    /// put in between.
    @Test
    void readThatArrivesDuringCheckWaitsForTheNextOne() {
        var late = new AtomicInteger();
        var answers = new CompletableFuture<?>[1];
        during =
                () -> {
                    if (checks.get() == 1) {
                        answers[0] = lease.check();
                        found = SelfCheck.ABSENT;
                    } else {
                        late.incrementAndGet();
                        found = SelfCheck.FENCED;
                    }
                };
        CompletableFuture<SelfCheck> first = lease.check();

        tasks.run();

        assertThat(first).isCompletedWithValue(SelfCheck.ABSENT);
        assertThat(answers[0].join()).isEqualTo(SelfCheck.FENCED);
        assertThat(late).hasValue(1);
    }

    @Test
    void checksAreMadeOnlyWhileSomebodyWaits() {
        lease.check();
        tasks.run();
        assertThat(checks).hasValue(1);

        lease.check();

        assertThat(tasks.run()).isEqualTo(1);
        assertThat(checks).hasValue(2);
    }

    @Test
    void failedCheckFailsThoseWhoWaitedAndNobodyElse() {
        during =
                () -> {
                    if (checks.get() == 1) {
                        throw new IllegalStateException("broken");
                    }
                };
        CompletableFuture<SelfCheck> first = lease.check();
        tasks.run();

        CompletableFuture<SelfCheck> second = lease.check();
        tasks.run();

        assertThat(first).isCompletedExceptionally();
        assertThat(second).isCompletedWithValue(SelfCheck.ABSENT);
    }

    private void advance(long millis) {
        tasks.ticker.advance(Duration.ofMillis(millis));
    }
}
