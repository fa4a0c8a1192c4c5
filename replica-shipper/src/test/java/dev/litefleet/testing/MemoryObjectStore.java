package dev.litefleet.testing;

import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectKey;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.TailRead;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

/// A whole object store in memory, linearizable, without faults. Closing it does nothing, so that
/// several owners can be given the same one.
public final class MemoryObjectStore implements ObjectStore {
    private record Stored(byte[] bytes, Instant modified) {}

    private final ConcurrentSkipListMap<String, Stored> objects =
            new ConcurrentSkipListMap<>(ObjectKey.ORDER);
    private final Set<String> locked = ConcurrentHashMap.newKeySet();
    private final InstantSource clock;
    private final boolean takesTimes;

    public MemoryObjectStore() {
        this(new TestClock());
    }

    /// @param clock gives objects without a time of their own theirs
    public MemoryObjectStore(InstantSource clock) {
        this(clock, true);
    }

    private MemoryObjectStore(InstantSource clock, boolean takesTimes) {
        this.clock = clock;
        this.takesTimes = takesTimes;
    }

    /// A store that lists every object with the time of its creation, as S3 does.
    public static MemoryObjectStore likeS3(InstantSource clock) {
        return new MemoryObjectStore(clock, false);
    }

    /// Overwrites or creates an object, as only damage or a stranger would.
    public void damage(String key, byte[] bytes) {
        objects.put(key, new Stored(bytes.clone(), clock.instant()));
    }

    /// From now on the object cannot be deleted, as under an object lock.
    public void lock(String key) {
        locked.add(key);
    }

    /// Every key, in order.
    public List<String> keys() {
        return List.copyOf(objects.keySet());
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        ObjectKey.check(key);
        byte[] bytes;
        try (InputStream in = body.open()) {
            bytes = in.readAllBytes();
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
        Instant time = takesTimes ? body.timestamp().orElseGet(clock::instant) : clock.instant();
        var stored = new Stored(bytes, time);
        return objects.putIfAbsent(key, stored) == null
                ? new PutResult.Created()
                : new PutResult.Occupied();
    }

    @Override
    public Optional<byte[]> get(String key) {
        return stored(key).map(object -> object.bytes().clone());
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        return stored(key)
                .map(object -> {
                    int from = (int) Math.min(offset, object.bytes().length);
                    int to = (int) Math.min((long) from + length, object.bytes().length);
                    return Arrays.copyOfRange(object.bytes(), from, to);
                });
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        return stored(key)
                .map(object -> {
                    int size = object.bytes().length;
                    int from = Math.max(0, size - length);
                    return new TailRead(Arrays.copyOfRange(object.bytes(), from, size), size);
                });
    }

    @Override
    public Optional<InputStream> open(String key, long offset) {
        return getRange(key, offset, Integer.MAX_VALUE).map(ByteArrayInputStream::new);
    }

    @Override
    public Optional<ListedObject> head(String key) {
        return stored(key).map(object -> listed(key, object));
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        ObjectKey.checkPrefix(prefix);
        ObjectKey.checkLimit(limit);
        var page = new ArrayList<ListedObject>();
        boolean more = false;
        Map<String, Stored> from =
                ObjectKey.ORDER.compare(startAfter, prefix) < 0
                        ? objects.tailMap(prefix, true)
                        : objects.tailMap(startAfter, false);
        for (var entry : from.entrySet()) {
            if (!entry.getKey().startsWith(prefix)) {
                break;
            }
            if (page.size() == limit) {
                more = true;
                break;
            }
            page.add(listed(entry.getKey(), entry.getValue()));
        }
        return new ListPage(page, more);
    }

    @Override
    public List<String> folders(String prefix) {
        ObjectKey.checkFolder(prefix);
        var names = new TreeSet<>(ObjectKey.ORDER);
        for (String key : objects.tailMap(prefix, true).keySet()) {
            if (!key.startsWith(prefix)) {
                break;
            }
            int slash = key.indexOf('/', prefix.length());
            if (slash >= 0) {
                names.add(key.substring(prefix.length(), slash));
            }
        }
        return List.copyOf(names);
    }

    @Override
    public void delete(String key) {
        ObjectKey.check(key);
        if (locked.contains(key)) {
            throw new StoreException.Denied("delete " + key, "403 AccessDenied", null);
        }
        objects.remove(key);
    }

    @Override
    public void close() {}

    private Optional<Stored> stored(String key) {
        return Optional.ofNullable(objects.get(ObjectKey.check(key)));
    }

    private static ListedObject listed(String key, Stored object) {
        return new ListedObject(key, object.bytes().length, object.modified());
    }
}
