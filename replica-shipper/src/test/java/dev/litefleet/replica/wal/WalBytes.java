package dev.litefleet.replica.wal;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/// A WAL made by hand, for what SQLite cannot be made to write. Its checksum is written down again
/// from SQLite's document, word by word.
final class WalBytes {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final int pageSize;
    private final long salt;
    private final ByteOrder order;
    private int s0;
    private int s1;

    WalBytes(int pageSize, long salt, ByteOrder order) {
        this.pageSize = pageSize;
        this.salt = salt;
        this.order = order;
        ByteBuffer header = ByteBuffer.allocate(32);
        header.putInt(order == ByteOrder.BIG_ENDIAN ? 0x377f0683 : 0x377f0682);
        header.putInt(3007000).putInt(pageSize).putInt(0).putLong(salt);
        sum(header.array(), 24);
        header.putInt(s0).putInt(s1);
        bytes.writeBytes(header.array());
    }

    /// A real WAL again with checksums in the other byte order, which SQLite on a machine of that
    /// order would have written.
    static byte[] inOrder(ByteOrder order, byte[] wal) {
        ByteBuffer from = ByteBuffer.wrap(wal);
        int pageSize = from.getInt(8);
        var to = new WalBytes(pageSize, from.getLong(16), order);
        for (int at = 32; at < wal.length; at += 24 + pageSize) {
            byte[] page = Arrays.copyOfRange(wal, at + 24, at + 24 + pageSize);
            to.frame(from.getInt(at), from.getInt(at + 4), page);
        }
        return to.toByteArray();
    }

    /// @param commit 0, or the database size in pages: a commit frame
    WalBytes frame(int pgno, int commit, byte[] page) {
        byte[] summed = ByteBuffer.allocate(8).putInt(pgno).putInt(commit).array();
        sum(summed, 8);
        sum(page, pageSize);
        bytes.writeBytes(summed);
        bytes.writeBytes(ByteBuffer.allocate(16).putLong(salt).putInt(s0).putInt(s1).array());
        bytes.writeBytes(page);
        return this;
    }

    /// A page filled with `fill`.
    WalBytes frame(int pgno, int commit, int fill) {
        byte[] page = new byte[pageSize];
        Arrays.fill(page, (byte) fill);
        return frame(pgno, commit, page);
    }

    byte[] toByteArray() {
        return bytes.toByteArray();
    }

    private void sum(byte[] input, int length) {
        ByteBuffer words = ByteBuffer.wrap(input, 0, length).order(order);
        while (words.hasRemaining()) {
            s0 += words.getInt() + s1;
            s1 += words.getInt() + s0;
        }
    }
}
