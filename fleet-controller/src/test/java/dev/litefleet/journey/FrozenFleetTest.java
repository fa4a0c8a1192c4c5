package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.ControllerChain.Verdict;
import dev.litefleet.observer.history.Fleet;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.testing.FrozenStore;
import dev.litefleet.testing.MemoryObjectStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What this release makes of a fleet that an earlier one left: all objects of the store of a
/// `litefleet up` that was killed with its worker after a few writes, byte for byte. A change that
/// breaks this breaks every upgrade. (`fleet-1.txt.gz`: lines `object <key> <base64>`; made once,
/// by the first release of format 1.)
final class FrozenFleetTest {
    private static final LogName WORKER =
            new LogName("w-1", new SessionId("01M7ZSHFMZM4WWBGGWQGR81F32"));
    private static final TenantKey TENANT =
            new TenantKey(new TenantId("frozen"), new Lineage("01M7ZSPJN8492V6YR3KST6ZQHD"));

    @TempDir private Path folder;
    private final MemoryObjectStore store = new MemoryObjectStore();
    private final ThreadTasks tasks = new ThreadTasks();

    @BeforeEach
    void load() {
        FrozenStore.objects("/frozen/fleet-1.txt.gz")
                .forEach((key, bytes) -> store.putIfAbsent(key, ObjectBody.of(bytes)));
    }

    @Test
    void observerSeesItsTenants() throws IOException {
        Path copy = Files.createDirectories(folder.resolve("catalog"));

        Fleet fleet = Fleet.open(store, copy, tasks, Instant.EPOCH);

        assertThat(fleet.tenants()).extracting(it -> it.key().tenant().name()).contains("frozen");
        Fleet.Tenant tenant = fleet.tenant(TENANT.tenant()).orElseThrow();
        assertThat(tenant.key()).isEqualTo(TENANT);
        assertThat(tenant.labels()).containsEntry("team", "archive");
        assertThat(tenant.log()).contains(WORKER);
    }

    @Test
    void controllerTakesItOverAndEveryAnsweredWriteIsThere() {
        var chain =
                new ControllerChain(
                        store, folder, tasks, InstantSource.system(), new SplittableRandom(1));
        assertThat(chain.ask(Optional.empty(), Duration.ZERO, _ -> Optional.empty()))
                .isEqualTo(new Verdict.Vacant(1));
        Epoch epoch = chain.claim(1, "http://127.0.0.1:1", Optional.empty()).orElseThrow();

        Txid floor = chain.settlePredecessors(epoch);
        Fence.Closed closed =
                Fence.close(
                        store,
                        WORKER,
                        Slot.FIRST,
                        epoch.session().ulid(),
                        epoch.number(),
                        tasks,
                        new SplittableRandom(2));
        Recovered recovered = Recovery.recover(store, WORKER, closed, folder, tasks);

        assertThat(recovered.failed()).isEmpty();
        assertThat(ask(chain.catalog(), floor, "select id from tenants where state <> 'deleted'"))
                .isEqualTo("frozen");
        assertThat(ask(TENANT, new Txid(8), "select group_concat(text, ',') from note"))
                .isEqualTo(
                        "before the drain 1,before the drain 2,before the drain 3,before the drain"
                                + " 4,before the drain 5,not drained 6,not drained 7");
    }

    private String ask(TenantKey key, Txid reached, String sql) {
        LineageHistory history = LineageHistory.list(store, key);
        assertThat(history.coverage()).isEqualTo(reached);
        Path db = folder.resolve(key.tenant() + ".db");
        Hydrator.hydrate(
                store,
                RestorePlan.latest(history),
                db,
                Hydrator.Limits.DEFAULT,
                tasks,
                Progress.NONE);
        try (var watchdog = new Watchdog(tasks::nanos);
                var connection =
                        Sqlite.database(db, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.READ_ONLY_QUERY)) {
            return connection.queryText(sql);
        }
    }
}
