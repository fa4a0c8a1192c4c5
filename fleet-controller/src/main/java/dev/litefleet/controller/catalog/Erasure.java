package dev.litefleet.controller.catalog;

import dev.litefleet.replica.TenantId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// How far a deleted tenant is erased.
///
/// @param unheldAt since when no session holds it; null while one does
/// @param receipt null until its objects are erased
/// @param erasedBy when no byte of it exists any more, not in shared segments either; null until
///   there is a receipt
public record Erasure(
        TenantId tenant,
        Instant deletedAt,
        @Nullable Instant unheldAt,
        @Nullable Receipt receipt,
        @Nullable Instant erasedBy) {
    /// What was erased, all passes together.
    ///
    /// @param firstAt when the first pass ended
    /// @param emptyAt when a listing of everything below the tenant's folder was empty
    public record Receipt(
            long objects,
            long bytes,
            long versions,
            long uploads,
            Instant firstAt,
            Instant emptyAt) {}
}
