package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.execute;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.held;
import static dev.litefleet.worker.tenant.TestSession.result;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.io.TempDir;

/// The whole way of a commit and back, by seed: a client writes at random, in transactions and
/// outside, over drains, checkpoints and moves between workers, and writes down what it saw at each
/// TXID. Every TXID that can be restored exactly must restore to that.
final class HistoryTest {
    private static final String DIGEST =
            "select (select count(*) || ':' || coalesce(sum(k * 31 + length(v)), 0) from a)"
                    + " || '/' || (select count(*) || ':' || coalesce(sum(k), 0) from b)";

    @TempDir private Path folder;

    @Seeds(8)
    void everyTxidRestoresToWhatWasSeenThere(long seed) {
        var random = new SplittableRandom(seed);
        var store = new MemoryObjectStore();
        var seen = new TreeMap<Long, String>();
        Txid floor = Txid.NONE;
        for (int move = 1; move <= 3; move++) {
            try (var session = new TestSession(folder.resolve("w" + move), store)) {
                Tenant tenant = session.assign("acme", Durability.SYNC, move, floor);
                if (move == 1) {
                    TestSession.sql(tenant, "create table a(k integer primary key, v)");
                    TestSession.sql(tenant, "create table b(k)");
                    TestSession.sql(tenant, "create index bk on b(k)");
                    see(tenant, seen);
                }
                for (int i = 0; i < 25; i++) {
                    act(session, tenant, random);
                    see(tenant, seen);
                }
                floor = get(session.tenants.release(tenant.id(), move)).last();
            }
        }

        TenantKey key = TestSession.key("acme");
        assertThat(floor.value()).isEqualTo(seen.lastKey());
        assertThat(LineageHistory.list(store, key).coverage()).isEqualTo(floor);
        var restored = restoreAll(store, key, floor);
        assertThat(restored).isNotEmpty();
        restored.forEach((txid, digest) -> {
            if (seen.containsKey(txid)) {
                assertThat(digest).as("seed %d, txid %d", seed, txid).isEqualTo(seen.get(txid));
            }
        });
        assertThat(restored.keySet()).containsAll(seen.tailMap(4L).keySet());
    }

    private static void see(Tenant tenant, Map<Long, String> seen) {
        Answer answer = TestSession.run(tenant, execute(DIGEST));
        seen.put(
                answer.seen().value(),
                TestSession.column(result(answer.replies().getFirst())).getFirst());
    }

    private static void act(TestSession session, Tenant tenant, SplittableRandom random) {
        switch (random.nextInt(8)) {
            case 0 -> {
                StreamId stream = session.stream();
                TestSession.run(tenant, stream, random.nextBoolean() ? "begin" : "begin immediate");
                for (int i = 0; i < 3; i++) {
                    TestSession.run(tenant, held(stream), change(random));
                }
                TestSession.run(
                        tenant, held(stream), random.nextInt(3) == 0 ? "rollback" : "commit");
            }
            case 1 -> {
                if (tenant.state() instanceof TenantState.Active(var open)) {
                    open.checkpointer().request();
                    await().until(() ->
                            !open.database().undrained() && open.database().walBytes() == 0);
                }
            }
            default -> TestSession.run(tenant, null, change(random));
        }
    }

    private static String change(SplittableRandom random) {
        int k = random.nextInt(400);
        return switch (random.nextInt(6)) {
            case 0 -> "delete from a where k between %d and %d".formatted(k, k + 40);
            case 1 ->
                    "insert into b with recursive n(i) as (select 1 union all select i + 1 from n"
                            + " limit %d) select i * %d from n"
                                    .formatted(1 + random.nextInt(200), k);
            case 2 -> "delete from b where k %% 7 = %d".formatted(k % 7);
            case 3 -> "update a set v = zeroblob(%d) where k > %d".formatted(k * 10, 400 - k / 4);
            default ->
                    "insert or replace into a values (%d, randomblob(%d))"
                            .formatted(k, random.nextInt(9000));
        };
    }

    private Map<Long, String> restoreAll(ObjectStore store, TenantKey key, Txid last) {
        var points = HistoryIndex.points(store, key, new Txid(1), last);
        var files = LineageHistory.list(store, key).files();
        var digests = new TreeMap<Long, String>();
        List<Long> txids =
                new ArrayList<>(points.stream().map(point -> point.max().value()).toList());
        try (var watchdog = new Watchdog(System::nanoTime)) {
            for (long txid : txids) {
                if (txid < 4) {
                    continue; // before the tables are there
                }
                Path target = folder.resolve("restored-" + txid);
                Hydrator.hydrate(
                        store,
                        RestorePlan.of(key, files, new Txid(txid), points),
                        target,
                        Hydrator.Limits.DEFAULT,
                        new ThreadTasks(),
                        Progress.NONE);
                digests.put(txid, digest(target, watchdog));
            }
        }
        return digests;
    }

    private static String digest(Path database, Watchdog watchdog) {
        try (SqliteConnection connection =
                Sqlite.database(database, SqliteLimits.DEFAULT, watchdog)
                        .connect(OpenMode.IMMUTABLE)) {
            assertThat(connection.queryText("pragma integrity_check")).isEqualTo("ok");
            return connection.queryText(DIGEST);
        }
    }
}
