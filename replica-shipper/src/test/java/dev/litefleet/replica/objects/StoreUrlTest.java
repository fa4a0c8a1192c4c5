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
                                Duration.ofSeconds(15),
                                true,
                                true,
                                StoreUrl.S3.Writes.DEFAULT,
                                StoreUrl.S3.Access.DEFAULT));
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
                                Duration.ofSeconds(15),
                                false,
                                false,
                                StoreUrl.S3.Writes.DEFAULT,
                                StoreUrl.S3.Access.DEFAULT));
    }

    @Test
    void everySettingIsRead() {
        assertThat(
                        StoreUrl.parse(
                                "s3://fleet/p/?endpoint=https://s3.example.com&region=eu-central-1&pathStyle=false"
                                        + "&connections=8&connectTimeout=500ms&timeout=1m&checksums=true&chunked=true&requestTimeout=2m&sse=aws:kms&kmsKeyId=alias/fleet"
                                        + "&bucketKey=true&storageClass=GLACIER_IR&partMiB=16&profile=shipper"
                                        + "&roleArn=arn:aws:iam::123456789012:role/fleet/worker&externalId=x%2F1"
                                        + "&sessionName=w-1&stsEndpoint=https://sts.example.com"))
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
                                Duration.ofMinutes(2),
                                true,
                                true,
                                new StoreUrl.S3.Writes(
                                        Optional.of("aws:kms"),
                                        Optional.of("alias/fleet"),
                                        true,
                                        Optional.of("GLACIER_IR"),
                                        16),
                                new StoreUrl.S3.Access(
                                        Optional.of("shipper"),
                                        Optional.of("arn:aws:iam::123456789012:role/fleet/worker"),
                                        Optional.of("x/1"),
                                        Optional.of("w-1"),
                                        Optional.of(URI.create("https://sts.example.com")))));
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
                "s3://fleet/?bucketKey=true&kmsKeyId=alias/a&partMiB=16&sse=aws:kms&storageClass=STANDARD_IA",
                "s3://fleet/?profile=a%20b&requestTimeout=60s&timeout=20s",
                "s3://fleet/?externalId=a%2Bb&roleArn=arn:aws:iam::1:role/r&sessionName=w-1&stsEndpoint=http://127.0.0.1:1",
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
                        + " [bucketKey, checksums, chunked, connections, connectTimeout, endpoint,"
                        + " externalId, kmsKeyId, partMiB, pathStyle, profile, region,"
                        + " requestTimeout, roleArn, sessionName, sse, storageClass, stsEndpoint,"
                        + " timeout]",
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
                "s3://fleet?sse=aes                 | sse is none of [AES256, aws:kms,"
                        + " aws:kms:dsse]",
                "s3://fleet?kmsKeyId=x              | kmsKeyId needs sse=aws:kms",
                "s3://fleet?sse=AES256&kmsKeyId=x   | kmsKeyId needs sse=aws:kms",
                "s3://fleet?bucketKey=true          | bucketKey needs sse=aws:kms",
                "s3://fleet?storageClass=GLACIER    | storageClass is none of [STANDARD,",
                "s3://fleet?partMiB=4               | partMiB not 5 to 1024",
                "s3://fleet?roleArn=admin           | roleArn is not a role's ARN",
                "s3://fleet?externalId=abc          | externalId needs roleArn",
                "s3://fleet?sessionName=abc         | sessionName needs roleArn",
                "s3://fleet?stsEndpoint=http://x    | stsEndpoint needs roleArn",
                "s3://fleet?profile=a;b             | is not a profile's name",
                "s3://fleet?requestTimeout=10s      | requestTimeout is below timeout",
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
    void samePlaceIsToldWhateverTheWayThere() {
        StoreUrl one = StoreUrl.parse("s3://fleet/a?profile=worker&timeout=1s");

        assertThat(one.samePlace(StoreUrl.parse("s3://fleet/a/?sse=AES256"))).isTrue();
        assertThat(one.samePlace(StoreUrl.parse("s3://fleet/b"))).isFalse();
        assertThat(one.samePlace(StoreUrl.parse("s3://fleet/a?endpoint=http://x"))).isFalse();
        assertThat(one.samePlace(StoreUrl.of(Path.of("/a")))).isFalse();
        assertThat(StoreUrl.of(Path.of("/a")).samePlace(StoreUrl.of(Path.of("/a")))).isTrue();
    }

    @Test
    void noPrefixIsTheWholeBucket() {
        assertThat(StoreUrl.parse("s3://fleet/")).isEqualTo(StoreUrl.parse("s3://fleet"));
    }
}
