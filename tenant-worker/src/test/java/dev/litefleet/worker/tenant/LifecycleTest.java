package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.held;
import static dev.litefleet.worker.tenant.TestSession.run;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.FlakyObjectStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A tenant's life on a worker: opened, hibernated and woken, released, taken over after a fence.
final class LifecycleTest {
    private static final Duration SOON = Duration.ofMillis(150);

    @TempDir private Path folder;
    private final FlakyObjectStore flaky = new FlakyObjectStore();
    private final CountingObjectStore store = new CountingObjectStore(flaky);
    private final List<TestSession> sessions = new ArrayList<>();

    private TestSession session(String worker, TenantConfig config) {
        var session =
                new TestSession(folder.resolve(worker), store, ShippingConfig.DEFAULT, config);
        sessions.add(session);
        return session;
    }

    private TestSession session(String worker) {
        return session(worker, TenantConfig.DEFAULT);
    }

    @AfterEach
    void close() {
        flaky.down(false);
        sessions.forEach(TestSession::close);
    }

    private static TenantConfig hibernating(Duration after, int residentsMax) {
        TenantConfig d = TenantConfig.DEFAULT;
        return new TenantConfig(
                after,
                residentsMax,
                d.assignedMax(),
                d.requestsMax(),
                d.readersMax(),
                d.transactionsMax(),
                d.idleContended(),
                d.idleMax(),
                d.transactionAgeMax(),
                d.permitWaitMax(),
                d.responseBytesMax(),
                d.cursorIdleMax(),
                d.diskReserveBytes(),
                d.quarantineBytesMax());
    }

    @Test
    void idleTenantHibernatesDrainedWithoutOpenFilesAndWakesWithoutAskingAnybody()
            throws IOException {
        TestSession session = session("w-1", hibernating(SOON, 100));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        sql(tenant, "insert into t values (1)");
        assertThat(openFiles("tenants/acme")).isNotEmpty();

        await().until(() -> tenant.state() instanceof TenantState.Hibernated);

        assertThat(openFiles("tenants/acme")).isEmpty();
        assertThat(LineageHistory.list(flaky.calm(), TestSession.key("acme")).coverage())
                .isEqualTo(new Txid(2));
        assertThat(session.tenants.residents()).isZero();
        Path local = folder.resolve("w-1/tenants/acme/" + TestSession.LINEAGE);
        assertThat(local.resolve("db-wal")).doesNotExist();
        assertThat(local.resolve("sums")).exists();
        assertThat(Files.readString(local.resolve("position.json")))
                .contains("\"drained\": \"0000000000000002\"");
        store.reset();
        assertThat(column(tenant, "select x from t")).containsExactly("1");
        assertThat(store.total()).isZero();
        assertThat(run(tenant, null, "insert into t values (2)").seen()).isEqualTo(new Txid(3));
    }

    /// The files below the worker's folder that this process has open.
    private List<String> openFiles(String below) throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors
                    .map(LifecycleTest::target)
                    .filter(target -> target.contains(folder.toString()) && target.contains(below))
                    .toList();
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException closed) {
            return "";
        }
    }

    @Test
    void idleTenantsCauseNoRequestAndNoTimer() {
        TestSession session = session("w-1", hibernating(SOON, 100));
        for (int i = 0; i < 20; i++) {
            sql(session.assign("t" + i), "create table t(x)");
        }
        await().until(() -> session.tenants.residents() == 0);
        store.reset();

        await().during(Duration.ofMillis(1500))
                .atMost(Duration.ofSeconds(3))
                .until(() -> store.total() == 0);

        assertThat(session.tenants.deadlines().size()).isZero();
        assertThat(Thread.getAllStackTraces().keySet())
                .filteredOn(thread -> thread.getName().matches("sqlite-[0-9]+"))
                .hasSizeLessThanOrEqualTo(Runtime.getRuntime().availableProcessors() + 2);
    }

    @Test
    void openIdleTenantThatIsDrainedHoldsNoDeadlineOfItsOwn() {
        TestSession session = session("w-1");
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        var open = ((TenantState.Active) tenant.state()).open();
        open.checkpointer().request();
        await().until(() -> !open.database().undrained() && open.database().walBytes() == 0);
        store.reset();

        // One is left: the cache of residents expires its oldest.
        await().atMost(Duration.ofSeconds(40)).until(() -> session.tenants.deadlines().size() <= 1);

        assertThat(store.total()).isZero();
    }

    @Test
    void leastRecentlyUsedTenantHibernatesWhenTooManyAreOpen() {
        TestSession session = session("w-1", hibernating(Duration.ofMinutes(10), 3));
        for (int i = 0; i < 10; i++) {
            sql(session.assign("t" + i), "create table t(x)");
        }

        await().until(() -> session.tenants.residents() <= 3);

        for (int i = 0; i < 10; i++) {
            Tenant tenant = session.tenants.find(TestSession.key("t" + i).tenant()).orElseThrow();
            assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
        }
    }

    @Test
    void openTransactionKeepsItsTenantAwake() {
        TestSession session = session("w-1", hibernating(SOON, 100));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId stream = session.stream();
        run(tenant, stream, "begin immediate", "insert into t values (1)");

        await().during(Duration.ofMillis(600))
                .atMost(Duration.ofSeconds(2))
                .until(() -> tenant.state() instanceof TenantState.Active);

        run(tenant, held(stream), "commit");
        await().until(() -> tenant.state() instanceof TenantState.Hibernated);
        assertThat(column(tenant, "select x from t")).containsExactly("1");
    }

    @Test
    void outageKeepsTenantsAwakeUntilTheyCanBeDrained() {
        TestSession session = session("w-1", hibernating(SOON, 100));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        flaky.down(true);

        await().during(Duration.ofMillis(600))
                .atMost(Duration.ofSeconds(2))
                .until(() -> !(tenant.state() instanceof TenantState.Hibernated));

        flaky.down(false);
        await().until(() -> tenant.state() instanceof TenantState.Hibernated);
        assertThat(LineageHistory.list(flaky.calm(), TestSession.key("acme")).coverage())
                .isEqualTo(new Txid(1));
    }

    @Test
    void releasedTenantIsDrainedAndOpensElsewhereWithEverything() {
        TestSession first = session("w-1");
        Tenant tenant = first.assign("acme");
        sql(tenant, "create table t(x)");
        sql(tenant, "insert into t values (1)");
        StreamId open = first.stream();
        run(tenant, open, "begin immediate", "insert into t values (2)");

        Released released = get(first.tenants.release(tenant.id(), 1));

        assertThat(released.last()).isEqualTo(new Txid(2));
        assertThat(send(tenant, null, "select 1"))
                .failsWithin(Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.NotHere.class);
        assertThat(first.tenants.find(tenant.id())).isEmpty();
        Tenant moved = session("w-2").assign("acme", Durability.SYNC, 2, released.last());
        assertThat(column(moved, "select x from t")).containsExactly("1");
        assertThat(run(moved, null, "insert into t values (3)").seen()).isEqualTo(new Txid(3));
    }

    @Test
    void releaseNeedsItsNumberAndGivesTheSameAnswerTwice() {
        TestSession session = session("w-1");
        Tenant tenant = session.assign("acme", Durability.SYNC, 7, Txid.NONE);

        assertThat(session.tenants.release(tenant.id(), 6))
                .failsWithin(Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.NotHere.class);
        get(session.tenants.release(tenant.id(), 7));
        assertThat(assign(session, 7)).isInstanceOf(Assigned.Gone.class);
        assertThat(assign(session, 3)).isInstanceOf(Assigned.Gone.class);
        assertThat(assign(session, 8)).isInstanceOf(Assigned.Taken.class);
        assertThat(assign(session, 8)).isInstanceOf(Assigned.Taken.class);
        assertThat(assign(session, 9)).isInstanceOf(Assigned.Refused.class);
    }

    private static Assigned assign(TestSession session, long number) {
        return session.tenants.assign(
                new TenantAssignment(
                        TestSession.key("acme"),
                        number,
                        Txid.NONE,
                        Durability.SYNC,
                        Quota.DEFAULT,
                        0));
    }

    @Test
    void releaseWaitsForTheStoreAndMayBeRepeated() {
        TestSession session = session("w-1");
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        flaky.down(true);
        assertThat(session.tenants.release(tenant.id(), 1)).failsWithin(Duration.ofSeconds(20));
        assertThat(session.tenants.assigned()).isEqualTo(1);

        flaky.down(false);

        assertThat(get(session.tenants.release(tenant.id(), 1)).last()).isEqualTo(new Txid(1));
        assertThat(session.tenants.assigned()).isZero();
    }

    @Test
    void historyShorterThanTheFloorIsNeverServed() {
        TestSession session = session("w-1");
        Tenant tenant = session.assign("acme", Durability.SYNC, 1, new Txid(5));

        assertThat(send(tenant, null, "select 1"))
                .failsWithin(Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(HistoryIncomplete.class);
    }

    @Test
    void tenantComesBackOnAnotherWorkerWithEveryAcknowledgedRowAfterAFence() {
        TestSession dead = session("w-1");
        Tenant tenant = dead.assign("acme");
        sql(tenant, "create table t(x)");
        for (int i = 0; i < 30; i++) {
            sql(tenant, "insert into t values (" + i + ")");
        }
        var closed = dead.fence(flaky.calm());

        Recovery.recover(store, dead.name, closed, folder.resolve("tmp"), dead.tasks);

        Tenant moved = session("w-2").assign("acme", Durability.SYNC, 2, new Txid(31));
        assertThat(column(moved, "select count(*), sum(x) from t")).containsExactly("30");
    }

    @Test
    void drainOfALiveTenantAndRecoveryOfItsLogWriteTheSameObjects() {
        TestSession live = session("w-1");
        Tenant tenant = live.assign("acme");
        sql(tenant, "create table t(x)");
        for (int i = 0; i < 5; i++) {
            sql(tenant, "insert into t values (" + i + ")");
        }
        var key = TestSession.key("acme");
        get(live.tenants.release(tenant.id(), 1));
        var drained = new ArrayList<byte[]>();
        var keys = flaky.calm().listAll(key.prefix()).map(object -> object.key()).toList();
        keys.forEach(object -> drained.add(flaky.calm().get(object).orElseThrow()));
        keys.forEach(flaky.calm()::delete);
        // A fence now finds the log as it was before the drain: its last slot says so.
        var closed = live.fence(flaky.calm());

        Recovery.recover(flaky.calm(), live.name, closed, folder.resolve("tmp"), live.tasks);

        for (int i = 0; i < keys.size(); i++) {
            assertThat(flaky.calm().get(keys.get(i)))
                    .as(keys.get(i))
                    .hasValue(requireNonNull(drained.get(i)));
        }
    }

    @Test
    void leftoversOfAnEarlierSessionAreNotTrusted() throws IOException {
        Path clean = folder.resolve("w-1/tenants/clean/" + TestSession.LINEAGE);
        Path unclean = folder.resolve("w-1/tenants/unclean/" + TestSession.LINEAGE);
        for (Path lineage : List.of(clean, unclean)) {
            Files.createDirectories(lineage);
            Files.writeString(lineage.resolve("db"), "whatever it is");
        }
        Files.writeString(unclean.resolve("db-wal"), "frames");
        Files.writeString(
                unclean.resolve("position.json"), "{\"session\": \"01KAHV5W6Q4R9T8Y7ZXCVBNM11\"}");

        TestSession session = session("w-1");

        for (String tenant : List.of("clean", "unclean")) {
            assertThat(column(session.assign(tenant), "select count(*) from sqlite_schema"))
                    .containsExactly("0");
        }
        assertThat(clean.resolve("db-wal")).hasSize(0);
        Path kept = folder.resolve("w-1/quarantine/unclean/unknown");
        assertThat(kept.resolve("db-wal")).hasContent("frames");
        assertThat(folder.resolve("w-1/quarantine/clean")).doesNotExist();
    }

    @Test
    void replacedDatabaseFileStopsTheTenantWhichComesBackFromTheStore() throws IOException {
        TestSession session = session("w-1");
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        var open = ((TenantState.Active) tenant.state()).open();
        open.checkpointer().request();
        await().until(() -> !open.database().undrained() && open.database().walBytes() == 0);
        sql(tenant, "insert into t values (1)");
        Path db = folder.resolve("w-1/tenants/acme/" + TestSession.LINEAGE + "/db");
        Files.move(db, db.resolveSibling("elsewhere"));
        Files.copy(db.resolveSibling("elsewhere"), db);

        open.checkpointer().request();

        await().until(() -> tenant.state() instanceof TenantState.Failed);
        await().atMost(Duration.ofSeconds(20))
                .until(() -> send(tenant, null, "select 1"), answer -> outcome(answer) != null);
    }

    private static @Nullable Object outcome(java.util.concurrent.CompletableFuture<Answer> answer) {
        try {
            return get(answer);
        } catch (java.util.concurrent.CompletionException failed) {
            return null;
        }
    }
}
