package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.testing.S3FaultServer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `kill -9` of a worker in an upload in parts, and of the controller in the midst of what its
/// janitor deletes. The store's clock and those of the processes go on by weeks in between, as
/// nothing young is ever deleted.
final class JanitorKillIT {
    private static final String JANITOR = "dev.litefleet.replica.history.Janitor";

    /// Where the controller dies. Each comes after another number of weeks.
    enum Step {
        /// Some of what the plan names is gone, not all.
        BETWEEN_DELETES(JANITOR + "#erase", false),
        /// All of it is gone, and so is the plan; nobody has recorded that.
        DELETED_NOT_RECORDED(JANITOR + "#carryOutEarlierPlans", false),
        /// The run is over but for its record.
        RAN_NOT_RECORDED(JANITOR + "#run", false);

        private final Failpoint point;

        Step(String method, boolean entry) {
            String[] part = method.split("#");
            point = new Failpoint(name(), part[0], part[1], entry);
        }

        Failpoint point() {
            return point;
        }
    }

    /// Where a worker dies: one part of three has not been sent.
    private static final Failpoint INSIDE_UPLOAD =
            new Failpoint(
                    "INSIDE_UPLOAD",
                    "dev.litefleet.replica.objects.S3ObjectStore",
                    "sendPart",
                    false);

    private static final String BUCKET = "fleet";
    private static final int TENANTS = 3;
    private static final int CLIENTS = 3;
    private static final Duration PAUSE = Duration.ofMillis(5);

    /// Longer than any window: all of what was written before may go but the newest state.
    private static final Duration WEEKS = Duration.ofDays(40);

    /// The oldest object that a plan names may be deleted after a day.
    private static final Duration DAYS = Duration.ofDays(2);

    @TempDir Path dir;

    private final AtomicReference<Duration> ahead = new AtomicReference<>(Duration.ZERO);
    private Machines fleet;
    private Machine worker;
    private S3FaultServer store;

    @Test
    void killedInAnUploadAndInTheJanitorLosesNothingThatIsNeeded() throws Exception {
        var points = new ArrayList<>(Arrays.stream(Step.values()).map(Step::point).toList());
        points.add(INSIDE_UPLOAD);
        try (var server = S3FaultServer.start(() -> Instant.now().plus(ahead.get()), 0);
                var machines =
                        new Machines(
                                dir,
                                server.url(BUCKET + "/p") + "&partMiB=5",
                                Map.of(
                                        "AWS_ACCESS_KEY_ID",
                                        S3FaultServer.CREDENTIALS.accessKey(),
                                        "AWS_SECRET_ACCESS_KEY",
                                        S3FaultServer.CREDENTIALS.secretKey()),
                                points,
                                "--lease",
                                "2s",
                                "--heartbeat",
                                "500ms",
                                "--lease-margin",
                                "250ms")) {
            store = server;
            fleet = machines;
            worker =
                    fleet.worker(
                            "w-1",
                            "shipping.drain-quiet=0.1s",
                            "shipping.drain-every=0.1s",
                            "log.part-slots-max=20");
            clocks(Duration.ZERO);
            fleet.controller().start();
            worker.start();
            List<Tenant> tenants = fleet.provision("agent-", TENANTS, "{}");
            var ledger = new Writers.Ledger();

            write(tenants, ledger, 0);
            dieInAnUpload(tenants.getFirst());
            // It died between two parts, and nobody has finished it.
            assertThat(store.unfinishedUploads()).isPositive();

            int round = 1;
            for (Step step : Step.values()) {
                write(tenants, ledger, round++);
                leaveClosed();
                pass(WEEKS);
                runJanitor(); // plans
                pass(DAYS);
                var before = new TreeSet<>(store.keys(BUCKET));
                dieAt(step);
                var after = new TreeSet<>(store.keys(BUCKET));
                before.removeAll(after);
                assertThat(before).as("deleted before it died at " + step).isNotEmpty();
                runJanitor();
                if (step == Step.BETWEEN_DELETES) {
                    after.removeAll(store.keys(BUCKET));
                    assertThat(after)
                            .as("deleted only after it had died")
                            .anyMatch(key -> key.startsWith("p/tenants/"));
                }
                fleet.controller().start();
                worker.start();
                verify(tenants, ledger);
            }
            assertThat(store.unfinishedUploads()).isZero();
            worker.kill();
            fleet.verifyStore();
        }
    }

    private void clocks(Duration to) throws Exception {
        ahead.set(to);
        fleet.controller().clock(to);
        worker.clock(to);
    }

    private void pass(Duration time) throws Exception {
        clocks(ahead.get().plus(time));
    }

    private void write(List<Tenant> tenants, Writers.Ledger ledger, int round) throws Exception {
        try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, round, PAUSE)) {
            // More than a part of the log.
            await().atMost(Machines.SOON).until(() -> writers.acks() > 100);
        }
    }

    private void dieInAnUpload(Tenant tenant) throws Exception {
        assertThat(fleet.client().execute(tenant, "create table large(body blob)").ok()).isTrue();
        worker.arm(INSIDE_UPLOAD, 2);
        var answer = fleet.client().execute(tenant, KillStepsIT.LARGE);
        assertThat(answer.code()).as(answer.body()).isEqualTo("OUTCOME_UNKNOWN");
        await().atMost(Machines.SOON).until(() -> worker.diedAt(INSIDE_UPLOAD));
        // Its disk has the whole commit, and would be believed.
        worker.loseDisk();
        worker.start();
        await("served again")
                .atMost(Machines.SOON)
                .until(() -> fleet.client().execute(tenant, "select 1").ok());
        // The body was never whole, so no slot names it.
        assertThat(fleet.client().execute(tenant, "select count(*) from large").rows())
                .containsExactly(List.of("0"));
    }

    /// The worker dies and its session is closed: its log may be trimmed.
    private void leaveClosed() throws Exception {
        worker.kill();
        int closed = count(fleet.controller().log(), "session closed worker=w-1");
        await("closed")
                .atMost(Machines.SOON)
                .until(() -> count(fleet.controller().log(), "session closed worker=w-1") > closed);
        fleet.controller().kill();
    }

    private static int count(String text, String line) {
        return text.split(line, -1).length - 1;
    }

    /// A controller that runs until its janitor has run once.
    private void runJanitor() throws Exception {
        Machine controller = fleet.controller().start();
        await("the janitor has run")
                .atMost(Machines.SOON)
                .until(() -> controller.log().contains("janitor ran"));
        controller.kill();
    }

    private void dieAt(Step step) throws Exception {
        Machine controller = fleet.controller();
        controller.arm(step.point, 1);
        controller.launch();
        await(step.name()).atMost(Machines.SOON).until(() -> controller.diedAt(step.point));
    }

    private void verify(List<Tenant> tenants, Writers.Ledger ledger) throws Exception {
        try (var writers = new Writers(fleet.client(), tenants, 0, ledger, 0, PAUSE)) {
            writers.verify();
        }
    }
}
