package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import java.time.Duration;
import java.util.random.RandomGenerator;

/// A fencer that goes wrong in one way: for tests that must notice it.
public final class WrongFence {
    /// Which way.
    public enum How {
        /// Puts the fence after the last slot that is listed.
        AFTER_LAST_LISTED,
        /// Goes past fences as if they were segments.
        PAST_FENCES,
        /// Goes to the next slot when a put was not answered.
        ADVANCES_ON_TIMEOUT
    }

    private static final Duration PAUSE = Duration.ofMillis(300);

    private WrongFence() {}

    /// As [Fence#close] is called.
    public static Fence.Closed close(
            How how,
            ObjectStore store,
            LogName log,
            Slot from,
            String by,
            long epoch,
            Tasks tasks,
            RandomGenerator random) {
        Slot at = how == How.AFTER_LAST_LISTED ? afterLast(store, log, from) : from;
        while (true) {
            try {
                var fence = new FenceObject(BodyId.draw(random), by, epoch, 0);
                PutResult put = store.putIfAbsent(at.key(log), ObjectBody.of(Fence.encode(fence)));
                if (put instanceof PutResult.Created) {
                    return new Fence.Closed(at, fence);
                }
                switch (SegmentReader.read(store, log, at).orElseThrow()) {
                    case SegmentReader _ -> at = at.next();
                    case FenceObject other when other.endsPart() -> at = Slot.firstOf(other.next());
                    case FenceObject other -> {
                        if (how != How.PAST_FENCES) {
                            return new Fence.Closed(at, other);
                        }
                        at = at.next();
                    }
                }
            } catch (StoreException.Unavailable | StoreException.Denied unknown) {
                if (how == How.ADVANCES_ON_TIMEOUT) {
                    at = at.next();
                }
                tasks.sleep(PAUSE);
            }
        }
    }

    private static Slot afterLast(ObjectStore store, LogName log, Slot from) {
        var listed = SlotListing.of(store, log, from, Integer.MAX_VALUE);
        return listed.isEmpty() ? from : listed.getLast().slot().next();
    }
}
