package dev.litefleet.replica.wal;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The pages of a commit while its frames are read. A page that comes again replaces the one
/// before: SQLite writes a page more than once when a large transaction spills.
///
/// Beyond a number of bytes it keeps only where the pages stand: 12 bytes for each frame.
final class Transaction {
    private final int pageSize;
    private final long bytesMax;
    private final int memoryBytesMax;
    private int[] pgnos;

    /// The pages, or, once they are too many, room for the one that is looked at.
    private byte[] pages;

    private boolean inMemory = true;

    /// Where in the WAL each page stands.
    private long[] offsets;

    private int count;

    /// Page number to its place in `pages`; kept only once the page numbers have stopped ascending,
    /// which they do not in a transaction that fits SQLite's cache.
    private @Nullable Map<Integer, Integer> places;

    /// @param frames how many are expected, 1 or more
    /// @param bytesMax of the pages of all its frames
    /// @param memoryBytesMax how many of them are kept in memory
    Transaction(int pageSize, int frames, long bytesMax, int memoryBytesMax) {
        this.pageSize = pageSize;
        this.bytesMax = bytesMax;
        this.memoryBytesMax = memoryBytesMax;
        pgnos = new int[frames];
        pages = new byte[frames * pageSize];
        offsets = new long[frames];
    }

    /// Where in [#pages] to put the next page before [#add].
    ///
    /// @throws TooLarge if it would be over the maximum
    int room() {
        if (count == pgnos.length) {
            grow();
        }
        return inMemory ? count * pageSize : 0;
    }

    private void grow() {
        long bytes = (count + 1L) * pageSize;
        if (bytes > bytesMax) {
            throw new TooLarge("transaction", bytes, "transactionBytesMax", bytesMax);
        }
        long framesMax = bytesMax / pageSize;
        if (inMemory && bytes > memoryBytesMax) {
            inMemory = false;
            pages = new byte[pageSize];
            places = null;
        } else if (inMemory) {
            framesMax = Math.min(framesMax, memoryBytesMax / pageSize);
        }
        int frames = (int) Math.max(count + 1L, Math.min(2L * count, framesMax));
        pgnos = Arrays.copyOf(pgnos, frames);
        offsets = Arrays.copyOf(offsets, frames);
        if (inMemory) {
            pages = Arrays.copyOf(pages, frames * pageSize);
        }
    }

    byte[] pages() {
        return pages;
    }

    /// Takes what was put at [#room] as the newest state of page `pgno`.
    ///
    /// @param offset of the page in the WAL
    void add(int pgno, long offset) {
        // Once the pages are not kept, the older of two is dropped at the end.
        if (!inMemory || (places == null && (count == 0 || pgno > pgnos[count - 1]))) {
            append(pgno, offset);
            return;
        }
        if (places == null) {
            places = new HashMap<>();
            for (int i = 0; i < count; i++) {
                places.put(pgnos[i], i);
            }
        }
        Integer place = places.putIfAbsent(pgno, count);
        if (place == null) {
            append(pgno, offset);
        } else {
            System.arraycopy(pages, count * pageSize, pages, place * pageSize, pageSize);
            offsets[place] = offset;
        }
    }

    private void append(int pgno, long offset) {
        offsets[count] = offset;
        pgnos[count++] = pgno;
    }

    /// The commit between the two positions, without pages that were spilled before the transaction
    /// made the database smaller than them.
    ///
    /// @param wal where to read pages that are not in memory
    /// @throws Corrupt if a page is missing by which the database grew: SQLite writes each of them,
    ///   so this is not the log it wrote behind a database of that size
    CommittedPages commit(String name, FileChannel wal, WalPosition from, WalPosition to) {
        if (!inMemory) {
            keepNewest();
        }
        int[] written = count == pgnos.length ? pgnos : Arrays.copyOf(pgnos, count);
        if (places != null) {
            written = written.clone();
            Arrays.sort(written);
        }
        if (written[count - 1] > to.pages()) {
            written = Arrays.stream(written).filter(p -> p <= to.pages()).toArray();
        }
        requireGrowth(name, written, from, to);
        int n = written.length;
        byte[] contents = null;
        long[] at = n == offsets.length ? offsets : Arrays.copyOf(offsets, n);
        if (places != null) {
            contents = gather(written, places, at);
        } else if (inMemory) {
            contents = n == pgnos.length ? pages : Arrays.copyOf(pages, n * pageSize);
        }
        return new CommittedPages(pageSize, to.pages(), written, contents, at, from, to, name, wal);
    }

    /// Sorts the frames by page, and of each page keeps the last.
    private void keepNewest() {
        long[] frames = new long[count];
        for (int i = 0; i < count; i++) {
            frames[i] = (long) pgnos[i] << 32 | i;
        }
        Arrays.sort(frames);
        int[] numbers = new int[count];
        long[] at = new long[count];
        int kept = 0;
        for (int i = 0; i < count; i++) {
            int pgno = (int) (frames[i] >>> 32);
            if (i + 1 == count || (int) (frames[i + 1] >>> 32) != pgno) {
                numbers[kept] = pgno;
                at[kept++] = offsets[(int) frames[i]];
            }
        }
        pgnos = numbers;
        offsets = at;
        count = kept;
    }

    private void requireGrowth(String name, int[] written, WalPosition from, WalPosition to) {
        int at = Arrays.binarySearch(written, from.pages() + 1);
        at = at < 0 ? -at - 1 : at;
        for (int pgno = from.pages() + 1; pgno <= to.pages() && pgno > 0; pgno++) {
            if (at < written.length && written[at] == pgno) {
                at++;
            } else if (pgno != LockPage.of(pageSize)) {
                throw new Corrupt(
                        name,
                        from.offset(),
                        "commit grew the database from %d to %d pages without page %d"
                                .formatted(from.pages(), to.pages(), pgno));
            }
        }
    }

    /// The contents of these pages, in their order; puts into `at` where each stands.
    private byte[] gather(int[] wanted, Map<Integer, Integer> places, long[] at) {
        byte[] contents = new byte[wanted.length * pageSize];
        long[] found = new long[wanted.length];
        for (int i = 0; i < wanted.length; i++) {
            int place = requireNonNull(places.get(wanted[i]));
            System.arraycopy(pages, place * pageSize, contents, i * pageSize, pageSize);
            found[i] = offsets[place];
        }
        System.arraycopy(found, 0, at, 0, found.length);
        return contents;
    }
}
