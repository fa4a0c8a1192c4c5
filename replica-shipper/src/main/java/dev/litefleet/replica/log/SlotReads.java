package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ObjectStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Reads many slots, some at a time.
final class SlotReads {
    /// Requests in flight at once.
    private static final int PARALLEL = 16;

    private final ObjectStore store;
    private final LogName log;
    private final List<Slot> slots;
    private final Tasks.Guard guard;
    private final List<Optional<SlotObject>> objects; // guarded by guard
    private int next; // guarded by guard
    private int running; // guarded by guard
    private @Nullable Throwable failure; // guarded by guard

    private SlotReads(ObjectStore store, LogName log, List<Slot> slots, Tasks.Guard guard) {
        this.store = store;
        this.log = log;
        this.slots = slots;
        this.guard = guard;
        this.objects = new ArrayList<>(slots.size());
        slots.forEach(_ -> objects.add(Optional.empty()));
    }

    /// What each slot holds, in the same order.
    ///
    /// @throws RuntimeException the first that a read threw
    static List<Optional<SlotObject>> all(
            ObjectStore store, LogName log, List<Slot> slots, Tasks tasks) {
        if (slots.size() == 1) {
            return List.of(SegmentReader.read(store, log, slots.getFirst()));
        }
        var reads = new SlotReads(store, log, slots, tasks.guard());
        return slots.isEmpty() ? List.of() : reads.run(tasks);
    }

    private List<Optional<SlotObject>> run(Tasks tasks) {
        running = Math.min(PARALLEL, slots.size());
        for (int i = running; i > 0; i--) {
            tasks.start("read " + log, this::read);
        }
        guard.lock();
        try {
            while (running > 0) {
                guard.await();
            }
            if (failure instanceof Error error) {
                throw error;
            }
            if (failure instanceof RuntimeException exception) {
                throw exception;
            }
            return objects;
        } finally {
            guard.unlock();
        }
    }

    private void read() {
        guard.lock();
        try {
            while (next < slots.size() && failure == null) {
                int mine = next++;
                Optional<SlotObject> object = Optional.empty();
                Throwable failed = null;
                guard.unlock();
                try {
                    object = SegmentReader.read(store, log, slots.get(mine));
                } catch (RuntimeException | Error thrown) {
                    failed = thrown;
                } finally {
                    guard.lock();
                }
                objects.set(mine, object);
                failure = failure == null ? failed : failure;
            }
        } finally {
            running--;
            guard.signalAll();
            guard.unlock();
        }
    }
}
