package dev.litefleet.replica.objects;

import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The bytes of an object to be written. Frozen: whoever made it changes neither the array nor the
/// file any more, because an attempt with unknown outcome is repeated with the same bytes.
public final class ObjectBody {
    private final byte @Nullable [] bytes;
    private final @Nullable Path file;
    private final long length;
    private final @Nullable Instant timestamp;

    private ObjectBody(
            byte @Nullable [] bytes,
            @Nullable Path file,
            long length,
            @Nullable Instant timestamp) {
        this.bytes = bytes;
        this.file = file;
        this.length = length;
        this.timestamp = timestamp;
    }

    /// @param bytes not copied
    public static ObjectBody of(byte[] bytes) {
        return new ObjectBody(bytes, null, bytes.length, null);
    }

    /// A body on disk, for what is too large for memory.
    public static ObjectBody ofFile(Path file) throws IOException {
        return new ObjectBody(null, file, Files.size(file), null);
    }

    /// The same bytes, to be stored with a time of their own: Litestream's `timestamp` metadata on
    /// S3, the modification time of the file in a directory. Nothing of ours reads it back.
    public ObjectBody withTimestamp(Instant time) {
        return new ObjectBody(bytes, file, length, time);
    }

    /// In bytes.
    public long length() {
        return length;
    }

    public Optional<Instant> timestamp() {
        return Optional.ofNullable(timestamp);
    }

    /// The bytes from the start; each call gives a stream of its own.
    public InputStream open() throws IOException {
        return bytes != null ? new ByteArrayInputStream(bytes) : Files.newInputStream(path());
    }

    /// `length` bytes from `offset`.
    InputStream slice(long offset, long length) {
        try {
            InputStream in = open();
            in.skipNBytes(offset);
            return new Slice(in, length);
        } catch (IOException lost) {
            throw new UncheckedIOException("cannot read a body to be sent", lost);
        }
    }

    /// All of them in one array, which may be the body's own: do not change.
    ///
    /// @throws IOException if the file cannot be read, or is not what it was
    public byte[] bytes() throws IOException {
        return bytes != null ? bytes : last(Math.toIntExact(length));
    }

    /// The last `min(count, length)` bytes.
    ///
    /// @throws IOException if the file cannot be read, or is not what it was
    public byte[] last(int count) throws IOException {
        int wanted = (int) Math.min(count, length);
        try (InputStream in = open()) {
            in.skipNBytes(length - wanted);
            byte[] last = in.readNBytes(wanted);
            if (last.length != wanted || in.read() >= 0) {
                throw new IOException("a body changed its size: " + file);
            }
            return last;
        }
    }

    /// The bytes if they are in memory; the array is the body's own.
    Optional<byte[]> inMemory() {
        return Optional.ofNullable(bytes);
    }

    /// The file that holds the bytes if they are not in memory.
    Path path() {
        if (file == null) {
            throw new IllegalStateException("this body is in memory");
        }
        return file;
    }

    /// The first bytes of a stream.
    private static final class Slice extends FilterInputStream {
        private long left;

        private Slice(InputStream in, long length) {
            super(in);
            this.left = length;
        }

        @Override
        public int read() throws IOException {
            int next = left > 0 ? in.read() : -1;
            left -= next < 0 ? 0 : 1;
            return next;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int read = left > 0 ? in.read(into, offset, (int) Math.min(length, left)) : -1;
            left -= Math.max(read, 0);
            return read;
        }

        @Override
        public long skip(long count) throws IOException {
            long skipped = in.skip(Math.min(count, left));
            left -= skipped;
            return skipped;
        }

        @Override
        public int available() throws IOException {
            return (int) Math.min(in.available(), left);
        }

        @Override
        public boolean markSupported() {
            return false; // What is sent again is opened again.
        }
    }
}
