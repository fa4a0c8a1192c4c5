package dev.litefleet.controller.catalog;

import dev.litefleet.replica.history.LineageSpan;
import dev.litefleet.replica.log.LogName;
import java.util.List;
import java.util.Optional;

/// A tenant, and where its history is to be read, all of one moment.
///
/// @param spans its lineages, oldest first, the current one last
/// @param log of the session that has it, which may hold commits that derived files lack
public record TenantSource(TenantRow tenant, List<LineageSpan> spans, Optional<LogName> log) {
    public TenantSource {
        spans = List.copyOf(spans);
    }
}
