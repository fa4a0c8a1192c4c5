package dev.litefleet.replica.ltx;

/// The last 16 bytes of an LTX file: 8 bytes 0 (the format's own database checksum, unused with
/// flags 2), then the file checksum.
///
/// @param fileChecksum CRC-64 of everything before it, with the pages in place of their compressed
///   payloads; bit 63 set (ltx.md, section 1.5)
public record LtxTrailer(long fileChecksum) {
    public static final int BYTES = 16;

    static final long CHECKSUM_FLAG = 1L << 63;

    public LtxTrailer {
        if ((fileChecksum & CHECKSUM_FLAG) == 0) {
            throw new IllegalArgumentException("bit 63 of a file checksum must be set");
        }
    }

    /// The trailer that belongs behind what `crc` has seen: everything from the header to the
    /// index.
    static LtxTrailer of(Crc64 crc) {
        crc.update(new byte[8]);
        return new LtxTrailer(crc.value() | CHECKSUM_FLAG);
    }

    byte[] encode() {
        byte[] bytes = new byte[BYTES];
        Bytes.put64(bytes, 8, fileChecksum);
        return bytes;
    }
}
