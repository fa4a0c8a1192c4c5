package dev.litefleet.replica.ltx;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.Txid;

/// The first 100 bytes of an LTX file.
///
/// | offset | size | field                                                          |
/// | -----: | ---: | -------------------------------------------------------------- |
/// |      0 |    4 | magic `LTX1`                                                   |
/// |      4 |    4 | flags, always 2: no database checksum is tracked by the format |
/// |      8 |    4 | page size in bytes, power of two, 512 to 65536                 |
/// |     12 |    4 | database size in pages after this file                         |
/// |     16 |    8 | first TXID                                                     |
/// |     24 |    8 | last TXID                                                      |
/// |     32 |    8 | time of the last commit, Unix milliseconds                     |
/// |     40 |    8 | 0 (checksum before; must be 0 with flags 2)                    |
/// |     48 |    8 | offset of the frames in the WAL                                |
/// |     56 |    8 | size of the frames in the WAL                                  |
/// |     64 |    8 | the WAL's salts                                                |
/// |     72 |    8 | node id: here the database checksum after the last commit      |
/// |     80 |   20 | 0                                                              |
///
/// Integers are big-endian. Source: ltx.md, section 1.1.
///
/// @param commit database size in pages after this file, 1 to `Integer.MAX_VALUE`
/// @param min 1 or more
/// @param timestampMillis 0 or more
/// @param nodeId database checksum after `max`, bit 63 set; 0 in files of other writers
/// @param walOffset 32 or more in files we write; 0 ("not from a WAL") in some of others, and then
///   `walSize` and both salts are 0
public record LtxHeader(
        int pageSize,
        int commit,
        Txid min,
        Txid max,
        long timestampMillis,
        long nodeId,
        long walOffset,
        long walSize,
        int salt1,
        int salt2) {
    public static final int BYTES = 100;

    private static final int MAGIC = 0x4c545831;
    private static final int FLAG_NO_CHECKSUM = 2;
    private static final int WAL_HEADER_BYTES = 32;

    /// @throws IllegalArgumentException if no LTX file can have such a header
    public LtxHeader {
        require(512 <= pageSize && pageSize <= 65536, 8, "page size", pageSize);
        require(Integer.bitCount(pageSize) == 1, 8, "page size", pageSize);
        require(commit >= 1, 12, "commit", Integer.toUnsignedLong(commit));
        require(min.value() >= 1, 16, "first txid", min.value());
        require(max.compareTo(min) >= 0, 24, "last txid", max.value());
        require(timestampMillis >= 0, 32, "timestamp", timestampMillis);
        require(walOffset >= 0, 48, "wal offset", walOffset);
        require(walSize >= 0, 56, "wal size", walSize);
        if (walOffset == 0) {
            require(walSize == 0, 56, "wal size without offset", walSize);
            require(salt1 == 0, 64, "wal salt without offset", salt1);
            require(salt2 == 0, 68, "wal salt without offset", salt2);
        }
    }

    /// The header of a file made from log entries or other files, with no WAL behind it: WAL offset
    /// 32, size 0.
    ///
    /// @param checksumAfter database checksum after `max`
    public static LtxHeader derived(
            int pageSize,
            int commit,
            Txid min,
            Txid max,
            long timestampMillis,
            long checksumAfter) {
        return new LtxHeader(
                pageSize,
                commit,
                min,
                max,
                timestampMillis,
                checksumAfter,
                WAL_HEADER_BYTES,
                0,
                0,
                0);
    }

    /// Whether the file is a whole database: it holds every page but the lock page.
    public boolean snapshot() {
        return min.value() == 1;
    }

    /// Reads the header at the start of `file`.
    ///
    /// @param name the object's key, for errors
    /// @throws Corrupt with the offset of the field that cannot be right
    /// @throws UnsupportedFormat if the flags are not the ones of a Litestream 0.5 file
    public static LtxHeader parse(String name, byte[] file) {
        if (file.length < BYTES) {
            throw new Corrupt(name, file.length, "file ends inside the header");
        }
        if (Bytes.i32(file, 0) != MAGIC) {
            throw new Corrupt(name, 0, "not an LTX file");
        }
        int flags = Bytes.i32(file, 4);
        if (flags != FLAG_NO_CHECKSUM) {
            throw new UnsupportedFormat(name, "ltx flags %#x".formatted(flags));
        }
        try {
            require(Bytes.i64(file, 40) == 0, 40, "checksum before", Bytes.i64(file, 40));
            for (int at = 80; at < BYTES; at++) {
                require(file[at] == 0, at, "reserved byte", file[at]);
            }
            return new LtxHeader(
                    Bytes.i32(file, 8),
                    Bytes.i32(file, 12),
                    txid(file, 16, "first txid"),
                    txid(file, 24, "last txid"),
                    Bytes.i64(file, 32),
                    Bytes.i64(file, 72),
                    Bytes.i64(file, 48),
                    Bytes.i64(file, 56),
                    Bytes.i32(file, 64),
                    Bytes.i32(file, 68));
        } catch (BadField e) {
            throw new Corrupt(name, e.offset, e.problem, e);
        }
    }

    /// The 100 bytes.
    byte[] encode() {
        byte[] bytes = new byte[BYTES];
        Bytes.put32(bytes, 0, MAGIC);
        Bytes.put32(bytes, 4, FLAG_NO_CHECKSUM);
        Bytes.put32(bytes, 8, pageSize);
        Bytes.put32(bytes, 12, commit);
        Bytes.put64(bytes, 16, min.value());
        Bytes.put64(bytes, 24, max.value());
        Bytes.put64(bytes, 32, timestampMillis);
        Bytes.put64(bytes, 48, walOffset);
        Bytes.put64(bytes, 56, walSize);
        Bytes.put32(bytes, 64, salt1);
        Bytes.put32(bytes, 68, salt2);
        Bytes.put64(bytes, 72, nodeId);
        return bytes;
    }

    private static Txid txid(byte[] file, int at, String field) {
        long value = Bytes.i64(file, at);
        require(value > 0, at, field, value);
        return new Txid(value);
    }

    private static void require(boolean holds, int offset, String field, long value) {
        if (!holds) {
            throw new BadField(offset, field + " out of range: " + value);
        }
    }

    /// So that the rules stand in one place, for those who make a header and those who read one.
    private static final class BadField extends IllegalArgumentException {
        private final int offset;
        private final String problem;

        private BadField(int offset, String problem) {
            super("ltx header: " + problem);
            this.offset = offset;
            this.problem = problem;
        }
    }
}
