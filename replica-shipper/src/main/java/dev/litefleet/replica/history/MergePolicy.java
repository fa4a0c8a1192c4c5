package dev.litefleet.replica.history;

import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Reach.Item;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Which merges keep restores cheap. Decided by the files alone: pure, and the same for whoever
/// asks.
///
/// Promise: when nothing is due, a restore of the newest state reads at most [#OBJECTS_MAX] derived
/// files and at most [#bytesMax] bytes, whatever the history was. As the files up to a state do not
/// change afterwards, what held when a state was the newest holds for ever.
///
/// - Level 2: every 16 files of level 1 in a row, level 3: every 16 of level 2. They begin where
///   the level ends, so each level is as contiguous as the one below, whatever snapshots there are.
/// - Level 9: when the cheapest restore would break the promise, when what it reads beside the
///   whole file is more than the database, and when there is something newer than a whole file that
///   is a day old.
public final class MergePolicy {
    /// Most derived files in a restore.
    public static final int OBJECTS_MAX = 64;

    /// Files of one level in a file of the next.
    public static final int FAN_IN = 16;

    /// A restore of less than this is one or a few small requests; making it smaller would cost
    /// more than it saves.
    public static final long BYTES_MIN = 128 << 10;

    private static final int LEVEL_MAX = 3;
    static final Duration AGE_MAX = Duration.ofDays(1);

    /// What a restore of the newest state reads.
    ///
    /// @param objects derived files
    /// @param bytes of them together
    /// @param wholeBytes of the whole file among them
    /// @param unmerged files of level 1 that no file of level 2 has
    /// @param wholeModified when the newest whole file was written, as listed
    /// @param changed whether there is something newer than that
    public record Standing(
            int objects,
            long bytes,
            long wholeBytes,
            int unmerged,
            Instant wholeModified,
            boolean changed) {
        static Standing of(List<DerivedFile> files) {
            Optional<DerivedFile> whole =
                    files.stream()
                            .filter(DerivedFile::isWhole)
                            .max(Comparator.comparing(DerivedFile::max));
            if (whole.isEmpty()) {
                return new Standing(0, 0, 0, 0, Instant.MAX, false);
            }
            Txid coverage = LineageHistory.coverage(files);
            List<DerivedFile> restore = restore(files);
            return new Standing(
                    restore.size(),
                    restore.stream().mapToLong(DerivedFile::size).sum(),
                    restore.getFirst().size(),
                    MergePolicy.unmerged(files, 1).size(),
                    whole.get().modified(),
                    whole.get().max().compareTo(coverage) < 0);
        }

        /// Whether there is any state at all.
        boolean hasWhole() {
            return wholeBytes > 0;
        }

        /// Whether a snapshot is due.
        boolean snapshotDue(long databaseBytes, Instant now) {
            return changed
                    && hasWhole()
                    && (objects > OBJECTS_MAX
                            || bytes > bytesMax(databaseBytes)
                            || bytes - wholeBytes > Math.max(databaseBytes, BYTES_MIN)
                            || !now.isBefore(wholeModified.plus(AGE_MAX)));
        }
    }

    private MergePolicy() {}

    /// Most bytes that a restore may read: twice the database, [#BYTES_MIN] for a smaller one.
    public static long bytesMax(long databaseBytes) {
        return Math.max(2 * databaseBytes, BYTES_MIN);
    }

    /// What to write next, or nothing. Merges come before snapshots: they may make one unnecessary.
    ///
    /// @param files of the lineage, in any order
    /// @param databaseBytes size of the database at their end
    public static Optional<Merge> next(
            TenantKey tenant, List<DerivedFile> files, long databaseBytes, Instant now) {
        for (int level = 2; level <= LEVEL_MAX; level++) {
            List<DerivedFile> run = unmerged(files, level - 1);
            if (run.size() >= FAN_IN) {
                return Optional.of(new Merge(tenant, level, run.subList(0, FAN_IN)));
            }
        }
        return Standing.of(files).snapshotDue(databaseBytes, now)
                ? Optional.of(snapshot(tenant, files))
                : Optional.empty();
    }

    /// The snapshot of everything that `files` cover.
    ///
    /// @throws PointNotFound if they hold no state at all
    static Merge snapshot(TenantKey tenant, List<DerivedFile> files) {
        List<DerivedFile> inputs = restore(files);
        if (inputs.isEmpty()) {
            throw new PointNotFound(Point.LATEST, Txid.NONE);
        }
        return new Merge(tenant, DerivedFile.LEVEL_SNAPSHOT, inputs);
    }

    /// The files that a restore of the newest state reads; none if there is no state.
    private static List<DerivedFile> restore(List<DerivedFile> files) {
        List<Item> way =
                Reach.cheapest(
                        Reach.items(files, List.of()), LineageHistory.coverage(files).value());
        return way == null ? List.of() : way.stream().flatMap(item -> file(item)).toList();
    }

    private static Stream<DerivedFile> file(Item item) {
        return Stream.ofNullable(item.file());
    }

    /// The files of `level` behind the end of the level above, in a row: those that a merge would
    /// take, oldest first. Where retention or damage has left a gap, the row begins behind it.
    private static List<DerivedFile> unmerged(List<DerivedFile> files, int level) {
        long merged =
                files.stream()
                        .filter(file -> file.level() == level + 1)
                        .mapToLong(file -> file.max().value())
                        .max()
                        .orElse(0);
        List<DerivedFile> rest =
                files.stream()
                        .filter(file -> file.level() == level && file.max().value() > merged)
                        .sorted(DerivedFile.BY_RANGE)
                        .toList();
        boolean follows = rest.stream().anyMatch(file -> file.min().value() == merged + 1);
        var run = new ArrayList<DerivedFile>();
        long reached = merged;
        for (DerivedFile file : rest) {
            // A dead owner's late file may overlap; taking it would make the level overlap too.
            boolean skipped = follows && file.min().value() <= merged;
            if (skipped || file.max().value() <= reached) {
                continue;
            }
            if (file.min().value() > reached + 1 && run.size() < FAN_IN) {
                run.clear();
            }
            run.add(file);
            reached = file.max().value();
        }
        return run;
    }
}
