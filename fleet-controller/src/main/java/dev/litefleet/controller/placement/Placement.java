package dev.litefleet.controller.placement;

import java.util.Comparator;
import java.util.Optional;

/// Decides which worker a tenant lives on. Pure: the same fleet gives the same answer, so tests are
/// tables and an operator can ask why.
public final class Placement {
    private static final Comparator<FleetView.Worker> BEST =
            Comparator.comparingDouble(FleetView.Worker::load)
                    .thenComparing(FleetView.Worker::name)
                    .thenComparing(FleetView.Worker::session);

    private Placement() {}

    /// Where a tenant goes, or why nowhere.
    public sealed interface Decision {
        /// @param session of the chosen worker
        record Place(String session) implements Decision {}

        /// No worker can take the tenant.
        ///
        /// @param reason for the operator, in words
        record NoRoom(String reason) implements Decision {}
    }

    /// The worker that had the tenant last, if it takes it: there the files are warm, and frames
    /// that a killed process had not shipped are shipped instead of going to quarantine. Else the
    /// least loaded accepting worker with room; ties go to the lowest name.
    public static Decision choose(FleetView fleet) {
        return fleet.workers().stream()
                .filter(FleetView.Worker::takes)
                .min(
                        Comparator.comparing((FleetView.Worker worker) ->
                                        !fleet.home().equals(Optional.of(worker.name())))
                                .thenComparing(BEST))
                .<Decision>map(worker -> new Decision.Place(worker.session()))
                .orElseGet(() -> new Decision.NoRoom(describe(fleet)));
    }

    private static String describe(FleetView fleet) {
        int count = fleet.workers().size();
        long accepting = fleet.workers().stream().filter(FleetView.Worker::accepting).count();
        return accepting == 0
                ? "%d workers, none accepting".formatted(count)
                : "%d workers, %d accepting, all full".formatted(count, accepting);
    }
}
