package dev.litefleet.controller.catalog;

import java.util.Locale;

/// What the catalog knows about a tenant's whereabouts.
public enum TenantState {
    /// No session has it; its next request assigns it.
    HIBERNATED,
    /// Assigned to a session, which may itself have closed the file for want of traffic.
    ACTIVE,
    /// A tombstone: unreachable for ever, kept for its numbering and its token generation.
    DELETED;

    /// @throws IllegalArgumentException if `word` names no state
    public static TenantState parse(String word) {
        for (TenantState state : values()) {
            if (state.word().equals(word)) {
                return state;
            }
        }
        throw new IllegalArgumentException(
                "state must be hibernated, active or deleted [value=" + word + "]");
    }

    /// The word that [#parse] reads.
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
