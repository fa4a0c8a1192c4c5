package dev.litefleet.testing;

import java.util.Arrays;
import java.util.random.RandomGenerator;

/// Damages bytes as a fuzzer does: flips, extreme numbers where fields may be, cuts, repeats,
/// pieces of other objects.
public final class Hostile {
    private static final long[] EXTREMES = {
        0,
        1,
        -1,
        Byte.MAX_VALUE,
        0xff,
        0x100,
        Short.MAX_VALUE,
        0xffff,
        0x10000,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        0xffffffffL,
        1L << 32,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };

    private Hostile() {}

    /// @param whole stays as it is
    /// @param other where pieces come from
    /// @return another array, damaged 1 to 4 times
    public static byte[] damaged(byte[] whole, byte[] other, RandomGenerator random) {
        byte[] bytes = whole.clone();
        for (int blow = 1 + random.nextInt(4); blow > 0; blow--) {
            bytes = blow(bytes, other, random);
        }
        return bytes;
    }

    private static byte[] blow(byte[] bytes, byte[] other, RandomGenerator random) {
        if (bytes.length == 0) {
            return new byte[random.nextInt(200)];
        }
        int at = place(bytes.length, random);
        switch (random.nextInt(8)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt();
            case 2 -> number(bytes, at, 1 << random.nextInt(4), random);
            case 3 -> {
                return Arrays.copyOf(bytes, at);
            }
            case 4 -> {
                byte[] longer = Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(64));
                for (int i = bytes.length; i < longer.length; i++) {
                    longer[i] = (byte) random.nextInt();
                }
                return longer;
            }
            case 5 -> Arrays.fill(bytes, at, end(at, bytes.length, random), (byte) 0);
            case 6 -> {
                int from = random.nextInt(bytes.length);
                int length = Math.min(end(at, bytes.length, random) - at, bytes.length - from);
                System.arraycopy(bytes, from, bytes, at, length);
            }
            default -> {
                int from = random.nextInt(other.length);
                int length = Math.min(end(at, bytes.length, random) - at, other.length - from);
                System.arraycopy(other, from, bytes, at, length);
            }
        }
        return bytes;
    }

    /// Ends of an object, where headers and indexes are, as often as all the rest.
    private static int place(int length, RandomGenerator random) {
        int edge = Math.min(length, 160);
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt(edge);
            case 1 -> length - 1 - random.nextInt(edge);
            default -> random.nextInt(length);
        };
    }

    private static int end(int at, int length, RandomGenerator random) {
        return Math.min(length, at + 1 + random.nextInt(40));
    }

    private static void number(byte[] bytes, int at, int width, RandomGenerator random) {
        long value = EXTREMES[random.nextInt(EXTREMES.length)];
        boolean big = random.nextBoolean();
        for (int i = 0; i < width && at + i < bytes.length; i++) {
            bytes[at + i] = (byte) (value >>> (8 * (big ? width - 1 - i : i)));
        }
    }
}
