package dev.litefleet.replica.log.model;

import java.util.Locale;

/// One step of a world, worded for a trace. `%1$s` is the session or tenant; slots are written as
/// part and number.
enum Event {
    ASSIGNMENT_ARRIVES("W%s gets assign(T%s #%s): hydrates from derived files and opens"),
    COMMIT("W%s commits T%s in slot %s as txid %s, PUT sent"),
    COMMIT_BOTH("W%s commits T0 and T1 in slot %3$s, PUT sent"),
    PUT_LANDS("the store creates W%s slot %3$s, body %4$s"),
    RESOLVE("W%s resolves slot %3$s as its own"),
    REBUILD("W%s builds slot %3$s anew for a retry, PUT sent"),
    DRAIN_SENT("W%s sends derived file T%s txid %4$s, from slot %3$s"),
    DERIVED_LANDS("the store creates derived file T%s txid %s"),
    RELEASE_BEGINS("W%s begins to release T%s"),
    RELEASE_SENT("W%s sends release(T%s #%s)"),
    RELEASE_TAKEN("the catalog takes release(T%2$s #%3$s) from W%1$s"),
    ASSIGN("the catalog assigns T%2$s to W%1$s as #%3$s, message sent"),
    PART_ENDS("W%s ends its part: part fence in slot %3$s, PUT sent"),
    PART_RECORDED("the catalog records part %2$s of W%1$s"),
    FENCING("a fencer begins failover(W%s), first absent slot %3$s"),
    FENCE_SENT("a fencer sends put-if-absent of the fence, W%s slot %3$s"),
    FENCE_LANDS("the store creates the fence, W%s slot %3$s"),
    FENCER_GOES_ON("a fencer of W%s sees a segment in slot %3$s"),
    FENCER_FOLLOWS("a fencer of W%s sees a part fence in slot %3$s, goes to the next part"),
    FENCER_TIMES_OUT("a fencer of W%s gets no answer at slot %3$s, goes on"),
    FENCER_DONE("Fence(W%s) is done at slot %3$s"),
    FENCER_DIES("a fencer of W%s dies"),
    RECOVERY_SENT("a recoverer of W%s sends derived file T%s txid %4$s, from slot %3$s"),
    CLOSED("the catalog closes W%s, its tenants are unassigned"),
    DELETE_SENT("the janitor sends DELETE of W%s slot %3$s"),
    DELETE_LANDS("the store deletes W%s slot %3$s"),
    FENCE_DELETED("the janitor deletes the fence in W%s slot %3$s"),
    LEASE_LAPSES("the lease of W%s lapses"),
    LEASE_TAKEN("W%s finds its next slot free and grants itself a lease"),

    // Of [TenureModel].
    TIME_PASSES("time passes; the clock of W0 lags by %s, the controller's by %s"),
    LOOK_BEGINS("the controller begins a look at its own log"),
    LOOK_READS("the look finds %s fences"),
    LOOK_ENDS("the look ends"),
    LEASE_DECIDED("the controller decides that the next heartbeat gets a lease"),
    HEARTBEAT_SENT("W%s sends a heartbeat"),
    LEASE_GRANTED("the controller grants W%s a lease"),
    LEASE_ARRIVES("the answer reaches W%s: its lease has %s ticks left"),
    EPOCH_CLAIMED("a successor claims the next epoch"),
    CONTROLLER_FENCED("the successor fences the controller's log"),
    GIVEN_AWAY("the successor has waited, closes the worker's session and gives its tenant away"),
    HEIR_ACKNOWLEDGES("the tenant's new owner acknowledges a commit");

    private final String words;

    Event(String words) {
        this.words = words;
    }

    String say(int a, int b, Object c, int d) {
        return String.format(Locale.ROOT, words, a, b, c, d);
    }
}
