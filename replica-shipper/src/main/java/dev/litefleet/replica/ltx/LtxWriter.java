package dev.litefleet.replica.ltx;

import dev.litefleet.replica.LockPage;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;

/// Writes one LTX file, page by page, in ascending order of page number, as block frames. Refuses
/// what Litestream could not restore: a page out of order or beyond the size, the lock page, a gap
/// among the pages by which the database grew. Not thread-safe.
///
/// Holds the page index in memory, about 8 bytes per page. Writes each frame as one piece: an
/// unbuffered stream pays one call per page.
public final class LtxWriter implements AutoCloseable {
    private static final byte[] END_OF_PAGES = new byte[PageFrame.HEADER_BYTES];

    private final OutputStream out;
    private final LtxHeader header;
    private final int pagesBefore;
    private final int lockPage;
    private final byte[] frame;
    private final Crc64 crc = new Crc64();
    private final Bytes index = new Bytes();
    private long bytes;
    private int lastPgno;
    private boolean finished;

    /// Begins a file that does not grow the database, or a snapshot (first TXID 1), which must be
    /// complete.
    public LtxWriter(OutputStream out, LtxHeader header) {
        this(out, header, header.snapshot() ? 0 : header.commit());
    }

    /// Begins a file by writing its header.
    ///
    /// @param pagesBefore database size before this file: every page from there to `header.commit`
    ///   but the lock page must be written, or Litestream could not restore (ltx.md, section 1.6)
    public LtxWriter(OutputStream out, LtxHeader header, int pagesBefore) {
        if (header.walOffset() < 32) {
            throw new IllegalArgumentException("wal offset out of range: " + header.walOffset());
        }
        this.out = out;
        this.header = header;
        this.pagesBefore = header.snapshot() ? 0 : pagesBefore;
        lockPage = LockPage.of(header.pageSize());
        frame = new byte[PageFrame.BLOCK_HEADER_BYTES + Lz4Block.bound(header.pageSize())];
        Bytes.put16(frame, 4, PageFrame.BLOCK_FLAG);
        byte[] encoded = header.encode();
        crc.update(encoded);
        write(encoded, encoded.length);
    }

    /// Writes the page that stands at `pages[offset ..]`.
    ///
    /// @param pgno greater than the one before
    /// @throws IllegalStateException if the page may not follow
    /// @throws UncheckedIOException if the stream refuses the bytes
    public void page(int pgno, byte[] pages, int offset) {
        int size =
                Lz4Block.compress(
                        pages, offset, header.pageSize(), frame, PageFrame.BLOCK_HEADER_BYTES);
        Bytes.put32(frame, 0, pgno);
        Bytes.put32(frame, 6, size);
        append(pgno, pages, offset, frame, 0, PageFrame.BLOCK_HEADER_BYTES + size);
    }

    /// Writes a page whose block frame stands at `frames[at ..]`, `length` bytes of it.
    ///
    /// @param page what the block decompresses to; not checked
    void block(int pgno, byte[] page, byte[] frames, int at, int length) {
        append(pgno, page, 0, frames, at, length);
    }

    private void append(int pgno, byte[] pages, int offset, byte[] frames, int at, int length) {
        if (pgno <= lastPgno || pgno > header.commit() || pgno == lockPage || finished) {
            throw new IllegalStateException(
                    "page %d may not follow page %d of %d"
                            .formatted(pgno, lastPgno, header.commit()));
        }
        requireNoGrowthBetween(lastPgno, pgno);
        lastPgno = pgno;
        crc.update(frames, at, PageFrame.BLOCK_HEADER_BYTES);
        crc.update(pages, offset, header.pageSize());
        index.uvarint(pgno);
        index.uvarint(bytes);
        index.uvarint(length);
        write(frames, at, length);
    }

    /// Writes index and trailer and flushes the stream; does not close it.
    ///
    /// @throws IllegalStateException if a page is missing by which the database grew
    public LtxTrailer finish() {
        requireNoGrowthBetween(lastPgno, header.commit() + 1L);
        finished = true;
        index.uvarint(0);
        index.append64(index.size());
        crc.update(END_OF_PAGES);
        write(END_OF_PAGES, END_OF_PAGES.length);
        crc.update(index.array(), 0, index.size());
        write(index.array(), index.size());
        LtxTrailer trailer = LtxTrailer.of(crc);
        write(trailer.encode(), LtxTrailer.BYTES);
        try {
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException("write ltx", e);
        }
        return trailer;
    }

    /// Bytes written so far; after [#finish] the size of the file.
    public long bytes() {
        return bytes;
    }

    private void requireNoGrowthBetween(int pgno, long next) {
        long missing = Math.max(pgno, pagesBefore) + 1L;
        if (missing == lockPage) {
            missing++;
        }
        if (missing < next) {
            throw new IllegalStateException(
                    "database grew from %d to %d pages without page %d"
                            .formatted(pagesBefore, header.commit(), missing));
        }
    }

    private void write(byte[] from, int length) {
        write(from, 0, length);
    }

    private void write(byte[] from, int offset, int length) {
        try {
            out.write(from, offset, length);
        } catch (IOException e) {
            throw new UncheckedIOException("write ltx", e);
        }
        bytes += length;
    }

    /// Neither finishes the file nor closes the stream: an unfinished file stays unreadable.
    @Override
    public void close() {
        finished = true;
    }
}
