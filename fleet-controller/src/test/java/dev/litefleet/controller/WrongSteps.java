package dev.litefleet.controller;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.objects.ObjectBody;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/// The steps of [dev.litefleet.controller.lease.Failover] and
/// [dev.litefleet.controller.lease.ControllerChain] for mutants, in the wrong order or with a wrong
/// argument. Does nothing in a fleet without such a mutant.
final class WrongSteps {
    private static final Duration AGAIN = Duration.ofMillis(300);

    private final SimFleet fleet;
    private final SimProcess process;

    WrongSteps(SimFleet fleet, SimProcess process) {
        this.fleet = fleet;
        this.process = process;
    }

    /// Whether [#failOver] is to take the place of production's.
    boolean failsOver() {
        return fleet.retold()
                || fleet.is(FleetMutant.PART_READ_BEFORE_FENCING)
                || fleet.is(FleetMutant.LOWERED_PART)
                || fleet.is(FleetMutant.CLOSES_BEFORE_RECOVERY);
    }

    /// @param known the part that the session was in when this controller met it
    void failOver(Catalog catalog, Leases leases, Epoch epoch, SessionId session, int known) {
        while (SimProcess.unlessFault(
                        () -> {
                            once(catalog, leases, epoch, session, known);
                            return true;
                        })
                .isEmpty()) {
            if (catalog.end().isDone()) {
                return;
            }
            process.node().sleep(AGAIN);
        }
    }

    private void once(Catalog catalog, Leases leases, Epoch epoch, SessionId session, int known) {
        Optional<SessionRow> row = await(process.node(), catalog.fencing(session));
        if (row.isEmpty()) {
            leases.forget(session);
            return;
        }
        leases.awaitEnded(session);
        int part = row.get().part();
        Fence.Closed closed =
                fence(
                        row.get().log(),
                        fleet.is(FleetMutant.PART_READ_BEFORE_FENCING)
                                ? Slot.firstOf(known)
                                : fleet.is(FleetMutant.LOWERED_PART)
                                        ? Slot.firstOf(Math.max(1, part - 1))
                                        : Slot.firstOf(part),
                        epoch);
        if (fleet.is(FleetMutant.CLOSES_BEFORE_RECOVERY)) {
            await(process.node(), catalog.closed(session, Map.of()));
        }
        Recovered recovered = recover(row.get().log(), closed);
        await(process.node(), catalog.closed(session, recovered.coverage()));
        leases.forget(session);
    }

    /// What a mutant does before production settles the predecessors.
    void settle(TenantKey catalog, Epoch ours) {
        if (fleet.is(FleetMutant.NEWEST_PREDECESSOR_FIRST)) {
            for (long number = ours.number() - 1; number >= 1; number--) {
                settle(catalog, number, ours, false);
            }
        } else if (fleet.is(FleetMutant.EPOCH_CLOSED_BEFORE_RECOVERY)) {
            for (long number = 1; number < ours.number(); number++) {
                settle(catalog, number, ours, true);
            }
        }
    }

    private void settle(TenantKey catalog, long number, Epoch ours, boolean early) {
        String key = "controller/%016x.closed.json".formatted(number);
        if (process.store().get(key).isPresent()) {
            return;
        }
        String file =
                new String(
                        process.store()
                                .get("controller/%016x.json".formatted(number))
                                .orElseThrow(),
                        StandardCharsets.UTF_8);
        String session = FleetJudge.member(file, "session");
        var log = new LogName(LogName.CONTROLLER, new SessionId(session));
        Fence.Closed closed = fence(log, Fence.highestPart(process.store(), log), ours);
        if (!early) {
            recover(log, closed);
        }
        Txid reached = LineageHistory.list(process.store(), catalog).coverage();
        String text =
                """
                {"format": 1, "session": "%s", "by": "%s", "part": %d, "slot": %d,
                 "catalog_txid": "%s", "at": "%s"}
                """
                        .formatted(
                                session,
                                ours.session(),
                                closed.slot().part(),
                                closed.slot().number(),
                                reached,
                                process.node().clock().instant());
        process.store().putIfAbsent(key, ObjectBody.of(text.getBytes(StandardCharsets.UTF_8)));
        if (early) {
            recover(log, closed);
        }
    }

    private Fence.Closed fence(LogName log, Slot from, Epoch epoch) {
        return Fence.close(
                process.store(),
                log,
                from,
                epoch.session().ulid(),
                epoch.number(),
                process.node(),
                process.random());
    }

    private Recovered recover(LogName log, Fence.Closed closed) {
        return Recovery.recover(process.store(), log, closed, process.folder(), process.node());
    }
}
