package dev.litefleet.testing;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.ChangedPages;
import dev.litefleet.replica.history.DrainInput;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.random.RandomGenerator;

/// A database in WAL mode as the shipper sees one: numbered pages, commits that write some of them,
/// grow and shrink the file, and frames that stay readable until they are drained.
public final class PageDb {
    public static final int PAGE = 512;
    private static final int PAGES_MAX = 24;
    private static final int LARGE_PAGES = 40;

    private record Made(Txid txid, int commitPages, int[] pgnos, byte[] pages) {}

    private final TenantKey tenant;
    private final List<byte[]> pages = new ArrayList<>();
    private final DatabaseChecksum sums;
    private final ArrayDeque<Made> frames = new ArrayDeque<>(); // committed, not drained
    private Txid txid;
    private long millis;
    private int drainedPages;

    private PageDb(TenantKey tenant, DatabaseChecksum sums, Txid txid, long millis) {
        this.tenant = tenant;
        this.sums = sums;
        this.txid = txid;
        this.millis = millis;
    }

    public static PageDb empty(TenantKey tenant) {
        return new PageDb(tenant, new DatabaseChecksum(PAGE), Txid.NONE, 0);
    }

    public static PageDb of(TenantKey tenant, Hydrated hydrated, byte[] image) {
        var db =
                new PageDb(
                        tenant, hydrated.sums(), hydrated.position().txid(), hydrated.lastMillis());
        for (int at = 0; at < image.length; at += PAGE) {
            db.pages.add(Arrays.copyOfRange(image, at, at + PAGE));
        }
        db.drainedPages = db.pages.size();
        return db;
    }

    public TenantKey tenant() {
        return tenant;
    }

    public long txid() {
        return txid.value();
    }

    /// Time of the last commit, Unix milliseconds.
    public long millis() {
        return millis;
    }

    public long checksum() {
        return sums.value();
    }

    public byte[] image() {
        byte[] image = new byte[pages.size() * PAGE];
        for (int i = 0; i < pages.size(); i++) {
            System.arraycopy(pages.get(i), 0, image, i * PAGE, PAGE);
        }
        return image;
    }

    /// A transaction of a few pages; now and then one that shrinks the database.
    public Commit write(RandomGenerator random, long now) {
        int size = pages.size();
        if (size > 4 && random.nextInt(12) == 0) {
            return commit(chosen(random, 1, size - 2), size - 2, now);
        }
        int grown = size == 0 ? 2 : size + (size < PAGES_MAX && random.nextInt(4) == 0 ? 1 : 0);
        return commit(chosen(random, 1 + random.nextInt(2), grown), grown, now);
    }

    /// A transaction of many pages.
    public Commit writeLarge(RandomGenerator random, long now) {
        int size = Math.max(pages.size(), LARGE_PAGES);
        return commit(chosen(random, LARGE_PAGES, size), size, now);
    }

    private SortedMap<Integer, byte[]> chosen(RandomGenerator random, int count, int size) {
        var written = new TreeMap<Integer, byte[]>();
        for (int pgno = pages.size() + 1; pgno <= size; pgno++) {
            written.put(pgno, random(random));
        }
        for (int i = 0; i < count; i++) {
            written.put(1 + random.nextInt(size), random(random));
        }
        return written;
    }

    private static byte[] random(RandomGenerator random) {
        byte[] page = new byte[PAGE];
        for (int i = 0; i < 16; i++) {
            page[i * 32] = (byte) random.nextInt();
        }
        return page;
    }

    /// Makes the database hold this text, and nothing else.
    public Commit replace(byte[] text, long now) {
        int size = Math.max(1, (text.length + 4 + PAGE - 1) / PAGE);
        byte[] all = new byte[size * PAGE];
        all[0] = (byte) (text.length >> 24);
        all[1] = (byte) (text.length >> 16);
        all[2] = (byte) (text.length >> 8);
        all[3] = (byte) text.length;
        System.arraycopy(text, 0, all, 4, text.length);
        var written = new TreeMap<Integer, byte[]>();
        for (int i = 0; i < size; i++) {
            byte[] page = Arrays.copyOfRange(all, i * PAGE, (i + 1) * PAGE);
            if (i >= pages.size() || !Arrays.equals(page, pages.get(i))) {
                written.put(i + 1, page);
            }
        }
        return commit(written, size, now);
    }

    /// What [#replace] wrote last.
    public byte[] text() {
        byte[] image = image();
        int length =
                (image[0] & 255) << 24
                        | (image[1] & 255) << 16
                        | (image[2] & 255) << 8
                        | image[3] & 255;
        return Arrays.copyOfRange(image, 4, 4 + length);
    }

    private Commit commit(SortedMap<Integer, byte[]> written, int size, long now) {
        int[] pgnos = written.keySet().stream().mapToInt(Integer::intValue).toArray();
        byte[] contents = new byte[pgnos.length * PAGE];
        while (pages.size() > size) {
            pages.removeLast();
        }
        for (int i = 0; i < pgnos.length; i++) {
            byte[] page = written.get(pgnos[i]);
            System.arraycopy(page, 0, contents, i * PAGE, PAGE);
            if (pgnos[i] > pages.size()) {
                pages.add(page);
            } else {
                pages.set(pgnos[i] - 1, page);
            }
        }
        long before = sums.value();
        long after = sums.apply(size, pgnos, contents);
        txid = txid.next();
        millis = Math.max(millis, now);
        frames.add(new Made(txid, size, pgnos, contents));
        return new Commit(
                tenant,
                txid,
                millis,
                PAGE,
                size,
                pgnos,
                contents.clone(),
                before,
                after,
                null,
                null,
                null);
    }

    /// What a drain of these points writes, from the frames.
    ///
    /// @param points ascending, from the first that is not drained
    public DrainInput input(List<IndexPoint> points) {
        var changed = new ChangedPages(PAGE, drainedPages);
        var wal = new ArrayList<byte[]>();
        Txid min = points.getFirst().min();
        Txid max = points.getLast().max();
        for (Made made : frames) {
            if (made.txid().compareTo(max) <= 0) {
                long[] places = new long[made.pgnos().length];
                for (int i = 0; i < places.length; i++) {
                    places[i] = wal.size();
                    wal.add(Arrays.copyOfRange(made.pages(), i * PAGE, (i + 1) * PAGE));
                }
                changed.commit(made.commitPages(), made.pgnos(), places);
            }
        }
        return new DrainInput(
                PAGE,
                changed.commitBefore(),
                changed.commit(),
                min,
                max,
                changed.source(
                        (place, page) -> System.arraycopy(wal.get((int) place), 0, page, 0, PAGE)),
                points.getLast().lastMillis(),
                points.getLast().checksumAfter(),
                points);
    }

    /// Forgets the frames that derived files have.
    public void drained(Txid through) {
        for (Made first = frames.peek();
                first != null && first.txid().compareTo(through) <= 0;
                first = frames.peek()) {
            drainedPages = frames.remove().commitPages();
        }
    }
}
