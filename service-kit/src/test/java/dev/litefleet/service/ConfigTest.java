package dev.litefleet.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ConfigTest {
    record Sample(Path dir, String name, long bytesMax, int port, boolean loud, Duration linger) {
        public static final long BYTES_MAX = 7;
        public static final int PORT = 0;
        public static final boolean LOUD = false;
        public static final Duration LINGER = Duration.ofSeconds(1);

        Sample {
            if (port < 0) {
                throw new IllegalArgumentException("s.port is negative [value=" + port + "]");
            }
        }
    }

    @Test
    void defaultsComeFromConstants() {
        assertThat(bind(Map.of("s.dir", "/d", "s.name", "n")))
                .isEqualTo(new Sample(Path.of("/d"), "n", 7, 0, false, Duration.ofSeconds(1)));
    }

    @Test
    void everySettingIsRead() {
        var all =
                Map.of(
                        "s.dir", "/d",
                        "s.name", "n",
                        "s.bytes-max", "99999999999",
                        "s.port", "8",
                        "s.loud", "true",
                        "s.linger", "0.5s",
                        "other.x", "ignored");

        assertThat(bind(all))
                .isEqualTo(
                        new Sample(
                                Path.of("/d"),
                                "n",
                                99_999_999_999L,
                                8,
                                true,
                                Duration.ofMillis(500)));
    }

    @Test
    void mistakesNameTheSetting() {
        assertThatThrownBy(() -> bind(Map.of("s.dir", "/d"))).hasMessage("s.name is required");
        assertThatThrownBy(() -> bind(Map.of("s.dir", "/d", "s.name", "n", "s.prot", "1")))
                .hasMessage("unknown settings [s.prot]");
        assertThatThrownBy(() -> bind(Map.of("s.dir", "/d", "s.name", "n", "s.loud", "yes")))
                .hasMessage("s.loud: cannot read 'yes'");
        assertThatThrownBy(() -> bind(Map.of("s.dir", "/d", "s.name", "n", "s.port", "-1")))
                .hasMessage("s.port is negative [value=-1]");
    }

    private static Sample bind(Map<String, String> settings) {
        return Config.bind(Sample.class, "s", settings);
    }
}
