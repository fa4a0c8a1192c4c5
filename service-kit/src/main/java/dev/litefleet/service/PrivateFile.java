package dev.litefleet.service;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

/// Files that only their owner may read.
public final class PrivateFile {
    private PrivateFile() {}

    /// Makes `file` with mode 0600, whole and durable or not at all: a crash leaves no half of a
    /// key. If it is there already, also because another process was faster, it stays as it is.
    public static void create(Path file, byte[] bytes) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        var mode =
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
        Path temporary = Files.createTempFile(folder, ".new-", "", mode);
        try {
            try (var channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                var left = ByteBuffer.wrap(bytes);
                while (left.hasRemaining()) {
                    channel.write(left);
                }
                channel.force(true);
            }
            Files.createLink(file, temporary);
            try (var channel = FileChannel.open(folder)) {
                channel.force(true);
            }
        } catch (FileAlreadyExistsException _) {
            // Somebody else's is as good as ours; the caller reads what is there.
        } finally {
            Files.deleteIfExists(temporary);
        }
    }
}
