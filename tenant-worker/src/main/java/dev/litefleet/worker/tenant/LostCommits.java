package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import org.jspecify.annotations.Nullable;

/// Commits that were put into the quarantine: clients may have been told of them, the history does
/// not have them.
///
/// @param session that made them; `unknown` if nothing says
/// @param first the first that may be lost; null if not even that is known
/// @param last the last of them; null if unknown
/// @param bytes kept
/// @param reason why they could not be shipped
public record LostCommits(
        TenantKey key,
        String session,
        @Nullable Txid first,
        @Nullable Txid last,
        long bytes,
        String reason) {
    /// `lost.json`; layout: replica-shipper's `FORMAT.md`.
    String json() {
        return """
        {"format": 1, "tenant": "%s", "lineage": "%s", "session": "%s", "first": %s, "last": %s, \
        "bytes": %d, "reason": "%s"}
        """
                .formatted(
                        key.tenant(),
                        key.lineage(),
                        session,
                        first == null ? "null" : "\"" + first + "\"",
                        last == null ? "null" : "\"" + last + "\"",
                        bytes,
                        reason.replaceAll("[^ -~]|[\"\\\\]", "?"));
    }
}
