package dev.litefleet.testing;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreCredentials;
import dev.litefleet.replica.objects.StoreUrl;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/// Every object store that runs on this machine: a directory, three servers in this process, and
/// real ones as processes or containers. Each is started once per JVM, when first asked for, and
/// ended with it. One that does not run here is left out, and the reason printed.
///
/// For `@MethodSource("dev.litefleet.testing.RealStores#all")`.
public final class RealStores {
    /// A live store.
    ///
    /// @param name for the test report
    /// @param url of a part of the store that nobody else uses
    public record RealStore(String name, StoreUrl url, StoreCredentials credentials) {
        public ObjectStore open() {
            return url.open(credentials);
        }

        /// What a child process needs to open the URL.
        public Map<String, String> environment() {
            return Map.of(
                    "AWS_ACCESS_KEY_ID", credentials.accessKey(),
                    "AWS_SECRET_ACCESS_KEY", credentials.secretKey());
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /// A running server, or why there is none.
    private record Started(
            String name, String place, StoreCredentials credentials, Optional<String> skipped) {}

    /// The oldest MinIO whose put-if-absent works on a key that never existed.
    private static final String MINIO_IMAGE = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z";

    private static final String BUCKET = "litefleet";
    private static final Duration START_MAX = Duration.ofSeconds(30);
    private static final StoreCredentials CREDENTIALS = S3FaultServer.CREDENTIALS;
    private static final AtomicInteger prefixes = new AtomicInteger();
    private static final List<AutoCloseable> running = new ArrayList<>();
    private static final Map<String, Started> started = new HashMap<>();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(RealStores::stop));
    }

    private static final Map<String, Callable<Started>> SERVERS = new LinkedHashMap<>();

    static {
        SERVERS.put("directory", RealStores::directory);
        SERVERS.put("fault server", RealStores::faultServer);
        SERVERS.put("s3proxy", RealStores::s3proxy);
        SERVERS.put("minio", RealStores::minio);
        SERVERS.put("versity", RealStores::versity);
    }

    private RealStores() {}

    /// All of them, each with a prefix of its own.
    public static Stream<RealStore> all() {
        return started().stream().map(RealStores::store);
    }

    /// Those that speak S3: what Litestream can read too.
    public static Stream<RealStore> s3() {
        return all().filter(store -> store.url() instanceof StoreUrl.S3);
    }

    /// One of them, which is all that is started: `directory`, `fault server`, `s3proxy`, `minio`,
    /// `versity`. Empty, and the reason printed, if it does not run here.
    public static Optional<RealStore> named(String name) {
        return started(name).map(RealStores::store);
    }

    private static List<Started> started() {
        return SERVERS.keySet().stream().flatMap(name -> started(name).stream()).toList();
    }

    private static synchronized Optional<Started> started(String name) {
        Started server = started.computeIfAbsent(name, RealStores::start);
        return server.skipped().isEmpty() ? Optional.of(server) : Optional.empty();
    }

    private static RealStore store(Started server) {
        String prefix = "t" + prefixes.incrementAndGet();
        StoreUrl url =
                server.place().startsWith("http")
                        ? StoreUrl.parse(
                                "s3://%s/%s?endpoint=%s".formatted(BUCKET, prefix, server.place()))
                        : StoreUrl.of(Path.of(server.place(), prefix));
        return new RealStore(server.name(), url, server.credentials());
    }

    private static Started start(String name) {
        try {
            Started server = requireNonNull(SERVERS.get(name), name).call();
            server.skipped()
                    .ifPresent(
                            reason -> System.out.println("skipped: store " + name + ": " + reason));
            return server;
        } catch (Exception failure) {
            throw new IllegalStateException("store " + name + " did not start", failure);
        }
    }

    private static Started up(String name, String place) {
        return new Started(name, place, CREDENTIALS, Optional.empty());
    }

    private static Started skipped(String name, String reason) {
        return new Started(name, "", CREDENTIALS, Optional.of(reason));
    }

    private static Started directory() throws IOException {
        return up("directory", folder("directory").toString());
    }

    private static Started faultServer() {
        var server = S3FaultServer.start();
        running.add(server);
        return up("fault server", server.endpoint());
    }

    private static Started s3proxy() throws Exception {
        var proxy = S3ProxyServer.start(folder("s3proxy"), CREDENTIALS);
        running.add(proxy);
        createBucket(proxy.endpoint());
        return up("s3proxy", proxy.endpoint());
    }

    private static Started minio() throws Exception {
        String binary = System.getenv("LITEFLEET_TEST_MINIO");
        if (binary == null) {
            return minioContainer();
        }
        int port = freePort();
        String endpoint = "http://127.0.0.1:" + port;
        run(
                List.of(
                        binary,
                        "server",
                        "--quiet",
                        "--address",
                        "127.0.0.1:" + port,
                        "--console-address",
                        "127.0.0.1:0",
                        folder("minio").toString()),
                Map.of(
                        "MINIO_ROOT_USER", CREDENTIALS.accessKey(),
                        "MINIO_ROOT_PASSWORD", CREDENTIALS.secretKey(),
                        "MINIO_UPDATE", "off"),
                endpoint + "/minio/health/ready");
        createBucket(endpoint);
        return up("minio", endpoint);
    }

    private static Started minioContainer() {
        if (!MinioContainer.dockerRuns()) {
            return skipped("minio", "LITEFLEET_TEST_MINIO names no binary and Docker does not run");
        }
        String image =
                Optional.ofNullable(System.getenv("LITEFLEET_TEST_MINIO_IMAGE"))
                        .orElse(MINIO_IMAGE);
        var container = MinioContainer.start(image, CREDENTIALS);
        running.add(container);
        createBucket(container.endpoint());
        return up("minio", container.endpoint());
    }

    private static Started versity() throws Exception {
        String binary = System.getenv("LITEFLEET_TEST_VERSITYGW");
        if (binary == null) {
            return skipped("versity", "LITEFLEET_TEST_VERSITYGW names no binary");
        }
        int port = freePort();
        String endpoint = "http://127.0.0.1:" + port;
        run(
                List.of(
                        binary,
                        "--port",
                        "127.0.0.1:" + port,
                        "--keep-alive",
                        "--quiet",
                        "--health",
                        "/health",
                        "posix",
                        "--versioning-dir",
                        folder("versity-versions").toString(),
                        folder("versity").toString()),
                Map.of(
                        "ROOT_ACCESS_KEY", CREDENTIALS.accessKey(),
                        "ROOT_SECRET_KEY", CREDENTIALS.secretKey()),
                endpoint + "/health");
        createBucket(endpoint);
        return up("versity", endpoint);
    }

    /// Starts a process and waits until it answers.
    private static void run(List<String> command, Map<String, String> environment, String ready)
            throws IOException {
        Path log = folder("log").resolve("output");
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.redirectOutput(log.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        running.add(process::destroyForcibly);
        try (HttpClient client = HttpClient.newHttpClient()) {
            var request = HttpRequest.newBuilder(URI.create(ready)).build();
            Awaitility.await()
                    .atMost(START_MAX)
                    .pollInterval(Duration.ofMillis(50))
                    .ignoreException(ConnectException.class)
                    .failFast("it ended, see " + log, () -> !process.isAlive())
                    .until(() ->
                            client.send(request, HttpResponse.BodyHandlers.discarding())
                                            .statusCode()
                                    == 200);
        }
    }

    private static void createBucket(String endpoint) {
        try (var client =
                S3Client.builder()
                        .endpointOverride(URI.create(endpoint))
                        .region(Region.US_EAST_1)
                        .forcePathStyle(true)
                        .httpClientBuilder(Apache5HttpClient.builder())
                        .credentialsProvider(
                                StaticCredentialsProvider.create(
                                        AwsBasicCredentials.create(
                                                CREDENTIALS.accessKey(), CREDENTIALS.secretKey())))
                        .build()) {
            client.createBucket(it -> it.bucket(BUCKET));
        }
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static Path folder(String name) throws IOException {
        Path folder = Files.createTempDirectory("litefleet-" + name + "-");
        running.add(() -> deleteAll(folder));
        return folder;
    }

    private static void deleteAll(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /// Last started, first stopped: a server before its folder.
    private static void stop() {
        for (AutoCloseable server : running.reversed()) {
            try {
                server.close();
            } catch (Exception failure) {
                System.out.println("a test store did not stop: " + failure);
            }
        }
    }
}
