package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.PageIndex;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.TailRead;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A derived file whose header and index are in memory.
///
/// @param whole the object itself if it came with the first request
/// @param bytesRead from the store so far
@SuppressWarnings("ArrayRecordComponent") // Handed to the threads of one hydration, never compared.
record OpenFile(
        DerivedFile file,
        LtxHeader header,
        PageIndex index,
        byte @Nullable [] whole,
        long bytesRead) {
    // One request is enough for a file up to this size, and for the index of most others: a page of
    // 4 KiB takes about 8 bytes of index and seldom less than 1 KiB of frame.
    private static final int TAIL_BYTES_MIN = 128 << 10;
    private static final int TAIL_SHARE = 100;

    // Page number, offset and length as numbers of variable length, at their longest.
    private static final long INDEX_ENTRY_BYTES_MAX = 5 + 9 + 3;

    /// Reads header and index: one request for a small file, two or three for others.
    ///
    /// @throws Corrupt if the file is not what its name says
    static OpenFile open(ObjectStore store, DerivedFile file) {
        int guess = Math.clamp(file.size() / TAIL_SHARE, TAIL_BYTES_MIN, 16 << 20);
        TailRead tail = tail(store, file, guess);
        long size = tail.size();
        byte[] whole = tail.bytes().length == size ? tail.bytes() : null;
        long read = tail.bytes().length;
        LtxHeader header;
        if (whole != null) {
            header = LtxHeader.parse(file.key(), whole);
        } else {
            header = readHeader(store, file);
            read += LtxHeader.BYTES;
        }
        check(file, header);
        long needed = PageIndex.tailBytes(file.key(), tail.bytes(), size);
        if (needed > tail.bytes().length) {
            if (needed > 64 + INDEX_ENTRY_BYTES_MAX * header.commit() || needed > 1 << 30) {
                throw new Corrupt(file.key(), size, "index of " + needed + " bytes");
            }
            tail = tail(store, file, (int) needed);
            read += tail.bytes().length;
        }
        PageIndex index = PageIndex.parse(file.key(), tail.bytes(), size, header);
        return new OpenFile(file, header, index, whole, read);
    }

    /// The header alone, in one request.
    static LtxHeader header(ObjectStore store, DerivedFile file) {
        LtxHeader header = readHeader(store, file);
        check(file, header);
        return header;
    }

    /// The same without the object's bytes.
    OpenFile withoutBytes() {
        return new OpenFile(file, header, index, null, bytesRead);
    }

    /// The bytes from `offset`, exactly `length` of them.
    byte[] read(ObjectStore store, long offset, int length) {
        if (whole != null) {
            return Arrays.copyOfRange(whole, (int) offset, (int) offset + length);
        }
        byte[] bytes = store.getRange(file.key(), offset, length).orElseThrow(() -> vanished(file));
        if (bytes.length != length) {
            throw new Corrupt(file.key(), offset + bytes.length, "file became shorter");
        }
        return bytes;
    }

    private static LtxHeader readHeader(ObjectStore store, DerivedFile file) {
        return LtxHeader.parse(
                file.key(),
                store.getRange(file.key(), 0, LtxHeader.BYTES).orElseThrow(() -> vanished(file)));
    }

    private static void check(DerivedFile file, LtxHeader header) {
        if (!header.min().equals(file.min()) || !header.max().equals(file.max())) {
            throw new Corrupt(file.key(), 16, "header says " + header.min() + "-" + header.max());
        }
    }

    private static TailRead tail(ObjectStore store, DerivedFile file, int length) {
        return store.getTail(file.key(), length).orElseThrow(() -> vanished(file));
    }

    private static Corrupt vanished(DerivedFile file) {
        return new Corrupt(file.key(), 0, "derived file vanished");
    }
}
