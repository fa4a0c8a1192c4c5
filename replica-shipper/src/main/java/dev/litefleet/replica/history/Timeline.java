package dev.litefleet.replica.history;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// One lineage of a tenant as the store shows it: its derived files and, beyond them, the commits
/// that are durable in a log but not drained yet.
public final class Timeline {
    // Litestream gives a snapshot the time at which it was taken; a file of a lower level has that
    // of
    // its last commit.
    private static final Comparator<DerivedFile> FIRST_KNOWN =
            Comparator.comparing(DerivedFile::max)
                    .thenComparingInt(DerivedFile::level)
                    .thenComparingLong(DerivedFile::size);

    private final ObjectStore store;
    private final LineageHistory files;
    private final List<IndexPoint> tail; // ascending
    private final Txid floor;

    private Timeline(ObjectStore store, LineageHistory files, List<IndexPoint> tail, Txid floor) {
        this.store = store;
        this.files = files;
        this.tail = tail;
        this.floor = floor;
    }

    /// @param tail entries of open logs. Read before this call: a drain that comes between moves
    ///   entries from the logs to files, so the files must be listed last
    /// @param floor the last TXID known to have been durable, [Txid#NONE] if nothing is known
    public static Timeline read(
            ObjectStore store, TenantKey tenant, List<IndexPoint> tail, Txid floor) {
        return new Timeline(
                store,
                LineageHistory.list(store, tenant),
                tail.stream().sorted(Comparator.comparing(IndexPoint::min)).toList(),
                floor);
    }

    /// A lineage that is not written any more.
    ///
    /// @param end its last TXID, null if that is not known; what its folder holds beyond it is not
    ///   of this tenant's history
    static Timeline ended(ObjectStore store, TenantKey tenant, @Nullable Txid end) {
        LineageHistory files = LineageHistory.list(store, tenant);
        return new Timeline(
                store,
                end == null ? files : files.upTo(end),
                List.of(),
                end == null ? Txid.NONE : end);
    }

    /// What an open log holds that derived files may lack, by lineage. All tenants of a worker
    /// share one log, so this is read once for all of them.
    public static Map<TenantKey, List<IndexPoint>> tail(
            ObjectStore store, LogName log, Tasks tasks) {
        var points = new HashMap<TenantKey, List<IndexPoint>>();
        for (SegmentReader segment : LogTail.undrained(store, log, tasks).segments()) {
            LogRef where = new LogRef(log, segment.slot());
            for (Entry entry : segment.entries()) {
                points.computeIfAbsent(entry.tenant(), _ -> new ArrayList<>())
                        .add(IndexPoint.of(where, entry));
            }
        }
        return points;
    }

    /// The derived files.
    public LineageHistory files() {
        return files;
    }

    /// @throws HistoryIncomplete if commits that were durable are gone
    Timeline requireFloor() {
        if (latest().compareTo(floor) < 0) {
            throw new HistoryIncomplete(files.tenant(), latest(), floor);
        }
        return this;
    }

    /// The first state that is left, and its time.
    record First(Txid txid, Instant time) {}

    /// For one request; nothing if no derived file is whole.
    ///
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt if that file is damaged
    Optional<First> first() {
        return files.files().stream()
                .filter(DerivedFile::isWhole)
                .min(FIRST_KNOWN)
                .map(file -> new First(file.max(), time(file)));
    }

    /// The last durable commit, [Txid#NONE] if there is none.
    public Txid latest() {
        Txid latest = files.coverage();
        for (IndexPoint point : tail) {
            if (point.min().value() > latest.value() + 1) {
                break;
            }
            if (point.max().compareTo(latest) > 0) {
                latest = point.max();
            }
        }
        return latest;
    }

    /// Time of the last durable commit: from the tail, else for one request from the file that ends
    /// there. Not from the listing, where S3 has the time of the upload.
    ///
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt if that file is damaged
    public Optional<Instant> latestTime() {
        Txid latest = latest();
        return tail.stream()
                .filter(point -> point.max().equals(latest))
                .findFirst()
                .map(point -> Instant.ofEpochMilli(point.lastMillis()))
                .or(() -> files.last().map(this::time));
    }

    /// When a state was committed that is an end of a file or of an entry; nothing for others.
    ///
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt if what tells it is damaged
    Optional<Instant> time(Txid txid) {
        return tail.stream()
                .filter(point -> point.max().equals(txid))
                .findFirst()
                .map(point -> Instant.ofEpochMilli(point.lastMillis()))
                .or(() ->
                        files.files().stream()
                                .filter(file -> file.max().equals(txid))
                                .min(FIRST_KNOWN)
                                .map(this::time))
                .or(() ->
                        HistoryIndex.points(store, files.tenant(), txid, txid).stream()
                                .filter(point -> point.max().equals(txid))
                                .findFirst()
                                .map(point -> Instant.ofEpochMilli(point.lastMillis())));
    }

    /// As the file itself says. Not from the listing, where S3 has the time of the upload.
    private Instant time(DerivedFile file) {
        return Instant.ofEpochMilli(OpenFile.header(store, file).timestampMillis());
    }

    /// Bytes of all derived files.
    public long bytes() {
        return files.files().stream().mapToLong(file -> file.size()).sum();
    }

    /// Which objects make up the state at `point`.
    ///
    /// @param now what relative times count from
    /// @throws HistoryIncomplete if commits that were durable are gone, unless `point` is a TXID:
    ///   what is called latest must not be older than that
    /// @throws PointNotFound if the lineage has no such state
    /// @throws PointNotExact if only its neighbours are left
    public RestorePlan plan(Point point, Instant now) {
        Txid latest = latest();
        if (!(point instanceof Point.At)) {
            requireFloor();
        }
        if (latest.equals(Txid.NONE)) {
            throw new PointNotFound(point, latest);
        }
        return switch (point) {
            case Point.Latest() -> exactly(point, latest);
            case Point.At(var txid) -> exactly(point, txid);
            case Point.Before(var commits) -> {
                if (commits >= latest.value()) {
                    throw new PointNotFound(point, latest);
                }
                yield exactly(point, new Txid(latest.value() - commits));
            }
            case Point.AtTime(var time) -> at(point, time, now);
            case Point.Ago(var time) -> at(point, now.minus(time), now);
        };
    }

    private RestorePlan at(Point point, Instant time, Instant now) {
        List<IndexPoint> all = points(Txid.NONE, latest());
        boolean indexed = !all.isEmpty() && time.toEpochMilli() >= all.getFirst().firstMillis();
        Txid txid =
                indexed
                        ? Points.of(files.files(), all).resolve(point, now)
                        : beforeIndex(point, time, all.isEmpty() ? null : all.getFirst());
        return plan(txid, all);
    }

    /// The state at a time of which the index tells nothing: before the first commit after a
    /// snapshot that began the lineage, before what the index still holds, or in a replica of
    /// Litestream, which has none. The files' own times decide; they never go backwards within a
    /// lineage, so a few requests find the file.
    ///
    /// @param first the first entry of the index; null if there is none
    private Txid beforeIndex(Point point, Instant time, @Nullable IndexPoint first) {
        List<DerivedFile> states = states(first == null ? latest() : before(first));
        int low = 0;
        int high = states.size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (time(states.get(middle)).isAfter(time)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (low == 0) {
            throw new PointNotFound(point, latest());
        }
        Txid found = states.get(low - 1).max();
        // Who keeps no index has no commits between the ends of files that anybody could name.
        boolean known =
                first == null
                        || found.equals(before(first))
                        || time(states.get(low - 1)).toEpochMilli() == time.toEpochMilli();
        if (first != null && !known) {
            throw new PointNotExact(
                    point, found, low < states.size() ? states.get(low).max() : first.max());
        }
        return found;
    }

    private static Txid before(IndexPoint entry) {
        return new Txid(entry.min().value() - 1);
    }

    /// For every state up to `end` that files alone produce, a file that ends there, ascending.
    private List<DerivedFile> states(Txid end) {
        NavigableSet<Txid> exact = Points.of(files.files(), List.of()).exact();
        var states = new TreeMap<Txid, DerivedFile>();
        for (DerivedFile file : files.files()) {
            if (exact.contains(file.max()) && file.max().compareTo(end) <= 0) {
                states.merge(file.max(), file, (a, b) -> FIRST_KNOWN.compare(a, b) <= 0 ? a : b);
            }
        }
        return List.copyOf(states.values());
    }

    private RestorePlan exactly(Point point, Txid txid) {
        if (txid.equals(Txid.NONE) || txid.compareTo(latest()) > 0) {
            throw new PointNotFound(point, latest());
        }
        // Where files end there, or just before, little or none of the index has to be read.
        Txid below = Points.of(files.files(), List.of()).exact().floor(txid);
        Txid from = below == null ? Txid.NONE : below;
        List<IndexPoint> points = from.equals(txid) ? List.of() : points(from, txid);
        try {
            return plan(txid, points);
        } catch (PointNotExact near) {
            throw new PointNotExact(point, near.before().orElse(null), near.after().orElse(null));
        }
    }

    private RestorePlan plan(Txid target, List<IndexPoint> points) {
        return RestorePlan.of(files.tenant(), files.files(), target, points);
    }

    /// The entries that lead from one state to another, and whatever the same objects tell beside
    /// them.
    private List<IndexPoint> points(Txid from, Txid to) {
        var points = new TreeMap<Txid, IndexPoint>();
        tail.forEach(point -> points.put(point.max(), point));
        if (from.compareTo(files.coverage()) < 0) {
            HistoryIndex.points(store, files.tenant(), from.next(), to)
                    .forEach(point -> points.put(point.max(), point));
        }
        points.tailMap(latest(), false).clear();
        return List.copyOf(points.values());
    }
}
