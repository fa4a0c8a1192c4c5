package dev.litefleet.replica.log.model;

import static dev.litefleet.replica.log.model.Change.*;
import static dev.litefleet.replica.log.model.Layout.*;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The commit log's protocol (commit-log.md) as a transition system: writers, two fencers that also
/// recover, a catalog, a janitor, and a store.
///
/// The network is a soup: what was sent stays deliverable for ever, so loss, delay, duplication and
/// reordering are all in it, and a lost answer is one not looked at yet. A crash is a process that
/// takes no more steps, a zombie one that does later. Acknowledgements leave at the first moment
/// they may. The catalog is a register that does not fail. Leases are a bit that lapses once; who
/// may grant them, and how long a successor waits, is the matter of [TenureModel].
///
/// Invariants:
/// - I1 An acknowledged commit is in the tenant's history as any later owner hydrates it.
/// - I2 No history holds two contents for a TXID, nor a gap, nor what no durable prefix holds.
/// - I3 At most one session has a tenant open for writing and is not fenced.
/// - I4 When a self-check passes, or a lease runs, the session's state has every acknowledged
///   commit of its tenants.
/// - I5 What a session puts after its fence is done is neither read nor acknowledged.
final class CommitLogModel implements Model {
    /// Places of a part of a log without parts beyond its data slots.
    private static final int SPARE = 2;

    private final Bounds bounds;
    private final long changes;
    private final Layout at;
    private final int sessions;
    private final int tenants;
    private final int slots;
    private final int txids;
    private final int perPart;
    private final int places;
    private final boolean pipelined; // D counts over all parts
    private @Nullable String violation; // of the step under way

    CommitLogModel(Bounds bounds, Set<Change> changes) {
        this.bounds = bounds;
        this.changes = changes.stream().mapToLong(change -> 1L << change.ordinal()).sum();
        sessions = bounds.commits().size();
        tenants = bounds.tenants();
        int most = bounds.commits().stream().mapToInt(Integer::intValue).max().orElseThrow();
        int parts = bounds.parts().stream().mapToInt(Integer::intValue).max().orElseThrow();
        perPart = bounds.perPart() == 0 ? most : bounds.perPart();
        places = parts == 1 ? most + SPARE : perPart + 1;
        slots = parts * places;
        int all = bounds.commits().stream().mapToInt(Integer::intValue).sum();
        txids = Math.min(15, all * (tenants > 1 || rebuilds() ? 2 : 1));
        at = new Layout(sessions, tenants, slots, txids);
        pipelined =
                is(DURABLE_OVER_ALL_PARTS)
                        || !is(NEXT_PART_BEFORE_PART_FENCE) && !is(PART_FENCE_BEFORE_WINDOW_EMPTY);
    }

    private boolean is(Change change) {
        return (changes >>> change.ordinal() & 1) != 0;
    }

    private boolean rebuilds() {
        return is(REBATCHES_ON_RETRY) || is(IDENTIFIES_BY_WRITER);
    }

    @Override
    public int[] start() {
        int[] state = new int[at.words];
        if (is(LEASES)) {
            for (int s = 0; s < sessions; s++) {
                put(state, at.session(s), LEASE, 1);
            }
        }
        return state;
    }

    @Override
    public @Nullable String takeViolation() {
        String found = violation;
        violation = null;
        return found;
    }

    // Places in a log.

    private int part(int k) {
        return (k - 1) / places + 1;
    }

    private int first(int part) {
        return (part - 1) * places + 1;
    }

    /// `<part>.<number>` of a linear slot number.
    @Override
    public String name(int k) {
        return k < 1 ? "0" : part(k) + "." + (k - first(part(k)) + 1);
    }

    // Reading a state.

    private static void put(int[] w, int word, Field field, int value) {
        w[word] = field.set(w[word], value);
    }

    private int slot(int[] w, int s, int k, Field field) {
        return field.get(w[at.slot(s, k)]);
    }

    private int session(int[] w, int s, Field field) {
        return field.get(w[at.session(s)]);
    }

    private int stay(int[] w, int s, int t, Field field) {
        return field.get(w[at.stay(s, t)]);
    }

    private int tenant(int[] w, int t, Field field) {
        return field.get(w[at.tenant(t)]);
    }

    private int content(int[] w, int t, int n) {
        return n < 1 || n > txids ? 0 : CONTENT.get(w[at.derived(t, n)]);
    }

    private boolean landed(int[] w, int t, int n) {
        return n >= 1 && n <= txids && LANDED.get(w[at.derived(t, n)]) == 1;
    }

    private int object(int[] w, int s, int k) {
        return k < 1 || k > slots ? ABSENT : slot(w, s, k, OBJECT);
    }

    private int entry(int[] w, int s, int k, int i) {
        return slot(w, s, k, i == 0 ? ENTRY_0 : ENTRY_1);
    }

    private static int entry(int t, int n) {
        return 1 + t * 15 + n - 1;
    }

    private static int tenantOf(int entry) {
        return (entry - 1) / 15;
    }

    private static int txidOf(int entry) {
        return (entry - 1) % 15 + 1;
    }

    /// A number for what one entry of one slot holds.
    private int contentId(int s, int k, int i) {
        return 1 + (s * slots + k - 1) * 2 + i;
    }

    private boolean partFence(int[] w, int s, int k) {
        return k > 0 && slot(w, s, k, PART_FENCE) == 1;
    }

    private boolean partFenceStored(int[] w, int s, int k) {
        return partFence(w, s, k) && object(w, s, k) == BODY;
    }

    private boolean segment(int[] w, int s, int k) {
        int object = object(w, s, k);
        return (object == BODY || object == BODY_2) && !partFence(w, s, k);
    }

    private boolean attempted(int[] w, int s, int k) {
        return entry(w, s, k, 0) != 0 || entry(w, s, k, 1) != 0 || partFence(w, s, k);
    }

    private boolean ever(int[] w, int s, int k) {
        return k <= slots && slot(w, s, k, EVER) == 1;
    }

    /// The slot after k in the chain.
    private int following(int[] w, int s, int k) {
        return partFence(w, s, k) ? first(part(k) + 1) : k + 1;
    }

    /// The writer's own next slot.
    private int own(int[] w, int s) {
        int last = session(w, s, ATTEMPTED);
        return last == 0 ? 1 : following(w, s, last);
    }

    /// D over all parts.
    private int durable(int[] w, int s) {
        int last = session(w, s, ATTEMPTED);
        int durable = 0;
        for (int k = 1; k <= last && slot(w, s, k, RESOLVED) == 1; k = following(w, s, k)) {
            durable = k;
        }
        return durable;
    }

    /// D of one part; the slot before its first if nothing is durable.
    private int durableInPart(int[] w, int s, int part) {
        int k = first(part);
        while (k <= slots
                && part(k) == part
                && attempted(w, s, k)
                && slot(w, s, k, RESOLVED) == 1) {
            k++;
        }
        return k - 1;
    }

    private boolean isDurable(int[] w, int s, int k) {
        return pipelined ? k <= durable(w, s) : k <= durableInPart(w, s, part(k));
    }

    /// The part that the writer has confirmed.
    private int confirmed(int[] w, int s) {
        int last = is(HEARTBEAT_NAMES_DURABLE_PART) ? durable(w, s) : session(w, s, ATTEMPTED);
        if (last == 0) {
            return 1;
        }
        boolean over = partFence(w, s, last) && slot(w, s, last, RESOLVED) == 1;
        return over ? part(last) + 1 : part(last);
    }

    private int catalogPart(int[] w, int s) {
        return session(w, s, CATALOG_PART) + 1;
    }

    private int coverage(int[] w, int t) {
        int covered = 0;
        if (is(COVERAGE_IS_HIGHEST_TXID)) {
            for (int n = 1; n <= txids; n++) {
                covered = landed(w, t, n) ? n : covered;
            }
            return covered;
        }
        while (landed(w, t, covered + 1)) {
            covered++;
        }
        return covered;
    }

    private int allEntries(int[] w, int s, int k) {
        return (entry(w, s, k, 0) != 0 ? 1 : 0) | (entry(w, s, k, 1) != 0 ? 2 : 0);
    }

    /// Which entries the writer believes the slot to hold.
    private int believed(int[] w, int s, int k) {
        if (slot(w, s, k, REBUILT) == 0) {
            return allEntries(w, s, k);
        }
        return is(IDENTIFIES_BY_WRITER) ? 2 : 3;
    }

    /// Which entries lie in the store.
    private int stored(int[] w, int s, int k) {
        int object = object(w, s, k);
        if (object == ABSENT || object == FENCE) {
            return 0;
        }
        if (slot(w, s, k, REBUILT) == 0) {
            return allEntries(w, s, k);
        }
        return object == BODY ? 1 : believed(w, s, k);
    }

    private int highestListed(int[] w, int s) {
        int highest = 0;
        for (int k = 1; k <= slots; k++) {
            highest = object(w, s, k) != ABSENT ? k : highest;
        }
        return highest;
    }

    /// A fence lies where the writer's chain goes on. A part fence on its way adds nothing.
    private boolean fencedForGood(int[] w, int s) {
        int k = 1;
        while (k <= slots && (ever(w, s, k) || partFence(w, s, k) && object(w, s, k) == ABSENT)) {
            k = following(w, s, k);
        }
        return object(w, s, k) == FENCE;
    }

    /// All slots up to k were created.
    private boolean chained(int[] w, int s, int k) {
        int j = 1;
        while (j < k && ever(w, s, j)) {
            j = following(w, s, j);
        }
        return j == k && ever(w, s, k);
    }

    private boolean covered(int[] w, int s, int k) {
        int entries = stored(w, s, k);
        for (int i = 0; i < 2; i++) {
            if ((entries >> i & 1) == 1) {
                int entry = entry(w, s, k, i);
                if (txidOf(entry) > coverage(w, tenantOf(entry))) {
                    return false;
                }
            }
        }
        return true;
    }

    // Steps.

    @Override
    public void next(int[] w, Next out) {
        for (int s = 0; s < sessions; s++) {
            for (int t = 0; t < tenants; t++) {
                messages(w, s, t, out);
                serve(w, s, t, out);
                assign(w, s, t, out);
            }
            commitBoth(w, s, out);
            endPart(w, s, out);
            recordPart(w, s, out);
            for (int k = 1; k <= session(w, s, ATTEMPTED); k++) {
                if (attempted(w, s, k)) {
                    write(w, s, k, out);
                    drain(w, s, k, out);
                }
            }
            for (int k = 1; k <= slots; k++) {
                clean(w, s, k, out);
            }
            startFencing(w, s, out);
            leases(w, s, out);
        }
        for (int t = 0; t < tenants; t++) {
            for (int n = 1; n <= txids; n++) {
                if (content(w, t, n) != 0 && !landed(w, t, n)) {
                    int[] u = w.clone();
                    put(u, at.derived(t, n), LANDED, 1);
                    out.go(u, Event.DERIVED_LANDS, t, n, 0, 0);
                }
            }
        }
        for (int i = 0; i < FENCERS; i++) {
            fencer(w, i, out);
        }
    }

    private void messages(int[] w, int s, int t, Next out) {
        for (int g = 1; g <= bounds.assignments(); g++) {
            int bit = 1 << g - 1;
            if ((stay(w, s, t, ASSIGN_SENT) & bit) != 0
                    && stay(w, s, t, OPEN) == SHUT
                    && (is(ASSIGNMENT_WITHOUT_NUMBER) || g > stay(w, s, t, LAST_NUMBER))) {
                open(w, s, t, g, out);
            }
            if ((stay(w, s, t, RELEASE_SENT) & bit) != 0
                    && tenant(w, t, OWNER) == s + 1
                    && (is(RELEASE_WITHOUT_NUMBER) || g == tenant(w, t, NUMBER))) {
                int[] u = w.clone();
                put(u, at.tenant(t), OWNER, 0);
                out.go(u, Event.RELEASE_TAKEN, s, t, g, 0);
            }
        }
    }

    private void open(int[] w, int s, int t, int g, Next out) {
        int[] u = w.clone();
        int covered = coverage(w, t);
        int stay = at.stay(s, t);
        put(u, stay, OPEN, SERVING);
        put(u, stay, LAST_NUMBER, g);
        put(u, stay, BASE, covered);
        put(u, stay, CURRENT, covered);
        // A fenced zombie that hydrates is no owner; one that is not fenced meets I2 or I3.
        if (tenant(w, t, OWNER) == s + 1) {
            for (int n = 1; n <= txids; n++) {
                if (landed(w, t, n) != n <= covered) {
                    violation = "I2: gap in the history of T" + t + " that W" + s + " hydrates";
                }
            }
            if (violation == null) {
                violation = lacks(u, s, t, "I1: W" + s + " hydrates without acknowledged ");
            }
        }
        out.go(u, Event.ASSIGNMENT_ARRIVES, s, t, g, 0);
    }

    private void serve(int[] w, int s, int t, Next out) {
        int open = stay(w, s, t, OPEN);
        if (open == SERVING) {
            int k = own(w, s);
            if (mayCommit(w, s) && stay(w, s, t, CURRENT) < txids) {
                int[] u = w.clone();
                commit(u, s, k, t, 0);
                out.go(u, Event.COMMIT, s, t, k, stay(u, s, t, CURRENT));
            }
            int[] u = w.clone();
            put(u, at.stay(s, t), OPEN, RELEASING);
            out.go(u, Event.RELEASE_BEGINS, s, t, 0, 0);
        }
        if (open == RELEASING && mayRelease(w, s, t)) {
            int[] u = w.clone();
            int stay = at.stay(s, t);
            int g = stay(w, s, t, LAST_NUMBER);
            put(u, stay, OPEN, SHUT);
            put(u, stay, BASE, 0);
            put(u, stay, CURRENT, 0);
            put(u, stay, RELEASE_SENT, stay(w, s, t, RELEASE_SENT) | 1 << g - 1);
            out.go(u, Event.RELEASE_SENT, s, t, g, 0);
        }
    }

    private boolean mayCommit(int[] w, int s) {
        int last = session(w, s, ATTEMPTED);
        int k = own(w, s);
        if (k > slots || used(w, s) >= bounds.commits().get(s)) {
            return false;
        }
        boolean begun =
                partFence(w, s, last)
                        ? slot(w, s, last, RESOLVED) == 1 || is(NEXT_PART_BEFORE_PART_FENCE)
                        : k - first(part(k)) < perPart;
        return begun && inWindow(w, s, k);
    }

    private int used(int[] w, int s) {
        int used = 0;
        for (int k = 1; k <= session(w, s, ATTEMPTED); k++) {
            used += allEntries(w, s, k) != 0 ? 1 : 0;
        }
        return used;
    }

    /// W2.
    private boolean inWindow(int[] w, int s, int k) {
        if (!is(WINDOW_COUNTS_UNRESOLVED)) {
            return k <= durableInPart(w, s, part(k)) + bounds.window();
        }
        int open = 0;
        for (int j = first(part(k)); j < k; j++) {
            open += slot(w, s, j, RESOLVED) == 0 ? 1 : 0;
        }
        return open < bounds.window();
    }

    private void commit(int[] u, int s, int k, int t, int i) {
        int n = stay(u, s, t, CURRENT) + 1;
        put(u, at.stay(s, t), CURRENT, n);
        put(u, at.session(s), ATTEMPTED, k);
        int slot = at.slot(s, k);
        put(u, slot, i == 0 ? ENTRY_0 : ENTRY_1, entry(t, n));
        if (is(RECOVERS_FROM_UNDRAINED)) {
            int from = 1;
            while (from < k && drained(u, s, from)) {
                from++;
            }
            put(u, slot, UNDRAINED_FROM, from);
        }
        if (is(READS_NOT_GATED)) {
            put(u, slot, ACKED, ACKED.get(u[slot]) | 1 << i);
        }
    }

    private boolean drained(int[] w, int s, int k) {
        for (int i = 0; i < 2; i++) {
            int entry = entry(w, s, k, i);
            if (entry != 0) {
                int t = tenantOf(entry);
                int n = txidOf(entry);
                if (is(UNDRAINED_MOVES_ON_SENT) ? content(w, t, n) == 0 : !landed(w, t, n)) {
                    return false;
                }
            }
        }
        return true;
    }

    private boolean mayRelease(int[] w, int s, int t) {
        for (int k = 1; k <= session(w, s, ATTEMPTED); k++) {
            int entries = believed(w, s, k);
            for (int i = 0; i < 2; i++) {
                int entry = entry(w, s, k, i);
                if ((entries >> i & 1) == 1 && tenantOf(entry) == t) {
                    boolean drained = is(RELEASES_BEFORE_DRAIN) || landed(w, t, txidOf(entry));
                    if (!drained || !isDurable(w, s, k)) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    private void assign(int[] w, int s, int t, Next out) {
        int g = tenant(w, t, NUMBER) + 1;
        if (tenant(w, t, OWNER) == 0
                && g <= bounds.assignments()
                && session(w, s, CATALOG) == LIVE) {
            int[] u = w.clone();
            put(u, at.tenant(t), OWNER, s + 1);
            put(u, at.tenant(t), NUMBER, g);
            put(u, at.stay(s, t), ASSIGN_SENT, stay(w, s, t, ASSIGN_SENT) | 1 << g - 1);
            out.go(u, Event.ASSIGN, s, t, g, 0);
        }
    }

    private void commitBoth(int[] w, int s, Next out) {
        if (tenants < 2 || !bounds.together() || !mayCommit(w, s)) {
            return;
        }
        for (int t = 0; t < 2; t++) {
            if (stay(w, s, t, OPEN) != SERVING || stay(w, s, t, CURRENT) >= txids) {
                return;
            }
        }
        int[] u = w.clone();
        int k = own(w, s);
        commit(u, s, k, 0, 0);
        commit(u, s, k, 1, 1);
        out.go(u, Event.COMMIT_BOTH, s, 0, k, 0);
    }

    private void endPart(int[] w, int s, Next out) {
        int k = own(w, s);
        int last = session(w, s, ATTEMPTED);
        if (k <= slots
                && part(k) < bounds.parts().get(s)
                && (!partFence(w, s, last) || slot(w, s, last, RESOLVED) == 1)
                && (is(PART_FENCE_BEFORE_WINDOW_EMPTY) || durable(w, s) == last)) {
            int[] u = w.clone();
            put(u, at.session(s), ATTEMPTED, k);
            put(u, at.slot(s, k), PART_FENCE, 1);
            out.go(u, Event.PART_ENDS, s, 0, k, 0);
        }
    }

    private void recordPart(int[] w, int s, Next out) {
        boolean listens = session(w, s, CATALOG) == LIVE || is(PART_RECORDED_AFTER_FENCING);
        if (is(PARTS_NOT_RECORDED) || !listens) {
            return;
        }
        int highest = confirmed(w, s);
        int last = session(w, s, ATTEMPTED);
        boolean ahead =
                is(HEARTBEAT_NAMES_UNBEGUN_PART)
                        || is(HEARTBEAT_NAMES_ATTEMPTED_PART)
                                && partFence(w, s, last)
                                && slot(w, s, last, RESOLVED) == 0;
        if (ahead && highest < bounds.parts().get(s)) {
            highest++;
        }
        int now = catalogPart(w, s);
        for (int part = is(PART_IS_LOWERED) ? 1 : now + 1; part <= highest; part++) {
            if (part != now) {
                int[] u = w.clone();
                put(u, at.session(s), CATALOG_PART, part - 1);
                out.go(u, Event.PART_RECORDED, s, part, 0, 0);
            }
        }
    }

    private void write(int[] w, int s, int k, Next out) {
        if (object(w, s, k) == ABSENT) {
            for (int body = BODY; body <= (slot(w, s, k, REBUILT) == 1 ? BODY_2 : BODY); body++) {
                int[] u = w.clone();
                put(u, at.slot(s, k), OBJECT, body);
                put(u, at.slot(s, k), EVER, 1);
                if (!ever(w, s, k) && session(w, s, FENCED_AT) > 0) {
                    put(u, at.slot(s, k), LATE, 1);
                }
                out.go(u, Event.PUT_LANDS, s, 0, k, body);
            }
        }
        if (slot(w, s, k, RESOLVED) == 0) {
            if (looksOurs(w, s, k)) {
                resolve(w, s, k, out);
            }
            if (rebuilds()) {
                rebuild(w, s, k, out);
            }
        }
    }

    private boolean looksOurs(int[] w, int s, int k) {
        if (slot(w, s, k, REBUILT) == 1) {
            return segment(w, s, k);
        }
        int object = object(w, s, k);
        return object == BODY
                || object == BODY_2
                || ever(w, s, k) // A late 2xx, the slot was trimmed since.
                || is(PART_FENCE_412_IS_OURS) && partFence(w, s, k) && object == FENCE;
    }

    private void resolve(int[] w, int s, int k, Next out) {
        int[] u = w.clone();
        put(u, at.slot(s, k), RESOLVED, 1);
        for (int j = 1; j <= session(u, s, ATTEMPTED); j++) {
            if (isDurable(u, s, j) || is(ACKS_OUT_OF_ORDER) && j == k) {
                int before = slot(u, s, j, ACKED);
                put(u, at.slot(s, j), ACKED, before | believed(u, s, j));
                if (slot(u, s, j, LATE) == 1 && before == 0 && slot(u, s, j, ACKED) != 0) {
                    violation = "I5: W" + s + " acknowledges " + name(j) + ", put after its fence";
                }
            }
        }
        out.go(u, Event.RESOLVE, s, 0, k, 0);
    }

    private void rebuild(int[] w, int s, int k, Next out) {
        if (slot(w, s, k, REBUILT) == 1
                || entry(w, s, k, 1) != 0
                || partFence(w, s, k)
                || k != session(w, s, ATTEMPTED)) {
            return;
        }
        int t = tenantOf(entry(w, s, k, 0));
        int n = txidOf(entry(w, s, k, 0));
        int[] u = w.clone();
        if (is(REBATCHES_ON_RETRY)) {
            if (stay(w, s, t, OPEN) != SERVING || stay(w, s, t, CURRENT) != n || n >= txids) {
                return;
            }
            n++;
            put(u, at.stay(s, t), CURRENT, n);
        }
        put(u, at.slot(s, k), REBUILT, 1);
        put(u, at.slot(s, k), ENTRY_1, entry(t, n));
        out.go(u, Event.REBUILD, s, t, k, n);
    }

    private void drain(int[] w, int s, int k, Next out) {
        if (!isDurable(w, s, k) && !is(DRAINS_WHAT_IS_NOT_DURABLE)) {
            return;
        }
        int entries = believed(w, s, k);
        for (int i = 0; i < 2; i++) {
            if ((entries >> i & 1) == 1) {
                int entry = entry(w, s, k, i);
                int n = txidOf(entry);
                if (n == 1 || content(w, tenantOf(entry), n - 1) != 0) {
                    derive(w, s, k, i, false, out);
                }
            }
        }
    }

    private void derive(int[] w, int s, int k, int i, boolean recovery, Next out) {
        int t = tenantOf(entry(w, s, k, i));
        int n = txidOf(entry(w, s, k, i));
        int content = contentId(s, k, i);
        if (n > txids || content(w, t, n) == content) {
            return;
        }
        String file = "derived file T" + t + " txid " + n + " from W" + s + " " + name(k);
        boolean inStore = (stored(w, s, k) >> i & 1) == 1;
        boolean trimmed = !recovery && !segment(w, s, k);
        if (content(w, t, n) != 0) {
            violation = "I2: second content for " + file;
        } else if (!chained(w, s, k) || !inStore && !trimmed) {
            violation = "I2: " + file + ", which no durable prefix holds";
        } else if (slot(w, s, k, LATE) == 1) {
            violation = "I5: " + file + ", put after the fence";
        }
        int[] u = w.clone();
        put(u, at.derived(t, n), CONTENT, content);
        out.go(u, recovery ? Event.RECOVERY_SENT : Event.DRAIN_SENT, s, t, k, n);
    }

    private void clean(int[] w, int s, int k, Next out) {
        int object = object(w, s, k);
        boolean sent = slot(w, s, k, DELETE_SENT) == 1;
        if (slot(w, s, k, FENCE_SENT) == 1 && object == ABSENT) {
            int[] u = w.clone();
            put(u, at.slot(s, k), OBJECT, FENCE);
            out.go(u, Event.FENCE_LANDS, s, 0, k, 0);
        }
        if (!sent && segment(w, s, k) && mayDelete(w, s, k)) {
            int[] u = w.clone();
            put(u, at.slot(s, k), DELETE_SENT, 1);
            out.go(u, Event.DELETE_SENT, s, 0, k, 0);
        }
        // By key, so a late one takes whatever lies there by then.
        if (sent && (segment(w, s, k) || object == FENCE)) {
            int[] u = w.clone();
            put(u, at.slot(s, k), OBJECT, ABSENT);
            out.go(u, Event.DELETE_LANDS, s, 0, k, 0);
        }
        boolean earlier = part(k) < catalogPart(w, s);
        if (is(DELETES_FENCES) && object == FENCE && session(w, s, CATALOG) == CLOSED
                || is(DELETES_EARLIER_PART_FENCES) && partFenceStored(w, s, k) && earlier) {
            int[] u = w.clone();
            put(u, at.slot(s, k), OBJECT, ABSENT);
            out.go(u, Event.FENCE_DELETED, s, 0, k, 0);
        }
    }

    /// G2 and G3.
    private boolean mayDelete(int[] w, int s, int k) {
        boolean closed = session(w, s, CATALOG) == CLOSED;
        boolean covered = covered(w, s, k);
        if (is(TRIMS_CLOSED_SESSIONS_ONLY)) {
            return closed && covered;
        }
        int live = is(TRIMS_BEFORE_PART_IS_NAMED) ? confirmed(w, s) : catalogPart(w, s);
        boolean early = part(k) < live || is(TRIMS_LIVE_PART);
        boolean open = session(w, s, CATALOG) == LIVE || !is(TRIMS_LIVE_SESSIONS_ONLY);
        return early && open && (covered || is(TRIMS_WHAT_IS_NOT_COVERED)) || closed && covered;
    }

    private void startFencing(int[] w, int s, Next out) {
        if (session(w, s, CATALOG) == CLOSED) {
            return;
        }
        for (int i = 0; i < FENCERS; i++) {
            if (PHASE.get(w[at.fencer(i)]) == IDLE) {
                long starts = starts(w, s);
                for (int k = 1; k <= slots; k++) {
                    if ((starts >> k & 1) == 1) {
                        int[] u = w.clone();
                        put(u, at.session(s), CATALOG, FENCING);
                        u[at.fencer(i)] = fencer(WALKING, s, k);
                        out.go(u, Event.FENCING, s, 0, k, 0);
                    }
                }
                return;
            }
        }
    }

    private static int fencer(int phase, int s, int k) {
        return phase == IDLE ? 0 : AT.set(OF.set(phase, s), k);
    }

    /// The slots at which a fencer may arrive by its LIST, as a set of bits.
    private long starts(int[] w, int s) {
        int highest = highestListed(w, s);
        int named = catalogPart(w, s);
        int confirmed = confirmed(w, s);
        long starts = 0;
        if (is(FENCE_FROM_LATER_CONFIRMED_PART)) {
            for (int part = named; part <= Math.max(confirmed, named); part++) {
                starts |= bit(skip(w, s, first(part)));
            }
            return starts;
        }
        if (is(FENCE_FROM_PART_READ_BEFORE_FENCING)) {
            for (int part = 1; part <= named; part++) {
                starts |= bit(skip(w, s, first(part)));
            }
            return starts;
        }
        if (is(FENCE_FROM_DURABLE_SLOT_OF_ANOTHER_PART)) {
            for (int part = named; part <= confirmed; part++) {
                int reported = durableInPart(w, s, part) - first(part) + 1;
                for (int j = 1; j <= Math.max(1, reported); j++) {
                    starts |= bit(skip(w, s, first(named) + j - 1));
                }
            }
            return starts;
        }
        return bit(start(w, s, highest, named));
    }

    private int start(int[] w, int s, int highest, int named) {
        if (is(FENCE_AFTER_LAST_LISTED)) {
            return highest + 1;
        }
        if (is(FENCE_FROM_HIGHEST_LISTED_LESS_WINDOW)) {
            return skip(w, s, Math.max(1, highest - bounds.window() + 1));
        }
        if (is(FENCE_FROM_SMALLEST_LISTED)) {
            int k = 1;
            while (k < highest && object(w, s, k) == ABSENT) {
                k++;
            }
            return skip(w, s, k);
        }
        if (is(FENCE_WALKS_PAST_FENCES)) {
            int k = 1;
            while (object(w, s, k) != ABSENT) {
                k++;
            }
            return k;
        }
        if (is(FENCE_FROM_HIGHEST_LISTED_PART)) {
            return skip(w, s, first(part(Math.max(1, highest))));
        }
        if (is(FENCE_AFTER_HIGHEST_LISTED_PART_FENCE)) {
            int part = 1;
            for (int k = 1; k <= slots; k++) {
                part = partFenceStored(w, s, k) ? part(k) + 1 : part;
            }
            return skip(w, s, first(part));
        }
        return skip(w, s, first(named));
    }

    private static long bit(int k) {
        return 1L << k;
    }

    /// The first slot from k on that holds no segment.
    private int skip(int[] w, int s, int k) {
        int at = k;
        while (at <= slots && segment(w, s, at)) {
            at++;
        }
        return at;
    }

    private void fencer(int[] w, int i, Next out) {
        int word = w[at.fencer(i)];
        int s = OF.get(word);
        int k = AT.get(word);
        if (PHASE.get(word) == IDLE) {
            return;
        }
        move(w, i, fencer(IDLE, 0, 0), Event.FENCER_DIES, s, k, out);
        if (PHASE.get(word) == WALKING) {
            walk(w, i, s, k, out);
        } else {
            recover(w, i, s, k, out);
        }
    }

    private void move(int[] w, int i, int to, Event event, int s, int k, Next out) {
        int[] u = w.clone();
        u[at.fencer(i)] = to;
        out.go(u, event, s, 0, k, 0);
    }

    private void walk(int[] w, int i, int s, int k, Next out) {
        int object = object(w, s, k);
        boolean sent = slot(w, s, k, FENCE_SENT) == 1;
        if (object == ABSENT && !sent) {
            int[] u = w.clone();
            put(u, at.slot(s, k), FENCE_SENT, 1);
            out.go(u, Event.FENCE_SENT, s, 0, k, 0);
        }
        if (object == ABSENT && sent && is(FENCE_ADVANCES_ON_TIMEOUT) && k < slots) {
            move(w, i, fencer(WALKING, s, k + 1), Event.FENCER_TIMES_OUT, s, k, out);
        }
        if (segment(w, s, k) && k < slots) {
            move(w, i, fencer(WALKING, s, k + 1), Event.FENCER_GOES_ON, s, k, out);
        }
        boolean ends = is(FENCE_ENDS_AT_PART_FENCE) || is(FENCE_ENDS_AT_PART_FENCE_ON_412) && sent;
        if (partFenceStored(w, s, k) && !ends) {
            int to = fencer(WALKING, s, first(part(k) + 1));
            move(w, i, to, Event.FENCER_FOLLOWS, s, k, out);
        }
        if (object == FENCE || ends && partFenceStored(w, s, k)) {
            int[] u = w.clone();
            u[at.fencer(i)] = fencer(RECOVERING, s, k);
            if (session(w, s, FENCED_AT) == 0) {
                put(u, at.session(s), FENCED_AT, k);
            }
            out.go(u, Event.FENCER_DONE, s, 0, k, 0);
        }
    }

    private void recover(int[] w, int i, int s, int fence, Next out) {
        boolean complete = true;
        int end = is(RECOVERS_BEYOND_FENCE) ? slots : fence - 1;
        for (int k = recoverFrom(w, s, fence); k <= end; k++) {
            int entries = segment(w, s, k) ? stored(w, s, k) : 0;
            for (int e = 0; e < 2; e++) {
                if ((entries >> e & 1) == 1) {
                    int entry = entry(w, s, k, e);
                    if (txidOf(entry) > coverage(w, tenantOf(entry))) {
                        complete = false;
                        derive(w, s, k, e, true, out);
                    }
                }
            }
        }
        boolean leased = session(w, s, LEASE) == 1 && !is(CLOSES_DURING_LEASE);
        if ((complete || is(CLOSES_BEFORE_RECOVERY)) && !leased) {
            int[] u = w.clone();
            u[at.fencer(i)] = 0;
            put(u, at.session(s), CATALOG, CLOSED);
            for (int t = 0; t < tenants; t++) {
                if (tenant(u, t, OWNER) == s + 1) {
                    put(u, at.tenant(t), OWNER, 0);
                }
            }
            out.go(u, Event.CLOSED, s, 0, 0, 0);
        }
    }

    private int recoverFrom(int[] w, int s, int fence) {
        if (is(RECOVERS_LAST_PART_ONLY)) {
            return first(part(fence));
        }
        if (is(RECOVERS_FROM_CATALOGS_PART)) {
            return first(Math.min(catalogPart(w, s), part(fence)));
        }
        if (!is(RECOVERS_FROM_UNDRAINED)) {
            return 1;
        }
        int last = fence - 1;
        while (last >= 1 && !segment(w, s, last)) {
            last--;
        }
        return last < 1 ? 1 : slot(w, s, last, UNDRAINED_FROM);
    }

    private void leases(int[] w, int s, Next out) {
        lapse(w, s, LEASE, out);
        lapse(w, s, OWN_LEASE, out);
        if (is(GRANTS_ITSELF_A_LEASE) && session(w, s, OWN_LEASE) == 0 && checkPasses(w, s)) {
            int[] u = w.clone();
            put(u, at.session(s), OWN_LEASE, 1);
            out.go(u, Event.LEASE_TAKEN, s, 0, 0, 0);
        }
    }

    private void lapse(int[] w, int s, Field lease, Next out) {
        if (session(w, s, lease) == 1) {
            int[] u = w.clone();
            put(u, at.session(s), lease, 0);
            out.go(u, Event.LEASE_LAPSES, s, 0, 0, 0);
        }
    }

    // What must hold.

    @Override
    public @Nullable String check(int[] w) {
        String wrong = acknowledged(w);
        wrong = wrong == null ? twoContents(w) : wrong;
        wrong = wrong == null ? twoOwners(w) : wrong;
        return wrong == null ? staleRead(w) : wrong;
    }

    /// I1, I5.
    private @Nullable String acknowledged(int[] w) {
        for (int s = 0; s < sessions; s++) {
            for (int k = 1; k <= slots; k++) {
                int acked = slot(w, s, k, ACKED);
                for (int i = 0; acked >> i != 0; i++) {
                    String wrong = (acked >> i & 1) == 1 ? lost(w, s, k, i) : null;
                    if (wrong != null) {
                        return wrong;
                    }
                }
            }
        }
        return null;
    }

    private @Nullable String lost(int[] w, int s, int k, int i) {
        int t = tenantOf(entry(w, s, k, i));
        int n = txidOf(entry(w, s, k, i));
        if (landed(w, t, n) && content(w, t, n) == contentId(s, k, i)) {
            return null;
        }
        String commit = "acknowledged T" + t + " txid " + n + " (W" + s + " " + name(k) + ")";
        int fence = session(w, s, FENCED_AT);
        if (session(w, s, CATALOG) == CLOSED) {
            return "I1: " + commit + " is lost, its session is closed";
        }
        if (fence > 0 && k >= fence) {
            return "I1/I5: " + commit + " lies at or beyond the fence " + name(fence);
        }
        if ((stored(w, s, k) >> i & 1) == 0 && !is(READS_NOT_GATED)) {
            return "I1: " + commit + " is nowhere";
        }
        return is(READS_NOT_GATED) && !ever(w, s, k) && fencedForGood(w, s) && blocked(w, s, k)
                ? "I1: a read showed " + commit + ", which can never become durable"
                : null;
    }

    private boolean blocked(int[] w, int s, int k) {
        for (int j = 1; j <= k; j++) {
            if (!ever(w, s, j) && object(w, s, j) == FENCE) {
                return true;
            }
        }
        return false;
    }

    /// I2.
    private @Nullable String twoContents(int[] w) {
        for (int s = 0; s < sessions; s++) {
            for (int k = 1; ever(w, s, k); k = following(w, s, k)) {
                for (int i = 0; i < 2; i++) {
                    int entry = entry(w, s, k, i);
                    if (entry != 0
                            && slot(w, s, k, REBUILT) == 0
                            && again(w, entry, s, following(w, s, k))) {
                        return "I2: T%d txid %d has two durable contents, one in W%d %s"
                                .formatted(tenantOf(entry), txidOf(entry), s, name(k));
                    }
                }
            }
        }
        return null;
    }

    private boolean again(int[] w, int entry, int from, int slot) {
        for (int s = from; s < sessions; s++) {
            for (int k = s == from ? slot : 1; ever(w, s, k); k = following(w, s, k)) {
                if (slot(w, s, k, REBUILT) == 0
                        && (entry(w, s, k, 0) == entry || entry(w, s, k, 1) == entry)) {
                    return true;
                }
            }
        }
        return false;
    }

    /// I3.
    private @Nullable String twoOwners(int[] w) {
        for (int t = 0; t < tenants; t++) {
            int owners = 0;
            for (int s = 0; s < sessions; s++) {
                owners += stay(w, s, t, OPEN) == SERVING && !fencedForGood(w, s) ? 1 : 0;
            }
            if (owners > 1) {
                return "I3: two sessions have T" + t + " open for writing, neither is fenced";
            }
        }
        return null;
    }

    /// I4.
    private @Nullable String staleRead(int[] w) {
        for (int s = 0; s < sessions; s++) {
            boolean checked = checkPasses(w, s);
            boolean leased = session(w, s, LEASE) == 1 || session(w, s, OWN_LEASE) == 1;
            if (checked || leased) {
                for (int t = 0; t < tenants; t++) {
                    if (stay(w, s, t, OPEN) == SERVING) {
                        String by = checked ? " passes its self-check" : " reads under its lease";
                        String wrong = lacks(w, s, t, "I4: W" + s + by + " without acknowledged ");
                        if (wrong != null) {
                            return wrong;
                        }
                    }
                }
            }
        }
        return null;
    }

    /// Nothing is in flight, and the writer's next slot is free.
    private boolean checkPasses(int[] w, int s) {
        int last = session(w, s, ATTEMPTED);
        int durable = durable(w, s);
        boolean early =
                is(CHECKS_PAST_UNRESOLVED_PART_FENCE)
                        && partFence(w, s, last)
                        && (durable == 0 ? 1 : following(w, s, durable)) == last;
        return (durable == last || early) && object(w, s, own(w, s)) == ABSENT;
    }

    /// Which acknowledged commit of the tenant the session's state lacks, or null.
    private @Nullable String lacks(int[] w, int s, int t, String wrong) {
        for (int o = 0; o < sessions; o++) {
            for (int k = 1; k <= slots; k++) {
                int acked = slot(w, o, k, ACKED);
                for (int i = 0; acked >> i != 0; i++) {
                    int entry = entry(w, o, k, i);
                    if ((acked >> i & 1) == 1 && tenantOf(entry) == t) {
                        int n = txidOf(entry);
                        boolean has =
                                n <= stay(w, s, t, BASE)
                                        ? content(w, t, n) == contentId(o, k, i)
                                        : o == s && n <= stay(w, s, t, CURRENT);
                        if (!has) {
                            return wrong + "T" + t + " txid " + n + " of W" + o;
                        }
                    }
                }
            }
        }
        return null;
    }

    /// Removes what can never matter again and orders the fencers, who are alike: fewer states of
    /// the same world.
    @Override
    public void reduce(int[] w) {
        int one = at.fencer(0);
        if (w[one + 1] > w[one]) {
            int swap = w[one];
            w[one] = w[one + 1];
            w[one + 1] = swap;
        }
        for (int s = 0; s < sessions; s++) {
            for (int t = 0; t < tenants; t++) {
                int stay = at.stay(s, t);
                if (!is(ASSIGNMENT_WITHOUT_NUMBER)) {
                    int past = (1 << stay(w, s, t, LAST_NUMBER)) - 1;
                    put(w, stay, ASSIGN_SENT, stay(w, s, t, ASSIGN_SENT) & ~past);
                }
                if (!is(RELEASE_WITHOUT_NUMBER)) {
                    int number = tenant(w, t, NUMBER);
                    int takes = tenant(w, t, OWNER) == s + 1 ? 1 << number - 1 : 0;
                    put(w, stay, RELEASE_SENT, stay(w, s, t, RELEASE_SENT) & takes);
                }
            }
            for (int k = 1; k <= slots && !is(DELETES_FENCES); k++) {
                if (object(w, s, k) == FENCE && slot(w, s, k, DELETE_SENT) == 0) {
                    put(w, at.slot(s, k), FENCE_SENT, 0);
                }
            }
        }
    }
}
