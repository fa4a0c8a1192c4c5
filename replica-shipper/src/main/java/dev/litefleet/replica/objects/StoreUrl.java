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
/// profile, web identity, container, instance).
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
    /// @param timeout for each silence on a connection, and together with a second per MiB for a
    ///   whole request
    /// @param checksums whether each request carries a checksum of its own beside those inside our
    ///   objects; by default unless there is an endpoint, because not every store knows them
    /// @param chunked whether bodies are sent in signed chunks; by default unless there is an
    ///   endpoint
    record S3(
            String bucket,
            String prefix,
            Optional<URI> endpoint,
            Optional<String> region,
            boolean pathStyle,
            int connections,
            Duration connectTimeout,
            Duration timeout,
            boolean checksums,
            boolean chunked)
            implements StoreUrl {
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
                        "checksums",
                        "chunked",
                        "connections",
                        "connectTimeout",
                        "endpoint",
                        "pathStyle",
                        "region",
                        "timeout");

        public S3 {
            check(BUCKET.matcher(bucket).matches(), "is not a bucket's name", bucket);
            ObjectKey.checkFolder(prefix);
            check(prefix.length() <= PREFIX_LENGTH_MAX, "has too long a prefix", prefix);
            endpoint.ifPresent(S3::checkEndpoint);
            region.ifPresent(it -> check(REGION.matcher(it).matches(), "is not a region", it));
            check(
                    connections >= 4 && connections <= 1024,
                    "connections not 4 to 1024",
                    connections);
            check(connectTimeout.isPositive(), "connectTimeout must be positive", connectTimeout);
            check(timeout.isPositive(), "timeout must be positive", timeout);
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
                    Optional.ofNullable(settings.get("endpoint")).map(it -> endpoint(it, url));
            boolean amazon = endpoint.isEmpty();
            return new S3(
                    bucket,
                    prefix,
                    endpoint,
                    Optional.ofNullable(settings.get("region")),
                    flag(settings, "pathStyle", !amazon),
                    number(settings, "connections", CONNECTIONS),
                    duration(settings, "connectTimeout", CONNECT_TIMEOUT),
                    duration(settings, "timeout", TIMEOUT),
                    flag(settings, "checksums", amazon),
                    flag(settings, "chunked", amazon));
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

        /// Settings that differ from their default, in alphabetical order.
        @Override
        public String toString() {
            boolean amazon = endpoint.isEmpty();
            var settings = new ArrayList<String>();
            add(settings, "checksums", checksums, amazon);
            add(settings, "chunked", chunked, amazon);
            add(settings, "connections", connections, CONNECTIONS);
            add(settings, "connectTimeout", text(connectTimeout), text(CONNECT_TIMEOUT));
            add(settings, "endpoint", endpoint.map(URI::toString).orElse(""), "");
            add(settings, "pathStyle", pathStyle, !amazon);
            add(settings, "region", region.orElse(""), "");
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

        private static URI endpoint(String text, String url) {
            try {
                return new URI(text);
            } catch (URISyntaxException malformed) {
                throw refused("endpoint is not a URL", url);
            }
        }

        private static void checkEndpoint(URI endpoint) {
            String scheme = String.valueOf(endpoint.getScheme()).toLowerCase(Locale.ROOT);
            check(
                    scheme.equals("http") || scheme.equals("https"),
                    "endpoint is not HTTP",
                    endpoint);
            // Not shown: it would be a secret.
            check(endpoint.getRawUserInfo() == null, "endpoint must not name a user", "...");
            check(endpoint.getHost() != null, "endpoint has no host", endpoint);
            boolean bare = endpoint.getRawQuery() == null && endpoint.getRawFragment() == null;
            String path = String.valueOf(endpoint.getRawPath());
            check(bare && (path.isEmpty() || path.equals("/")), "endpoint has a path", endpoint);
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
