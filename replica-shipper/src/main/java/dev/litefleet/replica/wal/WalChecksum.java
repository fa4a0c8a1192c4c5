package dev.litefleet.replica.wal;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// SQLite's running WAL checksum: two 32-bit sums that wrap, each fed by the other. Source:
/// <https://sqlite.org/fileformat2.html>, section 4.2.
public record WalChecksum(int s0, int s1) {
    public static final WalChecksum ZERO = new WalChecksum(0, 0);

    private static final VarHandle LITTLE =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle BIG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    /// This checksum continued over `length` bytes, a multiple of 8, as words of that order.
    WalChecksum over(byte[] bytes, int offset, int length, ByteOrder order) {
        // The parentheses halve the chain of dependent additions: what is added last is what became
        // known last.
        int a = s0;
        int b = s1;
        int end = offset + length;
        if (order == ByteOrder.LITTLE_ENDIAN) {
            for (int at = offset; at < end; at += 8) {
                long words = (long) LITTLE.get(bytes, at);
                a = (a + (int) words) + b;
                b = (b + (int) (words >>> 32)) + a;
            }
        } else {
            for (int at = offset; at < end; at += 8) {
                long words = (long) BIG.get(bytes, at);
                a = (a + (int) (words >>> 32)) + b;
                b = (b + (int) words) + a;
            }
        }
        return new WalChecksum(a, b);
    }

    /// This checksum continued over 8 bytes, given as a big-endian number.
    WalChecksum over(long bytes, ByteOrder order) {
        int first = (int) (bytes >>> 32);
        int second = (int) bytes;
        if (order == ByteOrder.LITTLE_ENDIAN) {
            first = Integer.reverseBytes(first);
            second = Integer.reverseBytes(second);
        }
        int a = (s0 + first) + s1;
        return new WalChecksum(a, (s1 + second) + a);
    }

    /// The sums that are stored so, read as a big-endian number.
    public static WalChecksum of(long stored) {
        return new WalChecksum((int) (stored >>> 32), (int) stored);
    }

    /// As it is stored, read as a big-endian number.
    public long stored() {
        return (long) s0 << 32 | Integer.toUnsignedLong(s1);
    }
}
