package dev.litefleet.replica.ltx;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Reads one LTX file, page by page, and believes nothing of it: page numbers ascend within the
/// size, every frame decompresses to exactly a page, the index says what the frames said, the
/// checksum is right and the file ends. Not thread-safe.
///
/// Allocates a few pages and, as it goes, less than the file's own size for its index, whatever the
/// file claims. The checksum can only be known at the end: act on the pages after [#next] has
/// returned false.
public final class LtxReader implements AutoCloseable {
    private static final int WINDOW_BYTES = 1 << 16;

    private final String name;
    private final @Nullable InputStream in;
    private final LtxHeader header;
    private final int lockPage;
    private final byte[] page;
    private final Crc64 crc = new Crc64();
    private final Bytes index = new Bytes();

    /// `window[at .. limit)` is read but not used; `window[0]` stands at `base` in the file.
    private byte[] window;

    private int at;
    private int limit;
    private long base;
    private int pgno;
    private int frameLength; // of the current page, which ends at `at`
    private @Nullable LtxTrailer trailer;

    /// Begins to read, the header at once. The stream needs no buffer of its own.
    ///
    /// @param name the object's key, for errors
    /// @throws Corrupt if the header is not one
    /// @throws dev.litefleet.replica.ReplicaException.UnsupportedFormat if it is of another LTX
    ///   version
    /// @throws UncheckedIOException if the stream fails
    public LtxReader(String name, InputStream in) {
        this(name, in, new byte[LtxHeader.BYTES], 0);
    }

    /// Reads a file that is in memory; does not copy it.
    public LtxReader(String name, byte[] file) {
        this(name, null, file, file.length);
    }

    private LtxReader(String name, @Nullable InputStream in, byte[] window, int limit) {
        this.name = name;
        this.in = in;
        this.window = window;
        this.limit = limit;
        need(LtxHeader.BYTES, "the header");
        header = LtxHeader.parse(name, window);
        crc.update(window, 0, LtxHeader.BYTES);
        at = LtxHeader.BYTES;
        page = new byte[header.pageSize()];
        lockPage = LockPage.of(header.pageSize());
        if (in != null) {
            int frame = PageFrame.bytesMax(header.pageSize());
            this.window = Arrays.copyOf(window, Math.max(WINDOW_BYTES, 2 * frame));
        }
    }

    /// The object's key.
    public String name() {
        return name;
    }

    public LtxHeader header() {
        return header;
    }

    /// Moves to the next page; false after the last, when index, checksum and end were verified
    /// too.
    ///
    /// @throws Corrupt with the offset
    /// @throws UncheckedIOException if the stream fails
    public boolean next() {
        if (trailer != null) {
            return false;
        }
        need(PageFrame.PROLOGUE_BYTES, "the pages");
        int next = Bytes.i32(window, at);
        if (next == 0) {
            trailer = readEnd();
            return false;
        }
        long offset = base + at;
        if (next < 0 || next > header.commit() || next == lockPage) {
            throw new Corrupt(
                    name, offset, "page number out of range: " + Integer.toUnsignedLong(next));
        }
        if (next <= pgno) {
            throw new Corrupt(name, offset, "page %d follows page %d".formatted(next, pgno));
        }
        int length = PageFrame.length(name, window, at, offset, header.pageSize());
        need(length, "a page");
        PageFrame.decode(name, window, at, length, offset, page);
        boolean block = Bytes.u16(window, at + 4) == PageFrame.BLOCK_FLAG;
        crc.update(window, at, block ? PageFrame.BLOCK_HEADER_BYTES : PageFrame.HEADER_BYTES);
        crc.update(page);
        index.uvarint(next);
        index.uvarint(offset);
        index.uvarint(length);
        at += length;
        pgno = next;
        frameLength = length;
        return true;
    }

    /// Number of the current page.
    public int pgno() {
        return pgno;
    }

    /// The current page, `pageSize` bytes; overwritten by [#next].
    public byte[] page() {
        return page;
    }

    /// Writes the current page: its block as it stands in this file, so that a file put together
    /// from others depends on them alone, and not on which LZ4 library compressed it where (two of
    /// them give different blocks for one page). Only Litestream's old kind is compressed anew.
    void copyPage(LtxWriter writer) {
        int start = at - frameLength;
        if (Bytes.u16(window, start + 4) == PageFrame.BLOCK_FLAG) {
            writer.block(pgno, page, window, start, frameLength);
        } else {
            writer.page(pgno, page, 0);
        }
    }

    /// The verified end of the file.
    ///
    /// @throws IllegalStateException before [#next] has returned false
    public LtxTrailer trailer() {
        if (trailer == null) {
            throw new IllegalStateException("not at the end of " + name);
        }
        return trailer;
    }

    private LtxTrailer readEnd() {
        need(PageFrame.HEADER_BYTES, "the pages");
        if (Bytes.u16(window, at + 4) != 0) {
            throw new Corrupt(name, base + at + 4, "page number 0 with flags");
        }
        crc.update(window, at, PageFrame.HEADER_BYTES);
        at += PageFrame.HEADER_BYTES;
        index.uvarint(0);
        index.append64(index.size());
        readIndex();
        need(LtxTrailer.BYTES, "the trailer");
        if (Bytes.i64(window, at) != 0) {
            throw new Corrupt(name, base + at, "database checksum in a file without");
        }
        LtxTrailer expected = LtxTrailer.of(crc);
        if (Bytes.i64(window, at + 8) != expected.fileChecksum()) {
            throw new Corrupt(name, base + at + 8, "file checksum mismatch");
        }
        at += LtxTrailer.BYTES;
        if (at < limit || fill()) {
            throw new Corrupt(name, base + at, "file goes on after its trailer");
        }
        return expected;
    }

    /// The index must be, byte for byte, the one that follows from the frames.
    private void readIndex() {
        crc.update(index.array(), 0, index.size());
        int compared = 0;
        while (compared < index.size()) {
            need(1, "the index");
            int length = Math.min(limit - at, index.size() - compared);
            int differs =
                    Arrays.mismatch(
                            window, at, at + length, index.array(), compared, compared + length);
            if (differs >= 0) {
                throw new Corrupt(name, base + at + differs, "index does not match the pages");
            }
            at += length;
            compared += length;
        }
    }

    private void need(int bytes, String what) {
        while (limit - at < bytes) {
            if (!fill()) {
                throw new Corrupt(name, base + limit, "file ends inside " + what);
            }
        }
    }

    /// Reads more into the window, moving its unused rest to the front first; false at the end.
    private boolean fill() {
        if (in == null) {
            return false;
        }
        if (limit == window.length) {
            System.arraycopy(window, at, window, 0, limit - at);
            base += at;
            limit -= at;
            at = 0;
        }
        try {
            int read = in.read(window, limit, window.length - limit);
            limit += Math.max(read, 0);
            return read >= 0;
        } catch (IOException e) {
            throw new UncheckedIOException("read " + name, e);
        }
    }

    /// Closes the stream.
    ///
    /// @throws UncheckedIOException if that fails
    @Override
    public void close() {
        if (in != null) {
            try {
                in.close();
            } catch (IOException e) {
                throw new UncheckedIOException("close " + name, e);
            }
        }
    }
}
