package dev.litefleet.controller.catalog;

import dev.litefleet.worker.control.Quotas;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// What a client asks of a tenant.
///
/// @param labels at most [#LABELS_MAX]; keys and values as [#KEY] and [#VALUE] say
/// @param quotas 0 stands for the worker's default
/// @param windows how long its history is kept
public record TenantSpec(
        Durability durability,
        SortedMap<String, String> labels,
        Quotas quotas,
        OwnWindows windows) {
    public static final int LABELS_MAX = 32;

    /// Sync, no labels, default quotas, the fleet's windows.
    public static final TenantSpec DEFAULT =
            new TenantSpec(Durability.SYNC, Map.of(), Quotas.DEFAULT);

    static final Pattern KEY = Pattern.compile("[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?");
    static final Pattern VALUE =
            Pattern.compile("[A-Za-z0-9]([A-Za-z0-9._@:/+-]{0,126}[A-Za-z0-9])?|");

    public TenantSpec {
        if (labels.size() > LABELS_MAX) {
            throw new IllegalArgumentException(
                    "too many labels [count=%d, max=%d]".formatted(labels.size(), LABELS_MAX));
        }
        labels.forEach((key, value) -> {
            if (!KEY.matcher(key).matches()) {
                throw new IllegalArgumentException("bad label key [key=" + key + "]");
            }
            if (!VALUE.matcher(value).matches()) {
                throw new IllegalArgumentException(
                        "bad label value [key=%s, value=%s]".formatted(key, value));
            }
        });
        labels = Collections.unmodifiableSortedMap(new TreeMap<>(labels));
    }

    public TenantSpec(Durability durability, Map<String, String> labels, Quotas quotas) {
        this(durability, labels, quotas, OwnWindows.NONE);
    }

    public TenantSpec(
            Durability durability, Map<String, String> labels, Quotas quotas, OwnWindows windows) {
        this(durability, new TreeMap<>(labels), quotas, windows);
    }
}
