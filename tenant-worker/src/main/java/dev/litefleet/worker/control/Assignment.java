package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import org.jspecify.annotations.Nullable;

/// `POST /internal/v1/assign`: this session, and no other, may write this tenant from now on. The
/// catalog's commit came before the message, so late and repeated copies are harmless
/// (commit-log.md, C1 and W6).
///
/// @param lineage the tenant's current lineage, a ULID
/// @param session the session that is meant; any other refuses
/// @param number of the tenant's assignments so far, this one included; a session refuses one that
///   is not greater than every number it has seen for the tenant
/// @param epoch of the controller that assigns
/// @param txidFloor 16 hexadecimal digits: the last TXID known durable at the last release or
///   recovery; less than this in the store is `HISTORY_INCOMPLETE`, never an older database
/// @param previousSession the last session that wrote the tenant; null if none has
/// @param durability `sync` or `async`
/// @param tokenGen the tenant's token generation, see [TokenGen]
public record Assignment(
        String tenant,
        String lineage,
        String session,
        long number,
        long epoch,
        String txidFloor,
        @Nullable String previousSession,
        String durability,
        Quotas quotas,
        long tokenGen) {
    public static final String SYNC = "sync";
    public static final String ASYNC = "async";

    public Assignment {
        new TenantId(tenant);
        new Lineage(lineage);
        requireNonNull(session, "session");
        Txid.parse(txidFloor);
        if (!durability.equals(SYNC) && !durability.equals(ASYNC)) {
            throw new IllegalArgumentException("unknown durability [value=" + durability + "]");
        }
        requireNonNull(quotas, "quotas");
    }
}
