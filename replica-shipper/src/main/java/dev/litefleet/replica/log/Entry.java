package dev.litefleet.replica.log;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectKey;
import dev.litefleet.replica.wal.WalPosition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a segment says about one of its LTX bodies: one commit of one tenant, or, when a segment
/// got more than [Segment#COMMITS_MAX] commits of a tenant, all of them merged.
///
/// @param min first TXID
/// @param max last TXID; above `min` only in a merged entry, whose inner states are not points
/// @param pageSize in bytes
/// @param commit size of the database after `max`, in pages
/// @param pages in the body
/// @param bytes of the body as stored, in the segment or its blob
/// @param commitMillis time of the commit, Unix milliseconds; of a merged entry the first and last
/// @param checksumBefore database checksum before `min`
/// @param checksumAfter database checksum after `max`
/// @param actor who caused it; in a merged entry the three texts are absent
/// @param blob the object that holds the body, or null if the segment does
/// @param wal where the commit `max` ends in the WAL of whoever captured it; null if a version
///   wrote the entry that did not say. Of no use to anybody but a later session on the same disk
public record Entry(
        TenantKey tenant,
        Txid min,
        Txid max,
        int pageSize,
        int commit,
        int pages,
        long bytes,
        List<Long> commitMillis,
        long checksumBefore,
        long checksumAfter,
        @Nullable String actor,
        @Nullable String traceparent,
        @Nullable String requestId,
        @Nullable Blob blob,
        @Nullable WalPosition wal) {
    /// A body that was too large for a segment.
    ///
    /// @param key the object's key; the object has the entry's `bytes`
    public record Blob(String key) {
        public Blob {
            ObjectKey.check(key);
        }
    }

    public Entry {
        commitMillis = List.copyOf(commitMillis);
        if (min.value() == 0 || max.compareTo(min) < 0) {
            throw new IllegalArgumentException("not a range of txids: " + min + "-" + max);
        }
        if (commitMillis.size() != (min.equals(max) ? 1 : 2)) {
            throw new IllegalArgumentException(
                    commitMillis.size() + " times for " + min + "-" + max);
        }
        if (Integer.bitCount(pageSize) != 1
                || pageSize < 512
                || pageSize > 65536
                || commit < 1
                || pages < 0
                || bytes < 0) {
            throw new IllegalArgumentException(commit + " pages of " + pageSize);
        }
    }

    /// The same entry with its body elsewhere.
    Entry inBlob(Blob place) {
        return new Entry(
                tenant,
                min,
                max,
                pageSize,
                commit,
                pages,
                bytes,
                commitMillis,
                checksumBefore,
                checksumAfter,
                actor,
                traceparent,
                requestId,
                place,
                wal);
    }

    /// Whether more than one commit is in it, so that only its last state can be named.
    public boolean merged() {
        return !min.equals(max);
    }

    /// Time of the last commit in it, Unix milliseconds.
    public long lastMillis() {
        return commitMillis.getLast();
    }
}
