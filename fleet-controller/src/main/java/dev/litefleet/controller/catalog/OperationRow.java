package dev.litefleet.controller.catalog;

import dev.litefleet.replica.TenantId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A long piece of work on one tenant as the catalog has it. It outlives its controller: a
/// successor takes it up again from its beginning.
///
/// @param id `op_` and a ULID
/// @param target the tenant that it makes or changes
/// @param phase what it does now, in a word, for people
/// @param finishedAt null while it runs
public record OperationRow(
        String id,
        OperationKind kind,
        TenantId target,
        OperationState state,
        String phase,
        OperationDetail detail,
        Instant startedAt,
        @Nullable Instant finishedAt) {}
