package dev.litefleet.replica.history;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Reach.Item;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Which objects make up a state of a database, oldest first: a whole file not after it, then what
/// reaches it at the least cost in bytes and requests ([Reach#cheapest]), derived files where they
/// end early enough, and log entries for the rest.
///
/// @param steps each begins at most one TXID after the end of the one before
/// @param before nearest state at or before `target` that derived files alone produce: the answer
///   if the segment of an entry turns out to be gone
/// @param after nearest such state after it
/// @param files what the steps were chosen from
/// @param points the same of entries
public record RestorePlan(
        TenantKey tenant,
        Txid target,
        List<Step> steps,
        @Nullable Txid before,
        @Nullable Txid after,
        List<DerivedFile> files,
        List<IndexPoint> points) {
    /// One object to apply.
    public sealed interface Step {
        /// A derived file.
        record ApplyFile(DerivedFile file) implements Step {}

        /// An entry of a segment.
        record ApplyEntry(IndexPoint entry) implements Step {}
    }

    public RestorePlan {
        steps = List.copyOf(steps);
        files = List.copyOf(files);
        points = List.copyOf(points);
    }

    /// The plan for the newest state that the files hold.
    ///
    /// @throws PointNotFound if there is none
    public static RestorePlan latest(LineageHistory history) {
        return of(history.tenant(), history.files(), history.coverage(), List.of());
    }

    /// The plan for exactly `target`.
    ///
    /// @param points entries of the history index and of undrained tails, in any order
    /// @throws PointNotFound if `target` lies before the first state there is, or after the last
    /// @throws PointNotExact if only states around it can be produced
    public static RestorePlan of(
            TenantKey tenant, List<DerivedFile> files, Txid target, List<IndexPoint> points) {
        List<Item> items = Reach.items(files, points);
        NavigableSet<Txid> exact = Reach.states(items);
        if (!exact.contains(target)) {
            Txid before = exact.floor(target);
            Txid after = exact.ceiling(target);
            if (before == null || after == null) {
                throw new PointNotFound(
                        new Point.At(target), exact.isEmpty() ? Txid.NONE : exact.last());
            }
            throw new PointNotExact(new Point.At(target), before, after);
        }
        NavigableSet<Txid> byFiles = Reach.states(Reach.items(files, List.of()));
        return new RestorePlan(
                tenant,
                target,
                steps(items, target),
                byFiles.floor(target),
                byFiles.higher(target),
                files,
                points);
    }

    /// Another way to exactly the same state, chosen from the same objects but the one under `key`.
    /// Nothing if there is none: a file that nothing else covers, or an object that this plan does
    /// not choose from (a blob, entries copied for a hold). So each plan has fewer than the last.
    Optional<RestorePlan> without(String key) {
        List<DerivedFile> others = files.stream().filter(file -> !file.key().equals(key)).toList();
        List<IndexPoint> entries =
                points.stream().filter(point -> !point.log().key().equals(key)).toList();
        if (others.size() == files.size() && entries.size() == points.size()) {
            return Optional.empty();
        }
        List<Item> way = Reach.cheapest(Reach.items(others, entries), target.value());
        return Optional.ofNullable(way)
                .map(items ->
                        new RestorePlan(
                                tenant,
                                target,
                                items.stream().map(RestorePlan::step).toList(),
                                before,
                                after,
                                others,
                                entries));
    }

    private static List<Step> steps(List<Item> items, Txid target) {
        List<Item> cheapest = Reach.cheapest(items, target.value());
        if (cheapest == null) {
            throw new IllegalStateException("no way to reachable " + target);
        }
        return cheapest.stream().map(RestorePlan::step).toList();
    }

    private static Step step(Item item) {
        return item.file() != null
                ? new Step.ApplyFile(item.file())
                : new Step.ApplyEntry(requireNonNull(item.entry()));
    }

    /// Bytes of the objects, about what a restore must read.
    public long bytes() {
        return steps.stream()
                .mapToLong(step ->
                        switch (step) {
                            case Step.ApplyFile(var file) -> file.size();
                            case Step.ApplyEntry(var entry) -> entry.bytes();
                        })
                .sum();
    }
}
