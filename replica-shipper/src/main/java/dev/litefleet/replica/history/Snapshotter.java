package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.RestorePlan.Step;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxMerge;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// Writes level-9 files: a whole database, merged from derived files and never taken from a live
/// one, so that it too is a function of the log.
public final class Snapshotter {
    /// More files than this after the newest snapshot make a restore slow for no reason.
    public static final int FILES_MAX = 64;

    private static final Duration AGE_MAX = Duration.ofDays(1);
    private static final long MEMORY_BYTES = 32 << 20;

    private Snapshotter() {}

    /// Whether it is time for a snapshot: there is something newer than the newest whole file, and
    /// that is more bytes than the database, or more than [#FILES_MAX] files, or the whole file is
    /// a day old. A first drain counts as a snapshot, it holds a whole database too.
    ///
    /// @param databaseBytes size of the database now
    public static boolean due(List<DerivedFile> files, long databaseBytes, Instant now) {
        Optional<DerivedFile> whole = newestWhole(files);
        if (whole.isEmpty()) {
            return false;
        }
        List<DerivedFile> newer =
                files.stream().filter(file -> file.max().compareTo(whole.get().max()) > 0).toList();
        long bytes = newer.stream().mapToLong(DerivedFile::size).sum();
        return !newer.isEmpty()
                && (bytes > databaseBytes
                        || newer.size() > FILES_MAX
                        || !whole.get().modified().plus(AGE_MAX).isAfter(now));
    }

    /// Merges the newest whole file and everything after it into `0009/1-<coverage>`, by
    /// put-if-absent, and returns the TXID of the newest snapshot: the coverage of `history`. Does
    /// nothing if it is there already. Reads every file once, whole, and verifies it.
    ///
    /// @param tmp folder for temporary files of about the size of the files read and written
    /// @throws dev.litefleet.replica.ReplicaException.PointNotFound if `history` has no files
    /// @throws Corrupt naming the file that is damaged
    public static Txid write(ObjectStore store, LineageHistory history, Path tmp) {
        RestorePlan plan = RestorePlan.latest(history);
        Txid max = plan.target();
        String key =
                DerivedFile.key(history.tenant(), DerivedFile.LEVEL_SNAPSHOT, new Txid(1), max);
        if (history.files().stream().anyMatch(file -> file.key().equals(key))) {
            return max;
        }
        try (var body = new BodyBuffer(tmp);
                var inputs = new Inputs(store, tmp)) {
            LtxHeader header = LtxMerge.merge(inputs.open(plan), body);
            if (header.min().value() != 1 || !header.max().equals(max)) {
                throw new IllegalStateException("merged " + header + " instead of 1-" + max);
            }
            store.putIfAbsent(
                    key, body.body().withTimestamp(Instant.ofEpochMilli(header.timestampMillis())));
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot write " + key, failed);
        }
        return max;
    }

    private static Optional<DerivedFile> newestWhole(List<DerivedFile> files) {
        return files.stream()
                .filter(DerivedFile::isWhole)
                .max(Comparator.comparing(DerivedFile::max));
    }

    /// The files of a plan as streams. Only the largest is read from the store while the merge goes
    /// on: of the others some would stand still for long, and each would hold a connection.
    private static final class Inputs implements AutoCloseable {
        private final ObjectStore store;
        private final Path tmp;
        private final List<LtxReader> readers = new ArrayList<>();
        private final List<Path> copies = new ArrayList<>();
        private long inMemory;

        Inputs(ObjectStore store, Path tmp) {
            this.store = store;
            this.tmp = tmp;
        }

        List<LtxReader> open(RestorePlan plan) throws IOException {
            List<DerivedFile> files = plan.steps().stream().map(Inputs::file).toList();
            long largest = files.stream().mapToLong(DerivedFile::size).max().orElseThrow();
            boolean streamed = false;
            for (DerivedFile file : files) {
                InputStream in = stored(file);
                if (!streamed && file.size() == largest) {
                    streamed = true;
                } else {
                    in = copied(file, in);
                }
                readers.add(new LtxReader(file.key(), in));
            }
            return readers;
        }

        private static DerivedFile file(Step step) {
            return switch (step) {
                case Step.ApplyFile(var file) -> file;
                case Step.ApplyEntry(var entry) ->
                        throw new IllegalStateException("a snapshot is made of files: " + entry);
            };
        }

        private InputStream stored(DerivedFile file) {
            return store.open(file.key(), 0)
                    .orElseThrow(() -> new Corrupt(file.key(), 0, "derived file vanished"));
        }

        private InputStream copied(DerivedFile file, InputStream in) throws IOException {
            try (in) {
                if (inMemory + file.size() <= MEMORY_BYTES) {
                    inMemory += file.size();
                    return new ByteArrayInputStream(in.readNBytes((int) file.size() + 1));
                }
                Path copy = Files.createTempFile(tmp, "merge-", ".tmp");
                copies.add(copy);
                Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
                return new BufferedInputStream(Files.newInputStream(copy), 64 << 10);
            }
        }

        @Override
        public void close() throws IOException {
            for (LtxReader reader : readers) {
                reader.close();
            }
            for (Path copy : copies) {
                Files.deleteIfExists(copy);
            }
        }
    }
}
