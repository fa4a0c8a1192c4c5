package dev.litefleet.replica.history;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Entry;
import org.jspecify.annotations.Nullable;

/// One log entry as the history remembers it: a state that can be restored exactly, `max`, while
/// the segment that holds the entry exists. Of a merged entry (`min` less than `max`) the states in
/// between cannot be restored by it.
///
/// @param min first TXID of the entry, at least 1
/// @param max last TXID, the exact point
/// @param firstMillis time of the first commit, Unix milliseconds
/// @param lastMillis time of the last commit, not before `firstMillis`
/// @param pageSize in bytes
/// @param commit pages of the database after it
/// @param pages pages in the entry
/// @param bytes of the entry's LTX body as stored
/// @param checksumBefore database checksum before the first commit
/// @param checksumAfter database checksum after the last
/// @param actor who did it, as the writer's client said
/// @param traceparent W3C trace context of the last commit
/// @param requestId request that made the last commit
public record IndexPoint(
        Txid min,
        Txid max,
        long firstMillis,
        long lastMillis,
        int pageSize,
        int commit,
        int pages,
        long bytes,
        LogRef log,
        long checksumBefore,
        long checksumAfter,
        @Nullable String actor,
        @Nullable String traceparent,
        @Nullable String requestId) {
    public IndexPoint {
        if (min.value() < 1 || max.compareTo(min) < 0) {
            throw new IllegalArgumentException("no TXID range: " + min + "-" + max);
        }
        if (lastMillis < firstMillis) {
            throw new IllegalArgumentException(
                    "time runs backwards within " + min + "-" + max + ": " + lastMillis);
        }
    }

    /// What the index remembers of an entry.
    public static IndexPoint of(LogRef log, Entry entry) {
        return new IndexPoint(
                entry.min(),
                entry.max(),
                entry.commitMillis().getFirst(),
                entry.lastMillis(),
                entry.pageSize(),
                entry.commit(),
                entry.pages(),
                entry.bytes(),
                log,
                entry.checksumBefore(),
                entry.checksumAfter(),
                entry.actor(),
                entry.traceparent(),
                entry.requestId());
    }
}
