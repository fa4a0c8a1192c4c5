package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;

/// Takes a history out: into a folder of Litestream's file layout, `ltx/<level>/<min>-<max>.ltx`
/// with the times of its files, and a plain database beside it. What is there afterwards needs
/// nothing of ours.
public final class Eject {
    /// What was written.
    ///
    /// @param files of the history
    /// @param bytes of them
    public record Ejected(Hydrated state, int files, long bytes) {}

    private Eject() {}

    /// Writes the history up to the state of `plan` into `replica`, and that state into `database`.
    /// Every file is read to its verified end. A state that no file ends with, because it lies
    /// between drains or only in a log, gets a snapshot of its own.
    ///
    /// @param replica is created; must not hold a replica already
    /// @param database is created or replaced
    /// @throws Corrupt naming the file that is damaged
    public static Ejected write(
            ObjectStore store, RestorePlan plan, Path replica, Path database, Tasks tasks) {
        Hydrated state =
                Hydrator.hydrate(
                        store, plan, database, Hydrator.Limits.DEFAULT, tasks, Progress.NONE);
        LineageHistory history = LineageHistory.list(store, plan.tenant()).upTo(plan.target());
        try {
            int files = 0;
            long bytes = 0;
            for (DerivedFile file : history.files()) {
                copy(store, file, path(replica, file.level(), file.min(), file.max()));
                files++;
                bytes += file.size();
            }
            if (!history.coverage().equals(plan.target())) {
                Path snapshot =
                        path(replica, DerivedFile.LEVEL_SNAPSHOT, new Txid(1), plan.target());
                bytes += snapshot(database, state, snapshot);
                files++;
            }
            return new Ejected(state, files, bytes);
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot write " + replica, failed);
        }
    }

    private static Path path(Path replica, int level, Txid min, Txid max) throws IOException {
        Path folder = replica.resolve("ltx").resolve(Integer.toString(level));
        Files.createDirectories(folder);
        return folder.resolve(min + "-" + max + ".ltx");
    }

    private static void copy(ObjectStore store, DerivedFile file, Path to) throws IOException {
        try (InputStream in =
                store.open(file.key(), 0)
                        .orElseThrow(() -> new Corrupt(file.key(), 0, "derived file vanished"))) {
            Files.copy(in, to);
        }
        LtxHeader header;
        try (var ltx = new LtxReader(file.key(), Files.newInputStream(to))) {
            header = ltx.header();
            while (ltx.next()) {
                // Reading is verifying.
            }
        }
        date(to, header.timestampMillis());
    }

    private static long snapshot(Path database, Hydrated state, Path to) throws IOException {
        var image = new LineageStart.Image(database, state.pageSize(), state.pages());
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(to), 64 << 10)) {
            LineageStart.encode(
                    image, state.position().txid(), Instant.ofEpochMilli(state.lastMillis()), out);
        }
        date(to, state.lastMillis());
        return Files.size(to);
    }

    /// Litestream takes the time of a state from its file.
    private static void date(Path file, long millis) throws IOException {
        Files.setLastModifiedTime(file, FileTime.fromMillis(millis));
    }
}
