package dev.litefleet.replica;

/// The page that holds byte 2^30 of the database, on which SQLite takes its file locks. It is never
/// written, so no LTX file contains it and no checksum counts it.
public final class LockPage {
    private static final int LOCK_BYTE = 0x4000_0000;

    private LockPage() {}

    /// @param pageSize bytes, power of two, 512 to 65536
    public static int of(int pageSize) {
        return LOCK_BYTE / pageSize + 1;
    }
}
