package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;

/// A finished release (commit-log.md, W8): the answer to a [ReleaseRequest], and what a worker that
/// stops sends by itself to `POST /internal/v1/released`. The controller takes it only while the
/// catalog still says (tenant, session, number).
///
/// @param lastTxid 16 hexadecimal digits: everything up to it is durable and in derived files;
///   there is nothing after it
public record Release(String tenant, String session, long number, String lineage, String lastTxid) {
    public Release {
        new TenantId(tenant);
        requireNonNull(session, "session");
        new Lineage(lineage);
        Txid.parse(lastTxid);
    }
}
