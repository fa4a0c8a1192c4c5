package dev.litefleet.replica;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class PointTest {
    @Test
    void readsEveryNotation() {
        assertThat(Point.parse("latest")).isEqualTo(Point.LATEST);
        assertThat(Point.parse("2a41")).isEqualTo(new Point.At(new Txid(0x2a41)));
        assertThat(Point.parse("0000000000002a41")).isEqualTo(new Point.At(new Txid(0x2a41)));
        assertThat(Point.parse("~5")).isEqualTo(new Point.Before(5));
        assertThat(Point.parse("2026-11-20T14:03:11Z"))
                .isEqualTo(new Point.AtTime(Instant.parse("2026-11-20T14:03:11Z")));
        assertThat(Point.parse("2026-11-20T15:03:11.250+01:00"))
                .isEqualTo(new Point.AtTime(Instant.parse("2026-11-20T14:03:11.250Z")));
        assertThat(Point.parse("-10m")).isEqualTo(new Point.Ago(Duration.ofMinutes(10)));
        assertThat(Point.parse("-2h30m")).isEqualTo(new Point.Ago(Duration.ofMinutes(150)));
        assertThat(Point.parse("-1d")).isEqualTo(new Point.Ago(Duration.ofDays(1)));
    }

    /// What is all digits is a TXID; years and ages have other characters.
    @ParameterizedTest
    @CsvSource({
        "latest, latest",
        "2026, 2026",
        "0A, a",
        "7fffffffffffffff, 7fffffffffffffff",
        "~0, ~0",
        "-90m, -1h30m",
        "-1d2h3m4s, -1d2h3m4s",
        "-86400s, -1d",
        "2026-11-20T14:03:11+02:00, 2026-11-20T12:03:11Z"
    })
    void printsWhatItReads(String text, String printed) {
        assertThat(Point.parse(text)).hasToString(printed);
        assertThat(Point.parse(printed)).isEqualTo(Point.parse(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "-",
                "~",
                "~-1",
                "~9999999999",
                "LATEST",
                "8000000000000000",
                "00000000000000001",
                "xyz",
                "-10",
                "10m",
                "-1m2h",
                "-0s",
                "-1.5h",
                "2026-11-20",
                "2026-13-20T14:03:11Z",
                "2026-11-20T14:03:11",
                "2026-11-20 14:03:11Z"
            })
    void refusesWhatIsNoPoint(String text) {
        assertThatThrownBy(() -> Point.parse(text)).isInstanceOf(IllegalArgumentException.class);
    }
}
