package dev.litefleet.worker.hrana;

import dev.litefleet.replica.TenantId;
import dev.litefleet.service.Refused;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/// Where a request of the data plane goes: `/t/{tenant}/{endpoint}`.
///
/// Repeated slashes count as one (the libSQL Rust client doubles them behind a `base_url`). The
/// tenant is percent-decoded exactly once and then must be a valid id, so nothing that survives a
/// second decoding, no dot segment and no separator ever becomes part of a name.
///
/// @param endpoint what follows the tenant, without slashes at its ends: `v2/pipeline`; empty for
///   the tenant itself
record TenantPath(TenantId tenant, String endpoint) {
    private static final String ROOT = "t";

    /// @param path of the request line, not decoded, without the query
    /// @return empty if the path is not of the data plane
    /// @throws Refused 404 `TENANT_MISSING` if the tenant was lost on the way, 400 `TENANT_INVALID`
    ///   if it cannot be one
    static Optional<TenantPath> parse(String path) {
        int[] at = {0};
        if (!segment(path, at).equals(ROOT)) {
            return Optional.empty();
        }
        String raw = segment(path, at);
        var endpoint = new StringBuilder();
        while (at[0] < path.length()) {
            String next = segment(path, at);
            if (!next.isEmpty()) {
                endpoint.append(endpoint.isEmpty() ? "" : "/").append(next);
            }
        }
        return Optional.of(new TenantPath(tenant(raw), endpoint.toString()));
    }

    private static TenantId tenant(String raw) {
        String name = decoded(raw);
        if (name.isEmpty() || name.matches("v[0-9]|v3-protobuf")) {
            // What a client without a trailing slash in its URL makes of `/t/acme` + `v2/pipeline`.
            throw Refused.of(
                    404,
                    "TENANT_MISSING",
                    "URL lost its last path segment; add a trailing slash",
                    false);
        }
        try {
            return TenantId.parse(name);
        } catch (IllegalArgumentException invalid) {
            throw Refused.of(
                    400,
                    "TENANT_INVALID",
                    "a tenant's name has 1 to 63 of a-z, 0-9 and '-', and neither starts nor ends"
                            + " with '-'",
                    false);
        }
    }

    /// The next segment at `at[0]`, which moves behind it.
    private static String segment(String path, int[] at) {
        int from = at[0];
        while (from < path.length() && path.charAt(from) == '/') {
            from++;
        }
        int to = path.indexOf('/', from);
        at[0] = to < 0 ? path.length() : to;
        return path.substring(from, at[0]);
    }

    private static String decoded(String raw) {
        if (raw.indexOf('%') < 0) {
            return raw;
        }
        byte[] bytes = new byte[raw.length()];
        int length = 0;
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == '%') {
                int high = i + 2 < raw.length() ? Character.digit(raw.charAt(i + 1), 16) : -1;
                int low = high < 0 ? -1 : Character.digit(raw.charAt(i + 2), 16);
                if (low < 0) {
                    throw Refused.of(400, "TENANT_INVALID", "broken percent-encoding", false);
                }
                bytes[length++] = (byte) (high << 4 | low);
                i += 2;
            } else if (c < 0x80) {
                bytes[length++] = (byte) c;
            } else {
                throw Refused.of(400, "TENANT_INVALID", "the path must be ASCII", false);
            }
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes, 0, length))
                    .toString();
        } catch (CharacterCodingException notText) {
            throw Refused.of(400, "TENANT_INVALID", "the path is not UTF-8", false);
        }
    }
}
