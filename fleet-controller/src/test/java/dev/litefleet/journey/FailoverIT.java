package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.testing.RealStores;
import dev.litefleet.testing.RealStores.RealStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The second journey, on a directory and on a real S3 server: 8 clients write to 20 tenants in
/// sync mode while workers are killed with their disks, or frozen and resumed. `-Djourney.rounds=`
/// sets the rounds of each kind on each store (5 by default, so 10 of each kind; 200 is the long
/// run).
final class FailoverIT {
    private static final int ROUNDS = Integer.getInteger("journey.rounds", 5);
    private static final int TENANTS = 20;
    private static final int CLIENTS = 8;
    private static final Duration TAKEOVER_MAX = Duration.ofSeconds(30);

    @TempDir Path dir;

    static Stream<RealStore> stores() {
        return Stream.concat(
                RealStores.named("directory").stream(),
                Stream.of("minio", "versity", "fault server")
                        .flatMap(name -> RealStores.named(name).stream())
                        .limit(1));
    }

    @ParameterizedTest
    @MethodSource("stores")
    void killedWorkerWithItsDiskDeletedLosesNothingAcknowledged(RealStore store) throws Exception {
        try (LocalFleet fleet = start(store)) {
            List<Tenant> tenants = provision(fleet);
            var ledger = new Writers.Ledger();
            for (int round = 0; round < ROUNDS; round++) {
                String victim = "w-" + (round % 2 + 1);
                try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, round)) {
                    await().atMost(TAKEOVER_MAX).until(() -> writers.acks() > TENANTS);
                    ProcessHandle process = fleet.worker(victim);

                    process.destroyForcibly();
                    process.onExit().join();
                    LocalFleet.deleteFolder(fleet.data().resolve("workers").resolve(victim));

                    var marks = writers.mark();
                    await("everybody writes again, round " + round)
                            .atMost(TAKEOVER_MAX)
                            .until(() -> writers.allTenantsAdvancedSince(marks));
                    writers.stop();
                    writers.verify();
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("stores")
    void frozenWorkerAcknowledgesNothingAfterTakeoverAndExits3(RealStore store) throws Exception {
        try (LocalFleet fleet = start(store)) {
            List<Tenant> tenants = provision(fleet);
            var ledger = new Writers.Ledger();
            for (int round = 0; round < ROUNDS; round++) {
                String victim = "w-" + (round % 2 + 1);
                int exits = exitsWith3(fleet, victim);
                try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, round)) {
                    await().atMost(TAKEOVER_MAX).until(() -> writers.acks() > TENANTS);
                    ProcessHandle process = fleet.worker(victim);

                    LocalFleet.signal(process, "STOP");
                    var marks = writers.mark();
                    await("everybody writes again, round " + round)
                            .atMost(TAKEOVER_MAX)
                            .until(() -> writers.allTenantsAdvancedSince(marks));
                    LocalFleet.signal(process, "CONT");
                    await("the resumed worker leaves with code 3")
                            .atMost(TAKEOVER_MAX)
                            .until(() -> exitsWith3(fleet, victim) > exits);

                    writers.stop();
                    writers.verify();
                }
                await("restarted").atMost(TAKEOVER_MAX).until(() -> liveWorkers(fleet) == 2);
            }
        }
    }

    private LocalFleet start(RealStore store) {
        return LocalFleet.start(
                dir.resolve("data"), store.environment(), "--store", store.url().toString());
    }

    private static List<Tenant> provision(LocalFleet fleet) throws Exception {
        var tenants = new ArrayList<Tenant>();
        for (int i = 0; i < TENANTS; i++) {
            Tenant tenant = fleet.provision("agent-" + i);
            assertThat(fleet.execute(tenant, "create table rows(id text)").ok()).isTrue();
            tenants.add(tenant);
        }
        return tenants;
    }

    private static int exitsWith3(LocalFleet fleet, String worker) {
        return (int)
                fleet.log()
                        .lines()
                        .filter(line -> line.startsWith(worker + " ended with code 3"))
                        .count();
    }

    private static long liveWorkers(LocalFleet fleet) throws Exception {
        return LocalFleet.JSON
                .readTree(fleet.api("GET", "/api/v1/workers", "").body())
                .path("items")
                .findValuesAsText("state")
                .stream()
                .filter("live"::equals)
                .count();
    }
}
