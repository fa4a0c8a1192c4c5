package dev.litefleet.replica.sim;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.HeldEntries;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.PageDb;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One lineage as it lies in the store: told of every object of it that comes and goes. Knows which
/// states can be put together from what is there, which there must be (P5), and puts them together:
/// a reader that shares neither plan, retention nor hydration with those of production.
final class Shelf {
    /// Something that makes state `max` of any state from `min - 1` on.
    ///
    /// @param key of the object it is in
    /// @param blob key of the object with its body; the same if it is in there too
    private record Piece(long min, long max, String key, String blob) {
        boolean holds(Piece other) {
            return min <= other.min && max >= other.max;
        }
    }

    private static final Pattern NAME =
            Pattern.compile(
                    ".*/(000[0-9]|history)/([0-9a-f]{16})-([0-9a-f]{16})\\.(ltx|zip|json\\.gz)");

    private final TenantKey tenant;
    private final MemoryObjectStore objects;
    private final Map<String, Piece> files = new HashMap<>();
    private final List<Piece> entries = new ArrayList<>(); // of segments and held copies
    private final Map<String, Piece> index = new HashMap<>();
    private final TreeMap<Long, Instant> durable = new TreeMap<>(); // since when
    private final TreeMap<Long, Instant> drained = new TreeMap<>(); // ends of drains, since when
    private final Map<String, NavigableSet<Long>> holds = new HashMap<>(); // what each is owed
    private final Map<String, Long> openHolds = new HashMap<>();
    private final Set<Piece> indexed = new HashSet<>(); // entries that a history object had once
    private @Nullable Instant ended;
    private boolean named;
    private boolean deleted;

    Shelf(TenantKey tenant, MemoryObjectStore objects) {
        this.tenant = tenant;
        this.objects = objects;
    }

    // What comes and goes.

    /// A segment with an entry is durable.
    void durable(LogName log, Slot slot, Entry entry, Instant now) {
        Entry.Blob blob = entry.blob();
        String key = slot.key(log);
        entries.add(
                new Piece(
                        entry.min().value(),
                        entry.max().value(),
                        key,
                        blob == null ? key : blob.key()));
        durable.putIfAbsent(entry.max().value(), now);
        openHolds.forEach((name, from) -> {
            if (entry.max().value() >= from) {
                holds.get(name).add(entry.max().value());
            }
        });
    }

    /// It begins with a state of another lineage.
    void begins(long txid, Instant now) {
        durable.put(txid, now);
    }

    void created(String key, Instant now) {
        Matcher name = NAME.matcher(key);
        if (!name.matches()) {
            return;
        }
        long min = Long.parseLong(name.group(2), 16);
        long max = Long.parseLong(name.group(3), 16);
        var piece = new Piece(min, max, key, key);
        if (name.group(1).startsWith("000")) {
            files.put(key, piece);
            for (long state : states(List.copyOf(files.values()))) {
                Map.Entry<Long, Instant> later = drained.higherEntry(state);
                drained.putIfAbsent(state, later == null ? now : later.getValue());
            }
        } else if (key.endsWith(".json.gz")) {
            index.put(key, piece);
            entries.stream().filter(piece::holds).forEach(indexed::add);
        } else if (key.endsWith(".zip")) {
            held(min, max)
                    .entries()
                    .forEach(entry ->
                            held(
                                    new Piece(
                                            entry.min().value(),
                                            entry.max().value(),
                                            key,
                                            entry.blob() == null
                                                    ? key
                                                    : HeldEntries.blobKey(tenant, entry))));
        }
    }

    private void held(Piece copy) {
        entries.add(copy);
        indexed.add(copy); // Only what the index names is looked for among the copies.
    }

    private HeldEntries held(long min, long max) {
        return HeldEntries.read(objects, tenant, new Txid(min), new Txid(max)).orElseThrow();
    }

    /// Whether a segment that is there names it.
    boolean isBody(String key) {
        return key.startsWith("log/")
                && entries.stream()
                        .anyMatch(entry ->
                                entry.blob().equals(key)
                                        && !entry.key().equals(key)
                                        && objects.head(entry.key()).isPresent());
    }

    /// @return whether it had anything there
    boolean deleted(String key) {
        return files.remove(key) != null
                | index.remove(key) != null
                | entries.removeIf(entry -> entry.key().equals(key) || entry.blob().equals(key));
    }

    // What there must be.

    /// The catalog knows it: until then nobody needs anything of it.
    void named() {
        named = true;
    }

    /// Another lineage took its place.
    void ends(Instant when) {
        ended = ended == null ? when : ended;
    }

    boolean hasEnded() {
        return ended != null;
    }

    /// Its tenant is deleted: nobody needs anything of it.
    void deletes() {
        deleted = true;
        holds.clear();
        openHolds.clear();
    }

    boolean isNamed() {
        return named;
    }

    boolean isDeleted() {
        return deleted;
    }

    /// A hold is set: what of its range is inside a window now, or held already, is owed to it.
    void hold(String name, long from, long to, Instant now, HistoryWindows windows) {
        if (deleted) {
            return;
        }
        holds.put(name, new TreeSet<>(needed(now, windows).subSet(from, true, to, true)));
        if (to == Long.MAX_VALUE) {
            openHolds.put(name, from);
        }
    }

    void release(String name) {
        holds.remove(name);
        openHolds.remove(name);
    }

    /// Every state that a window or a hold needs.
    NavigableSet<Long> needed(Instant now, HistoryWindows windows) {
        var needed = new TreeSet<Long>();
        if (deleted || !named) {
            return needed;
        }
        Instant merged = now.minus(windows.merged());
        if (ended == null || ended.isAfter(merged)) {
            Instant exact = now.minus(windows.exact());
            durable.forEach((state, since) -> {
                if (since.isAfter(exact)) {
                    needed.add(state);
                }
            });
            // At any time of the window some drain's end was the newest one.
            for (var state : drained.descendingMap().entrySet()) {
                needed.add(state.getKey());
                if (!state.getValue().isAfter(merged)) {
                    break;
                }
            }
            if (!durable.isEmpty()) {
                needed.add(durable.lastKey());
            }
        }
        holds.values().forEach(needed::addAll);
        return needed;
    }

    /// A state that is needed and cannot be put together any more.
    Optional<Long> lost(Instant now, HistoryWindows windows) {
        NavigableSet<Long> there = states(pieces());
        return needed(now, windows).stream().filter(state -> !there.contains(state)).findFirst();
    }

    // What there is.

    @Override
    public String toString() {
        var text = new StringBuilder(tenant + (ended == null ? "" : ", ended " + ended));
        ordered(pieces()).forEach(piece -> text.append("\n  ").append(piece));
        index.keySet().forEach(key -> text.append("\n  ").append(key));
        holds.forEach((name, states) -> text.append("\n  ").append(name).append(states));
        return text.toString();
    }

    private List<Piece> pieces() {
        var pieces = new ArrayList<>(files.values());
        for (Piece entry : entries) {
            // Until a drain has indexed it, it is found by reading the log's tail.
            if (!indexed.contains(entry) || isIndexed(entry)) {
                pieces.add(entry);
            }
        }
        return pieces;
    }

    private boolean isIndexed(Piece entry) {
        return index.values().stream().anyMatch(range -> range.holds(entry));
    }

    private static List<Piece> ordered(List<Piece> pieces) {
        return pieces.stream()
                .sorted(
                        Comparator.comparingLong(Piece::max)
                                .thenComparingLong(Piece::min)
                                .thenComparing(Piece::key))
                .toList();
    }

    private static NavigableSet<Long> states(List<Piece> pieces) {
        var states = new TreeSet<Long>();
        long reached = 0;
        for (Piece piece : ordered(pieces)) {
            if (piece.min() <= reached + 1) {
                reached = piece.max();
                states.add(reached);
            }
        }
        return states;
    }

    /// Every state that can be put together, with the database it is: of the files and entries that
    /// are there, whatever any index or listing says.
    Map<Long, byte[]> readAll() {
        var images = new TreeMap<Long, byte[]>();
        byte[] image = new byte[0];
        long reached = 0;
        for (Piece piece : ordered(pieces())) {
            if (piece.min() <= reached + 1) {
                image = applied(image, piece);
                reached = piece.max();
                byte[] other = images.put(reached, image);
                if (other != null && !Arrays.equals(other, image)) {
                    throw new Judge.Broken(
                            "P4: %s differs from what else makes %d of %s"
                                    .formatted(piece, reached, tenant));
                }
            }
        }
        return images;
    }

    private byte[] applied(byte[] image, Piece piece) {
        try (var ltx = new LtxReader(piece.key(), body(piece))) {
            byte[] next = Arrays.copyOf(image, ltx.header().commit() * PageDb.PAGE);
            while (ltx.next()) {
                System.arraycopy(ltx.page(), 0, next, (ltx.pgno() - 1) * PageDb.PAGE, PageDb.PAGE);
            }
            return next;
        }
    }

    private InputStream body(Piece piece) {
        if (!piece.blob().equals(piece.key()) || piece.key().endsWith(".ltx")) {
            return new ByteArrayInputStream(objects.get(piece.blob()).orElseThrow());
        }
        Matcher name = NAME.matcher(piece.key());
        if (name.matches()) {
            var copy = held(Long.parseLong(name.group(2), 16), Long.parseLong(name.group(3), 16));
            return copy.ltx(entry(copy.entries(), piece));
        }
        String[] path = piece.key().split("[/.]");
        var log = new LogName(path[1], new SessionId(path[2]));
        var slot = new Slot(Integer.parseInt(path[3], 16), Long.parseLong(path[4], 16));
        var segment = (SegmentReader) SegmentReader.read(objects, log, slot).orElseThrow();
        return segment.ltx(entry(segment.entries(), piece));
    }

    private Entry entry(List<Entry> all, Piece piece) {
        return all.stream()
                .filter(entry ->
                        entry.tenant().equals(tenant)
                                && entry.min().value() == piece.min()
                                && entry.max().value() == piece.max())
                .findFirst()
                .orElseThrow();
    }
}
