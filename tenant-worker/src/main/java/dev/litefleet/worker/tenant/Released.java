package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;

/// A tenant that this session has given up: nothing runs, everything is durable, drained and closed
/// (commit-log.md, W8).
///
/// @param number of the assignment that ended
/// @param last the tenant's last TXID
public record Released(TenantKey key, long number, Txid last) {}
