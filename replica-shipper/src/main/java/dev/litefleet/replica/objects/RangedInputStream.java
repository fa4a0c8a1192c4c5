package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.S3ObjectStore.Part;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.Optional;

/// An object read in ranges, each twice as long as the one before. An object never changes, so the
/// pieces belong together. Confined to one thread at a time.
final class RangedInputStream extends InputStream {
    /// Enough for most objects in one request, in bytes.
    static final int FIRST = 256 << 10;

    private static final int LARGEST = 4 << 20;

    private final S3ObjectStore store;
    private final String key;
    private final long size;
    private byte[] bytes;
    private long offset; // of `bytes` in the object
    private int next; // in `bytes`
    private int length = FIRST;

    /// @param first the piece at `offset`
    RangedInputStream(S3ObjectStore store, String key, long offset, Part first) {
        this.store = store;
        this.key = key;
        this.size = first.size();
        this.bytes = first.bytes();
        this.offset = offset;
    }

    @Override
    public int read() throws IOException {
        return fill() ? bytes[next++] & 0xff : -1;
    }

    @Override
    public int read(byte[] into, int at, int count) throws IOException {
        Objects.checkFromIndexSize(at, count, into.length);
        if (count == 0) {
            return 0;
        }
        if (!fill()) {
            return -1;
        }
        int copied = Math.min(count, bytes.length - next);
        System.arraycopy(bytes, next, into, at, copied);
        next += copied;
        return copied;
    }

    @Override
    public int available() {
        return bytes.length - next;
    }

    /// @return false at the end of the object
    private boolean fill() throws IOException {
        if (next < bytes.length) {
            return true;
        }
        offset += bytes.length;
        next = 0;
        if (offset >= size) {
            bytes = new byte[0];
            return false;
        }
        length = Math.min(2 * length, LARGEST);
        Optional<Part> part;
        try {
            part = store.range(key, offset, length);
        } catch (StoreException failure) {
            throw new IOException(
                    "object broke off [key=%s, offset=%d]".formatted(key, offset), failure);
        }
        if (part.isEmpty() || part.get().bytes().length == 0) {
            throw new IOException("object disappeared [key=%s, offset=%d]".formatted(key, offset));
        }
        bytes = part.get().bytes();
        return true;
    }
}
