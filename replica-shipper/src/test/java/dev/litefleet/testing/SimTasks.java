package dev.litefleet.testing;

import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Semaphore;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// A world in which production code runs on real threads, but one at a time, in an order drawn from
/// a seed, in virtual time. The same seed gives the same run, and the same [#hash].
///
/// The baton passes when an actor locks, waits, sleeps, starts another or calls [#yield]; between
/// those nobody else runs, so the world's own state needs no locks. Time stands still while anyone
/// can run, and then jumps to the next thing that waits for it.
///
/// An actor belongs to a [Node], which may be paused as by SIGSTOP or suspended as a virtual
/// machine is, resumed, or killed as by SIGKILL, whose wall clock may be wrong and whose monotonic
/// clock may be fast or slow.
///
/// When the world ends, its actors are unwound one after the other: whatever would wait throws,
/// locks are free, and what is in a `finally` can close files.
public final class SimTasks {
    /// Unwinds an actor when its world ends. Neither an exception nor an error, so that nothing in
    /// between takes it for a failure of its own.
    private static final class WorldEnded extends Throwable {
        private static final long serialVersionUID = 1;

        private WorldEnded() {
            super("the simulated world has ended", null, false, false);
        }
    }

    private static final class Actor {
        private final String name;
        private final int number;
        private final Node node;
        private final Semaphore baton = new Semaphore(0);
        private boolean runnable = true;
        private boolean done;
        private boolean unwinding;
        private long wakeAt = Long.MAX_VALUE; // of a timed wait

        private Actor(String name, int number, Node node) {
            this.name = name;
            this.number = number;
            this.node = node;
        }

        private boolean ready() {
            return runnable && !node.paused;
        }
    }

    /// More passes of the baton than this without a tick of the clock are an endless loop.
    private static final int STEPS_PER_TICK_MAX = 200_000;

    private final SplittableRandom random;
    private final Thread.Builder threads = Thread.ofVirtual();
    private final List<Actor> actors = new ArrayList<>(); // those not done
    private final List<Actor> killed = new ArrayList<>(); // to be unwound at the end
    private final Semaphore worldDone = new Semaphore(0);
    private Actor running;
    private long nanos;
    private long leaped; // nanoseconds that only wall clocks know of
    private long hash;
    private long steps;
    private long stepsAtTick; // when time last went on
    private int numbers;
    private boolean ending;
    private @Nullable Throwable failure;

    private SimTasks(long seed) {
        random = new SplittableRandom(seed);
        running = new Actor("none", 0, new Node("none"));
    }

    /// What happens in the world, as its first actor.
    public interface Story {
        void tell(SimTasks world) throws Exception;
    }

    /// Runs a story to its end and then stops everything that is left. Fails as the story fails, or
    /// as any actor does.
    ///
    /// @return the hash of everything that happened, in order
    public static long run(long seed, Story story) {
        var world = new SimTasks(seed);
        world.launch(
                "story",
                world.new Node("story"),
                () -> {
                    try {
                        story.tell(world);
                    } catch (RuntimeException | Error failed) {
                        throw failed;
                    } catch (Exception failed) {
                        throw new IllegalStateException(failed);
                    }
                    world.finish();
                });
        world.running = world.actors.getFirst();
        world.running.baton.release();
        world.worldDone.acquireUninterruptibly();
        Throwable failure = world.failure;
        if (failure != null) {
            throw new AssertionError("seed " + seed + ": " + failure.getMessage(), failure);
        }
        return world.hash;
    }

    /// A machine or process of the world.
    public final class Node implements Tasks {
        private final String name;
        private boolean paused;
        private boolean frozen;
        private boolean dead;
        private long frozenAt;
        private long frozenNanos; // until now, all together
        private Duration clockOffset = Duration.ZERO;
        private int gain;

        private Node(String name) {
            this.name = name;
        }

        /// None of its actors runs until [#resume]; its clocks go on. Calls of an actor on itself
        /// take effect when it next gives the baton away.
        public void pause() {
            paused = true;
            record("pause " + name);
        }

        /// As [#pause], and its monotonic clock stands still meanwhile: what it waits for is as far
        /// away afterwards as it was before.
        public void suspend() {
            pause();
            if (!frozen) {
                frozen = true;
                frozenAt = nanos;
            }
        }

        public void resume() {
            paused = false;
            record("resume " + name);
            if (frozen) {
                frozen = false;
                long missed = nanos - frozenAt;
                frozenNanos += missed;
                for (Actor actor : actors) {
                    if (actor.node == this && actor.wakeAt != Long.MAX_VALUE) {
                        actor.wakeAt += missed;
                    }
                }
            }
        }

        /// Its actors never run again, and no new ones start.
        public void kill() {
            dead = true;
            record("kill " + name);
            for (Actor actor : actors) {
                if (actor.node == this) {
                    killed.add(actor);
                }
            }
            actors.removeAll(killed);
        }

        public boolean dead() {
            return dead;
        }

        /// Sets its wall clock wrong.
        ///
        /// @param offset added to the world's time
        public void setClock(Duration offset) {
            clockOffset = offset;
        }

        /// Lets its monotonic clock run fast, or slow if negative. Before anybody has read it.
        ///
        /// @param perMille greater than -1,000
        public void setRate(int perMille) {
            gain = perMille;
        }

        private long world(Duration local) {
            return gain == 0 ? local.toNanos() : (local.toNanos() / (1000 + gain) + 1) * 1000;
        }

        /// Its wall clock.
        public InstantSource clock() {
            return () -> SimTasks.this.clock().instant().plus(clockOffset);
        }

        @Override
        public void start(String actor, Runnable body) {
            launch(name + "/" + actor, this, body);
        }

        @Override
        public void sleep(Duration time) {
            SimTasks.this.sleep(Duration.ofNanos(world(time)));
        }

        @Override
        public long nanos() {
            long passed = (frozen ? frozenAt : nanos) - frozenNanos;
            return gain == 0 ? passed : passed * (1000 + gain) / 1000;
        }

        @Override
        public Guard guard() {
            return new SimGuard();
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /// A new node.
    public Node node(String name) {
        return new Node(name);
    }

    /// Chance for one component, independent of the others'.
    public RandomGenerator fork() {
        return random.split();
    }

    /// Wall clock of the world, which began at [TestClock#START].
    public InstantSource clock() {
        return () ->
                Instant.ofEpochSecond(0, nanos)
                        .plusNanos(leaped)
                        .plusMillis(TestClock.START.toEpochMilli());
    }

    /// All wall clocks go ahead, that of the store too, and nothing else happens meanwhile: as if
    /// every machine and every message had stood still for so long.
    public void leap(Duration time) {
        leaped += time.toNanos();
        record("leap " + time);
    }

    public long nanos() {
        return nanos;
    }

    /// Lets the running actor sleep, whichever node it belongs to.
    public void sleep(Duration time) {
        checkAlive();
        Actor me = running;
        me.runnable = false;
        me.wakeAt = nanos + Math.max(0, time.toNanos());
        pass(me);
    }

    /// Lets others run, if the seed says so.
    public void yield() {
        checkAlive();
        pass(running);
    }

    /// Adds an event to the hash.
    public void record(String event) {
        hash = hash * 0x100_0000_01b3L + event.hashCode() * 31L + running.number;
        hash = hash * 31 + nanos;
    }

    /// Ends the world, which then fails with this: for judges that watch from inside code that
    /// would take an exception for its own.
    public void fail(Throwable what) {
        if (!ending) {
            failure = what;
            ending = true;
        }
    }

    /// Whether the world has ended and its actors are being unwound.
    public boolean over() {
        return ending;
    }

    /// How often the baton passed.
    public long steps() {
        return steps;
    }

    private void launch(String name, Node node, Runnable body) {
        if (ending || node.dead) {
            return;
        }
        var actor = new Actor(name, ++numbers, node);
        actors.add(actor);
        threads.start(() -> {
            actor.baton.acquireUninterruptibly();
            try {
                checkAlive();
                body.run();
            } catch (Throwable failed) {
                if (!(failed instanceof WorldEnded) && !ending) {
                    failure = failed;
                    ending = true;
                }
            }
            leave(actor);
        });
    }

    private void finish() {
        ending = true;
    }

    private void leave(Actor actor) {
        actor.done = true;
        actors.remove(actor);
        killed.remove(actor);
        if (ending) {
            // Unwind whoever is left, one after another.
            if (!actors.isEmpty()) {
                hand(actors.getLast());
            } else if (!killed.isEmpty()) {
                hand(killed.getLast());
            } else {
                worldDone.release();
            }
            return;
        }
        Actor next = choose();
        if (next == null) {
            stuck();
            leave(actor);
        } else {
            hand(next);
        }
    }

    private void stuck() {
        failure = new IllegalStateException("everybody waits for ever: " + names());
        ending = true;
    }

    private List<String> names() {
        return actors.stream().map(actor -> actor.name).toList();
    }

    /// Gives the baton to whom the seed chooses, and returns when it comes back.
    private void pass(Actor me) {
        Actor next = choose();
        if (next == null) {
            stuck();
            throw SimTasks.<RuntimeException>ended();
        }
        if (next != me) {
            hand(next);
            me.baton.acquireUninterruptibly();
        }
        checkAlive();
    }

    private void hand(Actor next) {
        running = next;
        next.baton.release();
    }

    private void checkAlive() {
        if (ending) {
            running.unwinding = true;
            throw SimTasks.<RuntimeException>ended();
        }
    }

    /// A [WorldEnded] that the compiler takes for unchecked.
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> T ended() throws T {
        throw (T) new WorldEnded();
    }

    private @Nullable Actor choose() {
        steps++;
        if (steps - stepsAtTick > STEPS_PER_TICK_MAX) {
            throw new IllegalStateException("time stands still at " + nanos + ": " + names());
        }
        while (true) {
            int ready = 0;
            for (Actor actor : actors) {
                ready += actor.ready() ? 1 : 0;
            }
            if (ready > 0) {
                Actor next = ready(random.nextInt(ready));
                hash = (hash * 31 + next.number) * 31 + nanos;
                return next;
            }
            long wake = Long.MAX_VALUE;
            for (Actor actor : actors) {
                if (!actor.node.paused) {
                    wake = Math.min(wake, actor.wakeAt);
                }
            }
            if (wake == Long.MAX_VALUE) {
                return null;
            }
            stepsAtTick = wake > nanos ? steps : stepsAtTick;
            nanos = Math.max(nanos, wake);
            for (Actor actor : actors) {
                // Also of paused nodes: their clocks go on, and they find themselves late.
                if (actor.wakeAt <= nanos && !actor.node.frozen) {
                    actor.wakeAt = Long.MAX_VALUE;
                    actor.runnable = true;
                }
            }
        }
    }

    private Actor ready(int number) {
        int left = number;
        for (Actor actor : actors) {
            if (actor.ready() && left-- == 0) {
                return actor;
            }
        }
        throw new IllegalStateException("no actor " + number + " is ready");
    }

    private final class SimGuard implements Tasks.Guard {
        private @Nullable Actor owner;
        private final List<Actor> locking = new ArrayList<>();
        private final List<Actor> waiting = new ArrayList<>();

        @Override
        public void lock() {
            if (running.unwinding) {
                return; // Nobody else runs until it has left.
            }
            SimTasks.this.yield();
            acquire();
        }

        private void acquire() {
            Actor me = running;
            while (owner != null) {
                if (owner == me) {
                    throw new IllegalStateException(me.name + " locks twice");
                }
                me.runnable = false;
                locking.add(me);
                pass(me);
            }
            owner = me;
        }

        @Override
        public void unlock() {
            if (ending) {
                return;
            }
            if (owner != running) {
                throw new IllegalStateException(running.name + " unlocks what it does not hold");
            }
            owner = null;
            wake(locking);
        }

        @Override
        public void await() {
            waitUntil(Long.MAX_VALUE);
        }

        @Override
        public boolean await(Duration max) {
            Node node = running.node;
            long deadline = node.nanos() + Math.max(0, max.toNanos());
            waitUntil(nanos + Math.max(0, node.world(max)));
            return node.nanos() < deadline;
        }

        private void waitUntil(long deadline) {
            checkAlive();
            Actor me = running;
            unlock();
            me.runnable = false;
            me.wakeAt = deadline;
            waiting.add(me);
            pass(me);
            waiting.remove(me);
            acquire();
        }

        @Override
        public void signalAll() {
            if (!ending && owner != running) {
                throw new IllegalStateException(running.name + " signals without the lock");
            }
            wake(waiting);
        }

        private void wake(List<Actor> sleepers) {
            for (Actor actor : sleepers) {
                actor.wakeAt = Long.MAX_VALUE;
                actor.runnable = true;
            }
            sleepers.clear();
        }
    }
}
