package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class HranaValueTest {
    @Test
    void integersAreStringsAndBlobsUnpadded() {
        assertThat(json(new SqlValue.Int(Long.MIN_VALUE)))
                .isEqualTo("{\"type\":\"integer\",\"value\":\"-9223372036854775808\"}");
        assertThat(json(new SqlValue.Blob(new byte[] {1})))
                .isEqualTo("{\"type\":\"blob\",\"base64\":\"AQ\"}");
        assertThat(json(new SqlValue.Null())).isEqualTo("{\"type\":\"null\"}");
    }

    @Test
    void nonFiniteFloatIsNull() {
        assertThat(json(new SqlValue.Real(Double.POSITIVE_INFINITY)))
                .isEqualTo("{\"type\":\"float\",\"value\":null}");
    }

    @Seeds(200)
    void everyValueReadsBackAsItself(long seed) throws IOException {
        SqlValue value = random(new SplittableRandom(seed));

        try (var parser = new JsonFactory().createParser(json(value))) {
            parser.nextToken();
            assertThat(HranaValue.read(parser)).isEqualTo(value);
            assertThat(parser.nextToken()).isNull();
        }
    }

    private static SqlValue random(SplittableRandom random) {
        return switch (random.nextInt(4)) {
            case 0 -> new SqlValue.Int(random.nextLong() >> random.nextInt(64));
            case 1 -> {
                double real = Double.longBitsToDouble(random.nextLong());
                yield new SqlValue.Real(Double.isFinite(real) ? real : 0.1);
            }
            case 2 -> {
                var text = new StringBuilder();
                for (int i = random.nextInt(20); i > 0; i--) {
                    int point = random.nextInt(Character.MAX_CODE_POINT + 1);
                    text.appendCodePoint(
                            point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE
                                    ? 0
                                    : point);
                }
                yield new SqlValue.Text(text.toString());
            }
            default -> {
                byte[] bytes = new byte[random.nextInt(50)];
                random.nextBytes(bytes);
                yield new SqlValue.Blob(bytes);
            }
        };
    }

    private static String json(SqlValue value) {
        return new String(Json.bytes(out -> HranaValue.write(out, value)), StandardCharsets.UTF_8);
    }
}
