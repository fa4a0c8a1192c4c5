package dev.litefleet.replica.history;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.MergePolicy.Standing;
import dev.litefleet.replica.objects.ObjectStore;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Writes what [MergePolicy] asks for, until it asks for nothing more. From durable derived files
/// only: no writer waits for it, and the live database is not read. May be stopped anywhere, done
/// again, and done by several at once.
public final class Merges {
    /// @param written oldest first
    /// @param standing afterwards
    public record Done(List<DerivedFile> written, Standing standing) {
        public Done {
            written = List.copyOf(written);
        }
    }

    private Merges() {}

    /// Costs one LIST request per 1,000 files, and per merge one request for each input and one
    /// PUT.
    ///
    /// @param databaseBytes size of the database after its last drained commit
    /// @param tmp folder for temporary files
    /// @throws dev.litefleet.replica.objects.StoreException as the store; what was written stays
    /// @throws dev.litefleet.replica.ReplicaException as [Merge#write]
    public static Done write(
            ObjectStore store, TenantKey tenant, long databaseBytes, Instant now, Path tmp) {
        var files = new ArrayList<>(LineageHistory.list(store, tenant).files());
        var written = new ArrayList<DerivedFile>();
        Optional<Merge> due = MergePolicy.next(tenant, files, databaseBytes, now);
        while (due.isPresent()) {
            DerivedFile file = due.get().write(store, tmp);
            files.add(file);
            written.add(file);
            due = MergePolicy.next(tenant, files, databaseBytes, now);
        }
        return new Done(written, Standing.of(files));
    }
}
