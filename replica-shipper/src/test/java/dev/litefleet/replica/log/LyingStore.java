package dev.litefleet.replica.log;

import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.objects.TailRead;
import java.io.InputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A store between one component and the real one that draws a wrong conclusion for it, as the
/// component would have without the line that forbids it.
public final class LyingStore implements ObjectStore {
    /// Which conclusion.
    public enum Lie {
        /// A put without answer has been applied.
        TIMEOUT_MEANS_APPLIED,
        /// A put without answer whose key is free has not been applied and never will be.
        NOT_FOUND_MEANS_NOT_APPLIED,
        /// An occupied slot holds somebody else's fence.
        OCCUPIED_MEANS_SOMEONE_ELSE,
        /// What ends at or below the highest TXID listed is covered.
        COVERAGE_IS_HIGHEST_TXID,
        /// Every snapshot is from before any window.
        SNAPSHOTS_ARE_OLD,
        /// The bodies that a segment names go before it.
        BODIES_GO_FIRST
    }

    private static final Pattern SLOT =
            Pattern.compile("log/([^/]+)/([^/]+)/([0-9a-f]{4})/([0-9a-f]{16})\\.zip");

    private final Lie lie;
    private final ObjectStore store;
    private final RandomGenerator random;
    private final Set<String> taken = new HashSet<>();

    public LyingStore(Lie lie, ObjectStore store, RandomGenerator random) {
        this.lie = lie;
        this.store = store;
        this.random = random;
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        try {
            PutResult result = store.putIfAbsent(key, body);
            // The second attempt at slot 1 is the admission probe, which expects this.
            if (result instanceof PutResult.Occupied && !key.endsWith("0000000000000001.zip")) {
                taken.add(key);
            }
            return result;
        } catch (Unavailable unknown) {
            switch (lie) {
                case TIMEOUT_MEANS_APPLIED -> {
                    return new PutResult.Created();
                }
                case NOT_FOUND_MEANS_NOT_APPLIED -> {
                    if (store.head(key).isEmpty()) {
                        throw new Misconfigured("put " + key, "not applied", unknown);
                    }
                }
                case OCCUPIED_MEANS_SOMEONE_ELSE,
                        COVERAGE_IS_HIGHEST_TXID,
                        SNAPSHOTS_ARE_OLD,
                        BODIES_GO_FIRST -> {}
            }
            throw unknown;
        }
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
        if (lie == Lie.OCCUPIED_MEANS_SOMEONE_ELSE && taken.contains(key)) {
            var fence = new FenceObject(BodyId.draw(random), "somebody", 1, 0);
            byte[] bytes = Fence.encode(fence);
            return Optional.of(new TailRead(bytes, bytes.length));
        }
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
        ListPage page = store.list(prefix, startAfter, limit);
        if (lie == Lie.SNAPSHOTS_ARE_OLD) {
            return new ListPage(
                    page.objects().stream().map(LyingStore::aged).toList(), page.more());
        }
        if (lie != Lie.COVERAGE_IS_HIGHEST_TXID
                || !prefix.endsWith("/000")
                || !startAfter.isEmpty()
                || page.objects().isEmpty()) {
            return page;
        }
        // A file that covers everything up to there, so large that nobody cares to open it.
        String highest =
                store.listAll(prefix)
                        .map(LyingStore::maxOf)
                        .max(Comparator.naturalOrder())
                        .orElseThrow();
        String tenant = prefix.substring(0, prefix.length() - "000".length());
        var objects = new ArrayList<ListedObject>();
        objects.add(
                new ListedObject(
                        tenant + "0001/0000000000000001-" + highest + ".ltx",
                        Long.MAX_VALUE / 2,
                        page.objects().getFirst().modified()));
        objects.addAll(page.objects());
        return new ListPage(objects, page.more());
    }

    private static ListedObject aged(ListedObject object) {
        return object.key().contains("/0009/")
                ? new ListedObject(object.key(), object.size(), Instant.EPOCH)
                : object;
    }

    /// Of `<min>-<max>.ltx`.
    private static String maxOf(ListedObject file) {
        int end = file.key().length() - ".ltx".length();
        return file.key().substring(end - 16, end);
    }

    @Override
    public List<String> folders(String prefix) {
        return store.folders(prefix);
    }

    @Override
    public void delete(String key) {
        Matcher slot = SLOT.matcher(key);
        if (lie == Lie.BODIES_GO_FIRST && slot.matches()) {
            var log = new LogName(slot.group(1), new SessionId(slot.group(2)));
            int part = Integer.parseInt(slot.group(3), 16);
            SegmentReader.read(store, log, new Slot(part, Long.parseLong(slot.group(4), 16)))
                    .filter(SegmentReader.class::isInstance)
                    .map(SegmentReader.class::cast)
                    .ifPresent(segment ->
                            segment.entries().stream()
                                    .map(Entry::blob)
                                    .filter(Objects::nonNull)
                                    .forEach(blob -> store.delete(blob.key())));
        }
        store.delete(key);
    }

    @Override
    public int abortUploads(String prefix, Instant before) {
        return store.abortUploads(prefix, before);
    }

    @Override
    public void close() {
        store.close();
    }
}
