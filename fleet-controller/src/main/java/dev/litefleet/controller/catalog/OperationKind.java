package dev.litefleet.controller.catalog;

import java.util.Locale;

/// What a long piece of work does.
public enum OperationKind {
    /// A new tenant from a state of another one.
    FORK,
    /// A new tenant from a database file.
    IMPORT,
    /// A tenant back to an earlier state of its own.
    RESTORE;

    /// As the API and the catalog have it.
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    static OperationKind parse(String word) {
        return valueOf(word.toUpperCase(Locale.ROOT));
    }
}
