package dev.litefleet.controller.gateway;

import dev.litefleet.replica.TenantId;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/// The tenant and the rest of a request target on the data plane.
///
/// @param tenant validated after one decode
/// @param rest what follows `/t/<tenant>`, starting with `/`, repeated slashes collapsed; a plain
///   path without escapes or dot segments, which every party reads alike, and the query as it came
record TenantPath(TenantId tenant, String rest) {
    private static final String PREFIX = "/t/";
    private static final Set<String> PROTOCOLS = Set.of("v1", "v2", "v3", "v3-protobuf");

    // Also what a client makes of a URL that ends in the tenant without a slash.
    private static final Pattern LOST = Pattern.compile("v[0-9](-protobuf)?|");

    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9._~/-]*");
    private static final Pattern DOTS = Pattern.compile("(.*/)?[.]{1,2}(/.*)?");

    /// What a request target says.
    sealed interface Parsed {
        record Tenant(TenantPath path) implements Parsed {}

        /// `/v2/pipeline` and the like: the token says which tenant is meant.
        record ByToken(String rest) implements Parsed {}

        /// Not the data plane's.
        record Foreign() implements Parsed {}

        /// The data plane's, and wrong.
        record Wrong(String code, String detail) implements Parsed {}
    }

    /// Total: whatever a client sends as its request target is one of these.
    static Parsed parse(String target) {
        String uri = collapse(origin(target));
        if (!uri.startsWith(PREFIX)) {
            if (!PROTOCOLS.contains(segment(uri, 1))) {
                return new Parsed.Foreign();
            }
            return plain(uri) ? new Parsed.ByToken(uri) : notPlain();
        }
        String raw = segment(uri, PREFIX.length());
        if (LOST.matcher(raw).matches()) {
            return new Parsed.Wrong(
                    "TENANT_MISSING", "URL lost its last path segment; add a trailing slash");
        }
        Optional<TenantId> id = id(raw);
        if (id.isEmpty()) {
            return new Parsed.Wrong(
                    "TENANT_NOT_FOUND",
                    "no such tenant: a tenant id has 1 to 63 of a-z, 0-9 and -");
        }
        String rest = uri.substring(PREFIX.length() + raw.length());
        if (!plain(rest)) {
            return notPlain();
        }
        return new Parsed.Tenant(
                new TenantPath(id.get(), rest.startsWith("/") ? rest : "/" + rest));
    }

    private static Parsed notPlain() {
        return new Parsed.Wrong(
                "NOT_FOUND", "no such path: it has escapes, dot segments or other characters");
    }

    /// Whether nobody behind us can read the path differently: a router that decodes or removes dot
    /// segments would see another tenant.
    private static boolean plain(String uri) {
        int query = uri.indexOf('?');
        String path = query < 0 ? uri : uri.substring(0, query);
        return PLAIN.matcher(path).matches() && !DOTS.matcher(path).matches();
    }

    /// Without scheme and authority, should the target be in absolute form (RFC 9112, 3.2.2).
    private static String origin(String target) {
        if (!target.startsWith("http://") && !target.startsWith("https://")) {
            return target;
        }
        int path = target.indexOf('/', target.indexOf("//") + 2);
        return path < 0 ? "/" : target.substring(path);
    }

    /// The target to ask the worker for.
    String target() {
        return PREFIX + tenant + rest;
    }

    private static Optional<TenantId> id(String raw) {
        try {
            String decoded = QueryStringDecoder.decodeComponent(raw.replace("+", "%2B"));
            return Optional.of(TenantId.parse(decoded));
        } catch (IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    private static String segment(String uri, int start) {
        int from = Math.min(start, uri.length());
        int end = from;
        while (end < uri.length() && uri.charAt(end) != '/' && uri.charAt(end) != '?') {
            end++;
        }
        return uri.substring(from, end);
    }

    /// Repeated slashes before the query count as one: the Rust client's cursor path has two.
    private static String collapse(String target) {
        int query = target.indexOf('?');
        String path = query < 0 ? target : target.substring(0, query);
        return path.replaceAll("/{2,}", "/") + (query < 0 ? "" : target.substring(query));
    }
}
