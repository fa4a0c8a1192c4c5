package dev.litefleet.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// The simulated world itself.
final class SimTasksTest {
    @Test
    void timeJumpsToWhatWaits() {
        SimTasks.run(
                1,
                world -> {
                    world.sleep(Duration.ofDays(400));
                    assertThat(world.nanos()).isEqualTo(Duration.ofDays(400).toNanos());
                    assertThat(world.clock().instant())
                            .isEqualTo(TestClock.START.plus(Duration.ofDays(400)));
                });
    }

    @Test
    void sameSeedIsTheSameOrderAndOthersDiffer() {
        Set<List<Integer>> orders = new HashSet<>();
        for (long seed = 0; seed < 20; seed++) {
            List<Integer> first = new ArrayList<>();
            List<Integer> second = new ArrayList<>();
            long hash = SimTasks.run(seed, world -> race(world, first));
            assertThat(SimTasks.run(seed, world -> race(world, second))).isEqualTo(hash);
            assertThat(second).isEqualTo(first);
            orders.add(first);
        }

        assertThat(orders).hasSizeGreaterThan(5);
    }

    @Test
    void guardExcludes() {
        SimTasks.run(
                1,
                world -> {
                    Tasks.Guard guard = world.node("n").guard();
                    int[] inside = new int[1];
                    for (int i = 0; i < 10; i++) {
                        world.node("n" + i)
                                .start(
                                        "t",
                                        () -> {
                                            guard.lock();
                                            assertThat(++inside[0]).isEqualTo(1);
                                            world.sleep(Duration.ofSeconds(1));
                                            inside[0]--;
                                            guard.unlock();
                                        });
                    }
                    world.sleep(Duration.ofMinutes(1));
                });
    }

    @Test
    void pausedNodeStandsStillAndFindsItselfLate() {
        SimTasks.run(
                1,
                world -> {
                    var node = world.node("zombie");
                    List<Duration> woke = new ArrayList<>();
                    node.start(
                            "t",
                            () -> {
                                node.sleep(Duration.ofSeconds(1));
                                woke.add(Duration.ofNanos(node.nanos()));
                            });
                    world.yield();
                    node.pause();
                    world.sleep(Duration.ofSeconds(60));
                    assertThat(woke).isEmpty();

                    node.resume();
                    world.sleep(Duration.ofSeconds(1));

                    assertThat(woke).containsExactly(Duration.ofSeconds(60));
                });
    }

    @Test
    void fastClockIsEarlyAndSlowOneLate() {
        SimTasks.run(
                1,
                world -> {
                    var fast = world.node("fast");
                    fast.setRate(100);
                    var slow = world.node("slow");
                    slow.setRate(-100);
                    var woke = new ArrayList<Long>();
                    for (var node : List.of(slow, fast)) {
                        node.start(
                                "sleeps",
                                () -> {
                                    long began = node.nanos();
                                    node.sleep(Duration.ofSeconds(99));
                                    assertThat(node.nanos() - began)
                                            .isBetween(99_000_000_000L, 99_000_010_000L);
                                    woke.add(world.nanos() / 1_000_000_000);
                                });
                        node.start(
                                "waits",
                                () -> {
                                    Tasks.Guard guard = node.guard();
                                    guard.lock();
                                    assertThat(guard.await(Duration.ofSeconds(990))).isFalse();
                                    guard.unlock();
                                    woke.add(world.nanos() / 1_000_000_000);
                                });
                    }

                    world.sleep(Duration.ofHours(1));

                    assertThat(woke).containsExactly(90L, 110L, 900L, 1100L);
                    assertThat(fast.nanos() / 1_000_000).isEqualTo(3_960_000);
                    assertThat(slow.nanos() / 1_000_000).isEqualTo(3_240_000);
                });
    }

    @Test
    void leapMovesAllWallClocksAndNothingElse() {
        SimTasks.run(
                1,
                world -> {
                    var node = world.node("n");
                    node.setClock(Duration.ofMinutes(-5));
                    var woke = new ArrayList<Long>();
                    node.start(
                            "t",
                            () -> {
                                node.sleep(Duration.ofSeconds(2));
                                woke.add(world.nanos());
                            });
                    world.sleep(Duration.ofSeconds(1));
                    Instant before = node.clock().instant();

                    world.leap(Duration.ofDays(3));

                    assertThat(node.clock().instant()).isEqualTo(before.plus(Duration.ofDays(3)));
                    assertThat(world.clock().instant())
                            .isEqualTo(before.plus(Duration.ofDays(3)).plusSeconds(300));
                    assertThat(node.nanos()).isEqualTo(1_000_000_000L);
                    assertThat(woke).isEmpty();
                    world.sleep(Duration.ofSeconds(2));
                    assertThat(woke).containsExactly(2_000_000_000L);
                });
    }

    /// Otherwise what production code closes in a `finally` stays open.
    @Test
    void whoIsUnwoundMayLock() {
        var closed = new ArrayList<String>();
        SimTasks.run(
                1,
                world -> {
                    var node = world.node("n");
                    Tasks.Guard guard = node.guard();
                    node.start(
                            "t",
                            () -> {
                                guard.lock();
                                try {
                                    node.sleep(Duration.ofDays(1));
                                } finally {
                                    guard.unlock();
                                    guard.lock();
                                    assertThat(world.over()).isTrue();
                                    closed.add("it");
                                    guard.unlock();
                                }
                            });
                    world.sleep(Duration.ofSeconds(1));
                    node.kill();
                });

        assertThat(closed).containsExactly("it");
    }

    @Test
    void everybodyWaitingIsAFailure() {
        assertThatThrownBy(() ->
                        SimTasks.run(
                                1,
                                world -> {
                                    Tasks.Guard guard = world.node("n").guard();
                                    guard.lock();
                                    guard.await();
                                }))
                .hasMessageContaining("everybody waits for ever");
    }

    @Test
    void failureOfAnyActorIsTheWorlds() {
        assertThatThrownBy(() ->
                        SimTasks.run(
                                7,
                                world -> {
                                    world.node("n")
                                            .start(
                                                    "t",
                                                    () -> {
                                                        throw new IllegalStateException("broken");
                                                    });
                                    world.sleep(Duration.ofSeconds(1));
                                }))
                .hasMessageContaining("seed 7: broken");
    }

    private static void race(SimTasks world, List<Integer> order) {
        for (int i = 0; i < 4; i++) {
            int number = i;
            world.node("n")
                    .start(
                            "t",
                            () -> {
                                world.yield();
                                order.add(number);
                            });
        }
        world.sleep(Duration.ofSeconds(1));
    }

    @Test
    void suspendedNodeDoesNotNoticeThatTimePassed() {
        SimTasks.run(
                1,
                world -> {
                    var node = world.node("sleeper");
                    List<Long> woke = new ArrayList<>();
                    node.start(
                            "main",
                            () -> {
                                node.sleep(Duration.ofSeconds(10));
                                woke.add(node.nanos());
                            });
                    world.sleep(Duration.ofSeconds(4));
                    node.suspend();
                    world.sleep(Duration.ofMinutes(5));
                    node.resume();
                    world.sleep(Duration.ofSeconds(5));
                    assertThat(woke).isEmpty();
                    world.sleep(Duration.ofSeconds(2));

                    assertThat(woke).containsExactly(Duration.ofSeconds(10).toNanos());
                });
    }

    @Test
    void killedNodeNeverRunsAgain() {
        SimTasks.run(
                1,
                world -> {
                    var node = world.node("victim");
                    List<String> ran = new ArrayList<>();
                    node.start(
                            "main",
                            () -> {
                                node.sleep(Duration.ofSeconds(1));
                                ran.add("main");
                            });
                    world.sleep(Duration.ofMillis(500));

                    node.kill();
                    node.start("late", () -> ran.add("late"));
                    node.resume();

                    world.sleep(Duration.ofMinutes(1));
                    assertThat(ran).isEmpty();
                });
    }
}
