package dev.litefleet.controller.catalog;

import java.util.Locale;

/// Where a long piece of work is in its life.
public enum OperationState {
    RUNNING,
    SUCCEEDED,
    FAILED;

    /// As the API and the catalog have it.
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// @throws IllegalArgumentException if it is none
    public static OperationState parse(String word) {
        for (OperationState state : values()) {
            if (state.word().equals(word)) {
                return state;
            }
        }
        throw new IllegalArgumentException(
                "state must be one of running, succeeded, failed: " + word);
    }
}
