package dev.litefleet.observer.history;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.DerivedFile;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Points;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.objects.ObjectStore;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/// One lineage of a tenant as the store shows it: its derived files and, beyond them, the commits
/// that are durable in a log but not drained yet.
public final class Timeline {
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
                .or(() -> files.last().flatMap(this::time));
    }

    private Optional<Instant> time(DerivedFile file) {
        return store.getRange(file.key(), 0, LtxHeader.BYTES)
                .map(header -> LtxHeader.parse(file.key(), header))
                .map(header -> Instant.ofEpochMilli(header.timestampMillis()));
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
        if (latest.compareTo(floor) < 0 && !(point instanceof Point.At)) {
            throw new HistoryIncomplete(files.tenant(), latest, floor);
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
            case Point.AtTime _, Point.Ago _ -> {
                List<IndexPoint> all = points(Txid.NONE, latest);
                yield plan(Points.of(files.files(), all).resolve(point, now), all);
            }
        };
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
        return List.copyOf(points.values());
    }
}
