package dev.litefleet.replica.history;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// A tenant over all its lineages. A restore in place ends a lineage with TXID L and begins the
/// next one with L + 1, so that a TXID means one state of the tenant, whichever lineage it lies in.
public final class History {
    private final ObjectStore store;
    private final TenantId tenant;
    private final List<LineageSpan> ended; // oldest first
    private final LineageSpan span;
    private final Timeline current;

    private History(
            ObjectStore store,
            TenantId tenant,
            List<LineageSpan> ended,
            LineageSpan span,
            Timeline current) {
        this.store = store;
        this.tenant = tenant;
        this.ended = ended;
        this.span = span;
        this.current = current;
    }

    /// Lists the current lineage; the others only when a point leads there.
    ///
    /// @param spans oldest first, the last one being the current lineage
    /// @param tail of the current lineage, as in [Timeline#read]
    /// @param floor the last TXID known to have been durable, [Txid#NONE] if nothing is known
    public static History read(
            ObjectStore store,
            TenantId tenant,
            List<LineageSpan> spans,
            List<IndexPoint> tail,
            Txid floor) {
        LineageSpan span = spans.getLast();
        return new History(
                store,
                tenant,
                List.copyOf(spans.subList(0, spans.size() - 1)),
                span,
                Timeline.read(store, new TenantKey(tenant, span.lineage()), tail, floor));
    }

    /// The current lineage.
    public Timeline current() {
        return current;
    }

    /// Which objects make up the state at `point`, and of which lineage they are.
    ///
    /// @param now what relative times count from
    /// @throws PointNotFound if it lies before the first state that is left, or after the last
    /// @throws PointNotExact if only its neighbours are left
    /// @throws HistoryIncomplete if the objects end before what is known to have been durable
    public RestorePlan plan(Point point, Instant now) {
        try {
            return planned(point, now);
        } catch (PointNotExact near) {
            throw new PointNotExact(
                    point,
                    near.before().orElse(null),
                    near.before().flatMap(this::time).orElse(null),
                    near.after().orElse(null),
                    near.after().flatMap(this::time).orElse(null));
        }
    }

    /// When a state was committed: a request or two. What is damaged there is not what was asked
    /// about, so it has no time.
    private Optional<Instant> time(Txid txid) {
        try {
            if (txid.compareTo(span.first()) >= 0) {
                return current.time(txid);
            }
            for (LineageSpan before : ended) {
                if (before.names(txid)) {
                    return timeline(before).time(txid);
                }
            }
            return Optional.empty();
        } catch (ReplicaException _) {
            return Optional.empty();
        }
    }

    private RestorePlan planned(Point point, Instant now) {
        return switch (point) {
            case Point.Latest() -> current.plan(point, now);
            case Point.At(var txid) -> at(point, txid, now);
            case Point.Before(var commits) -> {
                Txid latest = current.requireFloor().latest();
                if (commits >= latest.value()) {
                    throw new PointNotFound(point, latest);
                }
                yield at(point, new Txid(latest.value() - commits), now);
            }
            case Point.AtTime(var time) -> at(point, time, now);
            case Point.Ago(var time) -> at(point, now.minus(time), now);
        };
    }

    private RestorePlan at(Point point, Txid txid, Instant now) {
        if (txid.compareTo(span.first()) >= 0) {
            return named(point, current, txid, now);
        }
        for (LineageSpan before : ended) {
            if (before.names(txid)) {
                return named(point, timeline(before), txid, now);
            }
        }
        throw new PointNotFound(point, current.latest());
    }

    /// Errors name what was asked for, and the last commit of the tenant, not of a lineage.
    private RestorePlan named(Point point, Timeline timeline, Txid txid, Instant now) {
        try {
            return timeline.plan(new Point.At(txid), now);
        } catch (PointNotFound _) {
            throw new PointNotFound(point, current.latest());
        } catch (PointNotExact near) {
            throw new PointNotExact(point, near.before().orElse(null), near.after().orElse(null));
        }
    }

    /// From the newest lineage back to the one that was current then.
    private RestorePlan at(Point point, Instant time, Instant now) {
        Timeline asked = current;
        LineageSpan last = span;
        Txid lost = null; // The first state that is left of a lineage whose beginning is not.
        for (LineageSpan before : ended.reversed()) {
            Optional<Timeline.First> first = asked.first();
            if (first.filter(state -> !state.time().isAfter(time)).isPresent()) {
                break;
            }
            Txid begun = last.first();
            lost = first.map(Timeline.First::txid).filter(txid -> !txid.equals(begun)).orElse(lost);
            asked = timeline(before);
            last = before;
        }
        RestorePlan plan;
        try {
            plan = asked.plan(point, now);
        } catch (PointNotFound _) {
            throw new PointNotFound(point, current.latest());
        }
        // Its last state was the tenant's until the next lineage began, and when that was nobody
        // knows any more.
        if (lost != null && plan.target().equals(last.ended())) {
            throw new PointNotExact(point, plan.target(), lost);
        }
        return plan;
    }

    private Timeline timeline(LineageSpan span) {
        return Timeline.ended(store, new TenantKey(tenant, span.lineage()), span.ended());
    }
}
