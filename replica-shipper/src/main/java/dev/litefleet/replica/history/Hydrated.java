package dev.litefleet.replica.history;

import dev.litefleet.replica.Position;
import dev.litefleet.replica.ltx.DatabaseChecksum;

/// A database that was read back and verified.
///
/// @param position TXID and database checksum that the file now has
/// @param sums its page checksums, for the next commit's rolling checksum
/// @param pageSize in bytes
/// @param pages of the database, the lock page included
/// @param lastMillis time of its last commit, Unix milliseconds; later commits of the lineage must
///   not be earlier
/// @param bytesRead from the store
/// @param stated whether the newest object says what the database checksum must be, as all that we
///   write do; another writer's file can be verified only by itself
public record Hydrated(
        Position position,
        DatabaseChecksum sums,
        int pageSize,
        int pages,
        long lastMillis,
        long bytesRead,
        boolean stated) {}
