package dev.litefleet.replica.wal;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The pages of a commit while its frames are read. A page that comes again replaces the one
/// before: SQLite writes a page more than once when a large transaction spills.
final class Transaction {
    private final int pageSize;
    private final int bytesMax;
    private int[] pgnos;
    private byte[] pages;

    /// Where in the WAL each page stands.
    private long[] offsets;

    private int count;

    /// Page number to its place in `pages`; kept only once the page numbers have stopped ascending,
    /// which they do not in a transaction that fits SQLite's cache.
    private @Nullable Map<Integer, Integer> places;

    /// @param frames how many are expected, 1 or more
    Transaction(int pageSize, int frames, int bytesMax) {
        this.pageSize = pageSize;
        this.bytesMax = bytesMax;
        pgnos = new int[frames];
        pages = new byte[frames * pageSize];
        offsets = new long[frames];
    }

    /// Where in [#pages] to put the next page before [#add].
    ///
    /// @throws TooLarge if it would be over the maximum
    int room() {
        if (count == pgnos.length) {
            long bytes = (count + 1L) * pageSize;
            if (bytes > bytesMax) {
                throw new TooLarge("transaction", bytes, "transactionBytesMax", bytesMax);
            }
            int frames = Math.max(count + 1, Math.min(2 * count, bytesMax / pageSize));
            pgnos = Arrays.copyOf(pgnos, frames);
            pages = Arrays.copyOf(pages, frames * pageSize);
            offsets = Arrays.copyOf(offsets, frames);
        }
        return count * pageSize;
    }

    byte[] pages() {
        return pages;
    }

    /// Takes what was put at [#room] as the newest state of page `pgno`.
    ///
    /// @param offset of the page in the WAL
    void add(int pgno, long offset) {
        if (places == null && (count == 0 || pgno > pgnos[count - 1])) {
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
    /// @throws Corrupt if a page is missing by which the database grew: SQLite writes each of them,
    ///   so this is not the log it wrote behind a database of that size
    CommittedPages commit(String name, WalPosition from, WalPosition to) {
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
        if (places != null) {
            return gathered(written, places, from, to);
        }
        byte[] exact = n == pgnos.length ? pages : Arrays.copyOf(pages, n * pageSize);
        long[] at = n == pgnos.length ? offsets : Arrays.copyOf(offsets, n);
        return new CommittedPages(pageSize, to.pages(), written, exact, at, from, to);
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

    private CommittedPages gathered(
            int[] wanted, Map<Integer, Integer> places, WalPosition from, WalPosition to) {
        byte[] contents = new byte[wanted.length * pageSize];
        long[] at = new long[wanted.length];
        for (int i = 0; i < wanted.length; i++) {
            int place = requireNonNull(places.get(wanted[i]));
            System.arraycopy(pages, place * pageSize, contents, i * pageSize, pageSize);
            at[i] = offsets[place];
        }
        return new CommittedPages(pageSize, to.pages(), wanted, contents, at, from, to);
    }
}
