package dev.litefleet.testing;

import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// The network between processes: late, lossy, and each message may come twice. A question is
/// answered on a task of the one asked, so a process that stands still answers late or never.
public final class SimWire {
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    private final SimTasks world;
    private final SimTasks.Node network;
    private final RandomGenerator random;
    private final Set<Set<SimTasks.Node>> cut = new HashSet<>();
    private int faultPercent;

    /// @param faultPercent share of the messages that come late, and of those that come twice, 0 to
    ///   100; half as many get lost
    public SimWire(SimTasks world, int faultPercent) {
        this.world = world;
        this.network = world.node("wire");
        this.random = world.fork();
        this.faultPercent = faultPercent;
    }

    /// The share of faults from here on.
    public void faults(int percent) {
        faultPercent = percent;
    }

    /// No more faults, no partitions.
    public void calm() {
        faultPercent = 0;
        cut.clear();
    }

    /// Nothing passes between the two until [#calm] or [#join].
    public void cut(SimTasks.Node one, SimTasks.Node other) {
        cut.add(Set.of(one, other));
    }

    public void join(SimTasks.Node one, SimTasks.Node other) {
        cut.remove(Set.of(one, other));
    }

    /// Asks, and waits a second for the answer.
    ///
    /// @return nothing if none came; `handler` may have run, may run later, and may run twice
    public <T> Optional<T> ask(SimTasks.Node from, SimTasks.Node to, Supplier<T> handler) {
        var answer = new Answer<T>(network.guard());
        carry(from, to, () -> answered(from, to, handler, answer));
        if (random.nextInt(100) < faultPercent) {
            carry(from, to, handler::get); // A copy, whose answer nobody waits for.
        }
        long deadline = world.nanos() + PATIENCE.toNanos();
        answer.guard.lock();
        try {
            while (answer.value == null && world.nanos() < deadline) {
                answer.guard.await(Duration.ofNanos(deadline - world.nanos()));
            }
            return Optional.ofNullable(answer.value);
        } finally {
            answer.guard.unlock();
        }
    }

    private static final class Answer<T> {
        private final Tasks.Guard guard;
        private @Nullable T value;

        private Answer(Tasks.Guard guard) {
            this.guard = guard;
        }
    }

    private <T> void answered(
            SimTasks.Node from, SimTasks.Node to, Supplier<T> handler, Answer<T> answer) {
        T value = handler.get();
        carry(
                to,
                network,
                () -> {
                    if (cut.contains(Set.of(from, to))) {
                        return;
                    }
                    answer.guard.lock();
                    answer.value = value;
                    answer.guard.signalAll();
                    answer.guard.unlock();
                });
    }

    private void carry(SimTasks.Node from, SimTasks.Node to, Runnable message) {
        if (random.nextInt(100) < faultPercent / 2) {
            return;
        }
        boolean slow = random.nextInt(100) < faultPercent;
        Duration delay = Duration.ofMillis(random.nextInt(slow ? 8_000 : 10));
        network.start(
                "message",
                () -> {
                    world.sleep(delay);
                    if (from == to || !cut.contains(Set.of(from, to))) {
                        to.start("rpc", message);
                    }
                });
    }
}
