package dev.litefleet.replica.history;

import com.github.f4b6a3.ulid.Ulid;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryIndex.Range;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.objects.ListedObject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/// What of a history nobody needs any more (commit-log.md, G3, G4, G7). Decides from values alone
/// and deletes nothing.
///
/// Times are the store's (`modified`). An object is never listed as older than what is in it by the
/// same clock, so a file that was there when the window began also is from before it.
public final class Retention {
    /// Nothing younger goes, whatever else is true: a reader may be at it, or a writer about to
    /// name it.
    public static final Duration YOUNG_MAX = Duration.ofDays(1);

    private static final Comparator<DerivedFile> REACH =
            Comparator.comparing(DerivedFile::max).thenComparingInt(DerivedFile::level);

    private Retention() {}

    /// The objects of a lineage that nobody needs, in the order in which they are to be deleted.
    /// Whatever part of them is deleted, the rest is as good: all states inside a window or a hold
    /// are made of what stays.
    ///
    /// @param objects of the lineage, as one listing showed them
    public static List<ListedObject> expired(
            TenantKey tenant, List<ListedObject> objects, LineageState state, Instant now) {
        List<ListedObject> old = objects.stream().filter(object -> isOld(object, now)).toList();
        return switch (state) {
            case LineageState.Unnamed() ->
                    created(tenant.lineage()).plus(YOUNG_MAX).isAfter(now) ? List.of() : old;
            case LineageState.Named named -> {
                var kept = Kept.of(files(tenant, objects), named, now);
                yield Stream.of(
                                expiredFiles(tenant, old, kept),
                                expiredPoints(tenant, objects, old, kept),
                                expiredCopies(tenant, old, kept))
                        .flatMap(List::stream)
                        .toList();
            }
        };
    }

    private static List<ListedObject> expiredFiles(
            TenantKey tenant, List<ListedObject> old, Kept kept) {
        var expired =
                new TreeMap<DerivedFile, ListedObject>(
                        Comparator.comparing(DerivedFile::max).thenComparing(DerivedFile::key));
        for (ListedObject object : old) {
            DerivedFile.of(tenant, object)
                    .filter(file -> !kept.file(file))
                    .ifPresent(file -> expired.put(file, object));
        }
        return List.copyOf(expired.values());
    }

    private static List<ListedObject> expiredPoints(
            TenantKey tenant, List<ListedObject> objects, List<ListedObject> old, Kept kept) {
        Set<Range> covered = Set.copyOf(HistoryDays.covered(ranges(tenant, objects)));
        Drains drains = Drains.kept(files(tenant, objects), kept);
        return old.stream()
                .filter(object ->
                        HistoryIndex.range(tenant, object)
                                .filter(range ->
                                        covered.contains(range)
                                                || !(kept.points(range.min(), range.max())
                                                        || drains.overlap(range)))
                                .isPresent())
                .toList();
    }

    /// The drains that stay. Each keeps what the index says of its commits, needed or not: a drain
    /// without index is a loss to whoever verifies, and cannot be told from one.
    ///
    /// @param mins of the drains, ascending
    /// @param reach for each the highest end of it and all before it
    private record Drains(List<Txid> mins, List<Txid> reach) {
        static Drains kept(List<DerivedFile> files, Kept kept) {
            var mins = new ArrayList<Txid>();
            var reach = new ArrayList<Txid>();
            Txid furthest = Txid.NONE;
            for (DerivedFile file : files.stream().sorted(DerivedFile.BY_RANGE).toList()) {
                if (file.level() == DerivedFile.LEVEL_DRAIN && kept.file(file)) {
                    furthest = file.max().compareTo(furthest) > 0 ? file.max() : furthest;
                    mins.add(file.min());
                    reach.add(furthest);
                }
            }
            return new Drains(mins, reach);
        }

        boolean overlap(Range range) {
            int found = Collections.binarySearch(mins, range.max().next());
            int before = (found < 0 ? -found - 1 : found) - 1;
            return before >= 0 && reach.get(before).compareTo(range.min()) >= 0;
        }
    }

    /// The index objects of a listing.
    static List<Range> ranges(TenantKey tenant, List<ListedObject> objects) {
        return objects.stream()
                .flatMap(object -> HistoryIndex.range(tenant, object).stream())
                .toList();
    }

    private static List<ListedObject> expiredCopies(
            TenantKey tenant, List<ListedObject> old, Kept kept) {
        return old.stream()
                .filter(object ->
                        HeldCopies.range(tenant, object.key())
                                .filter(range -> !kept.held(range.min(), range.max()))
                                .isPresent())
                .toList();
    }

    /// What stays of a lineage.
    ///
    /// @param from the window's anchor reaches this; what reaches further stays. [Txid#NONE]: all
    ///   stays; [HeldRange#OPEN]: nothing, because the whole lineage is out of the window
    /// @param anchor key of the anchor itself; empty if there is none
    /// @param holds what stays for each hold
    private record Kept(Txid from, String anchor, List<Held> holds) {
        static Kept of(List<DerivedFile> files, LineageState.Named state, Instant now) {
            Instant start = now.minus(state.windows().merged());
            List<Held> holds = state.holds().stream().map(range -> Held.of(files, range)).toList();
            if (state.ended().filter(ended -> !ended.isAfter(start)).isPresent()) {
                return new Kept(HeldRange.OPEN, "", holds);
            }
            Optional<DerivedFile> anchor =
                    files.stream()
                            .filter(file -> file.isWhole() && !file.modified().isAfter(start))
                            .max(REACH);
            return new Kept(
                    anchor.map(DerivedFile::max).orElse(Txid.NONE),
                    anchor.map(DerivedFile::key).orElse(""),
                    holds);
        }

        /// Whether nothing but holds needs anything of the lineage.
        boolean isOver() {
            return from.equals(HeldRange.OPEN);
        }

        boolean file(DerivedFile file) {
            return file.max().compareTo(from) > 0
                    || file.key().equals(anchor)
                    || holds.stream().anyMatch(hold -> hold.needs(file));
        }

        boolean points(Txid min, Txid max) {
            return max.compareTo(from) > 0 || held(min, max);
        }

        boolean held(Txid min, Txid max) {
            return holds.stream().anyMatch(hold -> hold.overlaps(min, max));
        }
    }

    /// What stays for a hold.
    ///
    /// @param base key of the whole file that its first state is built on; empty if there is none
    /// @param baseMax where that file ends, [Txid#NONE] if there is none
    /// @param after entries after this state are needed: the last one before the hold that files
    ///   alone produce
    private record Held(HeldRange range, String base, Txid baseMax, Txid after) {
        static Held of(List<DerivedFile> files, HeldRange range) {
            Optional<DerivedFile> base =
                    files.stream()
                            .filter(file ->
                                    file.isWhole() && file.max().compareTo(range.from()) <= 0)
                            .max(REACH);
            Txid after = Reach.states(Reach.items(files, List.of())).lower(range.from());
            return new Held(
                    range,
                    base.map(DerivedFile::key).orElse(""),
                    base.map(DerivedFile::max).orElse(Txid.NONE),
                    after == null ? Txid.NONE : after);
        }

        boolean needs(DerivedFile file) {
            return file.key().equals(base)
                    || (file.max().compareTo(baseMax) > 0
                            && file.min().compareTo(range.to()) <= 0
                            && !isLaterWhole(file));
        }

        /// A snapshot from after the hold produces none of its states.
        private boolean isLaterWhole(DerivedFile file) {
            return file.isWhole() && !base.isEmpty() && file.max().compareTo(range.to()) > 0;
        }

        boolean overlaps(Txid min, Txid max) {
            return max.compareTo(after) > 0 && min.compareTo(range.to()) <= 0;
        }
    }

    /// A lineage, as far as the entries of its segments are concerned.
    public static final class Coverage {
        private final List<DerivedFile> files; // those that stay
        private final Txid covered;
        private final HeldCopies copies;
        private final Kept kept;
        private final Duration own;

        private Coverage(
                List<DerivedFile> files, LineageState.Named state, HeldCopies copies, Instant now) {
            this.kept = Kept.of(files, state, now);
            // What covers an entry when it goes must be there when the rest has gone too.
            this.files = files.stream().filter(kept::file).toList();
            this.covered = LineageHistory.coverage(this.files);
            this.copies = copies;
            this.own = state.windows().exact();
        }

        /// @param fleet the fleet's exact window; a tenant's own may be shorter, never longer: the
        ///   segments are shared
        private Need need(Entry entry, Duration fleet, Instant now) {
            Duration exact = own.compareTo(fleet) < 0 ? own : fleet;
            boolean held = kept.held(entry.min(), entry.max());
            if (kept.isOver() && !held) {
                return new Need.None();
            }
            List<DerivedFile> over =
                    files.stream()
                            .filter(file ->
                                    file.min().compareTo(entry.min()) <= 0
                                            && file.max().compareTo(entry.max()) >= 0)
                            .sorted(Comparator.comparingLong(DerivedFile::size))
                            .toList();
            if (covered.compareTo(entry.max()) < 0 || over.isEmpty()) {
                return new Need.Uncovered();
            }
            if (!kept.isOver() && !drainEnded(entry).isBefore(now.minus(exact))) {
                return new Need.InWindow();
            }
            return held && !copies.hold(entry) ? new Need.Held() : new Need.Covered(over);
        }

        /// When the first state at or after the entry's end was written that files alone produce. A
        /// point before that one may need the entry, however old the entry is.
        private Instant drainEnded(Entry entry) {
            return files.stream()
                    .filter(file -> file.max().compareTo(entry.max()) >= 0)
                    .min(
                            Comparator.comparing(DerivedFile::max)
                                    .thenComparing(DerivedFile::modified))
                    .map(DerivedFile::modified)
                    .orElse(Instant.MAX);
        }
    }

    /// Whether an entry is still needed in its segment.
    public sealed interface Need {
        /// By nobody: its lineage is gone.
        record None() implements Need {}

        /// Each of these files has what is in it, smallest first. One must be known to be good.
        record Covered(List<DerivedFile> by) implements Need {}

        /// By points inside the exact window.
        record InWindow() implements Need {}

        /// By a hold, until it is copied.
        record Held() implements Need {}

        /// No derived file has it. If that lasts, a recovery has failed.
        record Uncovered() implements Need {}
    }

    /// @param objects of the lineage, as one listing showed them
    /// @return nothing for a lineage whose entries nobody needs
    static Optional<Coverage> coverage(
            TenantKey tenant,
            List<ListedObject> objects,
            LineageState state,
            HeldCopies copies,
            Instant now) {
        return switch (state) {
            case LineageState.Unnamed() -> Optional.empty();
            case LineageState.Named named ->
                    Optional.of(new Coverage(files(tenant, objects), named, copies, now));
        };
    }

    /// @param lineage nothing if nobody needs its entries
    static Need need(Entry entry, Optional<Coverage> lineage, Duration exact, Instant now) {
        return lineage.map(coverage -> coverage.need(entry, exact, now)).orElseGet(Need.None::new);
    }

    /// Whether an object has the age from which on it may be deleted at all.
    static boolean isOld(ListedObject object, Instant now) {
        return object.modified().isBefore(now.minus(YOUNG_MAX));
    }

    private static List<DerivedFile> files(TenantKey tenant, List<ListedObject> objects) {
        var files = new ArrayList<DerivedFile>();
        objects.forEach(object -> DerivedFile.of(tenant, object).ifPresent(files::add));
        return files;
    }

    private static Instant created(Lineage lineage) {
        return Instant.ofEpochMilli(Ulid.from(lineage.ulid()).getTime());
    }
}
