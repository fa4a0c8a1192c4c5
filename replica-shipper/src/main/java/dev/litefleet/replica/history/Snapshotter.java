package dev.litefleet.replica.history;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectStore;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;

/// Writes level-9 files: a whole database, merged from derived files and never taken from a live
/// one, so that it too is a function of the log.
public final class Snapshotter {
    private Snapshotter() {}

    /// Whether it is time for a snapshot, as [MergePolicy] says. A first drain counts as a
    /// snapshot, it holds a whole database too.
    ///
    /// @param databaseBytes size of the database now
    public static boolean due(List<DerivedFile> files, long databaseBytes, Instant now) {
        return MergePolicy.Standing.of(files).snapshotDue(databaseBytes, now);
    }

    /// Merges everything into `0009/1-<coverage>`, by put-if-absent, and returns the TXID of the
    /// newest snapshot: the coverage of `history`. Does nothing if it is there already. Costs as
    /// [Merge#write].
    ///
    /// @param tmp folder for temporary files of about the size of the files read and written
    /// @throws dev.litefleet.replica.ReplicaException.PointNotFound if `history` has no files
    /// @throws dev.litefleet.replica.ReplicaException.Corrupt naming the file that is damaged
    public static Txid write(ObjectStore store, LineageHistory history, Path tmp) {
        Merge snapshot = MergePolicy.snapshot(history.tenant(), history.files());
        boolean there =
                history.files().stream().anyMatch(file -> file.key().equals(snapshot.key()));
        if (!there) {
            snapshot.write(store, tmp);
        }
        return snapshot.max();
    }
}
