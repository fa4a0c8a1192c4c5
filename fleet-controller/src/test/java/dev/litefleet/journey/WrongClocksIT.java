package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.testing.RealStores;
import dev.litefleet.testing.S3FaultServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Clocks that jump by minutes and by a day, in real processes, while clients write.
final class WrongClocksIT {
    /// Of a worker, and then of the controller the other way.
    private static final List<Duration> JUMPS =
            List.of(Duration.ofMinutes(10), Duration.ofDays(-1));

    private static final int TENANTS = 4;
    private static final int CLIENTS = 4;
    private static final Duration PAUSE = Duration.ofMillis(5);

    @TempDir Path dir;

    /// The clock of one worker jumps: its messages are refused, so it loses its lease and its
    /// tenants to the other. Then the controller's. What was acknowledged stays, and once the
    /// clocks are right again everything works.
    @Test
    void jumpingClocksLoseNothing() throws Exception {
        try (var fleet =
                new Machines(
                        dir,
                        RealStores.named("directory").orElseThrow(),
                        List.of(),
                        "--lease",
                        "2s",
                        "--heartbeat",
                        "500ms",
                        "--lease-margin",
                        "250ms")) {
            Machine controller = fleet.controller();
            controller.clock(Duration.ZERO);
            controller.start();
            var workers = new ArrayList<Machine>();
            for (String name : List.of("w-1", "w-2")) {
                // It leaves whenever its log was fenced, at a moment of its own.
                Machine worker = fleet.worker(name).supervised();
                worker.clock(Duration.ZERO);
                workers.add(worker.launch());
            }
            workers.forEach(Machine::awaitReady);
            List<Tenant> tenants = fleet.provision("agent-", TENANTS, "{}");
            var ledger = new Writers.Ledger();
            try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, 0, PAUSE)) {
                for (Duration jump : JUMPS) {
                    Machine victim = workers.get(JUMPS.indexOf(jump) % 2);
                    victim.clock(jump);
                    everybodyWrites(writers, victim.name() + " is off by " + jump);
                    writers.verifyAcknowledged();
                    victim.clock(Duration.ZERO);
                    everybodyWrites(writers, victim.name() + " is right again");

                    controller.clock(jump.negated());
                    // Nobody can promise service while all messages between them are refused.
                    await().pollDelay(Duration.ofSeconds(2)).until(() -> true);
                    controller.clock(Duration.ZERO);
                    everybodyWrites(writers, "the controller is right again");
                    writers.verifyAcknowledged();
                }
                writers.stop();
                writers.verify();
            }
            assertThat(fleet.fencedEnds()).isPositive();
            fleet.verifyStore();
        }
    }

    private static void everybodyWrites(Writers writers, String when) {
        var marks = writers.mark();
        await("everybody writes: " + when)
                .atMost(Machines.SOON)
                .until(() -> writers.allTenantsAdvancedSince(marks));
    }

    /// A controller whose clock runs a month ahead cleans up, and deletes nothing that the store's
    /// clock does not call old.
    @Test
    void clockThatRunsAheadDeletesNothingEarly() throws Exception {
        var store = RealStores.named("directory").orElseThrow();
        try (var fleet = new Machines(dir, store, List.of())) {
            Machine controller = fleet.controller();
            controller.clock(Duration.ZERO);
            controller.start();
            Machine worker =
                    fleet.worker("w-1", "shipping.drain-quiet=0.1s", "shipping.drain-every=0.1s");
            worker.clock(Duration.ZERO);
            worker.start();
            Tenant tenant = fleet.provision("agent-", 1, "{}").getFirst();
            for (int i = 0; i < 20; i++) {
                assertThat(fleet.client().execute(tenant, "insert into rows values ('x')").ok())
                        .isTrue();
            }
            worker.kill();
            controller.kill();
            Set<String> before = keys(store);

            for (int days : List.of(31, 33)) {
                worker.clock(Duration.ofDays(days));
                controller.clock(Duration.ofDays(days));
                controller.start();
                await("the janitor has run")
                        .atMost(Machines.SOON)
                        .until(() -> controller.log().contains("janitor ran"));
                controller.kill();
            }
            assertThat(keys(store)).containsAll(before);

            worker.clock(Duration.ZERO);
            controller.clock(Duration.ZERO);
            controller.start();
            worker.start();
            await("served again")
                    .atMost(Machines.SOON)
                    .until(() -> fleet.client().execute(tenant, "select 1").ok());
            assertThat(fleet.client().execute(tenant, "select count(*) from rows").rows())
                    .containsExactly(List.of("20"));
            fleet.verifyStore();
        }
    }

    private static Set<String> keys(RealStores.RealStore store) throws IOException {
        try (var objects = store.open()) {
            return objects.listAll("")
                    .map(object -> object.key())
                    .filter(key -> key.startsWith("tenants/") || key.startsWith("log/"))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    /// The store refuses signatures of another time, as S3 does beyond 15 minutes. Its answer shows
    /// the right time, so the next attempt is signed for that; nothing is lost between.
    @Test
    void storeThatRefusesSignaturesOfAnotherTimeIsSignedForItsOwn() throws Exception {
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
            store.checkTime();
            Machine controller = fleet.controller();
            controller.clock(Duration.ZERO);
            controller.start();
            Machine worker = fleet.worker("w-1");
            worker.clock(Duration.ZERO);
            worker.supervised().start();
            List<Tenant> tenants = fleet.provision("agent-", TENANTS, "{}");
            var ledger = new Writers.Ledger();
            try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, 0, PAUSE)) {
                for (Duration jump : List.of(Duration.ofDays(1), Duration.ofDays(-1))) {
                    // Together, so that they understand each other.
                    worker.clock(jump);
                    controller.clock(jump);
                    everybodyWrites(writers, "all are off by " + jump);
                    writers.verifyAcknowledged();
                }
                assertThat(store.requests()).anyMatch(request -> request.status() == 403);
                writers.stop();
                writers.verify();
            }
            assertThat(Files.exists(dir.resolve("w-1.log"))).isTrue();
        }
    }
}
