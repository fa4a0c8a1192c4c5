package dev.litefleet.replica.ltx;

import dev.litefleet.replica.ReplicaException.Corrupt;

/// One page as stored in an LTX file. Two kinds exist; we write the first and read both.
///
/// | offset | size | field, block kind (Litestream 0.5.16 and later)               |
/// | -----: | ---: | ------------------------------------------------------------- |
/// |      0 |    4 | page number                                                   |
/// |      4 |    2 | flags 1                                                       |
/// |      6 |    4 | size of the payload                                           |
/// |     10 |    n | an LZ4 block                                                  |
///
/// | offset | size | field, frame kind (Litestream 0.5.0 to 0.5.15)                |
/// | -----: | ---: | ------------------------------------------------------------- |
/// |      0 |    4 | page number                                                   |
/// |      4 |    2 | flags 0                                                       |
/// |      6 |    7 | LZ4 frame header `04224d18 6440a7`: one version, one checksum |
/// |     13 |    4 | size of the block, little-endian; bit 31: stored as it is     |
/// |     17 |    n | block                                                         |
/// | 17 + n |    4 | 0, the end of the LZ4 frame                                   |
/// | 21 + n |    4 | XXH32 of the page, little-endian                              |
///
/// Source: ltx.md, section 1.2.
public final class PageFrame {
    static final int BLOCK_FLAG = 1;
    static final int HEADER_BYTES = 6;
    static final int BLOCK_HEADER_BYTES = 10;

    /// What must be there of a frame to know its length; every file has more behind its last page.
    static final int PROLOGUE_BYTES = 17;

    private static final int LZ4_MAGIC = 0x04224d18;
    private static final int LZ4_DESCRIPTOR = 0x6440a7;
    private static final int LZ4_TRAILER_BYTES = 8;
    private static final int STORED = 0x8000_0000;

    private PageFrame() {}

    /// The longest frame of a page of `pageSize` bytes.
    static int bytesMax(int pageSize) {
        return PROLOGUE_BYTES + Lz4Block.bound(pageSize) + LZ4_TRAILER_BYTES;
    }

    /// The length of the frame whose first [#PROLOGUE_BYTES] stand at `bytes[at]`: at most
    /// [#bytesMax], whatever the bytes say.
    static int length(String name, byte[] bytes, int at, long fileOffset, int pageSize) {
        int flags = Bytes.u16(bytes, at + 4);
        if (flags == BLOCK_FLAG) {
            int size = Bytes.i32(bytes, at + 6);
            return BLOCK_HEADER_BYTES + bounded(name, size, fileOffset + 6, pageSize);
        }
        if (flags != 0) {
            throw new Corrupt(name, fileOffset + 4, "unknown page flags %#x".formatted(flags));
        }
        if (Bytes.i32(bytes, at + 6) != LZ4_MAGIC) {
            throw new Corrupt(name, fileOffset + 6, "not an LZ4 frame");
        }
        if (Bytes.i32(bytes, at + 9) != (LZ4_MAGIC << 24 | LZ4_DESCRIPTOR)) {
            throw new Corrupt(name, fileOffset + 10, "LZ4 frame of an unknown kind");
        }
        int size = Bytes.i32LittleEndian(bytes, at + 13) & ~STORED;
        return PROLOGUE_BYTES + bounded(name, size, fileOffset + 13, pageSize) + LZ4_TRAILER_BYTES;
    }

    private static int bounded(String name, int size, long fileOffset, int pageSize) {
        if (size <= 0 || size > Lz4Block.bound(pageSize)) {
            throw new Corrupt(
                    name, fileOffset, "payload size out of range: " + Integer.toUnsignedLong(size));
        }
        return size;
    }

    /// Decodes the frame that fills `length` bytes from `bytes[at]` into `page` and returns its
    /// page number, which is not checked. A block frame carries no checksum of its own: whoever
    /// reads single frames verifies the database checksum afterwards.
    ///
    /// @param fileOffset where in the file the frame stands, for errors
    /// @param page receives the page; its length is the page size
    /// @throws Corrupt if the bytes are not exactly one frame of one page
    public static int decode(
            String name, byte[] bytes, int at, int length, long fileOffset, byte[] page) {
        if (length < BLOCK_HEADER_BYTES) {
            throw new Corrupt(name, fileOffset, "page frame is too short: " + length);
        }
        boolean block = Bytes.u16(bytes, at + 4) == BLOCK_FLAG;
        if (!block && length < PROLOGUE_BYTES) {
            throw new Corrupt(name, fileOffset, "page frame is too short: " + length);
        }
        if (length(name, bytes, at, fileOffset, page.length) != length) {
            throw new Corrupt(name, fileOffset, "page frame has another length: " + length);
        }
        if (block) {
            decompress(
                    name,
                    bytes,
                    at + BLOCK_HEADER_BYTES,
                    length - BLOCK_HEADER_BYTES,
                    fileOffset + BLOCK_HEADER_BYTES,
                    page);
        } else {
            decodeLz4Frame(name, bytes, at, length, fileOffset, page);
        }
        return Bytes.i32(bytes, at);
    }

    private static void decodeLz4Frame(
            String name, byte[] bytes, int at, int length, long fileOffset, byte[] page) {
        int size = length - PROLOGUE_BYTES - LZ4_TRAILER_BYTES;
        int payload = at + PROLOGUE_BYTES;
        if ((Bytes.i32LittleEndian(bytes, at + 13) & STORED) == 0) {
            decompress(name, bytes, payload, size, fileOffset + PROLOGUE_BYTES, page);
        } else if (size == page.length) {
            System.arraycopy(bytes, payload, page, 0, size);
        } else {
            throw new Corrupt(name, fileOffset + 13, "stored page has another size: " + size);
        }
        if (Bytes.i32(bytes, payload + size) != 0) {
            throw new Corrupt(
                    name, fileOffset + PROLOGUE_BYTES + size, "LZ4 frame does not end here");
        }
        int hash = Lz4Block.xxh32(page, 0, page.length);
        if (Bytes.i32LittleEndian(bytes, payload + size + 4) != hash) {
            throw new Corrupt(
                    name, fileOffset + PROLOGUE_BYTES + size + 4, "LZ4 content checksum mismatch");
        }
    }

    private static void decompress(
            String name, byte[] bytes, int at, int length, long fileOffset, byte[] page) {
        if (!Lz4Block.decompress(bytes, at, length, page)) {
            throw new Corrupt(name, fileOffset, "LZ4 block is not one page");
        }
    }
}
