package dev.litefleet.replica;

import java.util.Set;
import java.util.regex.Pattern;

/// A tenant's name: a DNS label, so that it can be a path segment, a host name and a key prefix; or
/// [#CATALOG].
public record TenantId(String name) {
    /// The controller's own database. No user can name it: it is not a DNS label.
    public static final TenantId CATALOG = new TenantId("_catalog");

    private static final Pattern LABEL = Pattern.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");

    /// First path segments of Hrana's and libsql's own routes.
    private static final Set<String> RESERVED =
            Set.of("v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v3-protobuf");

    public TenantId {
        if (!name.equals("_catalog") && !LABEL.matcher(name).matches()) {
            throw new IllegalArgumentException("tenant id must be a DNS label: '" + name + "'");
        }
    }

    /// The name a user gave: a DNS label that is not reserved.
    ///
    /// @throws IllegalArgumentException if users may not name a tenant so
    public static TenantId parse(String text) {
        if (!LABEL.matcher(text).matches()) {
            throw new IllegalArgumentException("tenant id must be a DNS label: '" + text + "'");
        }
        if (RESERVED.contains(text)) {
            throw new IllegalArgumentException("tenant id is reserved: '" + text + "'");
        }
        return new TenantId(text);
    }

    @Override
    public String toString() {
        return name;
    }
}
