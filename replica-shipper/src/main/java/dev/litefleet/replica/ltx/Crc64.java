package dev.litefleet.replica.ltx;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// CRC-64/GO-ISO, Go's `crc64.ISO`: reflected, polynomial x^64 + x^4 + x^3 + x + 1, begun and ended
/// with all ones. The check value of `123456789` is `b90956c775a41001`. Source: ltx.md, section
/// 1.5.
///
/// The polynomial is so sparse that a whole word is reduced by a few shifts, so there are no
/// tables: x^64 is congruent to 1 + x + x^3 + x^4, and, because squaring over GF(2) only doubles
/// the exponents, x^256 to 1 + x^4 + x^12 + x^16. Bit 63 stands for x^0: to multiply by x^k is to
/// shift right by k, and what falls out on the right is multiplied by x^64 once more.
public final class Crc64 {
    private static final VarHandle WORD =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /// Four words side by side: a step of 256 bits.
    private static final int STRIDE = 32;

    private long crc = -1;

    /// The sum of `length` bytes from `offset`.
    public static long of(byte[] bytes, int offset, int length) {
        return ~over(-1, bytes, offset, length);
    }

    public void update(byte[] bytes, int offset, int length) {
        crc = over(crc, bytes, offset, length);
    }

    public void update(byte[] bytes) {
        update(bytes, 0, bytes.length);
    }

    /// The sum so far; more may follow.
    public long value() {
        return ~crc;
    }

    /// Continues the raw register `crc` (all ones at the start, inverted at the end).
    static long over(long crc, byte[] bytes, int offset, int length) {
        int at = offset;
        int end = offset + length;
        if (length >= 2 * STRIDE) {
            long a = crc;
            long b = 0;
            long c = 0;
            long d = 0;
            for (int last = end - STRIDE - STRIDE; at <= last; at += STRIDE) {
                a = timesX256(a ^ (long) WORD.get(bytes, at));
                b = timesX256(b ^ (long) WORD.get(bytes, at + 8));
                c = timesX256(c ^ (long) WORD.get(bytes, at + 16));
                d = timesX256(d ^ (long) WORD.get(bytes, at + 24));
            }
            crc = timesX64(a ^ (long) WORD.get(bytes, at));
            crc = timesX64(crc ^ b ^ (long) WORD.get(bytes, at + 8));
            crc = timesX64(crc ^ c ^ (long) WORD.get(bytes, at + 16));
            crc = timesX64(crc ^ d ^ (long) WORD.get(bytes, at + 24));
            at += STRIDE;
        }
        for (; at <= end - 8; at += 8) {
            crc = timesX64(crc ^ (long) WORD.get(bytes, at));
        }
        for (; at < end; at++) {
            long carry = (crc ^ bytes[at]) << 56;
            crc = crc >>> 8 ^ timesX64Short(carry);
        }
        return crc;
    }

    private static long timesX64(long p) {
        long carry = p << 63 ^ p << 61 ^ p << 60;
        return timesX64Short(p) ^ timesX64Short(carry);
    }

    private static long timesX256(long p) {
        long carry = p << 60 ^ p << 52 ^ p << 48;
        return p ^ p >>> 4 ^ p >>> 12 ^ p >>> 16 ^ timesX64Short(carry);
    }

    /// `p` times x^64, but for what falls out: nothing if the low four bits of `p` are clear.
    private static long timesX64Short(long p) {
        return p ^ p >>> 1 ^ p >>> 3 ^ p >>> 4;
    }
}
