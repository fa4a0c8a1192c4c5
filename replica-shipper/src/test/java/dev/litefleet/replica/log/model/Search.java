package dev.litefleet.replica.log.model;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Visits every state that a model can reach, nearest first, until one breaks an invariant.
///
/// Visited states are remembered by 64-bit fingerprints: at 10 million states a collision that
/// hides one has a probability of about 3 in a million.
final class Search {
    /// What was found.
    ///
    /// @param states visited
    /// @param violation what broke, or null if everything was visited and holds
    /// @param trace the shortest way there; empty if there is no violation
    record Verdict(int states, @Nullable String violation, List<String> trace) {
        @Override
        public String toString() {
            return violation == null
                    ? "safe in all " + states + " states"
                    : "%s after %d steps (%d states)%n  %s"
                            .formatted(
                                    violation,
                                    trace.size(),
                                    states,
                                    String.join(System.lineSeparator() + "  ", trace));
        }
    }

    private final Model model;
    private final Fingerprints seen = new Fingerprints();
    private final ArrayDeque<int[]> queue = new ArrayDeque<>();
    private int[] parents = new int[1 << 16];
    private short[] steps = new short[1 << 16]; // which of its parent's
    private int states;
    private int parent;
    private int step;
    private int last; // step that led to the violation
    private @Nullable String violation;

    private Search(Model model) {
        this.model = model;
    }

    static Verdict of(Model model) {
        return new Search(model).run();
    }

    private Verdict run() {
        int[] start = model.start();
        model.reduce(start);
        add(start, -1, 0);
        for (parent = 0; violation == null; parent++) {
            int[] state = queue.poll();
            if (state == null) {
                return new Verdict(states, null, List.of());
            }
            step = 0;
            model.next(state, (next, _, _, _, _, _) -> visit(next));
        }
        return new Verdict(states, violation, trace(start));
    }

    private void visit(int[] next) {
        String wrong = model.takeViolation();
        int number = step++;
        if (violation != null) {
            return;
        }
        model.reduce(next);
        if (wrong == null && add(next, parent, number)) {
            wrong = model.check(next);
        }
        if (wrong != null) {
            violation = wrong;
            last = number;
        }
    }

    private boolean add(int[] state, int from, int number) {
        if (!seen.add(state)) {
            return false;
        }
        if (states == parents.length) {
            parents = Arrays.copyOf(parents, 2 * states);
            steps = Arrays.copyOf(steps, 2 * states);
        }
        parents[states] = from;
        steps[states] = (short) number;
        states++;
        queue.add(state);
        return true;
    }

    /// Goes the way again, in words.
    private List<String> trace(int[] start) {
        var numbers = new ArrayList<Integer>(List.of(last));
        for (int at = parent - 1; parents[at] >= 0; at = parents[at]) {
            numbers.add((int) steps[at]);
        }
        var words = new ArrayList<String>();
        int[][] state = {start};
        for (int number : numbers.reversed()) {
            int[] from = state[0];
            int[] left = {number};
            model.next(
                    from,
                    (next, event, a, b, slot, d) -> {
                        if (left[0]-- == 0) {
                            words.add(words.size() + 1 + ". " + say(event, a, b, slot, d));
                            state[0] = next;
                        }
                    });
            model.takeViolation();
            model.reduce(state[0]);
        }
        return words;
    }

    private String say(Event event, int a, int b, int slot, int d) {
        boolean number =
                switch (event) {
                    case ASSIGN, ASSIGNMENT_ARRIVES, RELEASE_SENT, RELEASE_TAKEN -> true;
                    default -> false;
                };
        return event.say(a, b, number ? Integer.toString(slot) : model.name(slot), d);
    }

    /// A set of states, by 64 bits of each.
    private static final class Fingerprints {
        private long[] table = new long[1 << 16];
        private int count;

        boolean add(int[] state) {
            if (count >= table.length / 2) {
                long[] old = table;
                table = new long[2 * old.length];
                for (long fingerprint : old) {
                    if (fingerprint != 0) {
                        table[place(fingerprint)] = fingerprint;
                    }
                }
            }
            long fingerprint = fingerprint(state);
            int place = place(fingerprint);
            if (table[place] == fingerprint) {
                return false;
            }
            table[place] = fingerprint;
            count++;
            return true;
        }

        private int place(long fingerprint) {
            int place = (int) (fingerprint >>> 20) & table.length - 1;
            while (table[place] != 0 && table[place] != fingerprint) {
                place = place + 1 & table.length - 1;
            }
            return place;
        }

        /// Two rounds of a 64-bit multiply-xorshift per word; never 0.
        private static long fingerprint(int[] state) {
            long hash = 0x9e3779b97f4a7c15L;
            for (int word : state) {
                hash = (hash ^ word) * 0xbf58476d1ce4e5b9L;
                hash ^= hash >>> 29;
            }
            hash *= 0x94d049bb133111ebL;
            hash ^= hash >>> 32;
            return hash == 0 ? 1 : hash;
        }
    }
}
