package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.testing.S3FaultServer;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A worker whose disk fails: libfiu makes system calls of the process return EIO, or do less than
/// they were asked for. Where it is not installed (Debian: `libfiu0 fiu-utils`) the tests are left
/// out and say so.
final class DiskErrorsIT {
    /// What fails, by libfiu's name.
    enum Failing {
        WRITE("posix/io/rw/pwrite", "onetime,failinfo=5"),
        READ("posix/io/rw/pread", "onetime,failinfo=5"),
        SYNC("posix/io/sync/fsync", "onetime,failinfo=5"),
        WRITE_IS_SHORT("posix/io/rw/pwrite/reduce", "probability=0.3"),
        READ_IS_SHORT("posix/io/rw/pread/reduce", "probability=0.3");

        private final String point;
        private final String how;

        Failing(String point, String how) {
            this.point = point;
            this.how = how;
        }

        private String command() {
            return (isError() ? "enable name=" : "enable_random name=") + point + "," + how;
        }

        /// Whether a call fails; else it does its work in pieces, and nobody need notice.
        private boolean isError() {
            return how.startsWith("onetime");
        }
    }

    private static final int TENANTS = 3;
    private static final int CLIENTS = 3;
    private static final Duration PAUSE = Duration.ofMillis(5);

    @TempDir Path dir;

    private Path libraries;

    @BeforeEach
    void find() {
        Optional<Path> found =
                Stream.of("/usr/lib/fiu", "/usr/local/lib/fiu", "/usr/lib64/fiu")
                        .map(Path::of)
                        .filter(it -> Files.exists(it.resolve("fiu_posix_preload.so")))
                        .findFirst();
        boolean controllable = Files.isExecutable(Path.of("/usr/bin/fiu-ctrl"));
        if (found.isEmpty() || !controllable) {
            System.out.println("skipped: failing disks (no libfiu: libfiu0 and fiu-utils)");
        }
        assumeTrue(found.isPresent() && controllable, "no libfiu here");
        libraries = found.get();
    }

    /// One worker goes through all of it: `-Ddisk.errors=20` times instead of 3 each.
    @Test
    void neitherWrongAnswersNorLostCommits() throws Exception {
        int times = Integer.getInteger("disk.errors", 3);
        try (var store = S3FaultServer.start();
                var fleet =
                        new Machines(
                                dir,
                                store.url("fleet/p").toString(),
                                Map.of(
                                        "AWS_ACCESS_KEY_ID",
                                        S3FaultServer.CREDENTIALS.accessKey(),
                                        "AWS_SECRET_ACCESS_KEY",
                                        S3FaultServer.CREDENTIALS.secretKey()),
                                List.of())) {
            fleet.controller().start();
            Machine worker =
                    fleet.worker(
                                    "w-1",
                                    // A drain and a checkpoint behind almost every commit.
                                    "shipping.drain-quiet=0.05s",
                                    "shipping.drain-every=0.1s")
                            .with(
                                    "LD_PRELOAD",
                                    libraries.resolve("fiu_run_preload.so")
                                            + " "
                                            + libraries.resolve("fiu_posix_preload.so"))
                            .with("FIU_CTRL_FIFO", dir.resolve("fiu").toString())
                            .start();
            List<Tenant> tenants = fleet.provision("agent-", TENANTS, "{}");
            var ledger = new Writers.Ledger();
            try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, 0, PAUSE)) {
                for (Failing failing : Failing.values()) {
                    long before = ledger.size();
                    int failed = failures(worker);
                    for (int i = 0; i < times; i++) {
                        control(worker, failing.command());
                        requireRightAnswers(fleet, tenants, ledger);
                        var marks = writers.mark();
                        await("it goes on after " + failing)
                                .atMost(Machines.SOON)
                                .until(() -> writers.allTenantsAdvancedSince(marks));
                        assertThat(worker.alive()).as(worker.log()).isTrue();
                    }
                    control(worker, "disable name=" + failing.point);
                    int noticed = failures(worker) - failed;
                    System.out.printf(
                            "%s: %d acknowledged, %d times a tenant had to stop or begin anew%n",
                            failing, ledger.size() - before, noticed);
                    if (failing.isError()) {
                        assertThat(noticed).as("what the library did: " + failing).isPositive();
                    }
                }
                writers.stop();
                writers.verify();
            }
            fleet.verifyStore();
        }
    }

    private static int failures(Machine worker) {
        return (int)
                worker.log()
                        .lines()
                        .filter(line ->
                                line.contains("tenant had to stop")
                                        || line.contains("tenant could not be opened"))
                        .count();
    }

    /// Each tenant is read; an answer is complete, or an error.
    private static void requireRightAnswers(
            Machines fleet, List<Tenant> tenants, Writers.Ledger ledger) throws Exception {
        for (Tenant tenant : tenants) {
            var acknowledged = List.copyOf(ledger.acknowledgedOf(tenant));
            Answer answer = fleet.client().execute(tenant, "select id from rows");
            if (answer.ok()) {
                assertThat(answer.rows().stream().map(List::getFirst)).containsAll(acknowledged);
            } else {
                assertThat(answer.code()).as(answer.body()).isNotEmpty();
            }
        }
    }

    private void control(Machine worker, String command) throws Exception {
        Process process =
                new ProcessBuilder(
                                "/usr/bin/fiu-ctrl",
                                "-f",
                                dir.resolve("fiu").toString(),
                                "-c",
                                command,
                                String.valueOf(worker.process().pid()))
                        .redirectErrorStream(true)
                        .start();
        process.getInputStream().transferTo(OutputStream.nullOutputStream());
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).as("fiu-ctrl answers").isTrue();
        assertThat(process.exitValue()).isZero();
    }
}
