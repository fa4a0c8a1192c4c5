package dev.litefleet.replica.log;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/// The simplest writer of a commit log there can be, and three ways to write it wrong: for tests
/// that must notice them, and must not notice the first.
public final class WrongLog {
    /// Which way.
    public enum How {
        /// None.
        RIGHT,
        /// A commit counts as durable when its own slot is.
        ACKS_OUT_OF_ORDER,
        /// A body that is sent again takes along what has come since, under the same id.
        REBATCHES_ON_RETRY
    }

    private static final int WINDOW = 4;
    private static final Duration PAUSE = Duration.ofMillis(300);

    private record Pending(Commit commit, CommitLog.WhenDurable whenDurable, long sequence) {}

    private static final class Attempt {
        private final Slot slot;
        private final BodyId id;
        private final List<Pending> commits;
        private boolean resolved;

        private Attempt(Slot slot, BodyId id, List<Pending> commits) {
            this.slot = slot;
            this.id = id;
            this.commits = commits;
        }
    }

    private final How how;
    private final ObjectStore store;
    private final LogName name;
    private final Tasks tasks;
    private final RandomGenerator random;
    private final CommitLog.Listener listener;
    private final Tasks.Guard guard;
    private final List<Pending> pending = new ArrayList<>();
    private final List<Attempt> attempts = new ArrayList<>(); // by slot
    private long sequences;
    private long told; // all commits up to this one are
    private int prefix; // attempts durable
    private boolean ended;

    public WrongLog(
            How how,
            ObjectStore store,
            LogName name,
            Tasks tasks,
            RandomGenerator random,
            CommitLog.Listener listener) {
        this.how = how;
        this.store = store;
        this.name = name;
        this.tasks = tasks;
        this.random = random;
        this.listener = listener;
        this.guard = tasks.guard();
    }

    /// Nothing is probed.
    public void open() {}

    public long append(Commit commit, CommitLog.WhenDurable whenDurable) {
        if (ended) {
            throw new LogEnded(name, null);
        }
        pending.add(new Pending(commit, whenDurable, ++sequences));
        next();
        return sequences;
    }

    private void next() {
        if (!pending.isEmpty() && attempts.size() < prefix + WINDOW) {
            var attempt =
                    new Attempt(
                            new Slot(1, attempts.size() + 1L),
                            BodyId.draw(random),
                            new ArrayList<>(pending));
            pending.clear();
            attempts.add(attempt);
            tasks.start("send", () -> send(attempt));
        }
    }

    private void send(Attempt attempt) {
        byte[] body = encode(attempt);
        while (!ended) {
            try {
                boolean created =
                        store.putIfAbsent(attempt.slot.key(name), ObjectBody.of(body))
                                instanceof PutResult.Created;
                if (created || ours(attempt)) {
                    resolved(attempt);
                }
                return;
            } catch (StoreException | ReplicaException unknown) {
                tasks.sleep(PAUSE);
                if (how == How.REBATCHES_ON_RETRY && attempt == attempts.getLast()) {
                    attempt.commits.addAll(pending);
                    pending.clear();
                    body = encode(attempt);
                }
            }
        }
    }

    private boolean ours(Attempt attempt) {
        SlotObject object = SegmentReader.read(store, name, attempt.slot).orElseThrow();
        if (object.body().equals(attempt.id)) {
            return true;
        }
        end(attempt.slot, object);
        return false;
    }

    private void end(Slot slot, SlotObject object) {
        if (!ended) {
            ended = true;
            signal();
            listener.ended(
                    object instanceof FenceObject fence
                            ? new LogEnd.Fenced(slot, fence.by(), fence.epoch())
                            : new LogEnd.Fatal("not ours: " + object));
        }
    }

    private byte[] encode(Attempt attempt) {
        LtxBodies bodies = LtxBodies.of(attempt.commits.stream().map(Pending::commit).toList());
        var comment = new Segment.Comment(attempt.id, name, attempt.slot, WINDOW, Slot.FIRST);
        return Segment.encode(comment, bodies.bodies());
    }

    private void resolved(Attempt attempt) {
        attempt.resolved = true;
        if (how == How.ACKS_OUT_OF_ORDER) {
            tell(attempt);
        }
        while (prefix < attempts.size() && attempts.get(prefix).resolved) {
            Attempt durable = attempts.get(prefix++);
            if (how != How.ACKS_OUT_OF_ORDER) {
                tell(durable);
            }
        }
        next();
    }

    private void tell(Attempt attempt) {
        LtxBodies bodies = LtxBodies.of(attempt.commits.stream().map(Pending::commit).toList());
        int[] places = Arrays.copyOf(bodies.places(), attempt.commits.size());
        for (int i = 0; i < places.length; i++) {
            Pending one = attempt.commits.get(i);
            one.whenDurable().durable(attempt.slot, bodies.bodies().get(places[i]).entry());
            told = Math.max(told, one.sequence());
        }
        signal();
    }

    private void signal() {
        guard.lock();
        guard.signalAll();
        guard.unlock();
    }

    public boolean awaitDurable(long sequence, Duration max) {
        long deadline = tasks.nanos() + max.toNanos();
        guard.lock();
        try {
            while (told < sequence && !ended && tasks.nanos() < deadline) {
                guard.await(Duration.ofNanos(deadline - tasks.nanos()));
            }
        } finally {
            guard.unlock();
        }
        if (told < sequence && ended) {
            throw new LogEnded(name, null);
        }
        return told >= sequence;
    }

    /// Notices a fence, and is never sure that there is none.
    public SelfCheck selfCheck() {
        try {
            var next = new Slot(1, attempts.size() + 1L);
            SegmentReader.read(store, name, next).ifPresent(object -> end(next, object));
        } catch (StoreException | ReplicaException unknown) {
            return SelfCheck.UNREACHABLE;
        }
        return ended ? SelfCheck.FENCED : SelfCheck.UNREACHABLE;
    }

    public Slot durable() {
        return new Slot(1, prefix);
    }

    public long pendingBytes() {
        return 0;
    }

    /// Recovery reads from slot 1 always.
    public void drained(TenantKey tenant, Txid through) {}
}
