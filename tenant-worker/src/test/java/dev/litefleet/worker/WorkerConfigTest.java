package dev.litefleet.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.worker.control.ControlConfig;
import dev.litefleet.worker.hrana.HranaConfig;
import dev.litefleet.worker.tenant.Quota;
import dev.litefleet.worker.tenant.ShippingConfig;
import dev.litefleet.worker.tenant.TenantConfig;
import java.lang.reflect.RecordComponent;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class WorkerConfigTest {
    private static final Map<String, String> REQUIRED =
            Map.of(
                    "worker.name", "w-1",
                    "worker.data", "/d",
                    "worker.store", "file:///s",
                    "worker.secrets", "/x",
                    "control.url", "http://127.0.0.1:7481");

    @Test
    void defaults() {
        assertThat(WorkerConfig.bind(REQUIRED))
                .isEqualTo(
                        new WorkerConfig(
                                new NodeConfig("w-1", Path.of("/d"), "file:///s", Path.of("/x")),
                                new HttpConfig(
                                        "127.0.0.1",
                                        0,
                                        "",
                                        Duration.ofSeconds(75),
                                        8192,
                                        4096,
                                        4096),
                                new HranaConfig(
                                        4 << 20,
                                        Duration.ofSeconds(60),
                                        Duration.ofMinutes(10),
                                        64 << 20),
                                new LogConfig(
                                        Duration.ofSeconds(1),
                                        4 << 20,
                                        Duration.ofHours(1),
                                        10_000),
                                ShippingConfig.DEFAULT,
                                TenantConfig.DEFAULT,
                                Quota.DEFAULT,
                                new ControlConfig(
                                        URI.create("http://127.0.0.1:7481"),
                                        Duration.ofMillis(100),
                                        Duration.ofSeconds(2),
                                        Duration.ofSeconds(2),
                                        Duration.ofSeconds(5))));
    }

    /// Each setting by its name, one after the other, with a value that is not its default.
    @Test
    void everySettingIsRead() throws ReflectiveOperationException {
        WorkerConfig defaults = WorkerConfig.bind(REQUIRED);
        for (RecordComponent section : WorkerConfig.class.getRecordComponents()) {
            Record before = (Record) section.getAccessor().invoke(defaults);
            for (RecordComponent setting : section.getType().getRecordComponents()) {
                String key = section.getName() + "." + kebab(setting.getName());
                Object old = setting.getAccessor().invoke(before);
                var settings = new HashMap<>(REQUIRED);
                settings.put(key, other(key, old));

                Object after =
                        setting.getAccessor()
                                .invoke(section.getAccessor().invoke(WorkerConfig.bind(settings)));

                assertThat(after).as(key).isNotEqualTo(old);
                assertThat(text(after)).as(key).isEqualTo(settings.get(key));
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "http.port | 70000 | http.port is not a port",
                "http.port | x | http.port: cannot read 'x'",
                "http.prot | 1 | unknown settings [http.prot]",
                "htp.port | 1 | unknown settings [htp.port]",
                "http.idle | 0.5s | http.idle is under 1 s",
                "http.advertise | ftp://a | http.advertise must be http://host:port",
                "http.header-bytes-max | 5 | http.header-bytes-max is not in",
                "http.connections-max | 0 | http.connections-max must be positive",
                "hrana.body-bytes-max | 1 | hrana.body-bytes-max is not in",
                "hrana.stream-idle | -1s | hrana.stream-idle must be positive",
                "log.linger | -1s | log.linger must not be negative",
                "log.segment-bytes-max | 1 | log.segment-bytes-max is not in",
                "log.part-max | 0s | log.part-max is less than",
                "log.part-slots-max | 1 | log.part-slots-max is not in",
                "worker.name | W_1 | worker.name must be",
                "worker.name | _controller | worker.name must be",
                "control.url | http://a | control.url must be http://host:port",
                "control.retry-max | 0.01s | control.retry-max is under control.retry-min",
            })
    void mistakesNameTheSetting(String key, String value, String message) {
        var settings = new HashMap<>(REQUIRED);
        settings.put(key, value);

        assertThatThrownBy(() -> WorkerConfig.bind(settings)).hasMessageContaining(message);
    }

    @Test
    void missingSettingIsNamed() {
        for (String key : REQUIRED.keySet()) {
            var settings = new HashMap<>(REQUIRED);
            settings.remove(key);

            assertThatThrownBy(() -> WorkerConfig.bind(settings)).hasMessage(key + " is required");
        }
    }

    private static String other(String key, Object old) {
        return switch (old) {
            // Relations between settings: these two are bounded by a neighbour.
            case Long bytes when key.equals("shipping.transaction-bytes-max") ->
                    String.valueOf(bytes - 1);
            case Duration retry when key.equals("control.retry-min") -> "0.05S";
            case Integer number -> String.valueOf(number + 1);
            case Long number -> String.valueOf(number + 1);
            case Duration time -> text(time.plusSeconds(1));
            case Path path -> path + "2";
            case URI url -> "http://10.0.0.1:7482";
            case String text when key.equals("http.advertise") -> "http://a:1";
            case String text -> text + "2";
            default -> throw new AssertionError("no other value for " + key + ": " + old);
        };
    }

    private static String text(Object value) {
        return value instanceof Duration time
                ? time.toString().substring("PT".length())
                : value.toString();
    }

    private static String kebab(String name) {
        return name.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
    }
}
