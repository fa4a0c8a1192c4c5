package dev.litefleet.replica.history;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Pages put aside: in memory up to a limit, the rest in one temporary file, which closing removes.
/// A page that was replaced is overwritten in its place, so the space is that of the distinct
/// pages. Written by one thread; then read by any number.
final class PageSpool implements Closeable {
    private static final int CHUNK_BYTES = 1 << 20;

    private final Path folder;
    private final int chunksMax;
    private final List<byte[]> chunks = new ArrayList<>();
    private long end;
    private @Nullable Path file;
    private @Nullable FileChannel channel;

    /// @param folder for the temporary file
    /// @param memoryBytes kept in memory
    PageSpool(Path folder, long memoryBytes) {
        this.folder = folder;
        this.chunksMax = Math.toIntExact(memoryBytes / CHUNK_BYTES);
    }

    /// A place for one more page.
    ///
    /// @param pageSize power of two, 512 to 65536
    long allocate(int pageSize) {
        // Aligned to its size a page never straddles a chunk.
        long place = (end + pageSize - 1) & -pageSize;
        end = place + pageSize;
        return place;
    }

    void write(long place, byte[] page, int pageSize) {
        int chunk = Math.toIntExact(place / CHUNK_BYTES);
        if (chunk < chunksMax) {
            while (chunks.size() <= chunk) {
                chunks.add(new byte[CHUNK_BYTES]);
            }
            System.arraycopy(page, 0, chunks.get(chunk), (int) (place % CHUNK_BYTES), pageSize);
            return;
        }
        try {
            var bytes = ByteBuffer.wrap(page, 0, pageSize);
            for (long at = place; bytes.hasRemaining(); ) {
                at += channel().write(bytes, at);
            }
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot spool pages", failed);
        }
    }

    void read(long place, byte[] page, int pageSize) {
        int chunk = Math.toIntExact(place / CHUNK_BYTES);
        if (chunk < chunksMax) {
            System.arraycopy(chunks.get(chunk), (int) (place % CHUNK_BYTES), page, 0, pageSize);
            return;
        }
        try {
            var bytes = ByteBuffer.wrap(page, 0, pageSize);
            for (long at = place; bytes.hasRemaining(); ) {
                int count = channel().read(bytes, at);
                if (count < 0) {
                    throw new IOException("spool ends at " + at);
                }
                at += count;
            }
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot read spooled pages", failed);
        }
    }

    /// Whether pages went to disk.
    boolean spilled() {
        return file != null;
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
        if (file != null) {
            Files.deleteIfExists(file);
        }
    }

    private FileChannel channel() throws IOException {
        if (channel == null) {
            file = Files.createTempFile(folder, "spool-", ".tmp");
            channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        }
        return channel;
    }
}
