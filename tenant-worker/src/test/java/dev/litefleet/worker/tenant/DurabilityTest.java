package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.execute;
import static dev.litefleet.worker.tenant.TestSession.failure;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.result;
import static dev.litefleet.worker.tenant.TestSession.run;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.testing.S3FaultServer.Fault;
import dev.litefleet.testing.TestClock;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// P1 and P2 (commit-log.md): what leaves before the store has it, and what must not. The store is
/// held or taken down and the test looks whose answers are still waiting.
final class DurabilityTest {
    @TempDir private Path folder;
    private final FlakyObjectStore store = new FlakyObjectStore();
    private @Nullable TestSession session;

    private TestSession session(ShippingConfig config) {
        session = new TestSession(folder.resolve("w"), store, config, TenantConfig.DEFAULT);
        return session;
    }

    private TestSession session() {
        return requireNonNull(session);
    }

    @AfterEach
    void close() {
        store.releasePuts();
        store.down(false);
        if (session != null) {
            session.close();
        }
    }

    @Test
    void syncWriteIsAnsweredOnlyWhenItsSegmentIsStored() {
        Tenant tenant = session(ShippingConfig.DEFAULT).assign("acme");
        sql(tenant, "create table t(x)");
        store.holdPuts();

        var written = send(tenant, null, "insert into t values (1)");
        committed(tenant, 2);

        assertThat(written).isNotDone();
        store.releasePuts();
        assertThat(get(written).durable()).isEqualTo(new Txid(2));
    }

    /// Waits until commit `txid` has been made locally.
    private static void committed(Tenant tenant, long txid) {
        await().until(() ->
                tenant.state() instanceof TenantState.Active(var open)
                        && open.database().announced().value() >= txid
                        && open.database().pendingBytes() > 0);
    }

    /// The clock of this machine is wrong by a day from one moment to the next. What was refused is
    /// signed again by the store's time and nobody is told anything before it is stored; while the
    /// store refuses whatever the time, nobody is told anything at all.
    @Test
    void clockThatTheStoreDoesNotBelieveDelaysAnswersAndLosesNothing() {
        var offset = new AtomicLong();
        try (var server =
                        S3FaultServer.start(
                                () -> InstantSource.system().instant().plusSeconds(offset.get()),
                                0);
                ObjectStore bucket = server.url("fleet").open(S3FaultServer.CREDENTIALS);
                var session = new TestSession(folder.resolve("skewed"), bucket)) {
            server.checkTime();
            Tenant tenant = session.assign("acme");
            sql(tenant, "create table t(x)");
            offset.set(-86_400);

            assertThat(get(send(tenant, null, "insert into t values (1)")).durable())
                    .isEqualTo(new Txid(2));

            assertThat(server.requests().stream().filter(it -> it.status() == 403)).hasSize(1);
            server.next("PUT", new Fault.Refuse(403, "RequestTimeTooSkewed"), Integer.MAX_VALUE);
            var written = send(tenant, null, "insert into t values (2)");
            var read = send(tenant, null, "select count(*) from t");
            long refused = server.count("PUT");
            await().until(() -> server.count("PUT") >= refused + 3);
            assertThat(written).isNotDone();
            assertThat(session.ended).isNotDone();
            server.calm();
            assertThat(get(written).durable()).isEqualTo(new Txid(3));
            get(read);
        }
    }

    @Test
    void readIsHeldBackUntilWhatItSawIsStored() {
        Tenant tenant = session(ShippingConfig.DEFAULT).assign("acme");
        sql(tenant, "create table t(x)");
        store.holdPuts();
        var written = send(tenant, null, "insert into t values (1)");
        committed(tenant, 2);

        var read = send(tenant, null, "select count(*) from t");

        await().during(Duration.ofMillis(150)).until(() -> !read.isDone());
        assertThat(written).isNotDone();
        store.releasePuts();
        assertThat(get(read).seen()).isEqualTo(new Txid(2));
        assertThat(TestSession.column(result(get(read).replies().getFirst()))).containsExactly("1");
    }

    @Test
    void uniqueViolationIsHeldBackUntilTheRowItShowsIsStored() {
        Tenant tenant = session(ShippingConfig.DEFAULT).assign("acme");
        sql(tenant, "create table t(x primary key)");
        store.holdPuts();
        var written = send(tenant, null, "insert into t values (1)");
        committed(tenant, 2);

        var violation = send(tenant, null, "insert into t values (1)");

        await().during(Duration.ofMillis(150)).until(() -> !violation.isDone());
        assertThat(written).isNotDone();
        store.releasePuts();
        assertThat(failure(get(violation).replies().getFirst()).code())
                .isEqualTo("SQLITE_CONSTRAINT");
    }

    @Test
    void openTransactionDoesNotHoldReadersBack() {
        TestSession session = session(ShippingConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId writer = session.stream();
        run(tenant, writer, "begin immediate", "insert into t values (1)");
        store.holdPuts();

        Answer read = run(tenant, null, "select count(*) from t");

        assertThat(read.seen()).isEqualTo(new Txid(1));
        store.releasePuts();
        run(tenant, TestSession.held(writer), "rollback");
    }

    @Test
    void asyncWriteIsAnsweredBeforeTheStoreHasIt() {
        Tenant tenant = session(ShippingConfig.DEFAULT).assign("acme", Durability.ASYNC);
        sql(tenant, "create table t(x)");
        store.holdPuts();

        Answer written = run(tenant, null, "insert into t values (1)");

        assertThat(written.seen()).isEqualTo(new Txid(2));
        assertThat(written.durable().value()).isLessThan(2);
    }

    @Test
    void gateGivesUpWithOutcomeUnknown() {
        Tenant tenant = session(TestSession.gateMax(Duration.ofMillis(200))).assign("acme");
        sql(tenant, "create table t(x)");
        store.holdPuts();

        var written = send(tenant, null, "insert into t values (1)");

        assertThat(written)
                .failsWithin(Duration.ofSeconds(10))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.OutcomeUnknown.class);
    }

    @Test
    void outageRefusesNewWritesOnceTheLagIsUsedUp() {
        Tenant tenant = session(lag(Duration.ofMillis(300), 64 << 10)).assign("acme");
        sql(tenant, "create table t(x)");
        store.down(true);
        var blob = new SqlValue.Blob(new byte[100_000]);
        var first =
                tenant.run(
                        null,
                        List.of(execute("insert into t values (?)", blob)),
                        RequestContext.anonymous());
        committed(tenant, 2);

        var refused = send(tenant, null, "insert into t values (2)");

        assertThat(refused)
                .failsWithin(Duration.ofSeconds(10))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.StoreUnavailable.class);
        store.down(false);
        get(first);
        assertThat(sql(tenant, "select count(*) from t").rows().getFirst()[0])
                .isEqualTo(new SqlValue.Int(1));
    }

    private static ShippingConfig lag(Duration lagMax, long lagBytesMax) {
        ShippingConfig d = ShippingConfig.DEFAULT;
        return new ShippingConfig(
                d.gateMax(),
                lagMax,
                lagBytesMax,
                d.workerLagBytesMax(),
                d.drainQuiet(),
                d.drainEvery(),
                d.drainWalBytes(),
                d.drainSlots(),
                d.walBytesMax(),
                d.transactionBytesMax());
    }

    @Test
    void asyncNeverAcknowledgesFurtherAheadThanItsLag() {
        Tenant tenant =
                session(lag(Duration.ofMillis(400), 8 << 20)).assign("acme", Durability.ASYNC);
        sql(tenant, "create table t(x)");
        await().until(() -> run(tenant, null, "select 1").durable().value() == 1);
        store.down(true);
        long began = System.nanoTime();
        long lastAcknowledged = began;
        CompletableFuture<Answer> held = send(tenant, null, "insert into t values (1)");
        while (acknowledged(held)) {
            lastAcknowledged = System.nanoTime();
            held = send(tenant, null, "insert into t values (1)");
        }

        assertThat(Duration.ofNanos(lastAcknowledged - began)).isLessThan(Duration.ofMillis(600));
        assertThat(send(tenant, null, "insert into t values (1)"))
                .failsWithin(Duration.ofSeconds(10))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.StoreUnavailable.class);
        store.down(false);
        await().until(() -> session().log.pendingBytes() == 0);
        assertThat(run(tenant, null, "insert into t values (2)").replies()).hasSize(1);
    }

    private static boolean acknowledged(CompletableFuture<Answer> answer) {
        try {
            answer.get(200, TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException | ExecutionException | InterruptedException held) {
            return false;
        }
    }

    @Test
    void writesResumeWhenTheStoreComesBack() {
        Tenant tenant = session(lag(Duration.ofSeconds(20), 64 << 10)).assign("acme");
        sql(tenant, "create table t(x)");
        store.down(true);
        var first =
                tenant.run(
                        null,
                        List.of(
                                execute(
                                        "insert into t values (?)",
                                        new SqlValue.Blob(new byte[100_000]))),
                        RequestContext.anonymous());
        committed(tenant, 2);
        var waits = send(tenant, null, "insert into t values (2)");
        await().during(Duration.ofMillis(100)).until(() -> !waits.isDone());

        store.down(false);

        get(first);
        assertThat(get(waits).seen()).isEqualTo(new Txid(3));
    }

    /// The zombie of commit-log.md: it goes on committing locally and must not acknowledge any of
    /// it.
    @Test
    void zombieAcknowledgesNothingAfterTheFence() {
        TestSession session = session(ShippingConfig.DEFAULT);
        Tenant sync = session.assign("sync");
        Tenant async = session.assign("async", Durability.ASYNC);
        sql(sync, "create table t(x)");
        sql(async, "create table t(x)");
        await().until(() -> run(async, null, "select 1").durable().value() == 1);
        session.fence(store.calm());

        var answers = new ArrayList<CompletableFuture<Answer>>();
        for (int i = 0; i < 10; i++) {
            answers.add(send(sync, null, "insert into t values (1)"));
            answers.add(send(sync, null, "select * from t"));
        }

        assertThat(session.ended).succeedsWithin(Duration.ofSeconds(10));
        assertThat(session.ended.join()).isInstanceOf(LogEnd.Fenced.class);
        // Reads that came before the first write had been committed saw only what is durable.
        for (int i = 0; i < answers.size(); i += 2) {
            assertThat(answers.get(i))
                    .failsWithin(Duration.ofSeconds(10))
                    .withThrowableThat()
                    .withCauseInstanceOf(TenantException.OutcomeUnknown.class);
        }
        for (Tenant tenant : List.of(sync, async)) {
            for (String sql : List.of("select 1", "insert into t values (2)")) {
                assertThat(send(tenant, null, sql))
                        .failsWithin(Duration.ofSeconds(10))
                        .withThrowableThat()
                        .withCauseInstanceOf(TenantException.OutcomeUnknown.class);
            }
        }
        assertThat(folder.resolve("w/quarantine/sync/" + session.name.session() + "/db-wal"))
                .exists();
        assertThat(folder.resolve("w/quarantine/async")).doesNotExist();
    }

    @Test
    void fencedReadsNeverShowWhatIsNotDurable() {
        TestSession session = session(ShippingConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        store.holdPuts();
        var written = send(tenant, null, "insert into t values (1)");
        committed(tenant, 2);
        var read = send(tenant, null, "select count(*) from t");
        session.fence(store.calm());

        store.releasePuts();

        for (var answer : List.of(written, read)) {
            assertThat(answer)
                    .failsWithin(Duration.ofSeconds(10))
                    .withThrowableThat()
                    .withCauseInstanceOf(TenantException.OutcomeUnknown.class);
        }
    }

    @Test
    void commitTimesNeverGoBackwards() {
        var clock = new TestClock();
        session =
                new TestSession(
                        folder.resolve("w"),
                        store,
                        ShippingConfig.DEFAULT,
                        TenantConfig.DEFAULT,
                        clock);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        clock.advance(Duration.ofHours(-3));
        sql(tenant, "insert into t values (1)");
        clock.advance(Duration.ofHours(4));
        sql(tenant, "insert into t values (2)");
        get(session.tenants.release(tenant.id(), 1));

        List<Long> times =
                HistoryIndex.points(store, TestSession.key("acme"), new Txid(1), new Txid(3))
                        .stream()
                        .map(IndexPoint::lastMillis)
                        .toList();

        assertThat(times).hasSize(3).isSorted();
        assertThat(times.get(1)).isEqualTo(times.get(0));
        assertThat(folder.resolve("w/tenants/acme")).doesNotExist();
    }
}
