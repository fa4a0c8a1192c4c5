package dev.litefleet.replica.ltx;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.testing.Seeds;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// Against the check value of the catalogue, and against division bit by bit for every length
/// around the strides.
final class Crc64Test {
    @Test
    void givesCheckValue() {
        byte[] digits = "123456789".getBytes(US_ASCII);

        assertThat(Crc64.of(digits, 0, digits.length)).isEqualTo(0xb90956c775a41001L);
        assertThat(Crc64.of(digits, 0, 0)).isZero();
    }

    @Seeds(20)
    void equalsDivisionBitByBitAtAnyLengthAndOffset(long seed) {
        var random = new SplittableRandom(seed);
        byte[] bytes = new byte[300];
        random.nextBytes(bytes);
        for (int length = 0; length < 200; length++) {
            int offset = random.nextInt(100);
            assertThat(Crc64.of(bytes, offset, length)).isEqualTo(slowly(bytes, offset, length));
        }
    }

    @Seeds(20)
    void mayBeFedInPieces(long seed) {
        var random = new SplittableRandom(seed);
        byte[] bytes = new byte[5000];
        random.nextBytes(bytes);
        var crc = new Crc64();
        for (int at = 0; at < bytes.length; ) {
            int length = random.nextInt(Math.min(300, bytes.length - at) + 1);
            crc.update(bytes, at, length);
            at += length;
        }
        assertThat(crc.value()).isEqualTo(Crc64.of(bytes, 0, bytes.length));
    }

    private static long slowly(byte[] bytes, int offset, int length) {
        long crc = -1;
        for (int i = offset; i < offset + length; i++) {
            crc ^= bytes[i] & 0xff;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 1) == 0 ? crc >>> 1 : crc >>> 1 ^ 0xd800000000000000L;
            }
        }
        return ~crc;
    }
}
