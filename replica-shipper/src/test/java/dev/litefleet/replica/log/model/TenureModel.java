package dev.litefleet.replica.log.model;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Who may grant leases, and how long a successor waits (commit-log.md, C3 and "Reads by a possible
/// zombie"), as a transition system in discrete time: one worker, the controller that grants it
/// leases, a successor that neither of them hears, and the store.
///
/// A heartbeat may be answered at any time or never, a look at the log takes as long as it likes,
/// and everybody may stand still between any two steps: then only time passes. Clocks may lag
/// behind the successor's by a number of ticks.
///
/// Invariant: I4 While a lease runs, no commit of the worker's next owner is acknowledged.
final class TenureModel implements Model {
    /// What a variant does otherwise.
    enum Change {
        /// Grants leases without having looked at its own log.
        GRANTS_AFTER_DOUBT,
        /// Counts the age of a proof from the end of the look that gave it.
        PROOF_FROM_END_OF_LOOK,
        /// Decides before it hears the heartbeat, and grants later.
        DECIDES_BEFORE_HEARTBEAT,
        /// The worker measures its lease from the answer.
        LEASE_FROM_ANSWER,
        /// The successor waits for one lease and the margin.
        SUCCESSOR_WAITS_ONE_LEASE,
        /// The successor adds one margin to the two leases.
        ONE_MARGIN_FOR_TWO_LEASES,
        /// The successor's wait begins before its predecessor's log is fenced.
        SUCCESSOR_WAITS_FROM_CLAIM
    }

    /// How long things take, in ticks.
    ///
    /// @param lease at least 2
    /// @param margin that the successor adds to a lease
    /// @param workerLag how far the worker's clock may fall behind
    /// @param controllerLag how far the old controller's may
    record Times(int lease, int margin, int workerLag, int controllerLag) {}

    // Words of a state.
    private static final int FENCED = 0; // 1 once the fence has landed in the old log
    private static final int PROOF = 1; // age of the proof and one more; 0 for none
    private static final int LOOK = 2; // phase of a look
    private static final int LOOK_AGE = 3;
    private static final int BEAT = 4; // phase of a heartbeat
    private static final int BEAT_AGE = 5; // on the worker's clock
    private static final int LEASE = 6; // ticks left on the worker's clock
    private static final int SUCCESSOR = 7; // phase
    private static final int WAITED = 8;
    private static final int WORKER_LAG = 9;
    private static final int CONTROLLER_LAG = 10;
    private static final int DECIDED = 11;
    private static final int WORDS = 12;

    private static final int NONE = 0;

    // Phases of a look.
    private static final int BEGUN = 1;
    private static final int ABSENT = 2;
    private static final int FOUND = 3;

    // Phases of a heartbeat.
    private static final int SENT = 1;
    private static final int GRANTED = 2;

    // Phases of the successor.
    private static final int CLAIMED = 1;
    private static final int WAITING = 2;
    private static final int GIVEN = 3;
    private static final int ACKED = 4;

    private final Times times;
    private final Set<Change> changes;
    private final int wait;
    private final int oldest; // ages beyond are all the same

    TenureModel(Times times, Set<Change> changes) {
        this.times = times;
        this.changes = changes;
        int leases = changes.contains(Change.SUCCESSOR_WAITS_ONE_LEASE) ? 1 : 2;
        int margins = changes.contains(Change.ONE_MARGIN_FOR_TWO_LEASES) ? 1 : leases;
        this.wait = leases * times.lease() + margins * times.margin();
        this.oldest = 2 * times.lease();
    }

    @Override
    public int[] start() {
        return new int[WORDS];
    }

    @Override
    public void next(int[] w, Next out) {
        passTime(w, out);
        look(w, out);
        beat(w, out);
        successor(w, out);
    }

    private void passTime(int[] w, Next out) {
        for (int lags = 0; lags < 4; lags++) {
            int worker = lags & 1;
            int controller = lags >> 1;
            int[] u = w.clone();
            u[WORKER_LAG] += worker;
            u[CONTROLLER_LAG] += controller;
            if (u[WORKER_LAG] > times.workerLag() || u[CONTROLLER_LAG] > times.controllerLag()) {
                continue;
            }
            if (worker == 0) {
                u[BEAT_AGE]++;
                u[LEASE] = Math.max(0, u[LEASE] - 1);
            }
            if (controller == 0) {
                u[PROOF] += u[PROOF] == 0 ? 0 : 1;
                u[LOOK_AGE]++;
            }
            u[WAITED]++;
            out.go(u, Event.TIME_PASSES, worker, controller, 0, 0);
        }
    }

    private void look(int[] w, Next out) {
        if (w[LOOK] == NONE) {
            int[] u = w.clone();
            u[LOOK] = BEGUN;
            u[LOOK_AGE] = 0;
            out.go(u, Event.LOOK_BEGINS, 0, 0, 0, 0);
        } else if (w[LOOK] == BEGUN) {
            int[] u = w.clone();
            u[LOOK] = w[FENCED] == 0 ? ABSENT : FOUND;
            out.go(u, Event.LOOK_READS, w[FENCED], 0, 0, 0);
        } else {
            int[] u = w.clone();
            u[LOOK] = NONE;
            if (w[LOOK] == ABSENT) {
                u[PROOF] = (is(Change.PROOF_FROM_END_OF_LOOK) ? 0 : w[LOOK_AGE]) + 1;
            }
            out.go(u, Event.LOOK_ENDS, 0, 0, 0, 0);
        }
    }

    private boolean sure(int[] w) {
        return is(Change.GRANTS_AFTER_DOUBT) || w[PROOF] > 0 && w[PROOF] - 1 < times.lease();
    }

    private void beat(int[] w, Next out) {
        if (is(Change.DECIDES_BEFORE_HEARTBEAT) && sure(w) && w[DECIDED] == 0) {
            int[] u = w.clone();
            u[DECIDED] = 1;
            out.go(u, Event.LEASE_DECIDED, 0, 0, 0, 0);
        }
        // Also while another one is on its way: that one is lost.
        int[] sent = w.clone();
        sent[BEAT] = SENT;
        sent[BEAT_AGE] = 0;
        out.go(sent, Event.HEARTBEAT_SENT, 0, 0, 0, 0);
        boolean may = is(Change.DECIDES_BEFORE_HEARTBEAT) ? w[DECIDED] == 1 : sure(w);
        if (w[BEAT] == SENT && may) {
            int[] u = w.clone();
            u[BEAT] = GRANTED;
            u[DECIDED] = 0;
            out.go(u, Event.LEASE_GRANTED, 0, 0, 0, 0);
        }
        if (w[BEAT] == GRANTED) {
            int[] u = w.clone();
            int passed = is(Change.LEASE_FROM_ANSWER) ? 0 : w[BEAT_AGE];
            u[LEASE] = Math.max(w[LEASE], times.lease() - passed);
            u[BEAT] = NONE;
            out.go(u, Event.LEASE_ARRIVES, 0, u[LEASE], 0, 0);
        }
    }

    private void successor(int[] w, Next out) {
        int[] u = w.clone();
        u[SUCCESSOR]++;
        switch (w[SUCCESSOR]) {
            case NONE -> {
                u[WAITED] = 0;
                out.go(u, Event.EPOCH_CLAIMED, 0, 0, 0, 0);
            }
            case CLAIMED -> {
                u[FENCED] = 1;
                u[WAITED] = is(Change.SUCCESSOR_WAITS_FROM_CLAIM) ? w[WAITED] : 0;
                out.go(u, Event.CONTROLLER_FENCED, 0, 0, 0, 0);
            }
            case WAITING -> {
                if (w[WAITED] >= wait) {
                    out.go(u, Event.GIVEN_AWAY, 0, 0, 0, 0);
                }
            }
            case GIVEN -> out.go(u, Event.HEIR_ACKNOWLEDGES, 0, 0, 0, 0);
            default -> {}
        }
    }

    private boolean is(Change change) {
        return changes.contains(change);
    }

    /// What is older than anybody asks for is of one age.
    @Override
    public void reduce(int[] w) {
        w[PROOF] = w[PROOF] > times.lease() ? times.lease() + 1 : w[PROOF];
        w[LOOK_AGE] = w[LOOK] == NONE ? 0 : Math.min(w[LOOK_AGE], times.lease());
        w[BEAT_AGE] = w[BEAT] == NONE ? 0 : Math.min(w[BEAT_AGE], oldest);
        boolean waits = w[SUCCESSOR] == CLAIMED || w[SUCCESSOR] == WAITING;
        w[WAITED] = waits ? Math.min(w[WAITED], wait) : 0;
    }

    @Override
    public @Nullable String check(int[] w) {
        return w[SUCCESSOR] == ACKED && w[LEASE] > 0
                ? "I4: W0 reads under its lease without acknowledged commits of its heir"
                : null;
    }

    @Override
    public @Nullable String takeViolation() {
        return null;
    }

    @Override
    public String name(int slot) {
        return Integer.toString(slot);
    }
}
