package dev.litefleet.replica;

import java.util.regex.Pattern;

/// One unbroken history of a tenant. Provisioning, fork, import and restore in place start a new
/// one; the catalog says which is current.
///
/// @param ulid 26 characters of Crockford's base 32, upper case (<https://github.com/ulid/spec>)
public record Lineage(String ulid) {
    private static final Pattern ULID = Pattern.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}");

    public Lineage {
        if (!ULID.matcher(ulid).matches()) {
            throw new IllegalArgumentException(
                    "lineage must be an upper-case ULID: '" + ulid + "'");
        }
    }

    @Override
    public String toString() {
        return ulid;
    }
}
