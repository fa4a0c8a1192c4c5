package dev.litefleet.worker.tenant;

import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Calls back, each at its time, whatever on this worker waits for a moment to come: one queue and
/// one task for all tenants. Who waits for nothing is not in it, and while it is empty nothing
/// wakes up.
///
/// Thread-safe. Callbacks run one after another on the queue's own task, so they must be short.
public final class Deadlines implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Deadlines.class);

    /// Never; of [Due#due].
    static final long NEVER = Long.MAX_VALUE;

    /// Somebody who can be called back.
    @FunctionalInterface
    interface Due {
        /// Does what is due.
        ///
        /// @param now [Tasks#nanos]; may be earlier than what was asked for
        /// @return when to call again, [#NEVER] for not at all
        long due(long now);
    }

    /// One caller's place in the queue.
    final class Entry {
        private final Due due;
        // Written under the guard; read without it to skip what needs no change.
        private volatile long at = NEVER;

        private Entry(Due due) {
            this.due = due;
        }

        /// Asks to be called at `time` or before. Cheap when that is promised already.
        void sooner(long time) {
            if (time < at) {
                insert(this, time);
            }
        }

        /// Asks for nothing any more.
        void cancel() {
            remove(this);
        }

        /// Asks to be called after `wait` or before.
        void within(Duration wait) {
            sooner(tasks.nanos() + wait.toNanos());
        }
    }

    private record Place(long at, Entry entry) {}

    private final Tasks tasks;
    private final Tasks.Guard guard;
    // Places whose entry has moved to an earlier one stay until their time and are skipped then.
    private final PriorityQueue<Place> queue =
            new PriorityQueue<>((a, b) -> Long.compare(a.at, b.at)); // under guard
    private boolean closed; // under guard

    public Deadlines(Tasks tasks) {
        this.tasks = tasks;
        this.guard = tasks.guard();
        tasks.start("deadlines", this::run);
    }

    Entry entry(Due due) {
        return new Entry(due);
    }

    long now() {
        return tasks.nanos();
    }

    /// How many callbacks are waiting for their time.
    int size() {
        guard.lock();
        try {
            return (int) queue.stream().filter(place -> place.entry.at == place.at).count();
        } finally {
            guard.unlock();
        }
    }

    private void insert(Entry entry, long time) {
        guard.lock();
        try {
            if (time < entry.at) {
                entry.at = time;
                queue.add(new Place(time, entry));
                guard.signalAll();
            }
        } finally {
            guard.unlock();
        }
    }

    private void remove(Entry entry) {
        guard.lock();
        try {
            entry.at = NEVER;
            queue.removeIf(place -> place.entry == entry);
        } finally {
            guard.unlock();
        }
    }

    private void run() {
        while (true) {
            Entry entry = next();
            if (entry == null) {
                return;
            }
            try {
                long again = entry.due.due(tasks.nanos());
                if (again != NEVER) {
                    entry.sooner(again);
                }
            } catch (RuntimeException failure) {
                // One caller's bug must not stop the clock of the others.
                log.atError().setCause(failure).log("deadline callback failed");
            }
        }
    }

    /// Waits for the next entry whose time has come and takes it out; null when closed.
    private @Nullable Entry next() {
        guard.lock();
        try {
            while (!closed) {
                Place head = queue.peek();
                if (head == null) {
                    guard.await();
                } else if (head.entry.at != head.at) {
                    queue.remove();
                } else {
                    long wait = head.at - tasks.nanos();
                    if (wait <= 0) {
                        queue.remove();
                        head.entry.at = NEVER;
                        return head.entry;
                    }
                    guard.await(Duration.ofNanos(wait));
                }
            }
            return null;
        } finally {
            guard.unlock();
        }
    }

    /// Nobody is called any more.
    @Override
    public void close() {
        guard.lock();
        try {
            closed = true;
            queue.clear();
            guard.signalAll();
        } finally {
            guard.unlock();
        }
    }
}
