package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RealStores;
import dev.litefleet.testing.RealStores.RealStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;
import software.amazon.awssdk.services.s3.model.ObjectLockMode;

/// What is erased is gone: not only from the listing, but with all that the store keeps behind it.
/// On every store that runs here; versions and locks on those that know them.
final class S3VersionsTest {
    private static final String BUCKET = "versioned";

    @ParameterizedTest
    @MethodSource("dev.litefleet.testing.RealStores#all")
    void erasesWhatIsAskedForAndNothingElse(RealStore real) {
        try (ObjectStore store = real.open()) {
            for (int i = 0; i < 5; i++) {
                put(store, "tenants/a/" + i);
                put(store, "tenants/a2/" + i);
            }
            Set<String> wanted = Set.of("tenants/a/1", "tenants/a/3", "tenants/a2/1");

            Erased erased = store.erase("tenants/a/", wanted::contains);

            assertThat(erased).isEqualTo(new Erased(2, 8, 0, 0, ""));
            assertThat(store.listAll("tenants/a/").map(ListedObject::key))
                    .containsExactly("tenants/a/0", "tenants/a/2", "tenants/a/4");
            assertThat(store.listAll("tenants/a2/")).hasSize(5);
            assertThat(store.erase("tenants/a/", wanted::contains)).isEqualTo(Erased.NOTHING);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"minio", "versity"})
    void olderVersionsAndDeleteMarkersGoToo(String name) {
        try (S3Client client = versioned(name);
                ObjectStore store = open(name)) {
            String prefix = "erase-" + name + "/";
            for (int i = 0; i < 3; i++) {
                String key = prefix + "overwritten-" + i;
                for (String text : List.of("one", "two", "three")) {
                    client.putObject(
                            it -> it.bucket(BUCKET).key("fleet/" + key),
                            software.amazon.awssdk.core.sync.RequestBody.fromString(text));
                }
            }
            put(store, prefix + "deleted");
            store.delete(prefix + "deleted");
            put(store, prefix + "kept");

            Erased erased = store.erase(prefix, key -> !key.endsWith("kept"));

            // Two older ones of three keys; of the deleted key an old one and its marker.
            assertThat(erased).isEqualTo(new Erased(3, 15, 8, 0, ""));
            assertThat(versions(client, prefix)).containsExactly("fleet/" + prefix + "kept");
            assertThat(store.get(prefix + "kept")).isPresent();
        }
    }

    /// More than a page of 1,000: the next page begins at what was deleted with this one.
    @ParameterizedTest
    @ValueSource(strings = {"minio"})
    void manyVersionsGoPageByPage(String name) {
        try (S3Client client = versioned(name);
                ObjectStore store = open(name)) {
            String prefix = "pages/";
            for (int i = 0; i < 1010; i++) {
                put(store, prefix + i);
                if (i % 3 == 0) {
                    store.delete(prefix + i);
                }
            }

            Erased erased = store.erase(prefix, _ -> true);

            assertThat(erased.objects()).isEqualTo(673);
            assertThat(erased.versions()).isEqualTo(2 * 337);
            assertThat(versions(client, prefix)).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"minio"})
    void lockedVersionIsReportedOnceAndLeft(String name) {
        try (S3Client client = versioned(name);
                ObjectStore store = open(name)) {
            put(store, "locked/free");
            client.putObject(
                    it ->
                            it.bucket(BUCKET)
                                    .key("fleet/locked/held")
                                    .objectLockMode(ObjectLockMode.COMPLIANCE)
                                    .objectLockRetainUntilDate(
                                            Instant.parse("2046-01-01T00:00:00Z")),
                    software.amazon.awssdk.core.sync.RequestBody.fromString("body"));

            Erased erased = store.erase("locked/", _ -> true);

            assertThat(erased.objects()).isEqualTo(1);
            assertThat(erased.refused()).isEqualTo(1);
            assertThat(erased.refusal()).startsWith("locked/held: ");
            assertThat(store.listAll("locked/").map(ListedObject::key))
                    .containsExactly("locked/held");
        }
    }

    /// MinIO lists uploads of a whole key only, and ends them by itself after a day.
    @ParameterizedTest
    @ValueSource(strings = {"versity"})
    void unfinishedUploadsEnd(String name) {
        try (S3Client client = versioned(name);
                ObjectStore store = open(name)) {
            for (String key : List.of("uploads/a", "uploads/b", "elsewhere/c")) {
                client.createMultipartUpload(it -> it.bucket(BUCKET).key("fleet/" + key));
            }

            assertThat(store.abortUploads("uploads/", Instant.EPOCH)).isZero();
            assertThat(store.abortUploads("uploads/", Instant.MAX)).isEqualTo(2);

            assertThat(client.listMultipartUploads(it -> it.bucket(BUCKET)).uploads())
                    .extracting(upload -> upload.key())
                    .containsExactly("fleet/elsewhere/c");
            assertThat(store.abortUploads("elsewhere/", Instant.MAX)).isEqualTo(1);
        }
    }

    @Test
    void temporaryFilesOfDeadProcessesGo(@TempDir Path folder) throws IOException {
        try (var store =
                new DirectoryObjectStore(folder, new SplittableRandom(1), Duration.ofHours(1))) {
            Path fresh = Files.writeString(folder.resolve(".tmp/other-7"), "half a body");

            assertThat(store.abortUploads("", Instant.MAX)).isZero();
            assertThat(fresh).exists();
        }
    }

    @Test
    void refusalsEndTheCallAfterAFew() {
        try (var store = new MemoryObjectStore()) {
            for (int i = 0; i < 100; i++) {
                put(store, "x/" + (100 + i));
                store.lock("x/" + (100 + i));
            }
            var counted = new CountingObjectStore(store);

            Erased erased = counted.erase("x/", _ -> true);

            assertThat(erased.refused()).isEqualTo(Erased.REFUSED_MAX);
            assertThat(erased.refusal()).startsWith("x/100: 403 AccessDenied");
            assertThat(counted.count(CountingObjectStore.Verb.DELETE))
                    .isEqualTo(Erased.REFUSED_MAX);
        }
    }

    private static Set<String> versions(S3Client client, String prefix) {
        var keys = new HashSet<String>();
        var answer =
                client.listObjectVersionsPaginator(
                        it -> it.bucket(BUCKET).prefix("fleet/" + prefix));
        answer.forEach(page -> {
            page.versions().forEach(version -> keys.add(version.key()));
            page.deleteMarkers().forEach(marker -> keys.add(marker.key()));
        });
        return keys;
    }

    private static ObjectStore open(String name) {
        RealStore real = RealStores.named(name).orElseThrow();
        return url(real).open(real.credentials());
    }

    private static StoreUrl url(RealStore real) {
        return StoreUrl.parse(
                "s3://%s/fleet?endpoint=%s"
                        .formatted(BUCKET, ((StoreUrl.S3) real.url()).endpoint().orElseThrow()));
    }

    /// A client for a bucket that keeps versions.
    private static S3Client versioned(String name) {
        Optional<RealStore> real = RealStores.named(name);
        assumeTrue(real.isPresent(), () -> name + " does not run here");
        var client =
                S3Client.builder()
                        .endpointOverride(((StoreUrl.S3) real.get().url()).endpoint().orElseThrow())
                        .region(Region.US_EAST_1)
                        .forcePathStyle(true)
                        .httpClientBuilder(Apache5HttpClient.builder())
                        .credentialsProvider(
                                StaticCredentialsProvider.create(
                                        AwsBasicCredentials.create(
                                                real.get().credentials().accessKey(),
                                                real.get().credentials().secretKey())))
                        .build();
        if (client.listBuckets().buckets().stream().noneMatch(it -> it.name().equals(BUCKET))) {
            client.createBucket(
                    it -> it.bucket(BUCKET).objectLockEnabledForBucket(name.equals("minio")));
            client.putBucketVersioning(it ->
                    it.bucket(BUCKET)
                            .versioningConfiguration(
                                    its -> its.status(BucketVersioningStatus.ENABLED)));
        }
        return client;
    }

    private static void put(ObjectStore store, String key) {
        store.putIfAbsent(key, ObjectBody.of("body".getBytes(UTF_8)));
    }
}
