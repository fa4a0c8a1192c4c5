package dev.litefleet.replica.log.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.log.model.TenureModel.Change;
import dev.litefleet.replica.log.model.TenureModel.Times;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Verdicts on leases and their grantors, pinned as those of [CommitLogModelTest] are.
final class TenureModelTest {
    private static Search.Verdict search(Times times, Set<Change> changes) {
        return Search.of(new TenureModel(times, changes));
    }

    /// A margin covers what one clock lags behind during a lease.
    @ParameterizedTest
    @CsvSource({"3, 0, 0, 0, 9726", "3, 1, 1, 0, 24010", "3, 1, 0, 1, 23914", "3, 2, 2, 2, 135394"})
    void noLeaseOutlivesTheWait(int lease, int margin, int worker, int controller, int states) {
        var verdict = search(new Times(lease, margin, worker, controller), Set.of());

        assertThat(verdict.violation()).as(verdict.toString()).isNull();
        assertThat(verdict.states()).isEqualTo(states);
    }

    @ParameterizedTest
    @CsvSource({
        "GRANTS_AFTER_DOUBT, 15",
        "PROOF_FROM_END_OF_LOOK, 18",
        "DECIDES_BEFORE_HEARTBEAT, 19",
        "LEASE_FROM_ANSWER, 18",
        "SUCCESSOR_WAITS_ONE_LEASE, 14",
        "SUCCESSOR_WAITS_FROM_CLAIM, 18"
    })
    void everyDefectIsFound(Change change, int steps) {
        var verdict = search(new Times(3, 1, 0, 0), EnumSet.of(change));

        assertThat(verdict.violation()).as(verdict.toString()).startsWith("I4:");
        assertThat(verdict.trace()).as(verdict.toString()).hasSize(steps);
    }

    /// Two leases are counted, one after the other, each on a clock of its own: a margin that
    /// covers either clock does not cover both.
    @Test
    void oneMarginDoesNotCoverTwoSlowClocks() {
        Set<Change> once = EnumSet.of(Change.ONE_MARGIN_FOR_TWO_LEASES);
        assertThat(search(new Times(3, 2, 2, 0), once).violation()).isNull();
        assertThat(search(new Times(3, 2, 0, 2), once).violation()).isNull();

        var verdict = search(new Times(3, 2, 2, 2), once);

        assertThat(verdict.violation()).as(verdict.toString()).startsWith("I4:");
    }

    @Test
    void tracesCanBeRead() {
        var verdict = search(new Times(2, 0, 0, 0), EnumSet.of(Change.SUCCESSOR_WAITS_ONE_LEASE));

        String tick = "time passes; the clock of W0 lags by 0, the controller's by 0";
        assertThat(verdict.trace())
                .containsExactly(
                        "1. the controller begins a look at its own log",
                        "2. the look finds 0 fences",
                        "3. the look ends",
                        "4. a successor claims the next epoch",
                        "5. the successor fences the controller's log",
                        "6. " + tick,
                        "7. W0 sends a heartbeat",
                        "8. the controller grants W0 a lease",
                        "9. " + tick,
                        "10. the answer reaches W0: its lease has 1 ticks left",
                        "11. the successor has waited, closes the worker's session and gives its"
                                + " tenant away",
                        "12. the tenant's new owner acknowledges a commit");
    }
}
