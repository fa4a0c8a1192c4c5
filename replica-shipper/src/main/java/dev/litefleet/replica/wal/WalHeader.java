package dev.litefleet.replica.wal;

import static java.nio.ByteOrder.BIG_ENDIAN;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/// The first 32 bytes of a SQLite write-ahead log.
///
/// | offset | size | field                                           |
/// | -----: | ---: | ----------------------------------------------- |
/// |      0 |    4 | magic `377f0682` or `377f0683` (checksum order) |
/// |      4 |    4 | format version, always 3007000                  |
/// |      8 |    4 | page size in bytes, power of two, 512 to 65536  |
/// |     12 |    4 | checkpoint sequence number                      |
/// |     16 |    8 | salt 1, salt 2                                  |
/// |     24 |    8 | checksum of bytes 0 to 23                       |
///
/// Integers are big-endian; only the checksum's input words follow the magic. Source:
/// <https://sqlite.org/fileformat2.html>, section 4.1.
///
/// @param order byte order of the words that checksums in this log are summed over
/// @param salt salt 1 in the upper half, salt 2 in the lower
/// @param checksum seed for the first frame's checksum
public record WalHeader(
        ByteOrder order, int pageSize, int checkpoint, long salt, WalChecksum checksum) {
    public static final int BYTES = 32;

    /// Reads the header, or nothing if the log is empty or its header was torn by a crash: SQLite
    /// treats both as "no log", and so do we.
    ///
    /// @throws IllegalArgumentException if a well-formed header describes a log we cannot read
    public static Optional<WalHeader> parse(byte[] wal) {
        if (wal.length < BYTES) {
            return Optional.empty();
        }
        ByteBuffer bytes = ByteBuffer.wrap(wal);
        ByteOrder order = (bytes.getInt(0) & 1) == 1 ? BIG_ENDIAN : LITTLE_ENDIAN;
        WalChecksum checksum = WalChecksum.ZERO.over(wal, 0, 24, order);
        if (checksum.stored() != bytes.getLong(24) || bytes.getInt(0) == 0) {
            return Optional.empty();
        }
        int pageSize = bytes.getInt(8);
        require((bytes.getInt(0) & ~1) == 0x377f0682, "magic", bytes.getInt(0));
        require(bytes.getInt(4) == 3_007_000, "format version", bytes.getInt(4));
        require(Integer.bitCount(pageSize) == 1, "page size", pageSize);
        require(512 <= pageSize && pageSize <= 65536, "page size", pageSize);
        return Optional.of(
                new WalHeader(order, pageSize, bytes.getInt(12), bytes.getLong(16), checksum));
    }

    private static void require(boolean holds, String field, int value) {
        if (!holds) {
            throw new IllegalArgumentException("unreadable WAL: %s %#x".formatted(field, value));
        }
    }
}
