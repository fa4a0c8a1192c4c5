package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.PutResult.Occupied;
import dev.litefleet.replica.objects.StoreException.Denied;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.retry.RetryUtils;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.sync.ResponseTransformer;
import software.amazon.awssdk.http.AbortableInputStream;
import software.amazon.awssdk.http.ContentStreamProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.http.apache5.ProxyConfiguration;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.CommonPrefix;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Request;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Response;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.PutObjectResponse;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.model.UploadPartRequest;
import software.amazon.awssdk.services.s3.model.UploadPartResponse;

/// Objects in a bucket of S3, or of a store that speaks its language.
///
/// The SDK never repeats a request: it would report 412 for an object that its own first attempt
/// created (aws-sdk-java-v2 #6580). Reads are repeated here, a few times; writes by the caller. No
/// ETag is ever taken for an identity.
final class S3ObjectStore implements ObjectStore {
    private static final Logger log = LoggerFactory.getLogger(S3ObjectStore.class);

    /// Litestream's own time of an LTX file, RFC 3339 (`x-amz-meta-litestream-timestamp`).
    private static final String TIMESTAMP = "litestream-timestamp";

    /// Connections not used for so long are closed by us, before the store closes them under a
    /// request that cannot be repeated.
    private static final Duration IDLE_MAX = Duration.ofSeconds(10);

    /// Of an empty object MinIO says `bytes 0--1/0`.
    private static final Pattern CONTENT_RANGE =
            Pattern.compile("bytes ([0-9]{1,18})-(-1|[0-9]{1,18})/([0-9]{1,18})");

    private static final String BUCKET_REGION = "x-amz-bucket-region";

    /// What may be stored in another class; see [StoreUrl.S3.Writes].
    private static final String DERIVED = "tenants/";

    private final StoreUrl.S3 url;
    private final S3Access access;
    private final S3Client client;
    private final Retry retry;

    /// Reads may not use every connection: a hydration must not hold up the commit log.
    private final Semaphore reads;

    private final S3Versions versions;
    private volatile boolean closed;

    /// @param credentials absent means AWS's usual chain
    /// @throws Denied if the usual chain has none
    /// @throws Misconfigured if the client cannot be made from the settings
    S3ObjectStore(StoreUrl.S3 url, Optional<StoreCredentials> credentials, Retry retry) {
        this.url = url;
        this.retry = retry;
        this.reads = new Semaphore(url.connections() - url.connections() / 4);
        this.access = S3Access.open(url, credentials);
        boolean opened = false;
        try {
            access.resolveCredentials();
            this.client = client(url, access);
            opened = true;
        } catch (SdkClientException unusable) {
            throw new Misconfigured("open " + url, words(unusable), unusable);
        } finally {
            if (!opened) {
                access.close();
            }
        }
        this.versions = new S3Versions(client, url, this::reading);
    }

    @Override
    public PutResult putIfAbsent(String key, ObjectBody body) {
        String request = "put " + ObjectKey.check(key);
        if (body.length() > partBytes()) {
            return putParts(request, key, body);
        }
        StoreUrl.S3.Writes writes = url.writes();
        var put =
                PutObjectRequest.builder()
                        .bucket(url.bucket())
                        .key(url.prefix() + key)
                        .ifNoneMatch("*")
                        .contentLength(body.length())
                        .serverSideEncryption(writes.sse().orElse(null))
                        .ssekmsKeyId(writes.kmsKeyId().orElse(null))
                        .bucketKeyEnabled(writes.bucketKey() ? true : null)
                        .storageClass(storageClass(key))
                        .overrideConfiguration(
                                it -> it.apiCallAttemptTimeout(timeout(body.length())));
        body.timestamp().ifPresent(time -> put.metadata(Map.of(TIMESTAMP, rfc3339(time))));
        PutObjectResponse answer;
        try {
            answer = client.putObject(put.build(), content(body));
        } catch (SdkException failure) {
            if (failure instanceof AwsServiceException refused
                    && outcome(refused) == StoreAnswer.Outcome.OCCUPIED) {
                return new Occupied();
            }
            throw failed(request, failure);
        } catch (RuntimeException shut) {
            throw shut(request, shut);
        }
        // An error document under a status of success has none; neither has a proxy's greeting.
        if (answer.eTag() == null) {
            throw new Unavailable(request, "200 without an ETag", null);
        }
        return new Created();
    }

    /// In parts, which nobody sees before all of them are made one object, on the same condition as
    /// any other. A part may be sent again at will; the last request is sent once. What was begun
    /// and not finished is given up; if that fails too, the bucket keeps the parts until a rule of
    /// its own, or the janitor, removes them.
    ///
    /// A store that ignores the condition here would overwrite. So it is asked first; and keys of
    /// this size are drawn anew (blobs) or have the same bytes whoever writes them (derived files).
    private PutResult putParts(String request, String key, ObjectBody body) {
        if (head(key).isPresent()) {
            return new Occupied(); // Saves the sending.
        }
        String upload = null;
        boolean made = false;
        try {
            upload = client.createMultipartUpload(parts(key, body)).uploadId();
            var sent = new ArrayList<CompletedPart>();
            for (long at = 0; at < body.length(); at += partBytes()) {
                sent.add(sendPart(request, key, upload, sent.size() + 1, body, at));
            }
            made = complete(key, upload, sent);
            return made ? new Created() : new Occupied();
        } catch (SdkException failure) {
            throw failed(request, failure);
        } catch (RuntimeException shut) {
            throw shut(request, shut);
        } finally {
            if (upload != null && !made) {
                abandon(key, upload);
            }
        }
    }

    private CreateMultipartUploadRequest parts(String key, ObjectBody body) {
        StoreUrl.S3.Writes writes = url.writes();
        var create =
                CreateMultipartUploadRequest.builder()
                        .bucket(url.bucket())
                        .key(url.prefix() + key)
                        .serverSideEncryption(writes.sse().orElse(null))
                        .ssekmsKeyId(writes.kmsKeyId().orElse(null))
                        .bucketKeyEnabled(writes.bucketKey() ? true : null)
                        .storageClass(storageClass(key))
                        .checksumAlgorithm(url.checksums() ? ChecksumAlgorithm.CRC32 : null)
                        .overrideConfiguration(
                                it -> it.apiCallAttemptTimeout(url.requestTimeout()));
        body.timestamp().ifPresent(time -> create.metadata(Map.of(TIMESTAMP, rfc3339(time))));
        return create.build();
    }

    private CompletedPart sendPart(
            String request, String key, String upload, int number, ObjectBody body, long at) {
        long length = Math.min(partBytes(), body.length() - at);
        var part =
                UploadPartRequest.builder()
                        .bucket(url.bucket())
                        .key(url.prefix() + key)
                        .uploadId(upload)
                        .partNumber(number)
                        .contentLength(length)
                        .overrideConfiguration(it -> it.apiCallAttemptTimeout(timeout(length)))
                        .build();
        var content =
                RequestBody.fromContentProvider(
                        ContentStreamProvider.fromInputStreamSupplier(() -> body.slice(at, length)),
                        length,
                        "application/octet-stream");
        return retry.reading(() -> {
            try {
                UploadPartResponse answer = client.uploadPart(part, content);
                if (answer.eTag() == null) {
                    throw new Unavailable(request, "part without an ETag", null);
                }
                return CompletedPart.builder()
                        .partNumber(number)
                        .eTag(answer.eTag())
                        .checksumCRC32(answer.checksumCRC32())
                        .build();
            } catch (SdkException failure) {
                throw failed(request, failure);
            }
        });
    }

    /// Whether the parts have become the object; else the key is taken.
    private boolean complete(String key, String upload, List<CompletedPart> parts) {
        try {
            var answer =
                    client.completeMultipartUpload(it ->
                            it.bucket(url.bucket())
                                    .key(url.prefix() + key)
                                    .uploadId(upload)
                                    .ifNoneMatch("*")
                                    .multipartUpload(its -> its.parts(parts))
                                    .overrideConfiguration(its ->
                                            its.apiCallAttemptTimeout(
                                                    timeout((long) parts.size() << 20))));
            if (answer.eTag() == null) {
                throw new Unavailable("put " + key, "200 without an ETag", null);
            }
            return true;
        } catch (AwsServiceException refused) {
            if (outcome(refused) == StoreAnswer.Outcome.OCCUPIED) {
                return false;
            }
            throw refused;
        }
    }

    private void abandon(String key, String upload) {
        try {
            client.abortMultipartUpload(it ->
                    it.bucket(url.bucket())
                            .key(url.prefix() + key)
                            .uploadId(upload)
                            .overrideConfiguration(
                                    its -> its.apiCallAttemptTimeout(url.requestTimeout())));
        } catch (SdkException | IllegalStateException kept) {
            // Costs space until somebody cleans up; what the caller is told does not depend on it.
            log.atWarn()
                    .addKeyValue("key", key)
                    .addKeyValue("upload", upload)
                    .addKeyValue("answer", kept.getMessage())
                    .log("an unfinished upload was left");
        }
    }

    private long partBytes() {
        return (long) url.writes().partMiB() << 20;
    }

    private @Nullable String storageClass(String key) {
        return key.startsWith(DERIVED) ? url.writes().storageClass().orElse(null) : null;
    }

    @Override
    public Optional<byte[]> get(String key) {
        ObjectKey.check(key);
        return read(key, null, GET_BYTES_MAX, (answer, body) -> bytes(key, answer, body));
    }

    @Override
    public Optional<byte[]> getRange(String key, long offset, int length) {
        if (offset < 0 || length < 0) {
            throw new IllegalArgumentException("range out of bounds: " + offset + "+" + length);
        }
        if (length == 0) {
            return head(key).map(_ -> new byte[0]);
        }
        return range(key, offset, length).map(Part::bytes);
    }

    @Override
    public Optional<TailRead> getTail(String key, int length) {
        if (length < 1) {
            throw new IllegalArgumentException("length out of bounds: " + length);
        }
        ObjectKey.check(key);
        return read(
                        key,
                        "bytes=-" + length,
                        length,
                        (answer, body) -> {
                            Part part = part(key, answer, body);
                            part.check(Math.max(0, part.size() - length), length);
                            return part;
                        })
                .map(part -> new TailRead(part.bytes(), part.size()));
    }

    /// Reads ahead in ranges that grow, so that a slow reader holds no connection and a broken one
    /// costs a range, not the object.
    @Override
    public Optional<InputStream> open(String key, long offset) {
        if (offset < 0) {
            throw new IllegalArgumentException("offset out of bounds: " + offset);
        }
        return range(key, offset, RangedInputStream.FIRST)
                .map(first -> new RangedInputStream(this, key, offset, first));
    }

    @Override
    public Optional<ListedObject> head(String key) {
        String request = "head " + ObjectKey.check(key);
        return reading(
                request,
                () -> {
                    try {
                        HeadObjectResponse answer =
                                client.headObject(it ->
                                        it.bucket(url.bucket())
                                                .key(url.prefix() + key)
                                                .overrideConfiguration(its ->
                                                        its.apiCallAttemptTimeout(
                                                                url.requestTimeout())));
                        return Optional.of(
                                new ListedObject(
                                        key, answer.contentLength(), answer.lastModified()));
                    } catch (AwsServiceException refused) {
                        // Without a body there is no code, so a missing bucket looks the same.
                        if (refused.statusCode() == 404) {
                            return Optional.empty();
                        }
                        throw refused.statusCode() == 400
                                ? unnamed(request, key, refused)
                                : refused;
                    }
                });
    }

    @Override
    public ListPage list(String prefix, String startAfter, int limit) {
        ObjectKey.checkPrefix(prefix);
        ObjectKey.checkLimit(limit);
        var request =
                ListObjectsV2Request.builder()
                        .bucket(url.bucket())
                        .prefix(url.prefix() + prefix)
                        .maxKeys(limit);
        if (!startAfter.isEmpty()) {
            request.startAfter(url.prefix() + startAfter);
        }
        var page = new ArrayList<ListedObject>();
        String last = startAfter;
        ListObjectsV2Response answer;
        do {
            answer = list("list " + prefix, request);
            for (S3Object object : answer.contents()) {
                String key = relative("list " + prefix, prefix, object.key());
                if (key.isEmpty()) {
                    continue; // The marker that a console leaves for a folder: the store's root.
                }
                if (ObjectKey.ORDER.compare(key, last) <= 0) {
                    throw new Misconfigured(
                            "list " + prefix, "keys out of order: " + last + ", " + key, null);
                }
                last = key;
                page.add(new ListedObject(key, object.size(), object.lastModified()));
            }
            request.continuationToken(answer.nextContinuationToken());
        } while (page.isEmpty() && isTruncated(answer));
        return new ListPage(page, isTruncated(answer));
    }

    @Override
    public List<String> folders(String prefix) {
        ObjectKey.checkFolder(prefix);
        var request =
                ListObjectsV2Request.builder()
                        .bucket(url.bucket())
                        .prefix(url.prefix() + prefix)
                        .delimiter("/");
        var names = new ArrayList<String>();
        ListObjectsV2Response answer;
        do {
            answer = list("list " + prefix, request);
            for (CommonPrefix folder : answer.commonPrefixes()) {
                String path = relative("list " + prefix, prefix, folder.prefix());
                names.add(path.substring(prefix.length(), path.length() - 1));
            }
            request.continuationToken(answer.nextContinuationToken());
        } while (isTruncated(answer));
        names.sort(ObjectKey.ORDER);
        return List.copyOf(names);
    }

    @Override
    public void delete(String key) {
        ObjectKey.check(key);
        // Repeating it does no harm: no key is ever used twice.
        reading(
                "delete " + key,
                () ->
                        client.deleteObject(it ->
                                it.bucket(url.bucket())
                                        .key(url.prefix() + key)
                                        .overrideConfiguration(its ->
                                                its.apiCallAttemptTimeout(url.requestTimeout()))));
    }

    /// Versions where the bucket keeps them, then what a listing still shows: a store without
    /// versions may not know how to list them.
    @Override
    public Erased erase(String prefix, Predicate<String> which) {
        ObjectKey.checkPrefix(prefix);
        Erased versions = this.versions.erase(prefix, which);
        return versions.refused() > 0
                ? versions
                : versions.plus(Erasing.listed(this, prefix, which));
    }

    @Override
    public int abortUploads(String prefix, Instant before) {
        ObjectKey.checkPrefix(prefix);
        return versions.abortUploads(prefix, before);
    }

    @Override
    public void close() {
        closed = true;
        client.close();
        access.close();
    }

    /// A piece of an object.
    ///
    /// @param offset where `bytes` begins
    /// @param size of the whole object
    @SuppressWarnings("ArrayRecordComponent") // Carried to one reader and never compared.
    record Part(byte[] bytes, long offset, long size) {
        /// @throws IOException if this is not what was asked for
        void check(long wanted, int length) throws IOException {
            if (offset != wanted || bytes.length != Math.min(length, size - wanted)) {
                throw new IOException(
                        "asked for %d+%d of %d, got %d+%d"
                                .formatted(wanted, length, size, offset, bytes.length));
            }
        }
    }

    /// One range, or nothing if the key is free; no bytes if `offset` is at or past the end.
    Optional<Part> range(String key, long offset, int length) {
        ObjectKey.check(key);
        String range = "bytes=" + offset + "-" + (offset + length - 1);
        return read(
                key,
                range,
                length,
                (answer, body) -> {
                    Part part = part(key, answer, body);
                    // Past the end there is nothing to compare with.
                    if (part.bytes().length > 0) {
                        part.check(offset, length);
                    }
                    return part;
                });
    }

    @FunctionalInterface
    private interface Reading<T> {
        T from(GetObjectResponse answer, InputStream body) throws IOException;
    }

    private <T> Optional<T> read(
            String key, @Nullable String range, int length, Reading<T> reading) {
        var get =
                GetObjectRequest.builder()
                        .bucket(url.bucket())
                        .key(url.prefix() + key)
                        .range(range)
                        .overrideConfiguration(it -> it.apiCallAttemptTimeout(timeout(length)))
                        .build();
        ResponseTransformer<GetObjectResponse, T> transformer =
                (answer, body) -> {
                    try {
                        return reading.from(answer, body);
                    } catch (IOException | RuntimeException broken) {
                        body.abort();
                        throw broken;
                    }
                };
        return reading(
                "get " + key,
                () -> {
                    try {
                        return Optional.of(client.getObject(get, transformer));
                    } catch (AwsServiceException refused) {
                        if (refused.statusCode() == 404 && code(refused).equals("NoSuchKey")) {
                            return Optional.empty();
                        }
                        if (refused.statusCode() == 416 && range != null) {
                            return Optional.of(nothing(reading));
                        }
                        throw refused;
                    }
                });
    }

    /// What a reader makes of a range that begins at or past the end.
    private static <T> T nothing(Reading<T> reading) {
        try {
            return reading.from(
                    GetObjectResponse.builder().contentLength(0L).build(),
                    AbortableInputStream.createEmpty());
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static byte[] bytes(String key, GetObjectResponse answer, InputStream body)
            throws IOException {
        Long length = answer.contentLength();
        if (length == null) {
            throw new IOException("answer without a length");
        }
        if (length > GET_BYTES_MAX) {
            throw new IllegalStateException(
                    "object is too large to read whole [key=%s, size=%d]".formatted(key, length));
        }
        byte[] bytes = body.readNBytes(length.intValue());
        if (bytes.length < length) {
            throw new EOFException(
                    "body ended after %d of %d bytes".formatted(bytes.length, length));
        }
        return bytes;
    }

    /// A store may answer a range with the whole object, if the range covers it.
    private static Part part(String key, GetObjectResponse answer, InputStream body)
            throws IOException {
        byte[] bytes = bytes(key, answer, body);
        if (answer.contentRange() == null) {
            return new Part(bytes, 0, bytes.length);
        }
        Matcher range = CONTENT_RANGE.matcher(answer.contentRange());
        if (!range.matches()) {
            throw new IOException("unreadable Content-Range: " + answer.contentRange());
        }
        return new Part(bytes, Long.parseLong(range.group(1)), Long.parseLong(range.group(3)));
    }

    private ListObjectsV2Response list(String request, ListObjectsV2Request.Builder list) {
        var page =
                list.overrideConfiguration(it -> it.apiCallAttemptTimeout(url.requestTimeout()))
                        .build();
        return reading(request, () -> client.listObjectsV2(page));
    }

    private String relative(String request, String prefix, String key) {
        if (!key.startsWith(url.prefix() + prefix)) {
            throw new Misconfigured(request, "listed a key outside: " + key, null);
        }
        return key.substring(url.prefix().length());
    }

    private static boolean isTruncated(ListObjectsV2Response answer) {
        return Boolean.TRUE.equals(answer.isTruncated());
    }

    /// Sends a request that may be repeated.
    private <T> T reading(String request, Supplier<T> send) {
        return retry.reading(() -> {
            acquire(request);
            try {
                return send.get();
            } catch (SdkException failure) {
                throw RetryUtils.isClockSkewException(failure)
                        ? skewed(request, failure)
                        : failed(request, failure);
            } catch (RuntimeException shut) {
                throw shut(request, shut);
            } finally {
                reads.release();
            }
        });
    }

    /// The SDK learns the store's time from the refusal and signs the next request by it, so a read
    /// is repeated like any that had no answer. Who writes sends again by a rule of his own.
    private static Unavailable skewed(String request, SdkException failure) {
        String answer =
                failure instanceof AwsServiceException refused ? answer(refused) : words(failure);
        return new Unavailable(request, answer, failure);
    }

    private void acquire(String request) {
        try {
            if (!reads.tryAcquire(url.timeout().toMillis(), TimeUnit.MILLISECONDS)) {
                throw new Unavailable(request, "no connection free", null);
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new Unavailable(request, "interrupted", interrupted);
        }
    }

    /// The failure of a HEAD answered 400, which has no body to name it: a GET has.
    private RuntimeException unnamed(String request, String key, AwsServiceException refused) {
        try {
            client.getObject(
                    it -> it.bucket(url.bucket()).key(url.prefix() + key).range("bytes=0-0"),
                    ResponseTransformer.toBytes());
            return new Unavailable(request, answer(refused), refused);
        } catch (SdkException named) {
            return named;
        }
    }

    private static StoreException failed(String request, SdkException failure) {
        if (!(failure instanceof AwsServiceException refused)) {
            return new Unavailable(
                    request, advised(words(failure), StoreAdvice.of(failure)), failure);
        }
        return switch (outcome(refused)) {
            case CREDENTIALS -> new Denied(request, answer(refused), refused);
            case UNKNOWN -> new Unavailable(request, answer(refused), refused);
            // No condition was set where these come through: then the answer makes no sense.
            case DONE, OCCUPIED, FATAL -> new Misconfigured(request, answer(refused), refused);
        };
    }

    /// A closed client fails in several ways; everything else is a [StoreException] already, or our
    /// bug.
    private RuntimeException shut(String request, RuntimeException failure) {
        return closed ? new Unavailable(request, "store is closed", failure) : failure;
    }

    private static StoreAnswer.Outcome outcome(AwsServiceException refused) {
        return StoreAnswer.classify(refused.statusCode(), code(refused));
    }

    private static String code(AwsServiceException refused) {
        AwsErrorDetails details = refused.awsErrorDetails();
        String code = details == null ? null : details.errorCode();
        return code == null ? "" : code;
    }

    private static String answer(AwsServiceException refused) {
        return advised(
                (refused.statusCode() + " " + code(refused)).strip(),
                StoreAdvice.of(refused.statusCode(), code(refused), region(refused)));
    }

    private static String advised(String answer, Optional<String> advice) {
        return advice.map(it -> answer + ": " + it).orElse(answer);
    }

    private static Optional<String> region(AwsServiceException refused) {
        AwsErrorDetails details = refused.awsErrorDetails();
        return details == null || details.sdkHttpResponse() == null
                ? Optional.empty()
                : details.sdkHttpResponse().firstMatchingHeader(BUCKET_REGION);
    }

    static String words(SdkException failure) {
        Throwable deepest = failure;
        while (deepest.getCause() != null) {
            deepest = deepest.getCause();
        }
        return deepest.getClass().getSimpleName() + ": " + deepest.getMessage();
    }

    /// A second for each MiB on top: no store is slower than that and still worth waiting for.
    private Duration timeout(long bytes) {
        return url.requestTimeout().plusSeconds(bytes >> 20);
    }

    private static RequestBody content(ObjectBody body) {
        return body.inMemory()
                .map(bytes ->
                        RequestBody.fromContentProvider(
                                ContentStreamProvider.fromByteArrayUnsafe(bytes),
                                bytes.length,
                                "application/octet-stream"))
                .orElseGet(() -> RequestBody.fromFile(body.path()));
    }

    private static String rfc3339(Instant time) {
        return time.truncatedTo(ChronoUnit.MILLIS).toString();
    }

    private static S3Client client(StoreUrl.S3 url, AwsCredentialsProvider provider) {
        var client =
                S3Client.builder()
                        .httpClientBuilder(http(url, url.endpoint(), url.connections()))
                        .credentialsProvider(provider)
                        .forcePathStyle(url.pathStyle())
                        .requestChecksumCalculation(
                                url.checksums()
                                        ? RequestChecksumCalculation.WHEN_SUPPORTED
                                        : RequestChecksumCalculation.WHEN_REQUIRED)
                        .responseChecksumValidation(
                                url.checksums()
                                        ? ResponseChecksumValidation.WHEN_SUPPORTED
                                        : ResponseChecksumValidation.WHEN_REQUIRED)
                        .serviceConfiguration(
                                S3Configuration.builder()
                                        .chunkedEncodingEnabled(url.chunked())
                                        // It would cost a commit a round trip.
                                        .expectContinueEnabled(false)
                                        .build())
                        .overrideConfiguration(
                                it -> it.retryStrategy(AwsRetryStrategy.doNotRetry()));
        url.endpoint().ifPresent(client::endpointOverride);
        S3Access.region(url).ifPresent(client::region);
        return client.build();
    }

    /// @param endpoint whom it talks to, if that is not Amazon
    static Apache5HttpClient.Builder http(
            StoreUrl.S3 url, Optional<URI> endpoint, int connections) {
        var http =
                Apache5HttpClient.builder()
                        .maxConnections(connections)
                        .connectionTimeout(url.connectTimeout())
                        .connectionAcquisitionTimeout(url.timeout())
                        .socketTimeout(url.timeout())
                        .connectionMaxIdleTime(IDLE_MAX)
                        .tcpKeepAlive(true);
        if (endpoint.filter(S3ObjectStore::isLoopback).isPresent()) {
            http.proxyConfiguration(
                    ProxyConfiguration.builder()
                            .useSystemPropertyValues(false)
                            .useEnvironmentVariableValues(false)
                            .build());
        }
        return http;
    }

    private static boolean isLoopback(URI endpoint) {
        String host = endpoint.getHost();
        return host.equals("localhost") || host.startsWith("127.") || host.equals("[::1]");
    }
}
