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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/// The second journey, on a directory and on a real S3 server: 8 clients write to 20 tenants in
/// sync mode while workers are killed with their disks, or frozen and resumed. `-Djourney.rounds=`
/// sets the rounds of each kind on each store (5 by default, so 10 of each kind; 200 is the long
/// run).
@ParameterizedClass
@MethodSource("stores")
final class FailoverIT {
    private static final int ROUNDS = Integer.getInteger("journey.rounds", 5);
    private static final int TENANTS = 20;
    private static final int CLIENTS = 8;
    private static final Duration TAKEOVER_MAX = Duration.ofSeconds(30);

    /// Shorter than the product's, so that more of the time goes into failovers than into waiting
    /// for leases to end.
    private static final List<String> LEASES =
            List.of("--lease", "2s", "--heartbeat", "500ms", "--lease-margin", "250ms");

    @TempDir static Path dir;

    private static LocalFleet fleet;

    @Parameter RealStore store;

    static Stream<RealStore> stores() {
        return Stream.concat(
                RealStores.named("directory").stream(),
                Stream.of("minio", "versity", "fault server")
                        .flatMap(name -> RealStores.named(name).stream())
                        .limit(1));
    }

    @BeforeParameterizedClassInvocation
    static void start(RealStore store) {
        var options = new ArrayList<>(LEASES);
        options.addAll(List.of("--store", store.url().toString()));
        fleet =
                LocalFleet.start(
                        dir.resolve(store.name()),
                        store.environment(),
                        options.toArray(String[]::new));
    }

    @AfterParameterizedClassInvocation
    static void stop() throws Exception {
        fleet.close();
    }

    @Test
    void killedWorkerWithItsDiskDeletedLosesNothingAcknowledged() throws Exception {
        List<Tenant> tenants = provision("killed-");
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

    @Test
    void frozenWorkerAcknowledgesNothingAfterTakeoverAndExits3() throws Exception {
        List<Tenant> tenants = provision("frozen-");
        var ledger = new Writers.Ledger();
        for (int round = 0; round < ROUNDS; round++) {
            String victim = "w-" + (round % 2 + 1);
            try (var writers = new Writers(fleet.client(), tenants, CLIENTS, ledger, round)) {
                await().atMost(TAKEOVER_MAX).until(() -> writers.acks() > TENANTS);
                ProcessHandle process = fleet.worker(victim);

                LocalFleet.signal(process, "STOP");
                int exits = exitsWith3(victim);
                var marks = writers.mark();
                await("everybody writes again, round " + round)
                        .atMost(TAKEOVER_MAX)
                        .until(() -> writers.allTenantsAdvancedSince(marks));
                LocalFleet.signal(process, "CONT");
                await("the resumed worker leaves with code 3")
                        .atMost(TAKEOVER_MAX)
                        .until(() -> exitsWith3(victim) > exits);

                writers.stop();
                writers.verify();
            }
            await("restarted").atMost(TAKEOVER_MAX).until(() -> liveWorkers() == 2);
        }
    }

    private static List<Tenant> provision(String prefix) throws Exception {
        var tenants = new ArrayList<Tenant>();
        for (int i = 0; i < TENANTS; i++) {
            Tenant tenant = fleet.provision(prefix + i);
            assertThat(fleet.execute(tenant, "create table rows(id text)").ok()).isTrue();
            tenants.add(tenant);
        }
        return tenants;
    }

    private static int exitsWith3(String worker) {
        return (int)
                fleet.log()
                        .lines()
                        .filter(line -> line.startsWith(worker + " ended with code 3"))
                        .count();
    }

    private static long liveWorkers() throws Exception {
        return LocalFleet.JSON
                .readTree(fleet.api("GET", "/api/v1/workers", "").body())
                .path("items")
                .findValuesAsText("state")
                .stream()
                .filter("live"::equals)
                .count();
    }
}
