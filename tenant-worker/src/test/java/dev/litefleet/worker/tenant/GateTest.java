package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.testing.Seeds;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class GateTest {
    private final List<String> told = new ArrayList<>();

    private Gate.Waiter waiter(String name) {
        return new Gate.Waiter() {
            @Override
            public void durable() {
                told.add(name);
            }

            @Override
            public void failed(TenantException failure) {
                told.add(name + " failed");
            }
        };
    }

    @Test
    void whatWasDurableAtTheOpeningPassesAtOnce() {
        var gate = new Gate(7);

        gate.await(7, 100, waiter("a"));

        assertThat(told).containsExactly("a");
        assertThat(gate.isOpen(7)).isTrue();
    }

    @Test
    void announcedCommitMayHaveBeenSeen() {
        var gate = new Gate(0);
        gate.announce();

        gate.await(gate.announced(), 100, waiter("a"));
        assertThat(told).isEmpty();
        gate.captured(1);
        assertThat(told).isEmpty();
        gate.durable(1);

        assertThat(told).containsExactly("a");
    }

    @Test
    void commitThatDidNotHappenHoldsNobody() {
        var gate = new Gate(0);
        gate.announce();
        gate.await(gate.announced(), 100, waiter("a"));

        gate.captured(0);

        assertThat(told).containsExactly("a");
    }

    @Test
    void waiterForACommitThatDidNotHappenStillWaitsForTheOneBefore() {
        var gate = new Gate(0);
        gate.announce();
        gate.captured(1);
        gate.announce();
        gate.await(gate.announced(), 100, waiter("a"));

        gate.captured(1);
        assertThat(told).isEmpty();
        gate.durable(1);

        assertThat(told).containsExactly("a");
    }

    @Test
    void answerThatAskedBeforeACommitTurnedOutNotToHappenDoesNotWaitForTheNext() {
        var gate = new Gate(1);
        gate.announce();
        long seen = gate.announced();
        gate.captured(1);

        gate.await(seen, 100, waiter("a"));

        assertThat(told).containsExactly("a");
    }

    @Test
    void waitEndsAtItsDeadline() {
        var gate = new Gate(0);
        gate.announce();
        gate.captured(1);
        gate.await(1, 100, waiter("a"));
        gate.await(1, 200, waiter("b"));

        assertThat(gate.expire(99)).isEqualTo(100);
        assertThat(gate.expire(100)).isEqualTo(200);
        gate.durable(1);

        assertThat(told).containsExactly("a failed", "b");
    }

    @Test
    void brokenGateLetsNothingThroughNotEvenWhatIsDurable() {
        var gate = new Gate(0);
        gate.announce();
        gate.captured(1);
        gate.await(1, 100, waiter("a"));

        gate.shatter(new TenantException.OutcomeUnknown("fenced"));
        gate.await(0, 100, waiter("b"));

        assertThat(told).containsExactly("a failed", "b failed");
        assertThatThrownBy(() -> gate.isOpen(0)).isInstanceOf(TenantException.OutcomeUnknown.class);
    }

    /// Random announcements, captures and acknowledgements: nobody passes before what he saw is
    /// durable, and at the end everybody has passed exactly once.
    @Seeds(200)
    void nobodyPassesEarlyAndEverybodyPasses(long seed) {
        var random = new SplittableRandom(seed);
        var gate = new Gate(0);
        long[] state = new long[2]; // captured, durable
        var passed = new ArrayList<Long>();
        int waiters = 0;
        boolean announced = false;
        for (int i = 0; i < 300; i++) {
            switch (random.nextInt(4)) {
                case 0 -> {
                    if (!announced) {
                        gate.announce();
                        announced = true;
                    }
                }
                case 1 -> {
                    if (announced) {
                        state[0] += random.nextInt(2);
                        gate.captured(state[0]);
                        announced = false;
                    }
                }
                case 2 -> {
                    if (state[1] < state[0]) {
                        state[1]++;
                        gate.durable(state[1]);
                    }
                }
                default -> {
                    waiters++;
                    // What a reader can really have seen: everything captured, if not more.
                    long seen = state[0];
                    gate.await(
                            gate.announced(),
                            Long.MAX_VALUE,
                            new Gate.Waiter() {
                                @Override
                                public void durable() {
                                    assertThat(seen).isLessThanOrEqualTo(gate.durable());
                                    passed.add(seen);
                                }

                                @Override
                                public void failed(TenantException failure) {
                                    throw failure;
                                }
                            });
                }
            }
        }
        gate.captured(state[0]);
        gate.durable(state[0]);

        assertThat(passed).hasSize(waiters);
        assertThat(gate.waiting()).isZero();
    }
}
