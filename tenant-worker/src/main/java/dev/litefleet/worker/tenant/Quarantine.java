package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The worker's folder of WALs with commits that never became durable here:
/// `quarantine/<tenant>/<session>/{db-wal, position.json, lost.json}`. Nothing in it is ever read
/// by this program; it is for people, who find in `lost.json` which commits may be lost and in
/// `position.json` where the durable part ends.
///
/// Its size is bounded: when it is full the oldest go first, which is logged. What is put in is
/// also remembered until somebody takes it ([#takeReports]), to tell the controller. Thread-safe.
final class Quarantine {
    private static final Logger log = LoggerFactory.getLogger(Quarantine.class);

    /// More are logged only.
    private static final int REPORTS_MAX = 1000;

    private final Path folder;
    private final long bytesMax;
    private final ArrayDeque<LostCommits> reports = new ArrayDeque<>(); // guarded by itself

    Quarantine(Path folder, long bytesMax) {
        this.folder = folder;
        this.bytesMax = bytesMax;
    }

    /// Where the leftovers of one session of a tenant belong.
    Path of(TenantId tenant, String session) {
        return folder.resolve(tenant.name()).resolve(session);
    }

    /// Keeps a WAL, which may be open and stays where it is, and says so.
    ///
    /// @param position content of the `position.json` that belongs to it, empty if there is none
    /// @param lost its bytes are counted here
    /// @return bytes kept
    long keep(Path wal, String position, LostCommits lost) {
        Path kept = of(lost.key().tenant(), lost.session());
        LostCommits counted;
        try {
            Files.createDirectories(kept);
            Path link = kept.resolve("db-wal");
            Files.deleteIfExists(link);
            Files.createLink(link, wal);
            if (!position.isEmpty()) {
                LocalPosition.replace(kept.resolve("position.json"), position);
            }
            counted =
                    new LostCommits(
                            lost.key(),
                            lost.session(),
                            lost.first(),
                            lost.last(),
                            Files.size(link),
                            lost.reason());
            LocalPosition.replace(kept.resolve("lost.json"), counted.json());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot keep " + wal, e);
        }
        log.atWarn()
                .addKeyValue("tenant", lost.key().tenant())
                .addKeyValue("session", lost.session())
                .addKeyValue("first", lost.first())
                .addKeyValue("last", lost.last())
                .addKeyValue("bytes", counted.bytes())
                .addKeyValue("reason", lost.reason())
                .log("commits that may be lost were put in quarantine");
        synchronized (reports) {
            if (reports.size() < REPORTS_MAX) {
                reports.add(counted);
            }
        }
        trim();
        return counted.bytes();
    }

    /// What was put in since the last call, oldest first.
    List<LostCommits> takeReports() {
        synchronized (reports) {
            var taken = List.copyOf(reports);
            reports.clear();
            return taken;
        }
    }

    /// Gives back what [#takeReports] gave and nobody could be told.
    void giveBack(List<LostCommits> untold) {
        synchronized (reports) {
            untold.reversed().forEach(reports::addFirst);
        }
    }

    /// What the session left here has been shipped after all.
    synchronized void forget(TenantId tenant, String session) {
        LocalFiles.deleteFolder(of(tenant, session));
        Path folderOfTenant = folder.resolve(tenant.name());
        if (LocalFiles.children(folderOfTenant).isEmpty()) {
            LocalFiles.deleteFolder(folderOfTenant);
        }
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
