package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.SelfSigned;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What an operator has got wrong around a bucket, over real HTTP and TLS: each is refused in words
/// that say what to do.
final class StoreFaultsTest {
    private static final String ULID = "01JD8Y2M4Q6W8E0R2T4Y6V8X0Z";
    private static final ObjectBody BODY = ObjectBody.of("body".getBytes(UTF_8));

    @TempDir private Path folder;

    /// The store's clock is right, ours is not: a refusal tells the time, and the next request is
    /// signed by it.
    @ParameterizedTest
    @ValueSource(longs = {-86_400, -600 * 60, 600 * 60, 86_400})
    void requestRefusedForAWrongClockIsSignedAnew(long seconds) {
        InstantSource ahead = () -> InstantSource.system().instant().plusSeconds(seconds);
        try (var server = S3FaultServer.start(ahead, 0);
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.checkTime();

            // A write is sent once; who sent it sends it again, as after any refusal of keys.
            assertThatThrownBy(() -> store.putIfAbsent("slot", BODY))
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("403 RequestTimeTooSkewed: this machine's clock");
            assertThat(server.count("PUT")).isEqualTo(1);
            assertThat(server.keys("fleet")).isEmpty();
            assertThat(store.putIfAbsent("slot", BODY)).isInstanceOf(Created.class);
        }
    }

    /// A read is repeated by itself, so nothing that begins with one is stopped by a wrong clock.
    @Test
    void probePassesUnderAWrongClockAndTellsByHowMuch() {
        InstantSource ahead = () -> InstantSource.system().instant().plusSeconds(7200);
        try (var server = S3FaultServer.start(ahead, 0);
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.checkTime();

            ProbeReport report = ConditionalWriteProbe.run(store, ULID, InstantSource.system());

            assertThat(report.clockSkew())
                    .isBetween(Duration.ofMinutes(119), Duration.ofMinutes(121));
            assertThat(server.requests().stream().filter(it -> it.status() == 403)).hasSize(1);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "LIST, s3:ListBucket",
        "GET, s3:GetObject",
        "PUT, s3:PutObject",
        "DELETE, s3:DeleteObject"
    })
    void probeNamesThePermissionThatIsMissing(String right, String permission) {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.deny(right);

            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("403 AccessDenied; grant " + permission + " to these");
        }
    }

    /// A listing may be allowed under a prefix only; then a free key still reads as forbidden.
    @Test
    void absentKeyThatReadsAsForbiddenIsNamed() {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            store.putIfAbsent("log/1", BODY);
            server.when(
                    request -> request.key().equals("log/2"),
                    new S3FaultServer.Fault.Refuse(403, "AccessDenied"),
                    1);

            assertThatThrownBy(() -> AccessProbe.run(store, "log/1", "log/2"))
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("s3:ListBucket, without a condition on s3:prefix");
        }
    }

    @Test
    void wrongKeysAreNotTakenForAMissingPermission() {
        try (var server = S3FaultServer.start();
                ObjectStore store =
                        server.url("fleet").open(new StoreCredentials("someone", "else"))) {
            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("403 InvalidAccessKeyId: the access key or its secret")
                    .message()
                    .doesNotContain("grant");
        }
    }

    @Test
    void missingBucketSaysWhatToDo() {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            server.withoutBucket("fleet");

            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Misconfigured.class)
                    .hasMessageContaining("404 NoSuchBucket: create the bucket");
        }
    }

    @Test
    void redirectNamesTheRegionAndIsNotFollowed() {
        try (var server = S3FaultServer.start();
                ObjectStore lost =
                        server.url("fleet", "region=us-east-1").open(S3FaultServer.CREDENTIALS);
                ObjectStore right =
                        server.url("fleet", "region=eu-west-3").open(S3FaultServer.CREDENTIALS)) {
            server.moveTo("eu-west-3");

            assertThatThrownBy(() -> lost.putIfAbsent("slot", BODY))
                    .isInstanceOf(Misconfigured.class)
                    .hasMessageContaining("301 PermanentRedirect")
                    .hasMessageContaining("region eu-west-3; say region=eu-west-3");
            assertThatThrownBy(() -> lost.list("", "", 1))
                    .isInstanceOf(Misconfigured.class)
                    .hasMessageContaining("say region=eu-west-3");
            assertThat(server.requests()).hasSize(2);
            assertThat(right.putIfAbsent("slot", BODY)).isInstanceOf(Created.class);
        }
    }

    @Test
    void untrustedCertificateSaysWhatToDo() {
        try (var server = S3FaultServer.startTls(SelfSigned.certificate(folder, "ip:127.0.0.1"));
                ObjectStore store = server.url("fleet").open(S3FaultServer.CREDENTIALS)) {
            assertThatThrownBy(() -> ConditionalWriteProbe.run(store, ULID, InstantSource.system()))
                    .isInstanceOf(Unavailable.class)
                    .hasMessageContaining("the store's certificate is not trusted")
                    .hasMessageContaining("-Djavax.net.ssl.trustStore=<file>");
            assertThat(server.requests()).isEmpty();
        }
    }

    @Test
    void endpointWithoutTlsSaysSo() {
        try (var server = S3FaultServer.start();
                ObjectStore store =
                        StoreUrl.parse(
                                        "s3://fleet?endpoint="
                                                + server.endpoint().replace("http:", "https:"))
                                .open(S3FaultServer.CREDENTIALS)) {
            assertThatThrownBy(() -> store.putIfAbsent("slot", BODY))
                    .isInstanceOf(Unavailable.class)
                    .hasMessageContaining("the endpoint does not speak TLS; try http://");
        }
    }

    @Test
    void hostThatDoesNotExistSaysWhereToLook() {
        try (ObjectStore store =
                StoreUrl.parse("s3://fleet?endpoint=http://no-such-host.invalid:9")
                        .open(S3FaultServer.CREDENTIALS)) {
            assertThatThrownBy(() -> store.putIfAbsent("slot", BODY))
                    .isInstanceOf(Unavailable.class)
                    .hasMessageContaining("no such host; look at endpoint=");
        }
    }
}
