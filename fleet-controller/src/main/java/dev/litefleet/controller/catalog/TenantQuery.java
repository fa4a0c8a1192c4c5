package dev.litefleet.controller.catalog;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Which tenants to list, in order of their ids.
///
/// @param prefix of the id; empty for all
/// @param labels all of them must be there with these values
/// @param state null for every state except [TenantState#DELETED]
/// @param after list ids greater than this one; empty from the start
/// @param limit 1 to [#LIMIT_MAX]
public record TenantQuery(
        String prefix,
        Map<String, String> labels,
        @Nullable TenantState state,
        String after,
        int limit) {
    public static final int LIMIT_DEFAULT = 50;
    public static final int LIMIT_MAX = 1000;

    public TenantQuery {
        if (limit < 1 || limit > LIMIT_MAX) {
            throw new IllegalArgumentException(
                    "limit must be 1 to %d [value=%d]".formatted(LIMIT_MAX, limit));
        }
        if (labels.size() > TenantSpec.LABELS_MAX) {
            throw new IllegalArgumentException(
                    "too many labels [count=%d, max=%d]"
                            .formatted(labels.size(), TenantSpec.LABELS_MAX));
        }
        labels = Map.copyOf(labels);
    }
}
