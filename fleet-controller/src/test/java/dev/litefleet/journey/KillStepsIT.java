package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.testing.RealStores.RealStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// `kill -9` at every named step of a commit, a drain, a checkpoint, a hydration, a merge, a
/// takeover and a change of controllers, while clients write to the fleet. A step that is not
/// reached fails the test. All steps on a directory and the steps of [#ON_S3] on a real S3 server;
/// all of them there too by `-Djourney.steps=all`.
final class KillStepsIT {
    /// How a step is brought about.
    private enum By {
        /// Workers come there while clients write.
        WRITES,
        /// Workers come there when they take a dead one's tenants over.
        TAKEOVER,
        /// The controller comes there when a worker has died.
        FAILOVER,
        /// The controller comes there when a tenant is made.
        PROVISION,
        /// A controller comes there when it starts after another.
        SUCCESSION,
        /// A worker comes there when a client writes a large transaction, on S3 only.
        UPLOAD
    }

    private static final String TENANT = "dev.litefleet.worker.tenant.";
    private static final String REPLICA = "dev.litefleet.replica.";
    private static final String LEASE = "dev.litefleet.controller.lease.";

    /// The steps at which a process is killed, in the order in which they are tried.
    enum Step {
        BEFORE_COMMIT_RETURNS(By.WRITES, TENANT + "Gate#announce", true),
        COMMITTED_NOT_CAPTURED(By.WRITES, TENANT + "WalTap#read", true),
        CAPTURED_NOT_ENCODED(By.WRITES, REPLICA + "log.CommitLog#append", false),
        BEFORE_PUT(By.WRITES, REPLICA + "log.SlotOutcome#attempt", true),
        PUT_NOT_RESOLVED(By.WRITES, REPLICA + "log.SlotOutcome#attempt", false),
        RESOLVED_NOT_ACKNOWLEDGED(By.WRITES, TENANT + "Gate#durable", true),
        BEFORE_PART_FENCE(By.WRITES, REPLICA + "log.CommitLog#endPart", false),
        HYDRATION_BEGINS(By.TAKEOVER, REPLICA + "history.Hydrator#hydrate", true),
        HYDRATED_NOT_RENAMED(By.TAKEOVER, REPLICA + "history.Hydrator#run", false),
        RENAMED_NOT_RECORDED(By.TAKEOVER, REPLICA + "history.Hydrator#hydrate", false),
        DRAIN_BEFORE_FILE(By.WRITES, REPLICA + "history.Drain#writeFile", true),
        DRAIN_BETWEEN_FILE_AND_INDEX(By.WRITES, REPLICA + "history.Drain#writeFile", false),
        DRAINED_NOT_RECORDED(By.WRITES, REPLICA + "history.Drain#write", false),
        BEFORE_CHECKPOINT(By.WRITES, REPLICA + "sqlite.SqliteConnection#checkpointPassive", true),
        AFTER_CHECKPOINT(By.WRITES, REPLICA + "sqlite.SqliteConnection#checkpointPassive", false),
        BEFORE_MERGE(By.WRITES, REPLICA + "history.Merge#write", true),
        AFTER_MERGE(By.WRITES, REPLICA + "history.Merge#write", false),
        FAILOVER_BEFORE_FENCE(By.FAILOVER, REPLICA + "log.Fence#close", true),
        FENCED_NOT_RECOVERED(By.FAILOVER, REPLICA + "log.Fence#close", false),
        RECOVERY_BEFORE_FILE(By.FAILOVER, REPLICA + "history.Debt#payFile", true),
        RECOVERY_BETWEEN_FILE_AND_INDEX(By.FAILOVER, REPLICA + "history.Debt#payIndex", true),
        RECOVERED_NOT_CLOSED(By.FAILOVER, REPLICA + "history.Recovery#recover", false),
        CATALOG_NOT_CAPTURED(By.PROVISION, TENANT + "WalTap#read", true),
        CATALOG_NOT_RESOLVED(By.PROVISION, REPLICA + "log.SlotOutcome#attempt", false),
        BEFORE_CLAIM(By.SUCCESSION, LEASE + "ControllerChain#claim", true),
        CLAIMED_NOT_SETTLED(By.SUCCESSION, LEASE + "ControllerChain#claim", false),
        PREDECESSOR_FENCED(By.SUCCESSION, REPLICA + "log.Fence#close", false),
        PREDECESSOR_RECOVERED(By.SUCCESSION, REPLICA + "history.Recovery#recover", false),
        PREDECESSOR_CLOSED(By.SUCCESSION, LEASE + "ControllerChain#settlePredecessors", false),
        INSIDE_UPLOAD(By.UPLOAD, REPLICA + "objects.S3ObjectStore#sendPart", false);

        private final By by;
        private final Failpoint point;

        Step(By by, String method, boolean entry) {
            String[] part = method.split("#");
            this.by = by;
            this.point = new Failpoint(name(), part[0], part[1], entry);
        }

        Failpoint point() {
            return point;
        }

        private static List<Failpoint> points() {
            return Arrays.stream(values()).map(step -> step.point).toList();
        }
    }

    /// What differs with requests that are on their way: attempts, fences, files, and a large body.
    private static final Set<Step> ON_S3 =
            EnumSet.of(
                    Step.PUT_NOT_RESOLVED,
                    Step.BEFORE_PART_FENCE,
                    Step.DRAIN_BETWEEN_FILE_AND_INDEX,
                    Step.RECOVERY_BETWEEN_FILE_AND_INDEX,
                    Step.PREDECESSOR_FENCED,
                    Step.INSIDE_UPLOAD);

    /// 13 MB that do not compress: a body of three parts of 5 MiB at most.
    static final String LARGE =
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 130)"
                    + " insert into large select randomblob(100000) from n";

    private static final int TENANTS = 4;
    private static final int CLIENTS = 4;

    /// Shorter than the product's: most steps wait for one to end.
    private static final String[] LEASES = {
        "--lease", "2s", "--heartbeat", "500ms", "--lease-margin", "250ms"
    };

    /// So that the processor is there for those who start again.
    private static final Duration PAUSE = Duration.ofMillis(5);

    @TempDir Path dir;

    private Machines fleet;
    private List<Machine> workers;
    private List<Tenant> tenants;
    private Writers writers;
    private int provisioned;

    @Test
    void everyStepExists() {
        assertThat(Step.values()).allMatch(step -> step.point.exists());
        assertThat(JanitorKillIT.Step.values()).allMatch(step -> step.point().exists());
    }

    static Stream<RealStore> stores() {
        return FailoverIT.stores();
    }

    private static List<Step> steps(boolean s3) {
        boolean all = System.getProperty("journey.steps", "").equals("all");
        return Arrays.stream(Step.values())
                .filter(step -> s3 ? all || ON_S3.contains(step) : step.by != By.UPLOAD)
                .toList();
    }

    @ParameterizedTest
    @MethodSource("stores")
    void killedAtAnyStepLosesNothingAcknowledged(RealStore store) throws Exception {
        boolean s3 = store.url() instanceof StoreUrl.S3;
        var ledger = new Writers.Ledger();
        try (Machines started =
                new Machines(
                        dir,
                        // So that a large body goes in parts.
                        store.url() + (s3 ? "&partMiB=5" : ""),
                        store.environment(),
                        Step.points(),
                        LEASES)) {
            fleet = started;
            fleet.controller().start();
            workers = new ArrayList<>();
            for (String name : List.of("w-1", "w-2")) {
                workers.add(worker(name).supervised().launch());
            }
            workers.forEach(Machine::awaitReady);
            tenants = fleet.provision("agent-", TENANTS, "{}");
            int deaths = 0;
            try (Writers writing =
                    new Writers(fleet.client(), tenants, CLIENTS, ledger, 0, PAUSE)) {
                writers = writing;
                for (Step step : steps(s3)) {
                    long began = System.nanoTime();
                    int died = killAt(step);
                    deaths += died;
                    everybodyWritesAgain(step);
                    writers.verifyAcknowledged();
                    System.out.printf(
                            Locale.ROOT,
                            "killed at %s on %s: %d processes, %.1f s%n",
                            step,
                            store,
                            died,
                            (System.nanoTime() - began) / 1e9);
                }
                writers.stop();
                writers.verify();
                // What is not known is at most what was in flight.
                assertThat(writers.unacknowledgedButThere())
                        .isLessThanOrEqualTo((long) (deaths + fleet.fencedEnds()) * CLIENTS);
            }
            fleet.verifyStore();
            System.out.printf(
                    "%s: %d deaths, %d commits acknowledged, 0 lost%n",
                    store, deaths, ledger.size());
        }
    }

    private Machine worker(String name) {
        return fleet.worker(
                name,
                // As much of everything as there can be.
                "shipping.drain-quiet=0.05s",
                "shipping.drain-every=0.25s",
                "log.part-slots-max=50");
    }

    /// @return how many processes died
    private int killAt(Step step) throws Exception {
        switch (step.by) {
            case WRITES -> {
                armWorkers(step);
                int dead = awaitDeath(step, workers);
                startWorkersAgain();
                return dead;
            }
            case TAKEOVER -> {
                armWorkers(step);
                int killed = killHolders(step, workers, true);
                int dead = awaitDeath(step, workers);
                startWorkersAgain();
                return dead + killed;
            }
            case FAILOVER -> {
                fleet.controller().arm(step.point, 1);
                int killed = killHolders(step, List.of(fleet.controller()), false);
                awaitDeath(step, List.of(fleet.controller()));
                fleet.controller().start();
                return 1 + killed;
            }
            case PROVISION -> {
                fleet.controller().arm(step.point, 1);
                String id = "late-" + provisioned++;
                try {
                    fleet.client().api("PUT", "/api/v1/tenants/" + id, "{}");
                } catch (java.io.IOException died) {
                    // As it must.
                }
                awaitDeath(step, List.of(fleet.controller()));
                fleet.controller().start();
                // Made or not made, and then made: never half of it.
                assertThat(fleet.client().api("PUT", "/api/v1/tenants/" + id, "{}").statusCode())
                        .isBetween(200, 201);
                return 1;
            }
            case SUCCESSION -> {
                fleet.controller().kill();
                fleet.controller().arm(step.point, 1);
                fleet.controller().launch();
                awaitDeath(step, List.of(fleet.controller()));
                fleet.controller().start();
                return 2;
            }
            case UPLOAD -> {
                Tenant tenant = tenants.getFirst();
                assertThat(fleet.client().execute(tenant, "create table large(body blob)").ok())
                        .isTrue();
                for (Machine worker : workers) {
                    worker.arm(step.point, 2);
                }
                Answer answer = fleet.client().execute(tenant, LARGE);
                assertThat(answer.code()).as(answer.body()).isEqualTo("OUTCOME_UNKNOWN");
                int dead = awaitDeath(step, workers);
                startWorkersAgain();
                return dead;
            }
        }
        throw new AssertionError(step);
    }

    /// Kills whoever has tenants, and starts it again, until somebody has died at the step. Once is
    /// enough but when nothing was owed at that moment.
    ///
    /// @param dying those who come to the step
    /// @return how many were killed
    private int killHolders(Step step, List<Machine> dying, boolean loseDisk) {
        var killed = new AtomicInteger();
        var marks = new AtomicReference<Map<String, Integer>>();
        await(step.name())
                .atMost(Machines.SOON.multipliedBy(2))
                .pollInterval(Duration.ofMillis(10))
                .ignoreException(IOException.class) // the controller has died
                .until(() -> {
                    if (dying.stream().anyMatch(it -> it.diedAt(step.point))) {
                        return true;
                    }
                    Map<String, Integer> since = marks.get();
                    if (since == null || writers.allTenantsAdvancedSince(since)) {
                        Optional<Machine> holder = holder();
                        if (holder.isPresent()) {
                            Machine victim = holder.get();
                            victim.kill();
                            if (loseDisk) {
                                victim.loseDisk();
                            }
                            victim.launch();
                            killed.incrementAndGet();
                            marks.set(writers.mark());
                        }
                    }
                    return false;
                });
        return killed.get();
    }

    /// The worker that has most tenants: not every one that lives has some.
    private Optional<Machine> holder() throws Exception {
        JsonNode items =
                LocalFleet.JSON
                        .readTree(fleet.client().api("GET", "/api/v1/workers", "").body())
                        .path("items");
        Optional<Machine> most = Optional.empty();
        int tenantsOfMost = 0;
        for (JsonNode item : items) {
            if (item.path("state").asText().equals("live")
                    && item.path("tenants").asInt() > tenantsOfMost) {
                tenantsOfMost = item.path("tenants").asInt();
                most =
                        workers.stream()
                                .filter(it -> it.name().equals(item.path("name").asText()))
                                .filter(Machine::alive)
                                .findAny();
            }
        }
        return most;
    }

    private void armWorkers(Step step) throws Exception {
        for (Machine worker : workers) {
            worker.arm(step.point, 1);
        }
    }

    /// Waits until one of them has died at the step, and disarms the others.
    ///
    /// @return how many died
    private static int awaitDeath(Step step, List<Machine> machines) throws Exception {
        await(step.name())
                .atMost(Machines.SOON)
                .pollInterval(Duration.ofMillis(10))
                .until(() -> machines.stream().anyMatch(it -> it.diedAt(step.point)));
        for (Machine machine : machines) {
            machine.disarm(step.point);
        }
        // One that was on its way there dies now, or not at all.
        return (int) machines.stream().filter(machine -> machine.diedAt(step.point)).count();
    }

    private void startWorkersAgain() {
        workers.forEach(Machine::launchIfDead);
    }

    private void everybodyWritesAgain(Step step) {
        var marks = writers.mark();
        await("everybody writes again after " + step)
                .atMost(Machines.SOON)
                .pollInterval(Duration.ofMillis(20))
                .until(() -> {
                    startWorkersAgain();
                    return writers.allTenantsAdvancedSince(marks);
                });
    }
}
