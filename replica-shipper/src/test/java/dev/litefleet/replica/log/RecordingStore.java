package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.TailRead;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Passes everything on, and keeps what was sent under each key.
class RecordingStore implements ObjectStore {
    private final ObjectStore store;
    private final Map<String, Set<String>> sent = new HashMap<>();
    private int attempts;

    RecordingStore(ObjectStore store) {
        this.store = store;
    }

    /// The different bodies that were sent under a key.
    Set<String> sent(String key) {
        return sent.getOrDefault(key, Set.of());
    }

    /// Puts so far.
    int attempts() {
        return attempts;
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        attempts++;
        try (InputStream in = body.open()) {
            sent.computeIfAbsent(key, _ -> new HashSet<>())
                    .add(new String(in.readAllBytes(), StandardCharsets.ISO_8859_1));
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return store.putIfAbsent(key, body);
    }

    @Override
    public Optional<byte[]> get(String key) {
        return store.get(key);
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        return store.getRange(key, offset, length);
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        return store.getTail(key, length);
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        return store.open(key, offset);
    }

    @Override
    public Optional<ListedObject> head(String key) {
        return store.head(key);
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        return store.list(prefix, startAfter, limit);
    }

    @Override
    public List<String> folders(String prefix) {
        return store.folders(prefix);
    }

    @Override
    public void delete(String key) {
        store.delete(key);
    }

    @Override
    public void close() {
        store.close();
    }
}
