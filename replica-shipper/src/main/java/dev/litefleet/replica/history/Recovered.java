package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import java.util.Map;

/// What a recovery found and wrote.
///
/// @param coverage of every tenant with an entry that the closed log had not yet drained: the last
///   TXID known to have been durable, which is covered by derived files unless the tenant is in
///   `failed`
/// @param failed tenants whose entries could not be made into files, because something in the store
///   is damaged or gone. Their segments stay where they are; hydrating them with their `coverage`
///   as floor is refused. The others are not held up by them.
/// @param segments read
/// @param filesWritten derived files that were lacking
public record Recovered(
        Map<TenantKey, Txid> coverage,
        Map<TenantKey, ReplicaException> failed,
        int segments,
        int filesWritten) {
    public Recovered {
        coverage = Map.copyOf(coverage);
        failed = Map.copyOf(failed);
    }
}
