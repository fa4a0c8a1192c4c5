package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import org.jspecify.annotations.Nullable;

/// `POST /internal/v1/lost`: commits lie in the worker's quarantine that the tenant's history does
/// not have (commit-log.md, P2). May be sent more than once. A controller that does not know it
/// answers 404; the worker has logged it all the same.
///
/// @param worker where they lie
/// @param writer the session that made them; `unknown` if nothing says
/// @param first 16 hexadecimal digits: the first that may be lost; null if unknown
/// @param last the last of them; null if unknown
/// @param bytes kept
/// @param reason for people
public record Lost(
        String worker,
        String tenant,
        String lineage,
        String writer,
        @Nullable String first,
        @Nullable String last,
        long bytes,
        String reason) {
    public Lost {
        requireNonNull(worker, "worker");
        new TenantId(tenant);
        new Lineage(lineage);
        requireNonNull(writer, "writer");
        requireNonNull(reason, "reason");
        if (first != null) {
            Txid.parse(first);
        }
        if (last != null) {
            Txid.parse(last);
        }
    }
}
