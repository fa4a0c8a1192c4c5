package dev.litefleet.replica.history;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.Txid;
import java.time.Instant;
import java.util.List;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The states of a tenant that can be restored exactly, and which of them a [Point] means. Every
/// end of a derived file is one, and every entry of the history index and of undrained tails, as
/// far as a chain of objects leads there.
public final class Points {
    private final NavigableSet<Txid> exact;
    private final NavigableMap<Txid, IndexPoint> entries;

    private Points(NavigableSet<Txid> exact, NavigableMap<Txid, IndexPoint> entries) {
        this.exact = exact;
        this.entries = entries;
    }

    /// @param files of the lineage
    /// @param points of the history index and of undrained tails, in any order
    public static Points of(List<DerivedFile> files, List<IndexPoint> points) {
        var entries = new TreeMap<Txid, IndexPoint>();
        points.forEach(point -> entries.put(point.max(), point));
        return new Points(Reach.states(Reach.items(files, points)), entries);
    }

    /// Every state that can be restored exactly, ascending.
    public NavigableSet<Txid> exact() {
        return exact;
    }

    /// The newest state.
    public Optional<Txid> latest() {
        return exact.isEmpty() ? Optional.empty() : Optional.of(exact.last());
    }

    /// The entry that ends at `txid`.
    public Optional<IndexPoint> entry(Txid txid) {
        return Optional.ofNullable(entries.get(txid));
    }

    /// The entries, ascending.
    public List<IndexPoint> entries() {
        return List.copyOf(entries.values());
    }

    /// The state that `point` means.
    ///
    /// @throws PointNotFound if it lies before the first state or after the last, a time also if it
    ///   lies before the first entry
    /// @throws PointNotExact if only its neighbours can be restored
    public Txid resolve(Point point, Instant now) {
        Txid latest = latest().orElseThrow(() -> new PointNotFound(point, Txid.NONE));
        return switch (point) {
            case Point.Latest() -> latest;
            case Point.At(var txid) -> exactly(point, txid);
            case Point.Before(var commits) -> {
                if (commits >= latest.value()) {
                    throw new PointNotFound(point, latest);
                }
                yield exactly(point, new Txid(latest.value() - commits));
            }
            case Point.AtTime(var time) -> at(point, time);
            case Point.Ago(var time) -> at(point, now.minus(time));
        };
    }

    private Txid exactly(Point point, Txid txid) {
        if (exact.contains(txid)) {
            return txid;
        }
        throw notExact(point, exact.lower(txid), exact.higher(txid));
    }

    /// The last commit not after `time`. Times never go back within a lineage, so the entries are
    /// in order of time too.
    private Txid at(Point point, Instant time) {
        long millis = time.toEpochMilli();
        IndexPoint last = null;
        IndexPoint following = null;
        for (IndexPoint entry : entries.values()) {
            if (entry.firstMillis() > millis) {
                following = entry;
                break;
            }
            last = entry;
        }
        if (last == null) {
            throw new PointNotFound(point, exact.last());
        }
        boolean inside = last.lastMillis() > millis;
        boolean unknownFollows =
                following == null
                        ? exact.last().compareTo(last.max()) > 0
                        : following.min().value() > last.max().value() + 1;
        if (inside) {
            throw notExact(point, exact.lower(last.max()), last.max());
        }
        if (unknownFollows) {
            throw notExact(point, exact.floor(last.max()), exact.higher(last.max()));
        }
        return exactly(point, last.max());
    }

    private RuntimeException notExact(Point point, @Nullable Txid before, @Nullable Txid after) {
        return before == null || after == null
                ? new PointNotFound(point, exact.last())
                : new PointNotExact(point, before, after);
    }
}
