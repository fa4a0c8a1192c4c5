package dev.litefleet.controller.catalog;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Something that happened, as the catalog remembers it for a while.
///
/// @param seq grows with every event; there may be gaps
/// @param kind such as `tenant_forked`
/// @param tenant that it is about; null if about none
/// @param session ULID of the session that it is about; null if about none
/// @param detail JSON object
public record EventRow(
        long seq,
        Instant at,
        String kind,
        @Nullable String tenant,
        @Nullable String session,
        String detail) {}
