package dev.litefleet.replica.history;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.Txid;
import org.jspecify.annotations.Nullable;

/// Which TXIDs of a tenant a lineage names.
///
/// @param first its first: 1, or where a fork or a restore began it
/// @param ended its last; null while it is the current one. What its folder may hold beyond that
///   came late and belongs to nobody
public record LineageSpan(Lineage lineage, Txid first, @Nullable Txid ended) {
    public LineageSpan {
        if (first.value() < 1 || (ended != null && ended.next().compareTo(first) < 0)) {
            throw new IllegalArgumentException("no TXID range: " + first + "-" + ended);
        }
    }

    /// Whether `txid` is one of this lineage's.
    boolean names(Txid txid) {
        return first.compareTo(txid) <= 0 && (ended == null || txid.compareTo(ended) <= 0);
    }
}
