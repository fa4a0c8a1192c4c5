package dev.litefleet.replica.objects;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class StoreUrlTest {
    @Test
    void amazonDefaults() {
        assertThat(StoreUrl.parse("s3://fleet/prod/eu"))
                .isEqualTo(
                        new StoreUrl.S3(
                                "fleet",
                                "prod/eu/",
                                Optional.empty(),
                                Optional.empty(),
                                false,
                                64,
                                Duration.ofSeconds(2),
                                Duration.ofSeconds(15),
                                true,
                                true));
    }

    @Test
    void customEndpointDefaults() {
        assertThat(StoreUrl.parse("s3://fleet?endpoint=http://127.0.0.1:9000"))
                .isEqualTo(
                        new StoreUrl.S3(
                                "fleet",
                                "",
                                Optional.of(URI.create("http://127.0.0.1:9000")),
                                Optional.empty(),
                                true,
                                64,
                                Duration.ofSeconds(2),
                                Duration.ofSeconds(15),
                                false,
                                false));
    }

    @Test
    void everySettingIsRead() {
        assertThat(
                        StoreUrl.parse(
                                "s3://fleet/p/?endpoint=https://s3.example.com&region=eu-central-1&pathStyle=false"
                                        + "&connections=8&connectTimeout=500ms&timeout=1m&checksums=true&chunked=true"))
                .isEqualTo(
                        new StoreUrl.S3(
                                "fleet",
                                "p/",
                                Optional.of(URI.create("https://s3.example.com")),
                                Optional.of("eu-central-1"),
                                false,
                                8,
                                Duration.ofMillis(500),
                                Duration.ofMinutes(1),
                                true,
                                true));
    }

    @ParameterizedTest
    @CsvSource({
        "file:///var/lib/litefleet, /var/lib/litefleet",
        "file:///var/lib/litefleet/, /var/lib/litefleet",
        "file:///my%20data/50%25+, /my data/50%+",
        "file:/a/../b, /b",
    })
    void directories(String url, String path) {
        assertThat(StoreUrl.parse(url)).isEqualTo(new StoreUrl.Directory(Path.of(path)));
        assertThat(StoreUrl.of(Path.of(path))).isEqualTo(StoreUrl.parse(url));
    }

    @Test
    void aRelativeDirectoryIsUnderTheWorkingDirectory() {
        Path here = Path.of("").toAbsolutePath();

        assertThat(StoreUrl.parse("file://./data")).isEqualTo(StoreUrl.of(here.resolve("data")));
        assertThat(StoreUrl.parse("file:data")).isEqualTo(StoreUrl.of(here.resolve("data")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "file:///var/lib/litefleet",
                "file:///my%20data/50%25%2B",
                "s3://fleet/",
                "s3://fleet/prod/eu/",
                "s3://fleet/?endpoint=http://127.0.0.1:9000",
                "s3://fleet/a%20b/?connectTimeout=500ms&endpoint=https://s3.example.com&pathStyle=false&timeout=60s",
                "s3://fleet/?checksums=false&chunked=false&connections=8&region=eu-central-1",
            })
    void printsWhatItReads(String url) {
        assertThat(StoreUrl.parse(url)).hasToString(url);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "/var/lib                           | must begin with s3:// or file:",
                "http://bucket                      | must begin with s3:// or file:",
                "file://                            | must name a directory",
                "file:///a?x=1                      | must name a directory and nothing else",
                "s3://                              | is not a bucket's name",
                "s3://Fleet                         | is not a bucket's name",
                "s3://key:secret@fleet              | is not a bucket's name",
                "s3://fleet//x                      | has an empty segment",
                "s3://fleet/../x                    | beginning with a dot",
                "s3://fleet?endpont=http://x        | unknown setting 'endpont', known are"
                        + " [checksums, chunked, connections, connectTimeout, endpoint, pathStyle,"
                        + " region, timeout]",
                "s3://fleet?secretKey=abc           | unknown setting 'secretKey'",
                "s3://fleet?timeout=1s&timeout=2s   | timeout must have one value",
                "s3://fleet?region=                 | region must have one value",
                "s3://fleet?timeout=5               | timeout must be like 500ms, 2s or 1m",
                "s3://fleet?timeout=0s              | timeout must be positive",
                "s3://fleet?connections=3           | connections not 4 to 1024",
                "s3://fleet?connections=many        | connections must be a number",
                "s3://fleet?pathStyle=yes           | pathStyle must be true or false",
                "s3://fleet?endpoint=ftp://x        | endpoint is not HTTP",
                "s3://fleet?endpoint=http://x/path  | endpoint has a path",
                "s3://fleet?endpoint=x              | endpoint is not HTTP",
                "s3://fleet?endpoint=http://a:b@x   | endpoint must not name a user",
                "s3://fleet?region=US_EAST          | is not a region",
            })
    void mistakesAreNamed(String url, String problem) {
        assertThatThrownBy(() -> StoreUrl.parse(url))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(problem);
    }

    @Test
    void whatMayBeASecretIsNotShown() {
        assertThatThrownBy(() -> StoreUrl.parse("s3://fleet?secretKey=hunter2"))
                .hasMessageNotContaining("hunter2");
        assertThatThrownBy(() -> StoreUrl.parse("s3://fleet?endpoint=http://a:hunter2@x"))
                .hasMessageNotContaining("hunter2");
        assertThat(new StoreCredentials("key", "hunter2").toString()).doesNotContain("hunter2");
    }

    @Test
    void noPrefixIsTheWholeBucket() {
        assertThat(StoreUrl.parse("s3://fleet/")).isEqualTo(StoreUrl.parse("s3://fleet"));
    }
}
