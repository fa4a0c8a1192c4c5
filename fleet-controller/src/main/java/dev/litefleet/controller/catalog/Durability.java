package dev.litefleet.controller.catalog;

import java.util.Locale;

/// When a commit is acknowledged (commit-log.md, P1 and P2).
public enum Durability {
    /// Once it is in the object store. A lost worker loses nothing it acknowledged.
    SYNC,
    /// Once it is on the worker's disk. A lost worker loses what it had not shipped: at most 5 s or
    /// 8 MiB of commits.
    ASYNC;

    /// @param word `sync` or `async`
    /// @throws IllegalArgumentException for any other
    public static Durability parse(String word) {
        return switch (word) {
            case "sync" -> SYNC;
            case "async" -> ASYNC;
            default ->
                    throw new IllegalArgumentException(
                            "durability must be sync or async [value=" + word + "]");
        };
    }

    /// The word that [#parse] reads.
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
