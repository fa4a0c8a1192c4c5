package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.PutResult.Occupied;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.FakeSts;
import dev.litefleet.testing.RealStores.RealStore;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.S3FaultServer.Fault;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What operators set, seen by what arrives on the wire.
final class S3SettingsTest {
    private static final ObjectBody BODY = ObjectBody.of("body".getBytes(UTF_8));
    private static final String SSE = "x-amz-server-side-encryption";
    private static final String ROLE = "arn:aws:iam::123456789012:role/litefleet-worker";

    @TempDir private Path folder;
    private final S3FaultServer server = S3FaultServer.start();

    @AfterEach
    void close() {
        server.close();
    }

    private ObjectStore open(String... settings) {
        return server.url("fleet/p", settings).open(S3FaultServer.CREDENTIALS);
    }

    private ObjectBody large() throws IOException {
        byte[] bytes = new byte[(11 << 20) + 7];
        new SplittableRandom(1).nextBytes(bytes);
        return ObjectBody.ofFile(Files.write(folder.resolve("large"), bytes));
    }

    @Test
    void kmsEncryptsEveryObjectAndUploadInParts() throws IOException {
        try (var store =
                open("sse=aws:kms", "kmsKeyId=alias/fleet", "bucketKey=true", "partMiB=5")) {
            store.putIfAbsent("log/w/s/0001/1.zip", BODY);
            store.putIfAbsent("tenants/a/1.ltx", large());
        }

        for (String verb : List.of("PUT", "BEGIN")) {
            assertThat(server.fields(verb).getFirst())
                    .containsEntry(SSE, "aws:kms")
                    .containsEntry(SSE + "-aws-kms-key-id", "alias/fleet")
                    .containsEntry(SSE + "-bucket-key-enabled", "true");
        }
    }

    @Test
    void keysOfTheStoreItselfEncryptToo() {
        try (var store = open("sse=AES256")) {
            store.putIfAbsent("fleet.json", BODY);
        }

        assertThat(server.fields("PUT").getFirst())
                .containsEntry(SSE, "AES256")
                .doesNotContainKey(SSE + "-aws-kms-key-id");
    }

    @Test
    void nothingIsSaidAboutWhatIsNotSet() {
        try (var store = open()) {
            store.putIfAbsent("tenants/a/1.ltx", BODY);
        }

        assertThat(server.fields("PUT").getFirst())
                .doesNotContainKey(SSE)
                .doesNotContainKey("x-amz-storage-class");
    }

    @Test
    void storageClassIsForDerivedFilesOnly() throws IOException {
        try (var store = open("storageClass=STANDARD_IA", "partMiB=5")) {
            store.putIfAbsent("fleet.json", BODY);
            store.putIfAbsent("controller/1.json", BODY);
            store.putIfAbsent("log/w/s/0001/1.zip", BODY);
            store.putIfAbsent("tenants/a/history/1.json.gz", BODY);
            store.putIfAbsent("log/w/s/blobs/x.ltx", large());
            store.putIfAbsent("tenants/a/1.ltx", large());
        }

        assertThat(server.fields("PUT"))
                .extracting(fields -> fields.getOrDefault("x-amz-storage-class", "-"))
                .containsExactly("-", "-", "-", "STANDARD_IA");
        assertThat(server.fields("BEGIN"))
                .extracting(fields -> fields.getOrDefault("x-amz-storage-class", "-"))
                .containsExactly("-", "STANDARD_IA");
    }

    @Test
    void largeBodiesGoInPartsOnTheSameCondition() throws IOException {
        ObjectBody body = large().withTimestamp(Instant.ofEpochSecond(1_700_000_000));
        try (var store = open("partMiB=5")) {
            assertThat(store.putIfAbsent("k", body)).isInstanceOf(Created.class);
            assertThat(store.putIfAbsent("k", body)).isInstanceOf(Occupied.class);

            assertThat(store.get("k")).contains(body.bytes());
        }
        assertThat(server.count("PART")).isEqualTo(3);
        assertThat(server.count("COMPLETE")).isEqualTo(1);
        assertThat(server.fields("COMPLETE").getFirst()).containsEntry("if-none-match", "*");
        assertThat(server.metadata("fleet", "p/k"))
                .isEqualTo(Map.of("litestream-timestamp", "2023-11-14T22:13:20Z"));
        assertThat(server.unfinishedUploads()).isZero();
    }

    @Test
    void anotherWasFasterBetweenTheFirstLookAndTheEnd() throws IOException {
        try (var store = open("partMiB=5")) {
            store.putIfAbsent("k", BODY);
            server.next("HEAD", new Fault.Refuse(404, "NoSuchKey"));

            assertThat(store.putIfAbsent("k", large())).isInstanceOf(Occupied.class);

            assertThat(store.get("k")).contains("body".getBytes(UTF_8));
        }
        assertThat(server.count("PART")).isEqualTo(3);
        assertThat(server.unfinishedUploads()).isZero();
    }

    @Test
    void lostPartIsSentAgainAndLostEndIsUnknown() throws IOException {
        ObjectBody body = large();
        try (var store = open("partMiB=5", "timeout=5s")) {
            server.next("PART", new Fault.DropAnswer());
            server.next("COMPLETE", new Fault.DropAnswer());

            assertThatThrownBy(() -> store.putIfAbsent("k", body)).isInstanceOf(Unavailable.class);

            assertThat(server.count("PART")).isEqualTo(4);
            assertThat(server.count("COMPLETE")).isEqualTo(1);
            assertThat(store.putIfAbsent("k", body)).isInstanceOf(Occupied.class);
            assertThat(store.get("k")).contains(body.bytes());
        }
    }

    @Test
    void whatIsRefusedHalfWayIsGivenUp() throws IOException {
        ObjectBody body = large();
        try (var store = open("partMiB=5")) {
            server.when(
                    request -> request.verb().equals("PART") && server.count("PART") == 2,
                    new Fault.Refuse(403, "AccessDenied"),
                    1);
            assertThatThrownBy(() -> store.putIfAbsent("k", body)).isInstanceOf(Denied.class);
            assertThat(server.unfinishedUploads()).isZero();

            // The bucket's own rule may remove an upload that takes too long: begin again.
            server.next("COMPLETE", new Fault.Refuse(404, "NoSuchUpload"));
            assertThatThrownBy(() -> store.putIfAbsent("k", body)).isInstanceOf(Unavailable.class);

            assertThat(store.putIfAbsent("k", body)).isInstanceOf(Created.class);
        }
    }

    @ParameterizedTest
    @MethodSource("dev.litefleet.testing.RealStores#s3")
    void everyStoreTakesLargeBodies(RealStore real) throws IOException {
        ObjectBody body = large();
        StoreUrl url = StoreUrl.parse(real.url() + "&partMiB=5");
        try (ObjectStore store = url.open(real.credentials())) {
            assertThat(store.putIfAbsent("large", body)).isInstanceOf(Created.class);
            assertThat(store.putIfAbsent("large", body)).isInstanceOf(Occupied.class);

            assertThat(store.get("large")).contains(body.bytes());
            assertThat(store.listAll("")).hasSize(1);
        }
    }

    @Test
    void keysOfANamedProfileAreUsed() throws IOException {
        server.accept("PROFILEKEY", "");
        String before = System.getProperty("aws.sharedCredentialsFile", "");
        Path file =
                Files.writeString(
                        folder.resolve("credentials"),
                        """
                        [default]
                        aws_access_key_id = OTHER
                        aws_secret_access_key = s
                        [shipper]
                        aws_access_key_id = PROFILEKEY
                        aws_secret_access_key = s
                        """);
        System.setProperty("aws.sharedCredentialsFile", file.toString());
        try (var store = server.url("fleet/p", "profile=shipper").open()) {
            assertThat(store.putIfAbsent("k", BODY)).isInstanceOf(Created.class);
            assertThatThrownBy(() -> server.url("fleet/p", "profile=nobody").open())
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("nobody");
        } finally {
            if (before.isEmpty()) {
                System.clearProperty("aws.sharedCredentialsFile");
            } else {
                System.setProperty("aws.sharedCredentialsFile", before);
            }
        }
    }

    @Test
    void assumedRoleIsUsedAndRenewed() {
        try (var sts = new FakeSts()) {
            Instant soon = Instant.now().plusSeconds(20);
            sts.give(new FakeSts.Session("ROLEKEY1", "token1", soon));
            sts.give(new FakeSts.Session("ROLEKEY2", "token2", soon.plus(Duration.ofHours(1))));
            server.accept("ROLEKEY1", "token1");
            server.accept("ROLEKEY2", "token2");
            try (var store =
                    open(
                            "roleArn=" + ROLE,
                            "externalId=x-1",
                            "sessionName=w-1",
                            "stsEndpoint=" + sts.endpoint())) {
                // The first expire within a minute, so they are renewed for this request.
                server.revoke("ROLEKEY1");

                assertThat(store.putIfAbsent("k", BODY)).isInstanceOf(Created.class);
                assertThat(store.get("k")).isPresent();
            }

            assertThat(sts.requests()).hasSize(2);
            assertThat(sts.requests().getFirst())
                    .containsEntry("Action", "AssumeRole")
                    .containsEntry("RoleArn", ROLE)
                    .containsEntry("ExternalId", "x-1")
                    .containsEntry("RoleSessionName", "w-1")
                    .containsEntry("key", S3FaultServer.CREDENTIALS.accessKey());
            assertThat(server.fields("PUT").getFirst())
                    .containsEntry("x-amz-security-token", "token2");
        }
    }

    @Test
    void roleThatMayNotBeAssumedIsDenied() {
        try (var sts = new FakeSts()) {
            sts.refuse("AccessDenied");

            assertThatThrownBy(() -> open("roleArn=" + ROLE, "stsEndpoint=" + sts.endpoint()))
                    .isInstanceOf(Denied.class)
                    .hasMessageContaining("403 AccessDenied")
                    .hasMessageContaining(ROLE);
        }
        assertThat(server.requests()).isEmpty();
    }

    /// A server that never falls silent and never comes to an end: only a limit on the whole
    /// request ends it.
    @Test
    void answerThatTricklesEndsAtTheRequestTimeout() throws Exception {
        var over = new CountDownLatch(1);
        try (var socket = new ServerSocket(0, 4, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> trickle(socket, over));
            String url =
                    "s3://fleet?timeout=900ms&requestTimeout=1s&endpoint=http://127.0.0.1:"
                            + socket.getLocalPort();

            try (var store = StoreUrl.parse(url).open(S3FaultServer.CREDENTIALS)) {
                assertThatThrownBy(() -> store.putIfAbsent("k", BODY))
                        .isInstanceOf(Unavailable.class);
            }
        } finally {
            over.countDown();
        }
    }

    private static void trickle(ServerSocket socket, CountDownLatch over) {
        try (Socket client = socket.accept()) {
            client.getOutputStream().write("HTTP/1.1 200 OK\r\nx-slow: ".getBytes(UTF_8));
            while (!over.await(50, TimeUnit.MILLISECONDS)) {
                client.getOutputStream().write('a');
            }
        } catch (SocketException gone) {
            // It gave up, as it should.
        } catch (IOException | InterruptedException failed) {
            throw new IllegalStateException(failed);
        }
    }
}
