package dev.litefleet.controller.lease;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.lease.Leases.Standing;
import dev.litefleet.controller.testing.TickerTasks;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.testing.TestClock;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.Registration;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

final class LeasesTest {
    private static final Duration LEASE = Duration.ofSeconds(3);
    private static final Duration MARGIN = Duration.ofMillis(500);

    private final TickerTasks tasks = new TickerTasks();
    private final Leases leases = new Leases(LEASE, MARGIN, tasks);
    private final SplittableRandom random = new SplittableRandom(1);
    private final SessionId one = SessionId.create(new TestClock(), random);
    private final SessionId two = SessionId.create(new TestClock(), random);

    @Test
    void heartbeatsKeepASessionAlive() throws Exception {
        leases.register(registration(one));
        var lapsed = CompletableFuture.supplyAsync(leases::awaitLapsed);

        for (int second = 0; second < 10; second++) {
            tasks.advance(Duration.ofSeconds(1));
            assertThat(leases.heartbeat(heartbeat(one, 0), true)).isEqualTo(Standing.LIVE);
        }
        assertThat(lapsed).isNotDone();

        advanceSlowly(LEASE);

        assertThat(lapsed.get(5, SECONDS)).containsExactly(one);
    }

    /// Heard is not silent, but not leased either.
    @Test
    void sessionThatIsOnlyHeardLivesAndHasNoLeaseToWaitFor() throws Exception {
        leases.register(registration(one));
        tasks.advance(Duration.ofSeconds(2));
        assertThat(leases.heartbeat(heartbeat(one, 0), false)).isEqualTo(Standing.HEARD);
        tasks.advance(Duration.ofSeconds(2));
        assertThat(leases.members()).singleElement().matches(Leases.Member::accepting);

        leases.end(one, false);

        CompletableFuture.runAsync(() -> leases.awaitEnded(one)).get(5, SECONDS);
    }

    @Test
    void endedSessionIsNeverRenewed() {
        leases.register(registration(one));

        leases.end(one, false);

        assertThat(leases.heartbeat(heartbeat(one, 0), true)).isEqualTo(Standing.CLOSED);
        assertThat(leases.register(registration(one))).isFalse();
        assertThat(leases.members()).isEmpty();
    }

    @Test
    void strangersMustRegister() {
        leases.adopt(two);

        assertThat(leases.heartbeat(heartbeat(one, 0), true)).isEqualTo(Standing.UNKNOWN);
        assertThat(leases.heartbeat(heartbeat(two, 0), true)).isEqualTo(Standing.UNKNOWN);
    }

    @Test
    void endOfALeaseIsWaitedForFromTheLastRenewalWithMargin() throws Exception {
        leases.register(registration(one));
        tasks.advance(Duration.ofSeconds(1));
        leases.heartbeat(heartbeat(one, 0), true);
        leases.end(one, false);
        var ended = CompletableFuture.runAsync(() -> leases.awaitEnded(one));

        tasks.advance(LEASE.plus(MARGIN).minusMillis(1));
        await().during(Duration.ofMillis(20)).until(() -> !ended.isDone());
        tasks.advance(Duration.ofMillis(1));

        ended.get(5, SECONDS);
    }

    /// C3: a new controller does not know its predecessor's grants, and the predecessor not yet
    /// that it is one: the last look at its log may be a lease old when it grants a lease.
    @Test
    void adoptedSessionIsWaitedForUntilItsOldControllersLeasesHaveEnded() throws Exception {
        leases.adopt(one);
        var lapsed = CompletableFuture.supplyAsync(leases::awaitLapsed);

        advanceSlowly(LEASE);
        assertThat(lapsed.get(5, SECONDS)).containsExactly(one);
        var ended = CompletableFuture.runAsync(() -> leases.awaitEnded(one));
        tasks.advance(LEASE.plus(MARGIN.multipliedBy(2)).minusMillis(1));
        await().during(Duration.ofMillis(20)).until(() -> !ended.isDone());
        tasks.advance(Duration.ofMillis(1));

        ended.get(5, SECONDS);
    }

    @Test
    void provenDeathNeedsNoWait() throws Exception {
        leases.register(registration(one));
        leases.heartbeat(heartbeat(one, 0), true);
        leases.end(one, false);
        var ended = CompletableFuture.runAsync(() -> leases.awaitEnded(one));
        await().until(() -> tasks.waiting() > 0);

        leases.end(one, true);

        ended.get(5, SECONDS);
    }

    @Test
    void renewedLeaseIsNotWaitedFor() {
        leases.register(registration(one));

        assertThatThrownBy(() -> leases.awaitEnded(one)).isInstanceOf(IllegalStateException.class);
    }

    /// A controller that was frozen hears no heartbeats; that must not cost the fleet its workers.
    @Test
    void aPauseOfThisProcessCountsAgainstNobody() throws Exception {
        leases.register(registration(one));
        var lapsed = CompletableFuture.supplyAsync(leases::awaitLapsed);
        await().until(() -> tasks.waiting() > 0);

        tasks.advance(Duration.ofSeconds(60));
        await().during(Duration.ofMillis(50)).until(() -> !lapsed.isDone());
        assertThat(leases.heartbeat(heartbeat(one, 0), true)).isEqualTo(Standing.LIVE);

        advanceSlowly(LEASE);

        assertThat(lapsed.get(5, SECONDS)).containsExactly(one);
    }

    @Test
    void fenceStartsAtAReportedSlotOfTheSamePartOnly() {
        leases.register(registration(one));
        leases.heartbeat(heartbeat(one, 17), true);

        assertThat(leases.durable(one, 1)).isEqualTo(new Slot(1, 17));
        assertThat(leases.durable(one, 2)).isEqualTo(Slot.firstOf(2));
        assertThat(leases.durable(two, 1)).isEqualTo(Slot.FIRST);
    }

    /// "A durable slot number used in another part": of the part before, of a later one.
    @Test
    void reportedSlotOfALaterPartSaysNothingAboutTheNamedOne() {
        leases.register(registration(one));
        leases.heartbeat(heartbeat(one, 1, 17), true);
        leases.heartbeat(heartbeat(one, 2, 5), true);
        leases.heartbeat(heartbeat(one, 1, 20), true); // overtaken on its way

        assertThat(leases.durable(one, 1)).isEqualTo(Slot.FIRST);
        assertThat(leases.durable(one, 2)).isEqualTo(new Slot(2, 5));
        assertThat(leases.durable(one, 3)).isEqualTo(Slot.firstOf(3));
    }

    @Test
    void laterPartIsNamedOnceByOneAndAgainAfterAFailure() {
        leases.register(registration(one));
        assertThat(leases.partToName(one)).isEmpty();
        leases.heartbeat(heartbeat(one, 3, 0), true);

        assertThat(leases.partToName(one)).hasValue(3);
        assertThat(leases.partToName(one)).isEmpty();
        leases.named(one, 0);
        assertThat(leases.partToName(one)).hasValue(3);
        leases.named(one, 3);
        assertThat(leases.partToName(one)).isEmpty();
        leases.heartbeat(heartbeat(one, 2, 9), true);
        assertThat(leases.partToName(one)).isEmpty();
    }

    @Test
    void stoppingSessionIsPresentButTakesNothing() {
        leases.register(registration(one));

        leases.stopping(one);

        assertThat(leases.members())
                .singleElement()
                .matches(Leases.Member::present)
                .matches(member -> !member.accepting());
    }

    @Test
    void lapsedLeaseTakesNothing() {
        leases.register(registration(one));

        tasks.advance(LEASE);

        assertThat(leases.members()).singleElement().matches(member -> !member.accepting());
    }

    @Test
    void closeEndsTheWait() throws Exception {
        var lapsed = CompletableFuture.supplyAsync(leases::awaitLapsed);

        leases.close();

        assertThat(lapsed.get(5, SECONDS)).isEqualTo(List.of());
    }

    /// In steps that are no pause of the process: each is seen before the next.
    @Test
    void sessionIsAskedToEndAPartUntilItWritesALaterOne() {
        leases.register(registration(one));
        leases.endPart(two, 1); // Unknown.
        assertThat(leases.partToEnd(heartbeat(two, 1))).isEmpty();
        assertThat(leases.partToEnd(heartbeat(one, 5))).isEmpty();

        leases.endPart(one, 1);

        assertThat(leases.partToEnd(heartbeat(one, 5))).hasValue(1);
        assertThat(leases.partToEnd(heartbeat(one, 5))).hasValue(1);
        assertThat(leases.partToEnd(heartbeat(one, 2, 0))).isEmpty();
    }

    private void advanceSlowly(Duration time) {
        for (long left = time.toMillis(); left > 0; left -= 250) {
            await().pollInterval(Duration.ofMillis(1)).until(() -> tasks.waiting() > 0);
            tasks.advance(Duration.ofMillis(Math.min(left, 250)));
        }
    }

    private static Registration registration(SessionId session) {
        return new Registration("w-1", session.ulid(), "http://127.0.0.1:1", 1, null, 100, "test");
    }

    private static Heartbeat heartbeat(SessionId session, long slot) {
        return heartbeat(session, 1, slot);
    }

    private static Heartbeat heartbeat(SessionId session, int part, long slot) {
        return new Heartbeat("w-1", session.ulid(), part, slot, 0, 0, true, 0);
    }
}
