package dev.litefleet.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.replica.objects.StoreCredentials;
import dev.litefleet.replica.objects.StoreUrl;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.net.KeyCertOptions;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// An S3 endpoint on loopback that misbehaves on request. Written from Amazon's API reference,
/// without a look at our client and without its SDK, so that the two do not share a mistake.
///
/// Speaks path style; PUT (with `If-None-Match: *`, `Content-MD5`, signed chunks), GET with ranges,
/// HEAD, DELETE, LIST in both versions with delimiter, HEAD of a bucket, uploads in parts (with
/// `If-None-Match: *` at their end) and their list. Every bucket exists except those named by
/// [#withoutBucket]. The access key is checked, the signature is not.
///
/// Objects live in memory. One event loop serves all requests, so the order of their effects is the
/// order in which they are logged.
public final class S3FaultServer implements AutoCloseable {
    public static final StoreCredentials CREDENTIALS =
            new StoreCredentials("litefleet-test", "litefleet-test-secret");

    /// One request as it arrived.
    ///
    /// @param verb `PUT`, `GET`, `HEAD`, `LIST` or `DELETE`; of an upload in parts `BEGIN`, `PART`,
    ///   `COMPLETE` or `ABORT`; their list is a `LIST` too
    /// @param key in the bucket; of a listing its prefix
    /// @param range header, empty if none
    /// @param bytes of the request's body
    /// @param status of the answer; 0 if there was none, or not yet
    public record Request(
            String verb, String bucket, String key, String range, long bytes, int status) {}

    /// What may go wrong with one request.
    public sealed interface Fault {
        /// The answer comes later; the effect does not.
        record Latency(Duration time) implements Fault {}

        /// This error instead of an effect.
        record Refuse(int status, String code) implements Fault {}

        /// The connection is closed instead of an effect.
        record DropRequest() implements Fault {}

        /// The connection is closed after the effect, before the answer.
        record DropAnswer() implements Fault {}

        /// No answer ever, and no effect.
        record Hang() implements Fault {}

        /// The effect comes only at [S3FaultServer#land]; the connection is closed now.
        record Late() implements Fault {}

        /// The body of the answer breaks off after so many bytes.
        record Truncate(int bytes) implements Fault {}

        /// The answer says, wrongly, that it is this many bytes shorter than asked for.
        record Shorten(int bytes) implements Fault {}

        /// One bit of the answer's body is wrong.
        record FlipBit() implements Fault {}

        /// The answer has status 200 whatever its body says.
        record AsSuccess() implements Fault {}
    }

    private record Stored(
            byte[] bytes,
            String etag,
            Instant modified,
            Map<String, String> metadata,
            long number) {}

    /// A fault waiting for its requests.
    private static final class Rule {
        private final Predicate<Request> applies;
        private final Fault fault;
        private int times;

        private Rule(Predicate<Request> applies, Fault fault, int times) {
            this.applies = applies;
            this.fault = fault;
            this.times = times;
        }
    }

    private static final class Refused extends RuntimeException {
        private final int status;
        private final String code;
        private final Map<String, String> fields;

        private Refused(int status, String code) {
            this(status, code, Map.of());
        }

        private Refused(int status, String code, Map<String, String> fields) {
            super(code);
            this.status = status;
            this.code = code;
            this.fields = fields;
        }
    }

    private static final Pattern CREDENTIAL = Pattern.compile("Credential=([^/]+)/");
    private static final Pattern RANGE = Pattern.compile("bytes=([0-9]*)-([0-9]*)");
    private static final DateTimeFormatter HTTP_DATE =
            DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ROOT)
                    .withZone(ZoneOffset.UTC);
    private static final DateTimeFormatter AMZ_DATE =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'", Locale.ROOT)
                    .withZone(ZoneOffset.UTC);
    private static final Duration SKEW_MAX = Duration.ofMinutes(15);
    private static final Set<String> RIGHTS = Set.of("LIST", "GET", "PUT", "DELETE");
    private static final int KEYS_MAX = 1000;

    private final InstantSource clock;
    private final Vertx vertx;
    private final HttpServer server;
    private final Map<String, NavigableMap<String, Stored>> buckets =
            new ConcurrentHashMap<>(); // maps guarded by this
    private final List<Rule> rules = new ArrayList<>(); // guarded by this
    private final List<Request> requests = new ArrayList<>(); // guarded by this
    private final List<Map<String, String>> fields = new ArrayList<>(); // guarded by this
    private final Map<String, Upload> uploads = new TreeMap<>(); // guarded by this
    private final Map<String, String> keys = new TreeMap<>(); // by this; access key to token
    private long uploadsBegun; // guarded by this
    private final List<Runnable> late = new ArrayList<>(); // guarded by this
    private final List<String> missing = new ArrayList<>(); // guarded by this
    private long number; // guarded by this; of the last change
    private int listingLag; // guarded by this
    private @Nullable Predicate<Request> awaited; // guarded by this
    private Runnable meanwhile = () -> {}; // guarded by this
    private boolean conditional = true; // guarded by this
    private boolean strictTime; // guarded by this
    private String region = ""; // guarded by this; empty means whichever it is asked for
    private final Set<String> rights = new TreeSet<>(RIGHTS); // guarded by this
    private @Nullable RandomGenerator chance; // guarded by this
    private int percent; // guarded by this
    private Duration latencyMin = Duration.ZERO; // guarded by this
    private Duration latencyMax = Duration.ZERO; // guarded by this

    private final boolean tls;

    private S3FaultServer(InstantSource clock, int port, @Nullable KeyCertOptions certificate) {
        this.clock = clock;
        this.tls = certificate != null;
        this.keys.put(CREDENTIALS.accessKey(), "");
        this.vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1));
        this.server =
                vertx.createHttpServer(
                                new HttpServerOptions()
                                        .setHost("127.0.0.1")
                                        .setPort(port)
                                        .setSsl(tls)
                                        .setKeyCertOptions(certificate))
                        .requestHandler(this::arrive);
    }

    /// Starts on a free port.
    public static S3FaultServer start() {
        return start(InstantSource.system(), 0);
    }

    /// @param clock of the objects and the Date header
    /// @param port 0 for a free one
    public static S3FaultServer start(InstantSource clock, int port) {
        var server = new S3FaultServer(clock, port, null);
        await(server.server.listen().toCompletionStage());
        return server;
    }

    /// The same behind TLS.
    public static S3FaultServer startTls(KeyCertOptions certificate) {
        var server = new S3FaultServer(InstantSource.system(), 0, certificate);
        await(server.server.listen().toCompletionStage());
        return server;
    }

    public String endpoint() {
        return (tls ? "https" : "http") + "://127.0.0.1:" + server.actualPort();
    }

    /// A store in this endpoint; give it [#CREDENTIALS], or a child process both halves in
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    ///
    /// @param bucketAndPrefix like `fleet/a/b`
    /// @param settings like `timeout=1s`
    public StoreUrl url(String bucketAndPrefix, String... settings) {
        var text = new StringBuilder("s3://" + bucketAndPrefix + "?endpoint=" + endpoint());
        for (String setting : settings) {
            text.append('&').append(setting);
        }
        return StoreUrl.parse(text.toString());
    }

    /// The next request of this kind has this fault.
    ///
    /// @param verb `PUT`, `GET`, `HEAD`, `LIST` or `DELETE`
    public void next(String verb, Fault fault) {
        next(verb, fault, 1);
    }

    /// The next `times` requests of this kind have this fault.
    public void next(String verb, Fault fault, int times) {
        when(request -> request.verb().equals(verb), fault, times);
    }

    /// The next `times` requests that fit have this fault. A request has at most one of those asked
    /// for, the oldest that fits.
    public synchronized void when(Predicate<Request> applies, Fault fault, int times) {
        rules.add(new Rule(applies, fault, times));
    }

    /// From now on every answer takes a time between these, evenly spread, and this share of all
    /// requests is refused with 503, dropped or deprived of its answer, a third each.
    ///
    /// @param percent 0 to 100
    public synchronized void shake(
            RandomGenerator random, Duration latencyMin, Duration latencyMax, int percent) {
        this.chance = random;
        this.latencyMin = latencyMin;
        this.latencyMax = latencyMax;
        this.percent = percent;
    }

    /// Forgets every fault.
    public synchronized void calm() {
        rules.clear();
        chance = null;
        percent = 0;
        latencyMin = Duration.ZERO;
        latencyMax = Duration.ZERO;
        listingLag = 0;
        conditional = true;
        strictTime = false;
        region = "";
        rights.addAll(RIGHTS);
    }

    /// Lets the delayed writes arrive, in the order they were sent.
    public void land() {
        List<Runnable> arriving;
        synchronized (this) {
            arriving = List.copyOf(late);
            late.clear();
        }
        arriving.forEach(Runnable::run);
    }

    /// From now on listings do not show the last `changes` objects that were created.
    public synchronized void delayListing(int changes) {
        listingLag = changes;
    }

    /// From now on `If-None-Match` is accepted and ignored, as by many who claim to speak S3.
    public synchronized void ignoreConditions() {
        conditional = false;
    }

    /// From now on this bucket does not exist.
    public synchronized void withoutBucket(String bucket) {
        missing.add(bucket);
    }

    /// From now on a request whose signature is more than 15 minutes off the clock is refused.
    public synchronized void checkTime() {
        strictTime = true;
    }

    /// From now on every bucket lies in this region, and others' requests are sent there.
    public synchronized void moveTo(String region) {
        this.region = region;
    }

    /// From now on the credentials lack this right. Without `LIST` a read of a free key is refused
    /// too, as Amazon does.
    ///
    /// @param right `LIST`, `GET`, `PUT` or `DELETE`
    public synchronized void deny(String right) {
        rights.remove(right);
    }

    /// Runs `work` once, before the first request that fits is answered: what others do between two
    /// requests of a reader.
    public synchronized void before(Predicate<Request> applies, Runnable work) {
        awaited = applies;
        meanwhile = work;
    }

    /// Makes an object, or another one of it, past every rule.
    public synchronized void put(String bucket, String key, byte[] bytes) {
        store(new Request("PUT", bucket, key, "", 0, 200), bytes, "\"1\"", Map.of());
    }

    /// Deletes an object.
    public synchronized void remove(String bucket, String key) {
        bucket(bucket).remove(key);
    }

    /// What arrived, in order.
    public synchronized List<Request> requests() {
        return List.copyOf(requests);
    }

    /// How many requests of this kind arrived.
    public synchronized long count(String verb) {
        return requests.stream().filter(request -> request.verb().equals(verb)).count();
    }

    public synchronized void clearRequests() {
        requests.clear();
        fields.clear();
    }

    /// The headers, by lower-case name, of the requests of this kind, in order.
    public synchronized List<Map<String, String>> fields(String verb) {
        var found = new ArrayList<Map<String, String>>();
        for (int i = 0; i < requests.size(); i++) {
            if (requests.get(i).verb().equals(verb)) {
                found.add(fields.get(i));
            }
        }
        return found;
    }

    /// From now on these are good too.
    ///
    /// @param token of temporary ones; empty of others
    public synchronized void accept(String accessKey, String token) {
        keys.put(accessKey, token);
    }

    /// From now on these are not.
    public synchronized void revoke(String accessKey) {
        keys.remove(accessKey);
    }

    /// How many uploads were begun and neither completed nor aborted.
    public synchronized int unfinishedUploads() {
        return uploads.size();
    }

    /// Every key of a bucket, in order.
    public synchronized List<String> keys(String bucket) {
        return List.copyOf(bucket(bucket).keySet());
    }

    /// User metadata of an object by lower-case name without `x-amz-meta-`.
    public synchronized Map<String, String> metadata(String bucket, String key) {
        Stored object = bucket(bucket).get(key);
        if (object == null) {
            throw new IllegalArgumentException("no such key: " + key);
        }
        return object.metadata();
    }

    @Override
    public void close() {
        await(vertx.close().toCompletionStage());
    }

    private void arrive(HttpServerRequest http) {
        http.body().onSuccess(body -> serve(http, body.getBytes()));
    }

    private void serve(HttpServerRequest http, byte[] body) {
        String path = http.path();
        int slash = path.indexOf('/', 1);
        String bucket = decode(path.substring(1, slash < 0 ? path.length() : slash));
        String key = slash < 0 ? "" : decode(path.substring(slash + 1));
        boolean list = key.isEmpty() && http.method() == HttpMethod.GET;
        boolean upload = http.params().contains("uploadId");
        String verb =
                list
                        ? "LIST"
                        : switch (http.method().name()) {
                            case "POST" -> upload ? "COMPLETE" : "BEGIN";
                            case "PUT" -> upload ? "PART" : "PUT";
                            case "DELETE" -> upload ? "ABORT" : "DELETE";
                            default -> http.method().name();
                        };
        var request =
                new Request(
                        verb,
                        bucket,
                        list ? parameter(http, "prefix") : key,
                        header(http, "Range"),
                        body.length,
                        0);
        int index;
        Fault fault;
        Duration latency;
        synchronized (this) {
            index = requests.size();
            requests.add(request);
            var named = new TreeMap<String, String>();
            http.headers()
                    .forEach((name, value) -> named.put(name.toLowerCase(Locale.ROOT), value));
            fields.add(named);
            fault = fault(request);
            latency = latency(fault);
            if (awaited != null && awaited.test(request)) {
                awaited = null;
                meanwhile.run();
            }
        }
        switch (fault) {
            case Fault.Hang() -> {}
            case Fault.DropRequest() -> http.connection().close();
            case Fault.Late() -> {
                synchronized (this) {
                    late.add(() -> answer(http, request, body, null));
                }
                http.connection().close();
            }
            case null, default -> {
                Answer answer = answer(http, request, body, fault);
                if (fault instanceof Fault.DropAnswer) {
                    http.connection().close();
                    return;
                }
                synchronized (this) {
                    if (index < requests.size()) {
                        requests.set(index, answered(request, answer.status()));
                    }
                }
                if (latency.isZero()) {
                    send(http, answer, fault);
                } else {
                    vertx.setTimer(Math.max(1, latency.toMillis()), _ -> send(http, answer, fault));
                }
            }
        }
    }

    /// @param fields headers
    /// @param size what Content-Length says; HEAD has one without a body
    private record Answer(int status, Map<String, String> fields, byte[] body, long size) {}

    private Answer answer(
            HttpServerRequest http, Request request, byte[] body, @Nullable Fault fault) {
        try {
            if (fault instanceof Fault.Refuse(int status, String code)) {
                throw new Refused(status, code);
            }
            synchronized (this) {
                checkKey(http);
                checkTime(http);
                checkRegion(http);
                checkRights(request);
                if (missing.contains(request.bucket())) {
                    throw new Refused(404, "NoSuchBucket");
                }
                return switch (request.verb()) {
                    case "PUT" -> put(http, request, body);
                    case "BEGIN" -> begin(http, request);
                    case "PART" -> part(http, body);
                    case "COMPLETE" -> complete(http, request);
                    case "ABORT" -> {
                        uploads.remove(parameter(http, "uploadId"));
                        yield new Answer(204, Map.of(), new byte[0], 0);
                    }
                    case "GET" -> read(http, request, true);
                    case "HEAD" -> read(http, request, false);
                    case "LIST" -> list(http, request);
                    case "DELETE" -> {
                        bucket(request.bucket()).remove(request.key());
                        yield new Answer(204, Map.of(), new byte[0], 0);
                    }
                    default -> throw new Refused(501, "NotImplemented");
                };
            }
        } catch (Refused refused) {
            boolean bodiless = request.verb().equals("HEAD");
            byte[] document =
                    bodiless
                            ? new byte[0]
                            : ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                            + "<Error><Code>%s</Code>"
                                            + "<Message>%s</Message><RequestId>1</RequestId></Error>")
                                    .formatted(refused.code, refused.code)
                                    .getBytes(UTF_8);
            var fields = new TreeMap<>(refused.fields);
            fields.put("Content-Type", "application/xml");
            return new Answer(refused.status, fields, document, document.length);
        }
    }

    private void checkKey(HttpServerRequest http) {
        Matcher key = CREDENTIAL.matcher(header(http, "Authorization"));
        if (!key.find() || !keys.containsKey(key.group(1))) {
            throw new Refused(403, "InvalidAccessKeyId");
        }
        if (!keys.get(key.group(1)).equals(header(http, "x-amz-security-token"))) {
            throw new Refused(400, "InvalidToken");
        }
    }

    private void checkTime(HttpServerRequest http) {
        if (!strictTime) {
            return;
        }
        Instant signed = AMZ_DATE.parse(header(http, "x-amz-date"), Instant::from);
        if (Duration.between(signed, clock.instant()).abs().compareTo(SKEW_MAX) > 0) {
            throw new Refused(403, "RequestTimeTooSkewed");
        }
    }

    private void checkRegion(HttpServerRequest http) {
        // Credential=<key>/<day>/<region>/s3/aws4_request
        if (!region.isEmpty() && !header(http, "Authorization").contains("/" + region + "/s3/")) {
            throw new Refused(301, "PermanentRedirect", Map.of("x-amz-bucket-region", region));
        }
    }

    private void checkRights(Request request) {
        boolean reads = request.verb().equals("GET") || request.verb().equals("HEAD");
        String right =
                switch (request.verb()) {
                    case "HEAD" -> "GET";
                    case "LIST", "GET", "DELETE" -> request.verb();
                    default -> "PUT";
                };
        boolean hidden = reads && !bucket(request.bucket()).containsKey(request.key());
        if (!rights.contains(right) || (hidden && !rights.contains("LIST"))) {
            throw new Refused(403, "AccessDenied");
        }
    }

    /// An upload in parts that was begun.
    private record Upload(
            String bucket,
            String key,
            Map<String, String> metadata,
            Instant initiated,
            TreeMap<Integer, byte[]> parts) {}

    private Answer begin(HttpServerRequest http, Request request) {
        String id = "upload-" + ++uploadsBegun;
        uploads.put(
                id,
                new Upload(
                        request.bucket(),
                        request.key(),
                        metadata(http),
                        clock.instant().truncatedTo(ChronoUnit.SECONDS),
                        new TreeMap<>()));
        return xml(
                "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>"
                        .formatted(id));
    }

    private Answer part(HttpServerRequest http, byte[] body) {
        Upload upload = uploads.get(parameter(http, "uploadId"));
        if (upload == null) {
            throw new Refused(404, "NoSuchUpload");
        }
        byte[] bytes = verified(http, body);
        upload.parts().put(Integer.parseInt(parameter(http, "partNumber")), bytes);
        String etag = '"' + HexFormat.of().formatHex(digest("MD5", bytes)) + '"';
        return new Answer(200, Map.of("ETag", etag), new byte[0], 0);
    }

    private Answer complete(HttpServerRequest http, Request request) {
        String id = parameter(http, "uploadId");
        Upload upload = uploads.get(id);
        if (upload == null) {
            throw new Refused(404, "NoSuchUpload");
        }
        requireFree(http, request);
        var whole = Buffer.buffer();
        upload.parts().values().forEach(whole::appendBytes);
        uploads.remove(id);
        String etag = '"' + HexFormat.of().formatHex(digest("MD5", whole.getBytes())) + "-1\"";
        store(request, whole.getBytes(), etag, upload.metadata());
        return xml(
                "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>"
                        .formatted(escape(etag)));
    }

    private void requireFree(HttpServerRequest http, Request request) {
        String condition = header(http, "If-None-Match");
        if (!condition.isEmpty() && !condition.equals("*")) {
            throw new Refused(501, "NotImplemented");
        }
        if (!condition.isEmpty()
                && conditional
                && bucket(request.bucket()).containsKey(request.key())) {
            throw new Refused(412, "PreconditionFailed");
        }
    }

    private static Map<String, String> metadata(HttpServerRequest http) {
        var metadata = new TreeMap<String, String>();
        http.headers()
                .forEach((name, value) -> {
                    String lower = name.toLowerCase(Locale.ROOT);
                    if (lower.startsWith("x-amz-meta-")) {
                        metadata.put(lower.substring("x-amz-meta-".length()), value);
                    }
                });
        return metadata;
    }

    private void store(Request request, byte[] bytes, String etag, Map<String, String> metadata) {
        bucket(request.bucket())
                .put(
                        request.key(),
                        new Stored(
                                bytes,
                                etag,
                                clock.instant().truncatedTo(ChronoUnit.SECONDS),
                                metadata,
                                ++number));
    }

    private Answer put(HttpServerRequest http, Request request, byte[] body) {
        if (request.key().isEmpty()) {
            return new Answer(200, Map.of(), new byte[0], 0); // CreateBucket: they all exist.
        }
        byte[] bytes = verified(http, body);
        requireFree(http, request);
        String etag = '"' + HexFormat.of().formatHex(digest("MD5", bytes)) + '"';
        store(request, bytes, etag, metadata(http));
        return new Answer(200, Map.of("ETag", etag), new byte[0], 0);
    }

    /// The content of a body that is what its headers say.
    private static byte[] verified(HttpServerRequest http, byte[] body) {
        byte[] bytes =
                header(http, "x-amz-content-sha256").startsWith("STREAMING-")
                        ? unchunk(body)
                        : body;
        String md5 = header(http, "Content-MD5");
        byte[] digest = digest("MD5", bytes);
        if (!md5.isEmpty() && !md5.equals(Base64.getEncoder().encodeToString(digest))) {
            throw new Refused(400, "BadDigest");
        }
        String sha256 = header(http, "x-amz-content-sha256");
        if (sha256.length() == 64
                && !sha256.equals(HexFormat.of().formatHex(digest("SHA-256", bytes)))) {
            throw new Refused(400, "XAmzContentSHA256Mismatch");
        }
        return bytes;
    }

    private Answer read(HttpServerRequest http, Request request, boolean withBody) {
        if (request.key().isEmpty()) {
            return new Answer(200, Map.of(), new byte[0], 0); // HeadBucket.
        }
        Stored object = bucket(request.bucket()).get(request.key());
        if (object == null) {
            throw new Refused(404, "NoSuchKey");
        }
        var fields = new TreeMap<String, String>();
        fields.put("ETag", object.etag());
        fields.put("Last-Modified", HTTP_DATE.format(object.modified()));
        fields.put("Accept-Ranges", "bytes");
        fields.put("Content-Type", "binary/octet-stream");
        object.metadata().forEach((name, value) -> fields.put("x-amz-meta-" + name, value));
        byte[] bytes = object.bytes();
        int status = 200;
        Matcher range = RANGE.matcher(request.range());
        if (range.matches()) {
            int size = bytes.length;
            long from;
            long to = size - 1L;
            if (range.group(1).isEmpty()) {
                from = Math.max(0, size - Long.parseLong(range.group(2)));
            } else {
                from = Long.parseLong(range.group(1));
                if (!range.group(2).isEmpty()) {
                    to = Math.min(to, Long.parseLong(range.group(2)));
                }
            }
            if (from >= size) {
                throw new Refused(416, "InvalidRange");
            }
            status = 206;
            fields.put("Content-Range", "bytes %d-%d/%d".formatted(from, to, size));
            bytes = Arrays.copyOfRange(bytes, (int) from, (int) to + 1);
        }
        return new Answer(status, fields, withBody ? bytes : new byte[0], bytes.length);
    }

    /// All of them on one page.
    private Answer listUploads(HttpServerRequest http, Request request) {
        var found = new StringBuilder();
        uploads.forEach((id, upload) -> {
            if (upload.bucket().equals(request.bucket())
                    && upload.key().startsWith(request.key())) {
                found.append(
                        "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>"
                                .formatted(name(http, upload.key()), id, upload.initiated()));
            }
        });
        return xml(
                "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>%s</ListMultipartUploadsResult>"
                        .formatted(found));
    }

    private Answer list(HttpServerRequest http, Request request) {
        if (http.params().contains("location")) {
            return xml("<LocationConstraint/>");
        }
        if (http.params().contains("uploads")) {
            return listUploads(http, request);
        }
        boolean v2 = parameter(http, "list-type").equals("2");
        String delimiter = parameter(http, "delimiter");
        String token = parameter(http, v2 ? "continuation-token" : "marker");
        String after = token.isEmpty() ? parameter(http, "start-after") : token;
        String maxKeys = parameter(http, "max-keys");
        int limit = maxKeys.isEmpty() ? KEYS_MAX : Math.min(KEYS_MAX, Integer.parseInt(maxKeys));
        var contents = new StringBuilder();
        int count = 0;
        String folder = "";
        String last = "";
        boolean truncated = false;
        for (var entry : bucket(request.bucket()).tailMap(request.key(), true).entrySet()) {
            String key = entry.getKey();
            if (!key.startsWith(request.key())) {
                break;
            }
            boolean seen = BYTES.compare(key, after) <= 0;
            boolean unlisted = entry.getValue().number() > number - listingLag;
            if (seen || unlisted || (!folder.isEmpty() && key.startsWith(folder))) {
                continue;
            }
            int slash = delimiter.isEmpty() ? -1 : key.indexOf(delimiter, request.key().length());
            String common = slash < 0 ? "" : key.substring(0, slash + delimiter.length());
            if (!common.isEmpty() && after.startsWith(common)) {
                continue; // This folder was on the page before.
            }
            if (count == limit) {
                truncated = true;
                break;
            }
            count++;
            if (common.isEmpty()) {
                last = key;
                contents.append(
                        "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>"
                                .formatted(
                                        name(http, key),
                                        entry.getValue().modified(),
                                        escape(entry.getValue().etag()),
                                        entry.getValue().bytes().length));
            } else {
                folder = common;
                last = common;
                contents.append(
                        "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>"
                                .formatted(name(http, common)));
            }
        }
        var head = new StringBuilder();
        head.append("<Name>%s</Name>".formatted(request.bucket()));
        head.append("<Prefix>%s</Prefix>".formatted(name(http, request.key())));
        head.append("<MaxKeys>%d</MaxKeys>".formatted(limit));
        head.append("<IsTruncated>%b</IsTruncated>".formatted(truncated));
        if (v2) {
            head.append("<KeyCount>%d</KeyCount>".formatted(count));
        }
        if (!delimiter.isEmpty()) {
            head.append("<Delimiter>%s</Delimiter>".formatted(name(http, delimiter)));
        }
        if (!parameter(http, "encoding-type").isEmpty()) {
            head.append("<EncodingType>url</EncodingType>");
        }
        if (truncated) {
            String tag = v2 ? "NextContinuationToken" : "NextMarker";
            // A token is opaque and not subject to the encoding; a marker is a key.
            head.append("<%s>%s</%s>".formatted(tag, v2 ? escape(last) : name(http, last), tag));
        }
        return xml("<ListBucketResult>%s%s</ListBucketResult>".formatted(head, contents));
    }

    private static Answer xml(String document) {
        byte[] bytes = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + document).getBytes(UTF_8);
        return new Answer(200, Map.of("Content-Type", "application/xml"), bytes, bytes.length);
    }

    private void send(HttpServerRequest http, Answer answer, @Nullable Fault fault) {
        HttpServerResponse response = http.response();
        response.exceptionHandler(_ -> {}); // The client went away: a test meant it to.
        response.setStatusCode(fault instanceof Fault.AsSuccess ? 200 : answer.status());
        answer.fields().forEach(response::putHeader);
        response.putHeader("Date", HTTP_DATE.format(clock.instant()));
        response.putHeader("x-amz-request-id", "1");
        byte[] body = answer.body();
        if (fault instanceof Fault.FlipBit && body.length > 0) {
            body = body.clone();
            body[body.length / 2] ^= 1;
        }
        if (fault instanceof Fault.Shorten(int bytes)) {
            body = Arrays.copyOf(body, Math.max(0, body.length - bytes));
            response.putHeader("Content-Length", String.valueOf(body.length));
        } else if (answer.status() != 204) {
            response.putHeader("Content-Length", String.valueOf(answer.size()));
        }
        if (fault instanceof Fault.Truncate(int bytes) && bytes < body.length) {
            response.write(Buffer.buffer(Arrays.copyOf(body, bytes)))
                    .onComplete(_ -> http.connection().close());
        } else {
            response.end(Buffer.buffer(body));
        }
    }

    /// Guarded by this.
    private @Nullable Fault fault(Request request) {
        for (Rule rule : rules) {
            if (rule.times > 0 && rule.applies.test(request)) {
                rule.times--;
                return rule.fault;
            }
        }
        if (chance == null || chance.nextInt(100) >= percent) {
            return null;
        }
        return switch (chance.nextInt(3)) {
            case 0 -> new Fault.Refuse(503, "SlowDown");
            case 1 -> new Fault.DropRequest();
            default -> new Fault.DropAnswer();
        };
    }

    /// Guarded by this.
    private Duration latency(@Nullable Fault fault) {
        if (fault instanceof Fault.Latency(Duration time)) {
            return time;
        }
        if (chance == null || latencyMax.isZero()) {
            return Duration.ZERO;
        }
        return Duration.ofNanos(chance.nextLong(latencyMin.toNanos(), latencyMax.toNanos() + 1));
    }

    private NavigableMap<String, Stored> bucket(String name) {
        return buckets.computeIfAbsent(name, _ -> new TreeMap<>(BYTES));
    }

    private static final Comparator<String> BYTES =
            (a, b) -> Arrays.compareUnsigned(a.getBytes(UTF_8), b.getBytes(UTF_8));

    private static Request answered(Request it, int status) {
        return new Request(it.verb(), it.bucket(), it.key(), it.range(), it.bytes(), status);
    }

    /// Body of `Content-Encoding: aws-chunked`: `<hex size>[;chunk-signature=...]\r\n<bytes>\r\n`
    /// up to a chunk of size 0; trailers follow.
    private static byte[] unchunk(byte[] body) {
        var bytes = Buffer.buffer(body.length);
        int at = 0;
        while (true) {
            int end = at;
            while (body[end] != '\r') {
                end++;
            }
            String line = new String(body, at, end - at, UTF_8);
            int semicolon = line.indexOf(';');
            int size = Integer.parseInt(semicolon < 0 ? line : line.substring(0, semicolon), 16);
            if (size == 0) {
                return bytes.getBytes();
            }
            bytes.appendBytes(body, end + 2, size);
            at = end + 2 + size + 2;
        }
    }

    private static byte[] digest(String algorithm, byte[] bytes) {
        try {
            return MessageDigest.getInstance(algorithm).digest(bytes);
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static String name(HttpServerRequest http, String key) {
        return parameter(http, "encoding-type").isEmpty()
                ? escape(key)
                : URLEncoder.encode(key, UTF_8).replace("%2F", "/");
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    private static String decode(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), UTF_8);
    }

    private static String parameter(HttpServerRequest http, String name) {
        return Optional.ofNullable(http.params().get(name)).orElse("");
    }

    private static String header(HttpServerRequest http, String name) {
        return Optional.ofNullable(http.getHeader(name)).orElse("");
    }

    private static <T> T await(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(10, TimeUnit.SECONDS).join();
    }
}
