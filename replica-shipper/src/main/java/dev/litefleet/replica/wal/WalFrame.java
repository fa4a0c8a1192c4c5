package dev.litefleet.replica.wal;

/// The 24 bytes before each page in a WAL.
///
/// | offset | size | field                                                            |
/// | -----: | ---: | ---------------------------------------------------------------- |
/// |      0 |    4 | page number                                                      |
/// |      4 |    4 | in a commit frame the database size in pages after it; else 0    |
/// |      8 |    8 | salt 1, salt 2 of the WAL header                                 |
/// |     16 |    8 | checksum of the header, all frames before, bytes 0 to 7, the page |
///
/// Integers are big-endian. Source: <https://sqlite.org/fileformat2.html>, section 4.2. Only the
/// layout stands here: [WalReader] reads the fields where they are, without an object per frame.
final class WalFrame {
    static final int HEADER_BYTES = 24;
    static final int PGNO = 0;
    static final int COMMIT = 4;
    static final int SALT = 8;
    static final int CHECKSUM = 16;

    /// The bytes of the header that the checksum covers.
    static final int SUMMED_BYTES = 8;

    private WalFrame() {}
}
