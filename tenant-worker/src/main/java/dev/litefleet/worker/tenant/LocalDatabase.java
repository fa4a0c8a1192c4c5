package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Position;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.wal.WalPosition;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A closed database on the local disk whose state is known: read from the store and verified, or
/// closed by this very session. It can be opened without asking anybody.
///
/// @param directory holds `db` and, of a database that was closed, `sums` and `position.json`
/// @param position how far its history goes, and what its pages add up to
/// @param pageSize in bytes
/// @param lastMillis time of its last commit, Unix milliseconds; 0 if it has none
/// @param exists whether there is a file; a lineage without commits has none
/// @param wal where in the WAL beside it `position` stands; null if there is no WAL. What follows
///   there is not shipped yet
public record LocalDatabase(
        Path directory,
        TenantKey key,
        Position position,
        int pageSize,
        long lastMillis,
        boolean exists,
        @Nullable WalPosition wal) {
    /// Without a WAL.
    LocalDatabase(
            Path directory,
            TenantKey key,
            Position position,
            int pageSize,
            long lastMillis,
            boolean exists) {
        this(directory, key, position, pageSize, lastMillis, exists, null);
    }

    /// Page size of new databases.
    static final int PAGE_SIZE_DEFAULT = 4096;

    private static final String DB = "db";
    private static final String SUMS = "sums";

    /// A lineage before its first commit.
    static LocalDatabase empty(Path directory, TenantKey key) {
        return new LocalDatabase(
                directory,
                key,
                new Position(Txid.NONE, DatabaseChecksum.EMPTY),
                PAGE_SIZE_DEFAULT,
                0,
                false);
    }

    /// Reads the newest state of `key` from the store into `directory`, which is created, and in
    /// which nothing may lie. Blocks on the network; calls no SQLite.
    ///
    /// @param floor the last TXID that is known to have been durable
    /// @throws dev.litefleet.replica.ReplicaException.HistoryIncomplete if the store has less
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt if what it has is damaged
    /// @throws InconsistentStore if its newest file is not ours: somebody else writes there
    /// @throws dev.litefleet.replica.objects.StoreException if it cannot be reached
    public static LocalDatabase hydrate(
            Path directory, TenantKey key, Txid floor, Shipping shipping) {
        return hydrate(
                directory,
                LineageHistory.list(shipping.store(), key).requireCoverage(floor),
                shipping);
    }

    /// The same from what was listed.
    static LocalDatabase hydrate(Path directory, LineageHistory history, Shipping shipping) {
        createDirectories(directory);
        TenantKey key = history.tenant();
        if (history.coverage().equals(Txid.NONE)) {
            return empty(directory, key);
        }
        Hydrated hydrated =
                Hydrator.hydrate(
                        shipping.store(),
                        RestorePlan.latest(history),
                        () -> RestorePlan.latest(again(history, shipping)),
                        directory.resolve(DB),
                        Hydrator.Limits.DEFAULT,
                        shipping.tasks(),
                        Progress.NONE);
        if (!hydrated.stated()) {
            throw new InconsistentStore(
                    key.prefix(),
                    "txid %s was written by another program than litefleet; stop it (litestream"
                                    .formatted(hydrated.position().txid())
                            + " replicate?) and remove its files");
        }
        hydrated.sums().save(directory.resolve(SUMS));
        return new LocalDatabase(
                directory,
                key,
                hydrated.position(),
                hydrated.pageSize(),
                hydrated.lastMillis(),
                true);
    }

    /// The same with a WAL beside it.
    LocalDatabase before(WalPosition wal) {
        return new LocalDatabase(directory, key, position, pageSize, lastMillis, exists, wal);
    }

    /// What is there now, and no less than before: the janitor deletes what something larger
    /// covers.
    private static LineageHistory again(LineageHistory history, Shipping shipping) {
        return LineageHistory.list(shipping.store(), history.tenant())
                .requireCoverage(history.coverage());
    }

    Path db() {
        return directory.resolve(DB);
    }

    Path walFile() {
        return directory.resolve(DB + "-wal");
    }

    Path sums() {
        return directory.resolve(SUMS);
    }

    Path positionFile() {
        return directory.resolve("position.json");
    }

    /// The page checksums as the last session or the hydration left them.
    ///
    /// @throws Corrupt if they do not add up to `position`
    DatabaseChecksum loadSums() {
        if (!exists) {
            return new DatabaseChecksum(pageSize);
        }
        Optional<DatabaseChecksum> sums = DatabaseChecksum.load(sums());
        if (sums.isEmpty() || sums.get().value() != position.checksum()) {
            throw new Corrupt(
                    sums().toString(), 0, "page checksums do not add up to " + position, null);
        }
        return sums.get();
    }

    private static void createDirectories(Path directory) {
        try {
            Files.createDirectories(directory);
            // Else a folder that was deleted here may be back after a loss of power, with all that
            // was in it, in place of this one.
            Path parent = directory.toAbsolutePath().getParent();
            for (int level = 0; parent != null && level < 2; level++) {
                LocalPosition.forceNames(parent);
                parent = parent.getParent();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot create " + directory, e);
        }
    }
}
