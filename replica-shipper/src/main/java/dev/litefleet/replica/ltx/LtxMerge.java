package dev.litefleet.replica.ltx;

import dev.litefleet.replica.ReplicaException.InconsistentStore;
import java.io.OutputStream;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/// Merges consecutive LTX files into one: of each page the newest, of pages beyond the final size
/// none. Holds one page of each file in memory. Blocks are copied as they are: the same inputs give
/// the same bytes on every machine.
public final class LtxMerge {
    /// An input at its current page.
    ///
    /// @param age 0 for the newest
    private record Cursor(LtxReader file, int age) {}

    private LtxMerge() {}

    /// Writes the merged file and returns its header: size, time, last TXID and database checksum
    /// of the newest input. Reads every input to its verified end; if that fails, what was written
    /// is no finished file.
    ///
    /// @param files oldest first; ranges may overlap, but leave no gap
    /// @throws InconsistentStore if the files do not follow one another
    /// @throws IllegalStateException if they begin with TXID 1 and lack a page
    public static LtxHeader merge(List<LtxReader> files, OutputStream out) {
        LtxHeader header = header(files);
        var queue =
                new PriorityQueue<Cursor>(
                        Math.max(1, files.size()),
                        Comparator.<Cursor>comparingInt(c -> c.file().pgno())
                                .thenComparingInt(Cursor::age));
        for (int i = 0; i < files.size(); i++) {
            advance(new Cursor(files.get(i), files.size() - 1 - i), queue);
        }
        var writer = new LtxWriter(out, header);
        int last = 0;
        for (Cursor newest = queue.poll(); newest != null; newest = queue.poll()) {
            int pgno = newest.file().pgno();
            if (pgno > last && pgno <= header.commit()) {
                newest.file().copyPage(writer);
            }
            last = pgno;
            advance(newest, queue);
        }
        writer.finish();
        return header;
    }

    private static void advance(Cursor cursor, PriorityQueue<Cursor> queue) {
        if (cursor.file().next()) {
            queue.add(cursor);
        }
    }

    private static LtxHeader header(List<LtxReader> files) {
        LtxHeader first = files.getFirst().header();
        LtxHeader before = first;
        for (LtxReader file : files.subList(1, files.size())) {
            LtxHeader next = file.header();
            if (next.pageSize() != first.pageSize()
                    || next.min().compareTo(before.max().next()) > 0
                    || next.max().compareTo(before.max()) <= 0) {
                throw new InconsistentStore(
                        file.name(),
                        "ltx file does not follow %s-%s".formatted(before.min(), before.max()));
            }
            before = next;
        }
        return LtxHeader.derived(
                first.pageSize(),
                before.commit(),
                first.min(),
                before.max(),
                before.timestampMillis(),
                before.nodeId());
    }
}
