package dev.litefleet.replica.log;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.LocalDateTime;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Closes a log for ever at its first absent slot (C2). One walk is confined to its caller; any
/// number may walk at once, in any processes.
public final class Fence {
    /// Where a log ends.
    ///
    /// @param slot the fence's; slots above it are void
    /// @param fence the object there, ours or that of somebody who was faster
    public record Closed(Slot slot, FenceObject fence) {}

    /// Largest fence. Anything larger that a listing shows in a slot is a segment, and every
    /// segment with an entry is larger.
    static final int BYTES_MAX = 512;

    static final String ENTRY = "fence.json";

    private static final Duration SILENCE_MAX = Duration.ofSeconds(30);

    private static final Logger log = LoggerFactory.getLogger(Fence.class);

    /// What the walk learned at a slot.
    private sealed interface Step {
        record Done(Closed closed) implements Step {}

        record GoOn(Slot slot) implements Step {}
    }

    private final ObjectStore store;
    private final LogName name;
    private final String by;
    private final long epoch;
    private final RandomGenerator random;

    private Fence(ObjectStore store, LogName name, String by, long epoch, RandomGenerator random) {
        this.store = store;
        this.name = name;
        this.by = by;
        this.epoch = epoch;
        this.random = random;
    }

    /// Closes the log and returns where it ends. May be called again, and by several at once: all
    /// get the same answer. Repeats while the store does not answer, for 30 s without any answer: a
    /// caller that wants to leave, or to do something else meanwhile, must get its turn.
    ///
    /// @param from slot 1 of the part that the catalog names in or after the commit that set
    ///   `fencing`, or a slot of that same part that the writer reported durable
    /// @param by this controller's session
    /// @throws Unavailable if the store has been silent for too long; close again
    /// @throws Denied the same with credentials that are refused
    /// @throws Misconfigured if the store refuses the fence for good
    /// @throws dev.litefleet.replica.ReplicaException if what is in the log makes no sense
    public static Closed close(
            ObjectStore store,
            LogName log,
            Slot from,
            String by,
            long epoch,
            Tasks tasks,
            RandomGenerator random) {
        var fence = new Fence(store, log, by, epoch, random);
        return fence.walk(
                from.number() == 0 ? from.next() : from,
                tasks,
                new RetryPace(CommitLogConfig.DEFAULT, random));
    }

    /// Slot 1 of the highest part that the store lists, or of part 1: where the fence of a
    /// controller's log starts (C3). Not for a worker's log, whose early parts are trimmed.
    public static Slot highestPart(ObjectStore store, LogName log) {
        var parts = SlotListing.parts(store, log);
        return Slot.firstOf(parts.isEmpty() ? 1 : parts.last());
    }

    /// The object itself.
    static byte[] encode(FenceObject fence) {
        var out = new ByteArrayOutputStream(BYTES_MAX);
        try (var zip = new ZipOutputStream(out)) {
            zip.setComment(
                    SlotJson.write(
                            new SlotJson.FenceComment(
                                    Segment.FORMAT, fence.body().hex(), SlotArchive.UNSEALED)));
            var entry = new ZipEntry(ENTRY);
            entry.setTimeLocal(LocalDateTime.of(1980, 1, 1, 0, 0)); // ZIP's zero
            var content =
                    new SlotJson.FenceContent(
                            fence.body().hex(),
                            fence.by(),
                            fence.epoch(),
                            fence.endsPart() ? fence.next() : null);
            Segment.put(zip, entry, SlotJson.bytes(content));
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        if (out.size() > BYTES_MAX) {
            throw new IllegalStateException("a fence of " + out.size() + " bytes");
        }
        return SlotArchive.sealed(out.toByteArray());
    }

    static FenceObject parse(ObjectStore store, SlotArchive archive)
            throws JsonProcessingException {
        byte[] content = archive.content(store, archive.entries().getFirst());
        var json = SlotJson.read(content, SlotJson.FenceContent.class);
        Integer next = json.next();
        return new FenceObject(
                new BodyId(json.body()), json.by(), json.epoch(), next == null ? 0 : next);
    }

    private Closed walk(Slot from, Tasks tasks, RetryPace pace) {
        Slot at = from;
        int partListed = 0;
        long heard = tasks.nanos();
        while (true) {
            try {
                if (partListed != at.part()) {
                    at = skipSegments(at);
                    partListed = at.part();
                }
                switch (close(at)) {
                    case Step.Done(Closed closed) -> {
                        return closed;
                    }
                    case Step.GoOn(Slot next) -> at = next;
                }
                pace.answered();
                heard = tasks.nanos();
            } catch (Unavailable | Denied noAnswer) {
                // Nothing was learned, so nothing changes: the same slot again.
                long now = tasks.nanos();
                if (now - heard >= SILENCE_MAX.toNanos()) {
                    throw noAnswer;
                }
                Duration pause = Duration.ofNanos(pace.nextRetry(now) - now);
                log.atWarn()
                        .addKeyValue("log", name)
                        .addKeyValue("slot", at)
                        .addKeyValue("answer", noAnswer.answer())
                        .log("fence got no answer");
                tasks.sleep(pause);
            }
        }
    }

    /// Goes past the contiguous slots that the listing shows to be segments by their size; what is
    /// small enough for a fence is read. A listing is an observation like another: objects are
    /// created once and never change.
    private Slot skipSegments(Slot from) {
        Slot at = from;
        for (var found : SlotListing.of(store, name, from, Integer.MAX_VALUE)) {
            if (!found.slot().equals(at)) {
                break;
            }
            // The first segment of every log is empty, so a log may not end at a small object.
            if (found.bytes() <= BYTES_MAX
                    && !(SegmentReader.read(store, name, at).orElse(null)
                            instanceof SegmentReader)) {
                break;
            }
            at = at.next();
        }
        return at;
    }

    private Step close(Slot at) {
        var fence = new FenceObject(BodyId.draw(random), by, epoch, 0);
        return switch (store.putIfAbsent(at.key(name), ObjectBody.of(encode(fence)))) {
            case PutResult.Created() -> new Step.Done(new Closed(at, fence));
            case PutResult.Occupied() -> occupied(at);
        };
    }

    private Step occupied(Slot at) {
        Optional<SlotObject> found = SegmentReader.read(store, name, at);
        return switch (found.orElseThrow(
                () -> new InconsistentStore(at.key(name), "occupied slot is free"))) {
            case SegmentReader _ -> new Step.GoOn(at.next());
            case FenceObject fence when fence.endsPart() ->
                    new Step.GoOn(Slot.firstOf(fence.next()));
            case FenceObject fence -> new Step.Done(new Closed(at, fence));
        };
    }
}
