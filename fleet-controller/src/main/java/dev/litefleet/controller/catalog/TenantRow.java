package dev.litefleet.controller.catalog;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A tenant as the catalog has it.
///
/// @param lineage the current one
/// @param txidFloor last TXID known durable at the last release or recovery, not the newest one
/// @param session ULID of the session it is assigned to; null if none
/// @param worker name of that session's worker; null if none
/// @param assignment how often it was assigned; the number of the current assignment
/// @param tokenGen the oldest generation of its tokens that is accepted, from 1
/// @param etag grows with every change of `spec`, from 1
/// @param deletedAt null unless it is a tombstone
public record TenantRow(
        TenantId id,
        TenantState state,
        Lineage lineage,
        Txid txidFloor,
        @Nullable String session,
        @Nullable String worker,
        long assignment,
        TenantSpec spec,
        long tokenGen,
        long etag,
        Instant createdAt,
        @Nullable Instant deletedAt) {}
