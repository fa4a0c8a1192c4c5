package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import org.jspecify.annotations.Nullable;

/// The right of this session to write a tenant, as the catalog has it (commit-log.md, W6 and C1).
///
/// @param number counts the tenant's assignments
/// @param floor the last TXID known to have been durable; a history that ends before it is not
///   opened
/// @param tokenGen generation of the tokens that are valid
/// @param previousSession the last other session that could have written the tenant, a ULID: it has
///   released it, or its log is closed and recovered. Null if none could, or if nobody says
public record TenantAssignment(
        TenantKey key,
        long number,
        Txid floor,
        Durability durability,
        Quota quota,
        long tokenGen,
        @Nullable String previousSession) {
    /// Of a tenant whose local files, if there are any, are of no use.
    public TenantAssignment(
            TenantKey key,
            long number,
            Txid floor,
            Durability durability,
            Quota quota,
            long tokenGen) {
        this(key, number, floor, durability, quota, tokenGen, null);
    }

    public TenantId tenant() {
        return key.tenant();
    }
}
