package dev.litefleet.replica.history;

import dev.litefleet.replica.objects.ObjectBody;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// An object in the making: in memory while it is small, beyond that in a temporary file. Closing
/// it removes the file, so the object must have been written by then.
final class BodyBuffer extends OutputStream {
    static final int MEMORY_BYTES = 8 << 20;

    private final Path folder;
    private final int memoryBytes;
    private @Nullable ByteArrayOutputStream memory = new ByteArrayOutputStream(64 << 10);
    private @Nullable Path file;
    private @Nullable OutputStream out;

    /// @param folder for the temporary file
    BodyBuffer(Path folder) {
        this(folder, MEMORY_BYTES);
    }

    BodyBuffer(Path folder, int memoryBytes) {
        this.folder = folder;
        this.memoryBytes = memoryBytes;
    }

    @Override
    public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        if (memory != null && memory.size() + length <= memoryBytes) {
            memory.write(bytes, offset, length);
        } else {
            disk().write(bytes, offset, length);
        }
    }

    /// What was written so far; nothing may be written after it.
    ObjectBody body() throws IOException {
        if (memory != null) {
            return ObjectBody.of(memory.toByteArray());
        }
        disk().flush();
        return ObjectBody.ofFile(file());
    }

    /// Whether it went to disk.
    boolean spilled() {
        return file != null;
    }

    @Override
    public void close() throws IOException {
        if (out != null) {
            out.close();
        }
        if (file != null) {
            Files.deleteIfExists(file);
        }
    }

    private OutputStream disk() throws IOException {
        if (out == null) {
            file = Files.createTempFile(folder, "derived-", ".tmp");
            out = new BufferedOutputStream(Files.newOutputStream(file), 64 << 10);
            if (memory != null) {
                memory.writeTo(out);
                memory = null;
            }
        }
        return out;
    }

    private Path file() {
        if (file == null) {
            throw new IllegalStateException("not on disk");
        }
        return file;
    }
}
