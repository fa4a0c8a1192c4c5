package dev.litefleet.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.github.f4b6a3.ulid.UlidCreator;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The folder of one `litefleet up`, held exclusively as long as this process lives.
///
/// | path         | what                                                      |
/// | ------------ | --------------------------------------------------------- |
/// | `lock`       | locked by the running `up`; holds its pid and URL         |
/// | `node`       | id of this folder; proves to a successor whose lock it is |
/// | `admin.key`  | the first API key (0600)                                  |
/// | `secrets/`   | private keys (0700)                                       |
/// | `store/`     | the default object store                                  |
/// | `controller/`| local copy of the catalog                                 |
/// | `workers/`   | one folder per worker                                     |
/// | `logs/`      | one file per worker                                       |
final class DataDirectory implements AutoCloseable {
    private final Path path;
    private final FileChannel channel;
    private final FileLock lock;
    private final String node;

    private DataDirectory(Path path, FileChannel channel, FileLock lock, String node) {
        this.path = path;
        this.channel = channel;
        this.lock = lock;
        this.node = node;
    }

    /// Creates the folder when missing and locks it.
    ///
    /// @return empty if another process holds it
    static Optional<DataDirectory> hold(Path path) throws IOException {
        Files.createDirectories(
                path,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        FileChannel channel =
                FileChannel.open(
                        path.resolve("lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        FileLock lock = tryLock(channel);
        if (lock == null) {
            channel.close();
            return Optional.empty();
        }
        Path node = path.resolve("node");
        if (!Files.exists(node)) {
            Files.writeString(node, UlidCreator.getUlid().toString());
        }
        return Optional.of(new DataDirectory(path, channel, lock, Files.readString(node).trim()));
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException _) {
            return null;
        }
    }

    /// What the holder of the folder wrote about itself.
    static String holder(Path path) throws IOException {
        return Files.readString(path.resolve("lock")).trim();
    }

    /// Tells a second `up` who is here.
    void describe(String holder) throws IOException {
        channel.truncate(0);
        channel.write(UTF_8.encode(holder + "\n"), 0);
    }

    Path path() {
        return path;
    }

    Path resolve(String name) {
        return path.resolve(name);
    }

    String node() {
        return node;
    }

    @Override
    public void close() throws IOException {
        lock.release();
        channel.close();
    }
}
