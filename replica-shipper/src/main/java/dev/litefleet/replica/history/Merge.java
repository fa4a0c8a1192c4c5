package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
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
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/// One derived file to be made of others: of each page the newest content, at the size of the last.
/// Its bytes are a function of the log entries in its range, not of the files it is made of, so
/// whoever writes it writes the same.
///
/// @param level of the new file: 2, 3 or 9
/// @param inputs oldest first, each reaching further than the one before, without a gap; of a
///   snapshot (level 9) the first is whole
public record Merge(TenantKey tenant, int level, List<DerivedFile> inputs) {
    private static final long MEMORY_BYTES = 32 << 20;

    public Merge {
        inputs = List.copyOf(inputs);
        if (inputs.isEmpty()
                || (level == DerivedFile.LEVEL_SNAPSHOT && !inputs.getFirst().isWhole())) {
            throw new IllegalArgumentException("no merge to level " + level + ": " + inputs);
        }
    }

    /// First TXID of the new file.
    public Txid min() {
        return inputs.getFirst().min();
    }

    /// Last TXID of the new file.
    public Txid max() {
        return inputs.getLast().max();
    }

    /// Key of the new file.
    public String key() {
        return DerivedFile.key(tenant, level, min(), max());
    }

    /// Bytes that are read.
    public long bytes() {
        return inputs.stream().mapToLong(DerivedFile::size).sum();
    }

    /// Writes the file by put-if-absent and returns when it is there, whoever wrote it. Reads every
    /// input once, whole, and verifies it: one streamed request each. Holds one page per input,
    /// about 16 bytes per page for the page indexes and up to 40 MiB of small objects; what is
    /// larger goes through `tmp`, which needs room for about the bytes read and written.
    ///
    /// @param tmp folder for temporary files
    /// @throws Corrupt naming the input that is damaged or gone; nothing is written then
    /// @throws dev.litefleet.replica.ReplicaException.InconsistentStore if the inputs do not follow
    ///   one another
    /// @throws dev.litefleet.replica.objects.StoreException as the store; merge again
    public DerivedFile write(ObjectStore store, Path tmp) {
        try (var body = new BodyBuffer(tmp);
                var opened = new Inputs(store, tmp)) {
            LtxHeader header = LtxMerge.merge(opened.open(inputs), body);
            if (!header.min().equals(min()) || !header.max().equals(max())) {
                throw new IllegalStateException("merged " + header + " instead of " + key());
            }
            Instant time = Instant.ofEpochMilli(header.timestampMillis());
            var object = body.body().withTimestamp(time);
            // Created or occupied: either way it is there.
            store.putIfAbsent(key(), object);
            return new DerivedFile(level, min(), max(), object.length(), time, key());
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot write " + key(), failed);
        }
    }

    /// The inputs as streams. Only the largest is read from the store while the merge goes on: of
    /// the others some would stand still for long, and each would hold a connection.
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

        List<LtxReader> open(List<DerivedFile> files) throws IOException {
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
