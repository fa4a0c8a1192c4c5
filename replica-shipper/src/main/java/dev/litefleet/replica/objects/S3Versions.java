package dev.litefleet.replica.objects;

import dev.litefleet.replica.objects.StoreException.Misconfigured;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.s3.LegacyMd5Plugin;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.DeleteMarkerEntry;
import software.amazon.awssdk.services.s3.model.DeleteObjectsRequest;
import software.amazon.awssdk.services.s3.model.DeleteObjectsResponse;
import software.amazon.awssdk.services.s3.model.ListMultipartUploadsResponse;
import software.amazon.awssdk.services.s3.model.ListObjectVersionsRequest;
import software.amazon.awssdk.services.s3.model.ListObjectVersionsResponse;
import software.amazon.awssdk.services.s3.model.MultipartUpload;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.ObjectVersion;
import software.amazon.awssdk.services.s3.model.S3Error;

/// What a bucket keeps beside what its listing shows: versions, delete markers, unfinished uploads.
/// One walk is confined to its caller.
final class S3Versions {
    /// Sends a request that may be repeated, and makes its failure a [StoreException].
    @FunctionalInterface
    interface Sending {
        <T> T send(String request, Supplier<T> call);
    }

    /// A version or delete marker, as listed.
    private record Version(String key, String id, long size, boolean latest, boolean marker) {}

    private final S3Client client;
    private final StoreUrl.S3 url;
    private final Sending sending;

    S3Versions(S3Client client, StoreUrl.S3 url, Sending sending) {
        this.client = client;
        this.url = url;
        this.sending = sending;
    }

    /// Removes every version of the keys that `which` accepts. A store that does not know versions
    /// answers with an error or an empty listing, and nothing is done.
    Erased erase(String prefix, Predicate<String> which) {
        Erased erased = Erased.NOTHING;
        List<Version> page = List.of();
        @Nullable ListObjectVersionsResponse answer = null;
        do {
            try {
                answer = list(prefix, answer);
            } catch (Misconfigured unknown) {
                return erased; // 501, 405: no versions here. A plain listing comes next.
            }
            // A page goes when the next one is here: its last version marks where that one starts.
            erased = erased.plus(delete(prefix, page));
            page = versions(answer).stream().filter(found -> which.test(found.key())).toList();
        } while (Boolean.TRUE.equals(answer.isTruncated())
                && erased.refused() < Erased.REFUSED_MAX);
        return erased.refused() < Erased.REFUSED_MAX ? erased.plus(delete(prefix, page)) : erased;
    }

    private ListObjectVersionsResponse list(
            String prefix, @Nullable ListObjectVersionsResponse before) {
        var request =
                ListObjectVersionsRequest.builder()
                        .bucket(url.bucket())
                        .prefix(url.prefix() + prefix)
                        .maxKeys(ObjectStore.LIST_MAX)
                        .overrideConfiguration(it -> it.apiCallAttemptTimeout(url.timeout()));
        if (before != null) {
            request.keyMarker(before.nextKeyMarker()).versionIdMarker(before.nextVersionIdMarker());
        }
        return sending.send(
                "list versions " + prefix, () -> client.listObjectVersions(request.build()));
    }

    private List<Version> versions(ListObjectVersionsResponse answer) {
        var versions = new ArrayList<Version>();
        for (ObjectVersion found : answer.versions()) {
            if (found.key().startsWith(url.prefix())) {
                versions.add(
                        new Version(
                                found.key().substring(url.prefix().length()),
                                found.versionId(),
                                found.size(),
                                Boolean.TRUE.equals(found.isLatest()),
                                false));
            }
        }
        for (DeleteMarkerEntry found : answer.deleteMarkers()) {
            if (found.key().startsWith(url.prefix())) {
                versions.add(
                        new Version(
                                found.key().substring(url.prefix().length()),
                                found.versionId(),
                                0,
                                Boolean.TRUE.equals(found.isLatest()),
                                true));
            }
        }
        return versions;
    }

    /// What is hidden first: with its marker gone an old version would be an object again.
    private Erased delete(String prefix, List<Version> versions) {
        var refused = new HashSet<String>();
        Erased hidden =
                send(prefix, versions.stream().filter(one -> !one.latest()).toList(), refused);
        return hidden.plus(
                send(
                        prefix,
                        versions.stream()
                                .filter(one -> one.latest() && !refused.contains(one.key()))
                                .toList(),
                        refused));
    }

    private Erased send(String prefix, List<Version> versions, Set<String> refused) {
        if (versions.isEmpty()) {
            return Erased.NOTHING;
        }
        var byId = new HashMap<String, Version>();
        var objects = new ArrayList<ObjectIdentifier>();
        for (Version version : versions) {
            byId.put(version.key() + "@" + version.id(), version);
            objects.add(
                    ObjectIdentifier.builder()
                            .key(url.prefix() + version.key())
                            .versionId(version.id())
                            .build());
        }
        DeleteObjectsRequest request =
                DeleteObjectsRequest.builder()
                        .bucket(url.bucket())
                        .delete(it -> it.objects(objects).quiet(true))
                        .overrideConfiguration(it -> {
                            it.apiCallAttemptTimeout(url.timeout());
                            if (!url.checksums()) {
                                // What S3 demanded here before it had other checksums.
                                it.addPlugin(LegacyMd5Plugin.create());
                            }
                        })
                        .build();
        DeleteObjectsResponse answer =
                sending.send("erase " + prefix, () -> client.deleteObjects(request));
        Erased erased = refused(prefix, answer, byId, refused);
        for (Version gone : byId.values()) {
            boolean shown = gone.latest() && !gone.marker();
            erased = erased.plus(shown ? Erased.object(gone.size()) : new Erased(0, 0, 1, 0, ""));
        }
        return erased;
    }

    /// Takes what was not deleted out of `byId`.
    private Erased refused(
            String prefix,
            DeleteObjectsResponse answer,
            Map<String, Version> byId,
            Set<String> refused) {
        Erased erased = Erased.NOTHING;
        for (S3Error error : answer.errors()) {
            String code = String.valueOf(error.code());
            String key = String.valueOf(error.key());
            key = key.startsWith(url.prefix()) ? key.substring(url.prefix().length()) : key;
            switch (StoreAnswer.classify(status(code), code)) {
                case UNKNOWN -> throw new Unavailable("erase " + prefix, code + " " + key, null);
                case DONE, OCCUPIED, CREDENTIALS, FATAL -> {
                    byId.remove(key + "@" + error.versionId());
                    if (refused.add(key)) {
                        erased = erased.plus(Erased.refused(key, code));
                    }
                }
            }
        }
        return erased;
    }

    /// A key's error has a code and no status.
    private static int status(String code) {
        return switch (code) {
            case "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout" -> 503;
            default -> 403;
        };
    }

    /// Aborts uploads that were begun before a time; none of a store that does not list them.
    int abortUploads(String prefix, Instant before) {
        int aborted = 0;
        @Nullable ListMultipartUploadsResponse page = null;
        do {
            try {
                page = uploads(prefix, page);
            } catch (Misconfigured unknown) {
                return aborted;
            }
            for (MultipartUpload upload : page.uploads()) {
                if (upload.key().startsWith(url.prefix() + prefix)
                        && upload.initiated().isBefore(before)) {
                    abort(upload);
                    aborted++;
                }
            }
        } while (Boolean.TRUE.equals(page.isTruncated()));
        return aborted;
    }

    private ListMultipartUploadsResponse uploads(
            String prefix, @Nullable ListMultipartUploadsResponse before) {
        return sending.send(
                "list uploads " + prefix,
                () ->
                        client.listMultipartUploads(it -> {
                            it.bucket(url.bucket()).prefix(url.prefix() + prefix);
                            if (before != null) {
                                it.keyMarker(before.nextKeyMarker())
                                        .uploadIdMarker(before.nextUploadIdMarker());
                            }
                        }));
    }

    private void abort(MultipartUpload upload) {
        try {
            var _ =
                    sending.send(
                            "abort upload " + upload.key(),
                            () ->
                                    client.abortMultipartUpload(it ->
                                            it.bucket(url.bucket())
                                                    .key(upload.key())
                                                    .uploadId(upload.uploadId())));
        } catch (Misconfigured gone) {
            // 404 NoSuchUpload: it ended by itself.
        }
    }
}
