package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The worker's folder of WALs with commits that never became durable here:
/// `quarantine/<tenant>/<session>/{db-wal, position.json}`. Nothing in it is ever read by this
/// program; it is for people, who find in `position.json` where the durable part ends.
///
/// Its size is bounded: when it is full the oldest go first, which is logged. Thread-safe.
final class Quarantine {
    private static final Logger log = LoggerFactory.getLogger(Quarantine.class);

    private final Path folder;
    private final long bytesMax;

    Quarantine(Path folder, long bytesMax) {
        this.folder = folder;
        this.bytesMax = bytesMax;
    }

    /// Where the leftovers of one session of a tenant belong.
    Path of(TenantId tenant, String session) {
        return folder.resolve(tenant.name()).resolve(session);
    }

    /// Removes the oldest until everything fits. To be called after something was added.
    synchronized void trim() {
        List<Path> sessions = sessions();
        long bytes = 0;
        for (Path session : sessions) {
            bytes += bytes(session);
        }
        for (Path session : sessions) {
            if (bytes <= bytesMax) {
                return;
            }
            long gone = bytes(session);
            LocalFiles.deleteFolder(session);
            bytes -= gone;
            log.atWarn()
                    .addKeyValue("quarantine", folder.relativize(session))
                    .addKeyValue("bytes", gone)
                    .log("quarantined commits were dropped: quarantine_bytes_max is reached");
        }
    }

    /// Oldest first.
    private List<Path> sessions() {
        var found = new ArrayList<Path>();
        for (Path tenant : LocalFiles.children(folder)) {
            found.addAll(LocalFiles.children(tenant));
        }
        found.sort(Comparator.comparing(Quarantine::modified));
        return found;
    }

    private static FileTime modified(Path path) {
        try {
            return Files.getLastModifiedTime(path);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the time of " + path, e);
        }
    }

    private static long bytes(Path session) {
        try (Stream<Path> files = Files.list(session)) {
            return files.mapToLong(Quarantine::size).sum();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + session, e);
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the size of " + file, e);
        }
    }
}
