package dev.litefleet.replica.log.model;

import org.jspecify.annotations.Nullable;

/// A transition system that [Search] searches. A state is a few words.
sealed interface Model permits CommitLogModel, TenureModel {
    /// Takes the states that may follow one.
    interface Next {
        void go(int[] state, Event event, int a, int b, int slot, int d);
    }

    int[] start();

    /// Every state that may follow, always in the same order.
    void next(int[] state, Next out);

    /// Replaces a state by one that stands for it.
    void reduce(int[] state);

    /// What is wrong with a state, or null.
    @Nullable String check(int[] state);

    /// What the step that was just handed to [Next] broke by itself, and forgets it.
    @Nullable String takeViolation();

    /// A slot as people name it.
    String name(int slot);
}
