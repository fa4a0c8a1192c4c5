package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import dev.litefleet.journey.Machines.Machine;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.S3FaultServer.Fault;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The store refuses everything for 20 s, `-Djourney.outage=` for another number of seconds from
/// 12, while clients write to sync and async tenants of real worker processes.
final class OutageIT {
    private static final int SECONDS = Integer.getInteger("journey.outage", 20);

    /// Past this, an async tenant has used up its 5 s of lag.
    private static final int LAG_IS_OVER = 8;

    private static final int WORKERS = 2;
    private static final int EACH = 6;
    private static final int CLIENTS = 3;

    /// Slots that may be on their way when it begins (K of commit-log.md), and the quick retries
    /// before a store counts as down.
    private static final int AT_FIRST = 4 + 4;

    @TempDir Path dir;

    @Test
    void syncWaitsAsyncStopsAtItsBoundAndTheStoreIsLeftInPeace() throws Exception {
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
            var workers = new ArrayList<Machine>();
            for (int i = 1; i <= WORKERS; i++) {
                workers.add(
                        fleet.worker(
                                        "w-" + i,
                                        // So that drains are owed all the time.
                                        "shipping.drain-quiet=0.5s",
                                        "shipping.drain-every=0.5s")
                                .launch());
            }
            workers.forEach(Machine::awaitReady);
            List<Tenant> sync = fleet.provision("sync-", EACH, "{}");
            List<Tenant> async = fleet.provision("async-", EACH, "{\"durability\":\"async\"}");
            var syncLedger = new Writers.Ledger();
            var asyncLedger = new Writers.Ledger();
            var pause = Duration.ofMillis(5);
            var client = fleet.client();
            try (var waits = new Writers(client, sync, CLIENTS, syncLedger, 0, pause);
                    var lags = new Writers(client, async, CLIENTS, asyncLedger, 0, pause)) {
                await().atMost(Machines.SOON).until(() -> waits.acks() > 100 && lags.acks() > 100);
                List<Long> pids = pids(workers);
                var reading = new AtomicBoolean(true);
                Thread reader = Thread.startVirtualThread(() -> readOn(client, sync, reading));

                store.clearRequests();
                store.when(_ -> true, new Fault.Refuse(503, "SlowDown"), Integer.MAX_VALUE);
                pass(1);
                long syncAcks = waits.acks();
                pass(LAG_IS_OVER - 1);
                long asyncAcks = lags.acks();
                Answer refused = client.execute(async.getFirst(), "insert into rows values ('no')");
                pass(SECONDS - LAG_IS_OVER);
                assertThat(waits.acks())
                        .as("sync answers while the store is gone")
                        .isEqualTo(syncAcks);
                assertThat(lags.acks()).as("async answers past their lag").isEqualTo(asyncAcks);
                assertThat(refused.code()).as(refused.body()).isEqualTo("STORE_UNAVAILABLE");
                List<S3FaultServer.Request> meanwhile = store.requests();
                store.calm();
                reading.set(false);
                reader.join();

                var syncMarks = waits.mark();
                var asyncMarks = lags.mark();
                await("everybody writes again")
                        .atMost(Machines.SOON)
                        .until(() ->
                                waits.allTenantsAdvancedSince(syncMarks)
                                        && lags.allTenantsAdvancedSince(asyncMarks));
                waits.stop();
                lags.stop();
                waits.verify();
                lags.verify();
                assertThat(pids(workers)).isEqualTo(pids);
                print(meanwhile, waits.acks() + lags.acks());
                requireModesty(meanwhile);
            }
            fleet.verifyStore();
        }
    }

    /// Reads that find no lease look at the log: all of them together must not look more often.
    private static void readOn(FleetClient client, List<Tenant> tenants, AtomicBoolean reading) {
        for (int i = 0; reading.get(); i++) {
            try {
                client.execute(tenants.get(i % tenants.size()), "select count(*) from rows");
            } catch (IOException | InterruptedException refused) {
                return;
            }
        }
    }

    private static List<Long> pids(List<Machine> workers) {
        assertThat(workers).allMatch(Machine::alive);
        return workers.stream().map(worker -> worker.process().pid()).toList();
    }

    private static void pass(int seconds) {
        await().pollDelay(Duration.ofSeconds(seconds))
                .atMost(Duration.ofSeconds(seconds + 30L))
                .until(() -> true);
    }

    /// At most one retry a second for each session, and no LIST.
    private static void requireModesty(List<S3FaultServer.Request> requests) {
        assertThat(requests).noneMatch(request -> request.verb().equals("LIST"));
        int each = SECONDS + 1 + AT_FIRST;
        var sessions = new TreeMap<String, Integer>();
        for (S3FaultServer.Request request : requests) {
            if (request.key().startsWith("p/log/")) {
                sessions.merge(request.key().split("/")[3], 1, Integer::sum);
            }
        }
        assertThat(sessions.values()).hasSizeLessThanOrEqualTo(WORKERS + 1);
        assertThat(sessions.values()).allMatch(count -> count <= each);
        // The drains are theirs too, though their keys do not say whose.
        assertThat(requests.size()).isLessThanOrEqualTo((WORKERS + 1) * each);
    }

    private static void print(List<S3FaultServer.Request> requests, long acknowledged) {
        var kinds = new TreeMap<String, Integer>();
        for (S3FaultServer.Request request : requests) {
            String[] part = request.key().split("/");
            String what =
                    part.length > 2 && part[1].equals("log")
                            ? "log of " + part[2]
                            : part.length > 1 ? part[1] : request.key();
            kinds.merge(request.verb() + " " + what, 1, Integer::sum);
        }
        System.out.printf(
                "outage of %d s: %d requests %s; %d acknowledged, 0 lost%n",
                SECONDS, requests.size(), kinds, acknowledged);
    }
}
