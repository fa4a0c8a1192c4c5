package dev.litefleet.replica.ltx;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/// Bytes that grow at the end, and LTX's big-endian integers in arrays.
final class Bytes {
    private static final VarHandle SHORT =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle INT =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    private byte[] bytes = new byte[64];
    private int size;

    static int u16(byte[] from, int at) {
        return Short.toUnsignedInt((short) SHORT.get(from, at));
    }

    static int i32(byte[] from, int at) {
        return (int) INT.get(from, at);
    }

    static int i32LittleEndian(byte[] from, int at) {
        return Integer.reverseBytes(i32(from, at));
    }

    static long i64(byte[] from, int at) {
        return (long) LONG.get(from, at);
    }

    static void put16(byte[] to, int at, int value) {
        SHORT.set(to, at, (short) value);
    }

    static void put32(byte[] to, int at, int value) {
        INT.set(to, at, value);
    }

    static void put64(byte[] to, int at, long value) {
        LONG.set(to, at, value);
    }

    /// Appends an unsigned LEB128.
    void uvarint(long value) {
        room(10);
        long rest = value;
        while (rest >>> 7 != 0) {
            bytes[size++] = (byte) (rest | 0x80);
            rest >>>= 7;
        }
        bytes[size++] = (byte) rest;
    }

    void append64(long value) {
        room(8);
        put64(bytes, size, value);
        size += 8;
    }

    private void room(int more) {
        if (bytes.length - size < more) {
            bytes = Arrays.copyOf(bytes, Math.multiplyExact(2, bytes.length));
        }
    }

    int size() {
        return size;
    }

    /// The first [#size] bytes are valid; not copied.
    byte[] array() {
        return bytes;
    }
}
