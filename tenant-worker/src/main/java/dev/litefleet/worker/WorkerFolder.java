package dev.litefleet.worker;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.litefleet.replica.log.SessionId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A worker's folder, held by this process alone.
///
/// The file `lock` is locked as long as the process lives, and names the session that holds it. So
/// whoever gets the lock knows that the session named there is dead, and can say so to the
/// controller, which then need not wait for its lease to end.
final class WorkerFolder implements AutoCloseable {
    private static final int SESSION_BYTES_MAX = 64;

    private final Path folder;
    private final FileChannel channel;
    private final Optional<SessionId> previous;

    private WorkerFolder(Path folder, FileChannel channel, Optional<SessionId> previous) {
        this.folder = folder;
        this.channel = channel;
        this.previous = previous;
    }

    /// Takes the folder and empties its `tmp`.
    ///
    /// @throws IllegalStateException if another process has it
    static WorkerFolder take(Path folder) {
        try {
            Files.createDirectories(folder);
            FileChannel channel =
                    FileChannel.open(
                            folder.resolve("lock"),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            // Held by the channel: closing it, or the process's end, gives it up.
            if (lock(channel) == null) {
                channel.close();
                throw new IllegalStateException(
                        "another process runs this worker [folder=" + folder + "]");
            }
            var taken = new WorkerFolder(folder, channel, read(channel));
            taken.emptyTmp();
            return taken;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path path() {
        return folder;
    }

    Path tmp() {
        return folder.resolve("tmp");
    }

    /// The session that held the folder last, which is certainly dead.
    Optional<SessionId> previous() {
        return previous;
    }

    /// Names the session that holds the folder from now on. Once its log is open: until then the
    /// previous one is the one whose log somebody must close.
    void hold(SessionId session) {
        try {
            channel.truncate(0);
            channel.write(ByteBuffer.wrap((session.ulid() + "\n").getBytes(US_ASCII)), 0);
            channel.force(true);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static @Nullable FileLock lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException inThisProcess) {
            return null;
        }
    }

    private static Optional<SessionId> read(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(SESSION_BYTES_MAX);
        channel.read(bytes, 0);
        String text = new String(bytes.array(), 0, bytes.position(), US_ASCII).trim();
        try {
            return text.isEmpty() ? Optional.empty() : Optional.of(new SessionId(text));
        } catch (IllegalArgumentException torn) {
            // The process died while it wrote its name; the controller finds it by its lease.
            return Optional.empty();
        }
    }

    private void emptyTmp() throws IOException {
        Path tmp = tmp();
        if (Files.exists(tmp)) {
            Files.walkFileTree(
                    tmp,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                                throws IOException {
                            Files.delete(file);
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult postVisitDirectory(
                                Path dir, @Nullable IOException failure) throws IOException {
                            if (failure != null) {
                                throw failure;
                            }
                            Files.delete(dir);
                            return FileVisitResult.CONTINUE;
                        }
                    });
        }
        Files.createDirectories(tmp);
    }

    /// Gives the lock up; again does nothing.
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
