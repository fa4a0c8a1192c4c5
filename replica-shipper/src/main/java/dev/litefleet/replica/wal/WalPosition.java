package dev.litefleet.replica.wal;

/// Where in a WAL a reader stands: after a commit frame, or before the first frame.
///
/// @param salt salt 1 (upper half) and salt 2 of the WAL; 0 of [#start]
/// @param offset where the next frame will stand, in bytes of the file; 0 of [#start]
/// @param checksum running checksum up to there
/// @param pages database size after the last commit, in pages
public record WalPosition(long salt, long offset, WalChecksum checksum, int pages) {
    /// Before the first frame of whatever WAL is there or will be.
    ///
    /// @param pages database size before that WAL, in pages; 0 of a new database
    public static WalPosition start(int pages) {
        return new WalPosition(0, 0, WalChecksum.ZERO, pages);
    }

    /// Before the first frame of the WAL that begins with `header`.
    static WalPosition after(WalHeader header, int pages) {
        return new WalPosition(header.salt(), WalHeader.BYTES, header.checksum(), pages);
    }
}
