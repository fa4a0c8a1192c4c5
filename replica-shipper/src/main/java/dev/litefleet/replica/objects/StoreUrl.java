package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;

/// Where a fleet keeps its objects: `file:///dir` or `s3://bucket/prefix?setting=value&...`. Never
/// contains a secret; credentials come from AWS's usual chain (environment, system properties,
/// profile, web identity, container, instance), or as [S3.Access] says.
public sealed interface StoreUrl {
    /// Reads and validates a URL; unknown and repeated settings are refused.
    ///
    /// @throws IllegalArgumentException naming what is wrong
    static StoreUrl parse(String url) {
        if (url.startsWith("file:")) {
            return Directory.parse(url);
        }
        if (url.startsWith("s3://")) {
            return S3.parse(url);
        }
        throw refused("must begin with s3:// or file:", url);
    }

    /// The store in this directory.
    static StoreUrl of(Path directory) {
        return new Directory(directory);
    }

    /// Opens the store with credentials from AWS's usual chain.
    ///
    /// @throws StoreException if the store can be seen not to work without sending a request
    ObjectStore open();

    /// Opens the store for somebody who only reads, with read-only credentials.
    ///
    /// @throws StoreException.Misconfigured if a directory is not there
    default ObjectStore openForReading() {
        return open();
    }

    /// Like [#open()], with given credentials; a directory needs none.
    ObjectStore open(StoreCredentials credentials);

    /// Whether both name the same objects, however they get at them.
    boolean samePlace(StoreUrl other);

    /// A URL that [#parse] reads back.
    @Override
    String toString();

    /// A directory of this machine.
    ///
    /// @param path absolute and normalised
    record Directory(Path path) implements StoreUrl {
        public Directory {
            path = path.toAbsolutePath().normalize();
        }

        private static Directory parse(String url) {
            String path = url.substring(url.startsWith("file://") ? 7 : 5);
            if (path.isEmpty() || path.indexOf('?') >= 0 || path.indexOf('#') >= 0) {
                throw refused("must name a directory and nothing else", url);
            }
            return new Directory(Path.of(URLDecoder.decode(path.replace("+", "%2B"), UTF_8)));
        }

        @Override
        public ObjectStore open() {
            return new DirectoryObjectStore(path, new SplittableRandom());
        }

        @Override
        public ObjectStore openForReading() {
            return DirectoryObjectStore.forReading(path);
        }

        @Override
        public ObjectStore open(StoreCredentials credentials) {
            return open();
        }

        @Override
        public boolean samePlace(StoreUrl other) {
            return equals(other);
        }

        @Override
        public String toString() {
            String path = URLEncoder.encode(this.path.toString(), UTF_8);
            return "file://" + path.replace("%2F", "/").replace("+", "%20");
        }
    }

    /// A bucket, or a part of one.
    ///
    /// @param prefix of every key, ending in a slash; empty for the whole bucket
    /// @param endpoint of a store that is not Amazon's: scheme, host and port
    /// @param region as the store knows it; absent means AWS's usual chain, or `us-east-1` when
    ///   there is an endpoint
    /// @param pathStyle whether the bucket goes into the path instead of the host name; by default
    ///   if there is an endpoint
    /// @param connections most at a time, 4 to 1,024; a quarter of them is left to writes
    /// @param connectTimeout to have a connection, TLS included
    /// @param timeout for each silence on a connection
    /// @param requestTimeout for a whole request, together with a second per MiB of it; by default
    ///   `timeout`
    /// @param checksums whether each request carries a checksum of its own beside those inside our
    ///   objects; by default unless there is an endpoint, because not every store knows them
    /// @param chunked whether bodies are sent in signed chunks; by default unless there is an
    ///   endpoint
    /// @param writes how objects are stored
    /// @param access whose credentials are used
    record S3(
            String bucket,
            String prefix,
            Optional<URI> endpoint,
            Optional<String> region,
            boolean pathStyle,
            int connections,
            Duration connectTimeout,
            Duration timeout,
            Duration requestTimeout,
            boolean checksums,
            boolean chunked,
            Writes writes,
            Access access)
            implements StoreUrl {
        /// How objects are stored; what is absent is as the bucket has it.
        ///
        /// @param sse `AES256` (SSE-S3), `aws:kms` or `aws:kms:dsse`: encryption of every object
        /// @param kmsKeyId id, ARN or alias of the key, for `aws:kms` and `aws:kms:dsse`
        /// @param bucketKey whether KMS is asked once in a while and not for each object, which
        ///   else costs a request to KMS for each of ours
        /// @param storageClass of derived files (`tenants/`) only. Log and controller objects are
        ///   small, many and gone in days, which the cheaper classes bill as 128 KiB for 30 days
        /// @param partMiB larger bodies are sent in parts of this size, 5 to 1,024
        public record Writes(
                Optional<String> sse,
                Optional<String> kmsKeyId,
                boolean bucketKey,
                Optional<String> storageClass,
                int partMiB) {
            static final int PART_MIB = 64;
            public static final Writes DEFAULT =
                    new Writes(
                            Optional.empty(), Optional.empty(), false, Optional.empty(), PART_MIB);

            private static final List<String> SSE = List.of("AES256", "aws:kms", "aws:kms:dsse");
            private static final Pattern KEY = Pattern.compile("[A-Za-z0-9:/_.-]{1,2048}");

            /// Those from which an object can be read at once.
            private static final List<String> CLASSES =
                    List.of(
                            "STANDARD",
                            "STANDARD_IA",
                            "ONEZONE_IA",
                            "INTELLIGENT_TIERING",
                            "GLACIER_IR",
                            "REDUCED_REDUNDANCY");

            public Writes {
                sse.ifPresent(it -> check(SSE.contains(it), "sse is none of " + SSE, it));
                boolean kms = sse.filter(it -> it.startsWith("aws:kms")).isPresent();
                check(kms || kmsKeyId.isEmpty(), "kmsKeyId needs sse=aws:kms", "");
                check(kms || !bucketKey, "bucketKey needs sse=aws:kms", "");
                kmsKeyId.ifPresent(it -> check(KEY.matcher(it).matches(), "is not a key id", it));
                storageClass.ifPresent(it ->
                        check(CLASSES.contains(it), "storageClass is none of " + CLASSES, it));
                check(partMiB >= 5 && partMiB <= 1024, "partMiB not 5 to 1024", partMiB);
            }
        }

        /// Whose credentials are used; without any of these, those of AWS's usual chain.
        ///
        /// @param profile of the shared configuration files, in place of the chain
        /// @param roleArn role to assume with those credentials; renewed before they expire
        /// @param externalId that the role's owner asks for
        /// @param sessionName as the role's owner sees it in his trail
        /// @param stsEndpoint of a token service that is not Amazon's
        public record Access(
                Optional<String> profile,
                Optional<String> roleArn,
                Optional<String> externalId,
                Optional<String> sessionName,
                Optional<URI> stsEndpoint) {
            public static final Access DEFAULT =
                    new Access(
                            Optional.empty(),
                            Optional.empty(),
                            Optional.empty(),
                            Optional.empty(),
                            Optional.empty());

            private static final Pattern PROFILE = Pattern.compile("[A-Za-z0-9_.@/ -]{1,128}");
            private static final Pattern ARN =
                    Pattern.compile("arn:[a-z0-9-]+:iam::[0-9]*:role/[A-Za-z0-9_+=,.@/-]{1,512}");
            private static final Pattern EXTERNAL = Pattern.compile("[A-Za-z0-9_+=,.@:/-]{2,1224}");
            private static final Pattern SESSION = Pattern.compile("[A-Za-z0-9_+=,.@-]{2,64}");

            public Access {
                profile.ifPresent(
                        it -> check(PROFILE.matcher(it).matches(), "is not a profile's name", it));
                roleArn.ifPresent(
                        it -> check(ARN.matcher(it).matches(), "roleArn is not a role's ARN", it));
                boolean role = roleArn.isPresent();
                check(role || externalId.isEmpty(), "externalId needs roleArn", "");
                check(role || sessionName.isEmpty(), "sessionName needs roleArn", "");
                check(role || stsEndpoint.isEmpty(), "stsEndpoint needs roleArn", "");
                externalId.ifPresent(
                        it -> check(EXTERNAL.matcher(it).matches(), "is not an external id", it));
                sessionName.ifPresent(
                        it -> check(SESSION.matcher(it).matches(), "is not a session's name", it));
                stsEndpoint.ifPresent(it -> checkEndpoint("stsEndpoint", it));
            }
        }

        public static final int CONNECTIONS = 64;
        public static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);

        /// Half of what a gate waits: an attempt without an answer can be repeated in time.
        public static final Duration TIMEOUT = Duration.ofSeconds(15);

        private static final Pattern BUCKET = Pattern.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]");
        private static final Pattern REGION = Pattern.compile("[a-z0-9-]{1,40}");
        private static final Pattern DURATION = Pattern.compile("([0-9]{1,6})(ms|s|m)");

        /// S3 allows keys of 1,024 bytes in all.
        private static final int PREFIX_LENGTH_MAX = 1024 - ObjectStore.KEY_LENGTH_MAX;

        private static final List<String> SETTINGS =
                List.of(
                        "bucketKey",
                        "checksums",
                        "chunked",
                        "connections",
                        "connectTimeout",
                        "endpoint",
                        "externalId",
                        "kmsKeyId",
                        "partMiB",
                        "pathStyle",
                        "profile",
                        "region",
                        "requestTimeout",
                        "roleArn",
                        "sessionName",
                        "sse",
                        "storageClass",
                        "stsEndpoint",
                        "timeout");

        public S3 {
            check(BUCKET.matcher(bucket).matches(), "is not a bucket's name", bucket);
            ObjectKey.checkFolder(prefix);
            check(prefix.length() <= PREFIX_LENGTH_MAX, "has too long a prefix", prefix);
            endpoint.ifPresent(it -> checkEndpoint("endpoint", it));
            region.ifPresent(it -> check(REGION.matcher(it).matches(), "is not a region", it));
            check(
                    connections >= 4 && connections <= 1024,
                    "connections not 4 to 1024",
                    connections);
            check(connectTimeout.isPositive(), "connectTimeout must be positive", connectTimeout);
            check(timeout.isPositive(), "timeout must be positive", timeout);
            check(
                    requestTimeout.compareTo(timeout) >= 0,
                    "requestTimeout is below timeout",
                    text(requestTimeout));
        }

        private static S3 parse(String url) {
            int query = url.indexOf('?');
            String place = url.substring(5, query < 0 ? url.length() : query);
            int slash = place.indexOf('/');
            String bucket = slash < 0 ? place : place.substring(0, slash);
            String prefix = slash < 0 ? "" : decode(place.substring(slash + 1));
            if (!prefix.isEmpty() && !prefix.endsWith("/")) {
                prefix += "/";
            }
            Map<String, String> settings =
                    query < 0 ? Map.of() : settings(url.substring(query + 1), url);
            Optional<URI> endpoint =
                    setting(settings, "endpoint").map(it -> endpoint("endpoint", it, url));
            boolean amazon = endpoint.isEmpty();
            Duration timeout = duration(settings, "timeout", TIMEOUT);
            return new S3(
                    bucket,
                    prefix,
                    endpoint,
                    setting(settings, "region"),
                    flag(settings, "pathStyle", !amazon),
                    number(settings, "connections", CONNECTIONS),
                    duration(settings, "connectTimeout", CONNECT_TIMEOUT),
                    timeout,
                    duration(settings, "requestTimeout", timeout),
                    flag(settings, "checksums", amazon),
                    flag(settings, "chunked", amazon),
                    new Writes(
                            setting(settings, "sse"),
                            setting(settings, "kmsKeyId"),
                            flag(settings, "bucketKey", false),
                            setting(settings, "storageClass"),
                            number(settings, "partMiB", Writes.PART_MIB)),
                    new Access(
                            setting(settings, "profile"),
                            setting(settings, "roleArn"),
                            setting(settings, "externalId"),
                            setting(settings, "sessionName"),
                            setting(settings, "stsEndpoint")
                                    .map(it -> endpoint("stsEndpoint", it, url))));
        }

        private static Optional<String> setting(Map<String, String> settings, String name) {
            return Optional.ofNullable(settings.get(name));
        }

        @Override
        public ObjectStore open() {
            return open(Optional.empty());
        }

        @Override
        public ObjectStore open(StoreCredentials credentials) {
            return open(Optional.of(credentials));
        }

        private ObjectStore open(Optional<StoreCredentials> credentials) {
            var retry =
                    new Retry(
                            new SplittableRandom(),
                            pause -> LockSupport.parkNanos(pause.toNanos()));
            return new S3ObjectStore(this, credentials, retry);
        }

        @Override
        public boolean samePlace(StoreUrl other) {
            return other instanceof S3 it
                    && bucket.equals(it.bucket)
                    && prefix.equals(it.prefix)
                    && endpoint.equals(it.endpoint);
        }

        /// Settings that differ from their default, in alphabetical order.
        @Override
        public String toString() {
            boolean amazon = endpoint.isEmpty();
            var settings = new ArrayList<String>();
            add(settings, "bucketKey", writes.bucketKey(), false);
            add(settings, "checksums", checksums, amazon);
            add(settings, "chunked", chunked, amazon);
            add(settings, "connections", connections, CONNECTIONS);
            add(settings, "connectTimeout", text(connectTimeout), text(CONNECT_TIMEOUT));
            add(settings, "endpoint", endpoint.map(URI::toString).orElse(""), "");
            add(settings, "externalId", access.externalId().orElse(""), "");
            add(settings, "kmsKeyId", writes.kmsKeyId().orElse(""), "");
            add(settings, "partMiB", writes.partMiB(), Writes.PART_MIB);
            add(settings, "pathStyle", pathStyle, !amazon);
            add(settings, "profile", access.profile().orElse(""), "");
            add(settings, "region", region.orElse(""), "");
            add(settings, "requestTimeout", text(requestTimeout), text(timeout));
            add(settings, "roleArn", access.roleArn().orElse(""), "");
            add(settings, "sessionName", access.sessionName().orElse(""), "");
            add(settings, "sse", writes.sse().orElse(""), "");
            add(settings, "storageClass", writes.storageClass().orElse(""), "");
            add(settings, "stsEndpoint", access.stsEndpoint().map(URI::toString).orElse(""), "");
            add(settings, "timeout", text(timeout), text(TIMEOUT));
            return "s3://%s/%s%s%s"
                    .formatted(
                            bucket,
                            encode(prefix).replace("%2F", "/"),
                            settings.isEmpty() ? "" : "?",
                            String.join("&", settings));
        }

        private static void add(List<String> settings, String name, Object value, Object usual) {
            if (!value.equals(usual)) {
                // Only what would end the value: an endpoint stays readable.
                settings.add(
                        name
                                + "="
                                + encode(value.toString()).replace("%3A", ":").replace("%2F", "/"));
            }
        }

        private static Map<String, String> settings(String query, String url) {
            var settings = new LinkedHashMap<String, String>();
            for (String setting : query.split("&", -1)) {
                int equals = setting.indexOf('=');
                String name = equals < 0 ? setting : setting.substring(0, equals);
                if (!SETTINGS.contains(name)) {
                    throw refused(
                            "has the unknown setting '" + name + "', known are " + SETTINGS,
                            hidden(url));
                }
                String value = equals < 0 ? "" : decode(setting.substring(equals + 1));
                if (value.isEmpty() || settings.put(name, value) != null) {
                    throw refused(name + " must have one value", url);
                }
            }
            return settings;
        }

        private static URI endpoint(String name, String text, String url) {
            try {
                return new URI(text);
            } catch (URISyntaxException malformed) {
                throw refused(name + " is not a URL", url);
            }
        }

        private static void checkEndpoint(String name, URI endpoint) {
            String scheme = String.valueOf(endpoint.getScheme()).toLowerCase(Locale.ROOT);
            check(scheme.equals("http") || scheme.equals("https"), name + " is not HTTP", endpoint);
            // Not shown: it would be a secret.
            check(endpoint.getRawUserInfo() == null, name + " must not name a user", "...");
            check(endpoint.getHost() != null, name + " has no host", endpoint);
            boolean bare = endpoint.getRawQuery() == null && endpoint.getRawFragment() == null;
            String path = String.valueOf(endpoint.getRawPath());
            check(bare && (path.isEmpty() || path.equals("/")), name + " has a path", endpoint);
        }

        private static boolean flag(Map<String, String> settings, String name, boolean usual) {
            return switch (settings.getOrDefault(name, String.valueOf(usual))) {
                case "true" -> true;
                case "false" -> false;
                case String other -> throw refused(name + " must be true or false", other);
            };
        }

        private static int number(Map<String, String> settings, String name, int usual) {
            String text = settings.getOrDefault(name, String.valueOf(usual));
            check(text.matches("[0-9]{1,6}"), name + " must be a number", text);
            return Integer.parseInt(text);
        }

        private static Duration duration(
                Map<String, String> settings, String name, Duration usual) {
            String text = settings.get(name);
            if (text == null) {
                return usual;
            }
            var matcher = DURATION.matcher(text);
            check(matcher.matches(), name + " must be like 500ms, 2s or 1m", text);
            long count = Long.parseLong(matcher.group(1));
            return switch (matcher.group(2)) {
                case "ms" -> Duration.ofMillis(count);
                case "s" -> Duration.ofSeconds(count);
                default -> Duration.ofMinutes(count);
            };
        }

        private static String text(Duration duration) {
            long millis = duration.toMillis();
            return millis % 1000 == 0 ? millis / 1000 + "s" : millis + "ms";
        }

        private static String decode(String text) {
            return URLDecoder.decode(text.replace("+", "%2B"), UTF_8);
        }

        private static String encode(String text) {
            return URLEncoder.encode(text, UTF_8).replace("+", "%20");
        }

        private static String hidden(String url) {
            return url.substring(0, url.indexOf('?')) + "?...";
        }

        private static void check(boolean holds, String rule, Object value) {
            if (!holds) {
                throw refused(rule, value);
            }
        }
    }

    private static IllegalArgumentException refused(String rule, Object value) {
        return new IllegalArgumentException("store url: " + rule + " [value=" + value + "]");
    }
}
