package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.TailRead;
import java.util.Arrays;

/// The bytes of one slot, fixed before the first attempt and sent again verbatim until the slot is
/// resolved (W1).
final class FrozenBody {
    private final Slot slot;
    private final BodyId id;
    private final byte[] bytes;

    /// @param bytes never changed again; contain `id`
    FrozenBody(Slot slot, BodyId id, byte[] bytes) {
        this.slot = slot;
        this.id = id;
        this.bytes = bytes;
    }

    Slot slot() {
        return slot;
    }

    BodyId id() {
        return id;
    }

    ObjectBody object() {
        return ObjectBody.of(bytes);
    }

    /// Whether an object's size and last bytes, which are its index, are this body's.
    boolean endsLike(TailRead tail) {
        return tail.size() == bytes.length
                && Arrays.equals(
                        tail.bytes(),
                        0,
                        tail.bytes().length,
                        bytes,
                        (int) tail.offset(),
                        bytes.length);
    }
}
