package dev.litefleet.replica.history;

import dev.litefleet.replica.Txid;
import java.util.List;

/// What one drain writes. The live worker makes it from its WAL frames and a recoverer from log
/// entries; as every field is a function of the entries alone, both write the same bytes.
///
/// @param pageSize in bytes
/// @param commitBefore pages of the database before `min`; 0 for a new one
/// @param commit pages of the database after `max`, at least 1
/// @param pages the newest content of every page that the commits changed, none beyond `commit`,
///   every one in (`commitBefore`, `commit`] but the lock page
/// @param lastMillis time of commit `max`, Unix milliseconds
/// @param checksumAfter database checksum after `max`
/// @param points the drain's entries, ascending, none missing between `min` and `max`
public record DrainInput(
        int pageSize,
        int commitBefore,
        int commit,
        Txid min,
        Txid max,
        PageSource pages,
        long lastMillis,
        long checksumAfter,
        List<IndexPoint> points) {
    public DrainInput {
        points = List.copyOf(points);
        if (min.value() < 1 || max.compareTo(min) < 0 || commit < 1 || commitBefore < 0) {
            throw new IllegalArgumentException(
                    "no drain: %s-%s, %d to %d pages".formatted(min, max, commitBefore, commit));
        }
        long covered = min.value() - 1;
        for (IndexPoint point : points) {
            if (point.min().value() > covered + 1 || point.max().value() <= covered) {
                throw new IllegalArgumentException(
                        "entry %s-%s does not follow %d"
                                .formatted(point.min(), point.max(), covered));
            }
            covered = point.max().value();
        }
        if (covered != max.value()) {
            throw new IllegalArgumentException("the entries end at " + covered + ", not at " + max);
        }
    }
}
