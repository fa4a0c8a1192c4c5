package dev.litefleet.replica.log;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.TailRead;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Optional;

/// What one attempt to create a slot came to (W3, second half; the first half, from the store's
/// answer to [PutResult] or [StoreException], is [dev.litefleet.replica.objects.StoreAnswer]).
sealed interface SlotOutcome {
    /// Our body is in the slot.
    record Ours() implements SlotOutcome {}

    /// Nothing is known: the attempt may have taken effect or may do so any time later. Send the
    /// same bytes again.
    record Unknown(StoreException answer) implements SlotOutcome {}

    /// Somebody closed the log here.
    record Fenced(FenceObject fence) implements SlotOutcome {}

    /// Neither ours nor a fence, or the store cannot be worked with.
    record Fatal(String answer) implements SlotOutcome {}

    /// What was seen of the slot.
    sealed interface Seen {
        record Created() implements Seen {}

        /// @param same whether size and last bytes are those of our body
        record Taken(SlotObject object, boolean same) implements Seen {}

        /// Occupied for the put, free for the read after it.
        record TakenButFree() implements Seen {}

        record Unreadable(ReplicaException problem) implements Seen {}

        record Refused(StoreException answer) implements Seen {}
    }

    /// The resolution table.
    static SlotOutcome of(Seen seen, BodyId ours) {
        return switch (seen) {
            case Seen.Created() -> new Ours();
            // An earlier attempt of ours landed and its answer was lost: "occupied" never means
            // "somebody else" by itself.
            case Seen.Taken(var object, boolean same) when same && object.body().equals(ours) ->
                    new Ours();
            // A copied machine may draw the id we drew.
            case Seen.Taken(var object, _) when object.body().equals(ours) ->
                    new Fatal("slot holds other bytes under our body id " + ours);
            case Seen.Taken(FenceObject fence, _) -> new Fenced(fence);
            case Seen.Taken(SegmentReader segment, _) ->
                    new Fatal("slot holds a segment that is not ours, body " + segment.body());
            case Seen.TakenButFree() ->
                    new Fatal("INCONSISTENT_STORE: slot is occupied and cannot be read");
            case Seen.Unreadable(var problem) ->
                    new Fatal("slot holds what we cannot read: " + problem.getMessage());
            case Seen.Refused(StoreException.Unavailable answer) -> new Unknown(answer);
            case Seen.Refused(StoreException.Denied answer) -> new Unknown(answer);
            case Seen.Refused(StoreException.Misconfigured answer) -> new Fatal(answer.toString());
        };
    }

    /// One attempt: a put, and a read if the slot is taken.
    static SlotOutcome attempt(ObjectStore store, LogName log, FrozenBody body) {
        return of(send(store, log, body), body.id());
    }

    /// One attempt to create a blob, whose key was drawn for it: [Ours] if it is there.
    static SlotOutcome attemptBlob(ObjectStore store, String key, ObjectBody body) {
        try {
            return switch (store.putIfAbsent(key, body)) {
                case PutResult.Created() -> new Ours();
                case PutResult.Occupied() ->
                        store.getTail(key, SlotArchive.TAIL_BYTES)
                                        .filter(tail -> endsLike(tail, body))
                                        .isPresent()
                                ? new Ours()
                                : new Fatal("blob holds other bytes");
            };
        } catch (StoreException.Misconfigured answer) {
            return new Fatal(answer.toString());
        } catch (StoreException answer) {
            return new Unknown(answer);
        }
    }

    /// The end of an LTX file is its index and its checksum.
    private static boolean endsLike(TailRead tail, ObjectBody body) {
        try {
            return tail.size() == body.length()
                    && Arrays.equals(tail.bytes(), body.last(SlotArchive.TAIL_BYTES));
        } catch (IOException lost) {
            throw new UncheckedIOException("cannot read a spooled body", lost);
        }
    }

    private static Seen send(ObjectStore store, LogName log, FrozenBody body) {
        try {
            return switch (store.putIfAbsent(body.slot().key(log), body.object())) {
                case PutResult.Created() -> new Seen.Created();
                case PutResult.Occupied() -> look(store, log, body);
            };
        } catch (StoreException answer) {
            return new Seen.Refused(answer);
        }
    }

    /// What is in the slot of an occupied put.
    static Seen look(ObjectStore store, LogName log, FrozenBody body) {
        Optional<TailRead> tail = store.getTail(body.slot().key(log), SlotArchive.TAIL_BYTES);
        if (tail.isEmpty()) {
            return new Seen.TakenButFree();
        }
        try {
            SlotObject object = SegmentReader.parse(store, log, body.slot(), tail.get());
            return new Seen.Taken(object, body.endsLike(tail.get()));
        } catch (ReplicaException problem) {
            return new Seen.Unreadable(problem);
        }
    }
}
