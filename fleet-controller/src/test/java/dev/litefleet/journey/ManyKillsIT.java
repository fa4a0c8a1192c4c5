package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.testing.RealStores;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Kills at random: a worker or the controller, at a random step or moment, its disk kept or gone,
/// sometimes while the fleet still recovers from the kill before. `-Djourney.kills=` sets how many
/// (1,000 is the long run), `-Djourney.seed=` repeats one run's choices.
final class ManyKillsIT {
    private static final int KILLS = Integer.getInteger("journey.kills", 5);
    private static final long SEED = Long.getLong("journey.seed", 1);

    private static final int TENANTS = 4;
    private static final int CLIENTS = 2;
    private static final Duration PAUSE = Duration.ofMillis(5);

    /// After so many everything is read and compared.
    private static final int ROUND = 25;

    /// What an async commit may lag behind the store at most (`lag_max`), and the time until a
    /// death is noticed here.
    private static final Duration LAG_MAX = Duration.ofSeconds(6);

    @TempDir Path dir;

    private final SplittableRandom random = new SplittableRandom(SEED);
    private final List<Machine> workers = new ArrayList<>();
    private final List<Long> workerDeaths = new ArrayList<>(); // ticker nanoseconds
    private Machines fleet;
    private Machine controller;
    private int kills;
    private int atSteps;
    private int disksLost;
    private int controllersKilled;
    private long acknowledged;
    private long unknownThere;
    private long lostAsync;

    @Test
    void nothingAcknowledgedIsEverLost() throws Exception {
        long began = System.nanoTime();
        List<Failpoint> points =
                Arrays.stream(KillStepsIT.Step.values()).map(KillStepsIT.Step::point).toList();
        try (Machines started =
                new Machines(
                        dir,
                        RealStores.named("directory").orElseThrow(),
                        points,
                        "--lease",
                        "2s",
                        "--heartbeat",
                        "500ms",
                        "--lease-margin",
                        "250ms")) {
            fleet = started;
            controller = fleet.controller().start();
            for (int i = 1; i <= 3; i++) {
                workers.add(
                        fleet.worker(
                                        "w-" + i,
                                        "shipping.drain-quiet=0.2s",
                                        "shipping.drain-every=1s",
                                        "log.part-slots-max=200")
                                .launch());
            }
            workers.forEach(Machine::awaitReady);
            List<Tenant> sync = fleet.provision("sync-", TENANTS, "{}");
            List<Tenant> async = fleet.provision("async-", TENANTS, "{\"durability\":\"async\"}");
            for (int round = 0; kills < KILLS; round++) {
                round(round, sync, async);
                fleet.verifyStore();
                report(began);
            }
        }
    }

    private void round(int round, List<Tenant> sync, List<Tenant> async) throws Exception {
        var syncLedger = new Writers.Ledger();
        var asyncLedger = new Writers.Ledger();
        workerDeaths.clear();
        int killsBefore = kills;
        var client = fleet.client();
        try (var strict = new Writers(client, sync, CLIENTS, syncLedger, round, PAUSE);
                var lax = new Writers(client, async, CLIENTS, asyncLedger, round, PAUSE)) {
            while (kills < KILLS && kills - killsBefore < ROUND) {
                killSomebody(points());
                if (random.nextInt(10) < 7) {
                    everybodyWritesAgain(strict, lax);
                }
            }
            everybodyWritesAgain(strict, lax);
            strict.stop();
            lax.stop();
            strict.verify();
            unknownThere += strict.unacknowledgedButThere();
            lostAsync += lax.lost(this::mayBeLost);
            acknowledged += syncLedger.size() + asyncLedger.size();
        }
        for (Tenant tenant : sync) {
            empty(tenant);
        }
        for (Tenant tenant : async) {
            empty(tenant);
        }
    }

    private static List<Failpoint> points() {
        return Arrays.stream(KillStepsIT.Step.values()).map(KillStepsIT.Step::point).toList();
    }

    /// So that a round's answers stay small.
    private void empty(Tenant tenant) throws Exception {
        Answer emptied = fleet.client().execute(tenant, "delete from rows");
        assertThat(emptied.ok()).as(emptied.body()).isTrue();
    }

    private void killSomebody(List<Failpoint> points) throws Exception {
        startAgain();
        boolean ofController = random.nextInt(5) == 0;
        Machine victim = ofController ? controller : workers.get(random.nextInt(workers.size()));
        Failpoint point = points.get(random.nextInt(points.size()));
        boolean atStep = random.nextBoolean();
        boolean loseDisk = random.nextBoolean();
        Duration wait = Duration.ofMillis(random.nextInt(1500));
        if (atStep) {
            victim.arm(point, 1 + random.nextInt(3));
        }
        // Either it comes to the step in this time, or it is killed wherever it is.
        await().pollDelay(Duration.ZERO)
                .pollInterval(Duration.ofMillis(10))
                .atMost(wait.plus(Machines.SOON))
                .until(new Passed(wait, victim)::orDead);
        if (victim.diedAt(point)) {
            atSteps++;
        }
        victim.kill();
        victim.disarm(point);
        if (victim.wasKilled()) {
            kills++;
            controllersKilled += ofController ? 1 : 0;
        }
        if (!ofController) {
            workerDeaths.add(System.nanoTime());
        }
        if (loseDisk) {
            disksLost++;
            victim.loseDisk();
        }
        victim.launch();
    }

    private static final class Passed {
        private final long until;
        private final Machine victim;

        Passed(Duration wait, Machine victim) {
            this.until = System.nanoTime() + wait.toNanos();
            this.victim = victim;
        }

        boolean orDead() {
            return System.nanoTime() - until >= 0 || !victim.alive();
        }
    }

    private void everybodyWritesAgain(Writers strict, Writers lax) {
        var strictMarks = strict.mark();
        var laxMarks = lax.mark();
        await("everybody writes again after kill " + kills + " of seed " + SEED)
                .atMost(Machines.SOON.multipliedBy(2))
                .until(() -> {
                    startAgain();
                    return strict.allTenantsAdvancedSince(strictMarks)
                            && lax.allTenantsAdvancedSince(laxMarks);
                });
    }

    /// As a supervisor does with those who leave by themselves, fenced, or because somebody else is
    /// there still.
    private void startAgain() {
        if (!controller.alive()) {
            controller.launch();
        }
        for (Machine worker : workers) {
            if (!worker.alive()) {
                workerDeaths.add(System.nanoTime());
                worker.launch();
            }
        }
    }

    /// Whether what was acknowledged at this moment to a client of an async tenant may be lost: a
    /// worker died within the lag after it.
    private boolean mayBeLost(long acknowledgedAt) {
        return workerDeaths.stream()
                .anyMatch(death ->
                        death - acknowledgedAt >= 0 && death - acknowledgedAt <= LAG_MAX.toNanos());
    }

    private void report(long began) {
        System.out.printf(
                Locale.ROOT,
                "seed %d: %d kills (%d controllers, %d at named steps, %d disks lost), %d commits"
                        + " acknowledged, 0 of sync tenants lost, %d of async tenants lost within"
                        + " their lag, %d unknown ones there, %.0f s%n",
                SEED,
                kills,
                controllersKilled,
                atSteps,
                disksLost,
                acknowledged,
                lostAsync,
                unknownThere,
                (System.nanoTime() - began) / 1e9);
    }
}
