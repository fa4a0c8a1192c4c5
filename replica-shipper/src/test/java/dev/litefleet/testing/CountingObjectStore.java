package dev.litefleet.testing;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.TailRead;
import java.io.InputStream;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// Counts what is asked of another store, as a bill would: failed requests too.
public final class CountingObjectStore implements ObjectStore {
    /// The requests of S3 behind the operations.
    public enum Verb {
        PUT,
        GET,
        HEAD,
        LIST,
        DELETE
    }

    private final ObjectStore store;
    private final Map<Verb, AtomicLong> requests = new EnumMap<>(Verb.class);
    private final LongAdder bytesWritten = new LongAdder();
    private final LongAdder bytesRead = new LongAdder();

    public CountingObjectStore(ObjectStore store) {
        this.store = store;
        for (Verb verb : Verb.values()) {
            requests.put(verb, new AtomicLong());
        }
    }

    public long count(Verb verb) {
        return of(verb).get();
    }

    /// Requests of all kinds.
    public long total() {
        return requests.values().stream().mapToLong(AtomicLong::get).sum();
    }

    /// Bytes of bodies offered in puts, whatever became of them.
    public long bytesWritten() {
        return bytesWritten.sum();
    }

    /// Bytes of bodies handed to readers; of a stream, what was left of the object.
    public long bytesRead() {
        return bytesRead.sum();
    }

    public void reset() {
        requests.values().forEach(count -> count.set(0));
        bytesWritten.reset();
        bytesRead.reset();
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        one(Verb.PUT);
        bytesWritten.add(body.length());
        return store.putIfAbsent(key, body);
    }

    @Override
    public Optional<byte[]> get(String key) {
        one(Verb.GET);
        return read(store.get(key));
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        one(Verb.GET);
        return read(store.getRange(key, offset, length));
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        one(Verb.GET);
        Optional<TailRead> tail = store.getTail(key, length);
        tail.ifPresent(read -> bytesRead.add(read.bytes().length));
        return tail;
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        one(Verb.GET);
        Optional<InputStream> stream = store.open(key, offset);
        if (stream.isPresent()) {
            store.head(key).ifPresent(object -> bytesRead.add(Math.max(0, object.size() - offset)));
        }
        return stream;
    }

    @Override
    public Optional<ListedObject> head(String key) {
        one(Verb.HEAD);
        return store.head(key);
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        one(Verb.LIST);
        return store.list(prefix, startAfter, limit);
    }

    @Override
    public List<String> folders(String prefix) {
        one(Verb.LIST);
        return store.folders(prefix);
    }

    @Override
    public void delete(String key) {
        one(Verb.DELETE);
        store.delete(key);
    }

    @Override
    public void close() {
        store.close();
    }

    private Optional<byte[]> read(Optional<byte[]> bytes) {
        bytes.ifPresent(read -> bytesRead.add(read.length));
        return bytes;
    }

    private void one(Verb verb) {
        of(verb).incrementAndGet();
    }

    private AtomicLong of(Verb verb) {
        return requireNonNull(requests.get(verb));
    }
}
