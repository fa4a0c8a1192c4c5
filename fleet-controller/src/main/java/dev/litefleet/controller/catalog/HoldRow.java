package dev.litefleet.controller.catalog;

import dev.litefleet.replica.history.HeldRange;
import java.time.Instant;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Retention must not touch these commits of a tenant, and the tenant cannot be deleted.
///
/// @param name unique for the tenant: a DNS label
/// @param reason why, for people: 1 to [#REASON_CHARS_MAX] characters
/// @param until when it ends by itself; null if it does not
public record HoldRow(
        String name, HeldRange range, String reason, Instant createdAt, @Nullable Instant until) {
    public static final int REASON_CHARS_MAX = 256;

    private static final Pattern NAME = Pattern.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");

    public HoldRow {
        checkedName(name);
        checkedReason(reason);
        if (until != null && !until.isAfter(createdAt)) {
            throw new IllegalArgumentException("hold would end before it begins");
        }
    }

    /// @throws IllegalArgumentException if no hold can have it
    public static String checkedName(String name) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("hold id must be a DNS label: '" + name + "'");
        }
        return name;
    }

    /// @throws IllegalArgumentException if no hold can have it
    public static String checkedReason(String reason) {
        if (reason.isBlank() || reason.length() > REASON_CHARS_MAX) {
            throw new IllegalArgumentException(
                    "reason must have 1 to " + REASON_CHARS_MAX + " characters");
        }
        return reason;
    }
}
