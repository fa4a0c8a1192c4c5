package dev.litefleet.replica.ltx;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import java.util.Arrays;

/// Where in an LTX file each of its pages is stored, so that single pages can be read by range.
///
/// Stored between the pages and the trailer: for each page the unsigned LEB128 numbers page number,
/// offset of its frame, length of its frame; then 0; then the size of all that, 8 bytes. Source:
/// ltx.md, section 1.3.
public final class PageIndex {
    private static final int END_BYTES = 8 + LtxTrailer.BYTES;

    private final int[] pgnos;
    private final long[] ends;

    private PageIndex(int[] pgnos, long[] ends) {
        this.pgnos = pgnos;
        this.ends = ends;
    }

    /// How many bytes at the end of the file [#parse] needs: at most the file's size, less what
    /// stands before an index.
    ///
    /// @param tail bytes that end with the file, 24 or more
    /// @throws Corrupt if no index can have the size that is noted there
    public static long tailBytes(String name, byte[] tail, long fileSize) {
        long room = fileSize - LtxHeader.BYTES - PageFrame.HEADER_BYTES - END_BYTES;
        if (tail.length < END_BYTES || room < 1) {
            throw new Corrupt(name, fileSize, "file is too short");
        }
        long size = Bytes.i64(tail, tail.length - END_BYTES);
        if (size < 1 || size > room) {
            throw new Corrupt(name, fileSize - END_BYTES, "index size out of range: " + size);
        }
        return size + END_BYTES;
    }

    /// Reads the index. Its entries must fill the file without a gap from the header to the index;
    /// that the frames are what it says is for their reader to check.
    ///
    /// @param tail at least the last [#tailBytes] of the file
    /// @param fileSize bytes of the whole file
    public static PageIndex parse(String name, byte[] tail, long fileSize, LtxHeader header) {
        long needed = tailBytes(name, tail, fileSize);
        if (needed > tail.length) {
            throw new IllegalArgumentException(
                    "index needs the last %d bytes of %s".formatted(needed, name));
        }
        return new Parser(name, tail, fileSize, (int) needed).parse(header);
    }

    /// Pages in the file.
    public int size() {
        return pgnos.length;
    }

    /// @param i 0 to [#size] - 1, ascending page numbers
    public int pgno(int i) {
        return pgnos[i];
    }

    /// Offset in the file of the frame of page `pgno(i)`.
    public long offset(int i) {
        return i == 0 ? LtxHeader.BYTES : ends[i - 1];
    }

    /// Bytes of that frame.
    public int length(int i) {
        return (int) (ends[i] - offset(i));
    }

    private static final class Parser {
        private final String name;
        private final byte[] tail;
        private final long base;
        private final int start;
        private final int end;
        private int at;
        private int[] pgnos;
        private long[] ends;

        private Parser(String name, byte[] tail, long fileSize, int needed) {
            this.name = name;
            this.tail = tail;
            base = fileSize - tail.length;
            start = tail.length - needed;
            end = tail.length - END_BYTES;
            at = start;
            // An entry is three bytes or more: no more of them than the bytes can hold.
            pgnos = new int[(end - start) / 3];
            ends = new long[(end - start) / 3];
        }

        private PageIndex parse(LtxHeader header) {
            int count = 0;
            int last = 0;
            long offset = LtxHeader.BYTES;
            int lockPage = LockPage.of(header.pageSize());
            int lengthMax = PageFrame.bytesMax(header.pageSize());
            for (long pgno = uvarint(); pgno != 0; pgno = uvarint()) {
                check(pgno > last && pgno <= header.commit() && pgno != lockPage, "page number");
                check(uvarint() == offset, "offset");
                long length = uvarint();
                check(length > PageFrame.BLOCK_HEADER_BYTES && length <= lengthMax, "length");
                offset += length;
                last = (int) pgno;
                pgnos[count] = last;
                ends[count++] = offset;
            }
            check(at == end, "end");
            check(offset + PageFrame.HEADER_BYTES == base + start, "offset");
            return new PageIndex(Arrays.copyOf(pgnos, count), Arrays.copyOf(ends, count));
        }

        private long uvarint() {
            long value = 0;
            for (int shift = 0; shift < 63; shift += 7) {
                check(at < end, "end");
                byte next = tail[at++];
                value |= (next & 0x7fL) << shift;
                if (next >= 0) {
                    return value;
                }
            }
            throw new Corrupt(name, base + at, "index: number out of range");
        }

        private void check(boolean holds, String field) {
            if (!holds) {
                throw new Corrupt(name, base + at, "index: " + field + " out of range");
            }
        }
    }
}
