package dev.litefleet.replica.ltx;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;

/// The checksum of a whole database, kept up to date at the cost of the changed pages: the XOR of
/// all page checksums (CRC-64 of page number and page, bit 63 set), bit 63 set. The lock page
/// counts nothing. Holds 8 bytes per page. Not thread-safe. Source: ltx.md, section 1.5.
///
/// The `sums` file is a header and then the checksum of each page (0 for the lock page):
///
/// | offset | size | field                             |
/// | -----: | ---: | --------------------------------- |
/// |      0 |    8 | magic `LFSUMS1` and a line feed   |
/// |      8 |    4 | page size in bytes                |
/// |     12 |    4 | pages                             |
/// |     16 |    8 | database checksum                 |
/// |     24 |   8n | checksums of pages 1 to n         |
/// | 24 + 8n |   8 | CRC-64 of everything before it   |
///
/// Integers are big-endian.
public final class DatabaseChecksum {
    /// The checksum of a database without pages.
    public static final long EMPTY = 1L << 63;

    private static final long FLAG = 1L << 63;
    private static final long MAGIC = 0x4c4653554d53310aL;
    private static final int FILE_HEADER_BYTES = 24;
    private static final int CHUNK_BYTES = 1 << 16;

    private final int pageSize;
    private final int lockPage;

    /// `sums[pgno - 1]`; 0 for the lock page, beyond the end, and for a page not yet known.
    private long[] sums = new long[16];

    private int pages;
    private long value = EMPTY;

    public DatabaseChecksum(int pageSize) {
        this.pageSize = pageSize;
        lockPage = LockPage.of(pageSize);
    }

    /// The checksum of one page, never 0.
    ///
    /// @param offset of the page in `page`
    public static long page(int pgno, byte[] page, int offset, int pageSize) {
        byte[] number = new byte[4];
        Bytes.put32(number, 0, pgno);
        return ~Crc64.over(Crc64.over(-1, number, 0, 4), page, offset, pageSize) | FLAG;
    }

    public long value() {
        return value;
    }

    public int pageSize() {
        return pageSize;
    }

    /// Database size in pages.
    public int pages() {
        return pages;
    }

    /// Gives the pages of a commit, one at a time.
    @FunctionalInterface
    public interface Pages {
        /// @param index of the page among those of the commit
        /// @param page gets one whole page, from its start
        void read(int index, byte[] page);
    }

    /// Applies one commit and returns [#value].
    ///
    /// @param commit database size after it, in pages
    /// @param pgnos the changed pages, each once; none is the lock page, none beyond `commit`
    /// @param contents `pgnos.length * pageSize` bytes
    /// @throws IllegalStateException if the database grows by a page that is not among them; this
    ///   object is then of no more use
    public long apply(int commit, int[] pgnos, byte[] contents) {
        int before = pages;
        truncate(Math.min(commit, before));
        for (int i = 0; i < pgnos.length; i++) {
            set(pgnos[i], page(pgnos[i], contents, i * pageSize, pageSize));
        }
        return applied(before, commit);
    }

    /// The same for a commit whose pages are not in memory.
    public long apply(int commit, int[] pgnos, Pages contents) {
        int before = pages;
        truncate(Math.min(commit, before));
        byte[] page = new byte[pageSize];
        for (int i = 0; i < pgnos.length; i++) {
            contents.read(i, page);
            set(pgnos[i], page(pgnos[i], page, 0, pageSize));
        }
        return applied(before, commit);
    }

    private long applied(int before, int commit) {
        if (pages > commit) {
            throw new IllegalArgumentException(
                    "page " + pages + " is beyond the size of " + commit);
        }
        grow(commit);
        for (int pgno = before + 1; pgno <= commit; pgno++) {
            if (sums[pgno - 1] == 0 && pgno != lockPage) {
                throw new IllegalStateException(
                        "database grew from %d to %d pages without page %d"
                                .formatted(before, commit, pgno));
            }
        }
        return value;
    }

    /// Sets one page's checksum and grows the database to contain it. Pages before it that were
    /// never set count nothing yet.
    ///
    /// @param pageSum as of [#page]
    public void set(int pgno, long pageSum) {
        if (pgno < 1 || pgno == lockPage || (pageSum & FLAG) == 0) {
            throw new IllegalArgumentException("no page " + pgno + " with sum " + pageSum);
        }
        grow(pgno);
        value = (value ^ sums[pgno - 1] ^ pageSum) | FLAG;
        sums[pgno - 1] = pageSum;
    }

    /// Drops the pages beyond `commit`, if there are any.
    public void truncate(int commit) {
        while (pages > commit) {
            pages--;
            value = (value ^ sums[pages]) | FLAG;
            sums[pages] = 0;
        }
    }

    private void grow(int commit) {
        if (commit > sums.length) {
            long roomy = Math.min(sums.length + (sums.length >> 1), Integer.MAX_VALUE - 8L);
            sums = Arrays.copyOf(sums, (int) Math.max(commit, roomy));
        }
        pages = Math.max(pages, commit);
    }

    /// The checksum of a page; 0 for the lock page, beyond the end, and for one not yet known.
    public long sum(int pgno) {
        return pgno >= 1 && pgno <= pages ? sums[pgno - 1] : 0;
    }

    public DatabaseChecksum copy() {
        var copy = new DatabaseChecksum(pageSize);
        copy.sums = Arrays.copyOf(sums, Math.max(16, pages));
        copy.pages = pages;
        copy.value = value;
        return copy;
    }

    /// Writes the `sums` file: to a file beside it first, which is forced and then renamed.
    ///
    /// @throws UncheckedIOException if that fails; an older file is then still there
    public void save(Path file) {
        Path fresh = file.resolveSibling(file.getFileName() + ".tmp");
        try {
            try (var channel =
                    FileChannel.open(
                            fresh,
                            StandardOpenOption.WRITE,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING)) {
                write(channel);
                channel.force(true);
            }
            Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException("write " + file, e);
        }
    }

    private void write(FileChannel to) throws IOException {
        var crc = new Crc64();
        var chunk = ByteBuffer.allocate(CHUNK_BYTES);
        chunk.putLong(MAGIC).putInt(pageSize).putInt(pages).putLong(value);
        for (int i = 0; i < pages; i++) {
            if (chunk.remaining() < 8) {
                drain(chunk, crc, to);
            }
            chunk.putLong(sums[i]);
        }
        drain(chunk, crc, to);
        chunk.putLong(crc.value());
        drain(chunk, crc, to);
    }

    private static void drain(ByteBuffer chunk, Crc64 crc, FileChannel to) throws IOException {
        chunk.flip();
        crc.update(chunk.array(), chunk.arrayOffset(), chunk.limit());
        while (chunk.hasRemaining()) {
            to.write(chunk);
        }
        chunk.clear();
    }

    /// Reads a `sums` file; empty if there is none.
    ///
    /// @throws Corrupt if it is torn or damaged
    /// @throws UncheckedIOException if it cannot be read
    public static Optional<DatabaseChecksum> load(Path file) {
        try (var channel = FileChannel.open(file)) {
            return Optional.of(read(file, channel));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException("read " + file, e);
        }
    }

    private static DatabaseChecksum read(Path file, FileChannel from) throws IOException {
        String name = file.toString();
        var crc = new Crc64();
        var chunk = ByteBuffer.allocate(CHUNK_BYTES);
        fill(name, chunk.limit(FILE_HEADER_BYTES), from);
        crc.update(chunk.array(), 0, FILE_HEADER_BYTES);
        int pageSize = chunk.getInt(8);
        int pages = chunk.getInt(12);
        long value = chunk.getLong(16);
        // Both are checked before anything is allocated for them.
        if (chunk.getLong(0) != MAGIC || Integer.bitCount(pageSize) != 1) {
            throw new Corrupt(name, 0, "not a sums file");
        }
        if (pages < 0 || from.size() != FILE_HEADER_BYTES + 8L * pages + 8) {
            throw new Corrupt(name, from.size(), "sums file has another size");
        }
        var checksum = new DatabaseChecksum(pageSize);
        checksum.grow(pages);
        chunk.limit(0);
        for (int i = 0; i < pages; i++) {
            if (!chunk.hasRemaining()) {
                long rest = 8L * (pages - i);
                fill(name, chunk.clear().limit((int) Math.min(rest, CHUNK_BYTES)), from);
                crc.update(chunk.array(), 0, chunk.limit());
            }
            long sum = chunk.getLong();
            checksum.sums[i] = sum;
            checksum.value = (checksum.value ^ sum) | FLAG;
        }
        fill(name, chunk.clear().limit(8), from);
        if (chunk.getLong() != crc.value() || checksum.value != value) {
            throw new Corrupt(name, from.size() - 8, "sums file checksum mismatch");
        }
        return checksum;
    }

    private static void fill(String name, ByteBuffer chunk, FileChannel from) throws IOException {
        while (chunk.hasRemaining()) {
            if (from.read(chunk) < 0) {
                throw new Corrupt(name, from.position(), "sums file ends early");
            }
        }
        chunk.flip();
    }
}
