package dev.litefleet.replica.history;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Reach.Item;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Which objects make up a state of a database, oldest first: the newest whole file not after it,
/// then what reaches it in the fewest steps, derived files where they end early enough, and log
/// entries for the rest.
///
/// @param steps each begins at most one TXID after the end of the one before
/// @param before nearest state at or before `target` that derived files alone produce: the answer
///   if the segment of an entry turns out to be gone
/// @param after nearest such state after it
public record RestorePlan(
        TenantKey tenant,
        Txid target,
        List<Step> steps,
        @Nullable Txid before,
        @Nullable Txid after) {
    /// One object to apply.
    public sealed interface Step {
        /// A derived file.
        record ApplyFile(DerivedFile file) implements Step {}

        /// An entry of a segment.
        record ApplyEntry(IndexPoint entry) implements Step {}
    }

    // A snapshot before a drain that happens to be whole, and files before entries.
    private static final Comparator<Item> NEWEST_FIRST =
            Comparator.comparingLong(Item::max)
                    .thenComparingInt(item -> item.file() == null ? -1 : item.file().level())
                    .reversed();

    public RestorePlan {
        steps = List.copyOf(steps);
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
                byFiles.higher(target));
    }

    private static List<Step> steps(List<Item> items, Txid target) {
        // From the newest whole file; from an older one if something is missing after that.
        Stream<Item> wholes =
                items.stream()
                        .filter(item -> item.min() == 1 && item.max() <= target.value())
                        .sorted(NEWEST_FIRST);
        return wholes.flatMap(whole -> from(whole, items, target).stream())
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no way to reachable " + target));
    }

    private static Optional<List<Step>> from(Item whole, List<Item> items, Txid target) {
        List<Item> rest = Reach.chain(items, whole.max(), target.value());
        if (rest == null) {
            return Optional.empty();
        }
        var steps = new ArrayList<Step>();
        steps.add(step(whole));
        rest.forEach(item -> steps.add(step(item)));
        return Optional.of(steps);
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
