package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;

/// The right of this session to write a tenant, as the catalog has it (commit-log.md, W6 and C1).
///
/// @param number counts the tenant's assignments
/// @param floor the last TXID known to have been durable; a history that ends before it is not
///   opened
/// @param tokenGen generation of the tokens that are valid
public record TenantAssignment(
        TenantKey key, long number, Txid floor, Durability durability, Quota quota, long tokenGen) {
    public TenantId tenant() {
        return key.tenant();
    }
}
