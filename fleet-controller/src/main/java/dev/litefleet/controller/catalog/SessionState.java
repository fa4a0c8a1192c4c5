package dev.litefleet.controller.catalog;

import java.util.Locale;

/// The life of a worker's session. It only ever moves down this list.
public enum SessionState {
    /// May be assigned tenants.
    LIVE,
    /// Its log is being closed; its tenants are in nobody's hands.
    FENCING,
    /// Its log is closed and recovered.
    CLOSED;

    static SessionState parse(String word) {
        return valueOf(word.toUpperCase(Locale.ROOT));
    }

    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
