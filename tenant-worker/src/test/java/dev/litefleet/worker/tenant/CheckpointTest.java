package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.execute;
import static dev.litefleet.worker.tenant.TestSession.failure;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.held;
import static dev.litefleet.worker.tenant.TestSession.run;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.worker.tenant.ShippedDatabase.Checkpoint;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Drains and checkpoints of open tenants, and what bounds the WAL.
final class CheckpointTest {
    @TempDir private Path folder;
    private final FlakyObjectStore store = new FlakyObjectStore();
    private @Nullable TestSession session;

    private TestSession session(ShippingConfig shipping) {
        return session(shipping, TenantConfig.DEFAULT.hibernateAfter(), 0);
    }

    private TestSession session(
            ShippingConfig shipping, Duration hibernateAfter, long diskReserve) {
        TenantConfig d = TenantConfig.DEFAULT;
        var config =
                new TenantConfig(
                        hibernateAfter,
                        d.residentsMax(),
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
                        diskReserve,
                        d.quarantineBytesMax());
        session = new TestSession(folder.resolve("w"), store, shipping, config);
        return session;
    }

    @AfterEach
    void close() {
        store.releasePuts();
        if (session != null) {
            session.close();
        }
    }

    private static ShippingConfig wal(
            Duration quiet, Duration every, long drainWalBytes, long walBytesMax) {
        ShippingConfig d = ShippingConfig.DEFAULT;
        return new ShippingConfig(
                d.gateMax(),
                Duration.ofMillis(500),
                d.lagBytesMax(),
                d.workerLagBytesMax(),
                quiet,
                every,
                drainWalBytes,
                d.drainSlots(),
                walBytesMax,
                Math.min(walBytesMax, 4 << 20));
    }

    private static OpenTenant open(Tenant tenant) {
        return ((TenantState.Active) tenant.state()).open();
    }

    @Test
    void nothingIsCheckpointedThatIsNotDurableAndDrained() {
        TestSession session = session(ShippingConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        OpenTenant open = open(tenant);
        store.holdPuts();
        TestSession.send(tenant, null, "insert into t values (1)");
        await().until(() -> open.database().pendingBytes() > 0);

        assertThat(checkpoint(open)).isEqualTo(Checkpoint.NOT_YET);
        store.releasePuts();
        await().until(() -> open.database().pendingBytes() == 0);
        assertThat(checkpoint(open)).isEqualTo(Checkpoint.NOT_YET);
        open.database().drain();

        assertThat(checkpoint(open)).isEqualTo(Checkpoint.COMPLETE);
    }

    /// On the tenant's queue, as the checkpointer does; nobody else wants the permit here.
    private static Checkpoint checkpoint(OpenTenant open) {
        var done = new CompletableFuture<Checkpoint>();
        open.queue().submit(() -> done.complete(open.database().checkpoint()));
        return get(done);
    }

    @Test
    void quietTenantIsDrainedAndCheckpointedByItself() {
        TestSession session =
                session(wal(Duration.ofMillis(100), Duration.ofMillis(200), 4 << 20, 512 << 20));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");

        await().until(() ->
                !open(tenant).database().undrained() && open(tenant).database().walBytes() == 0);

        assertThat(LineageHistory.list(store.calm(), TestSession.key("acme")).files()).hasSize(1);
    }

    @Test
    void snapshotIsWrittenWhenTheDrainsOutgrowTheDatabase() {
        TestSession session = session(ShippingConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        for (int i = 0; i < 8; i++) {
            sql(tenant, "delete from t");
            sql(tenant, "insert into t values (randomblob(900000))");
            long files = LineageHistory.list(store.calm(), TestSession.key("acme")).files().size();
            open(tenant).checkpointer().request();
            await().until(() ->
                    LineageHistory.list(store.calm(), TestSession.key("acme")).files().size()
                            > files);
            await().until(() -> !open(tenant).database().undrained());
        }

        await().until(() ->
                LineageHistory.list(store.calm(), TestSession.key("acme")).files().stream()
                        .anyMatch(file -> file.level() == 9));

        var released = get(session.tenants.release(tenant.id(), 1));
        Tenant again = session.assign("acme", Durability.SYNC, 2, released.last());
        assertThat(column(again, "select length(x) from t")).containsExactly("900000");
    }

    @Test
    void walStaysBoundedWhileATenantNeverStopsWriting() {
        TestSession session =
                session(wal(Duration.ofSeconds(1), Duration.ofSeconds(2), 256 << 10, 8 << 20));
        Tenant tenant = session.assign("acme", Durability.ASYNC);
        sql(tenant, "create table t(x)");
        var stop = new AtomicBoolean();
        var written = new AtomicLong();
        var largest = new AtomicLong();
        var restarts = new AtomicLong();
        var clients =
                IntStream.range(0, 4).mapToObj(_ -> write(session, tenant, stop, written)).toList();
        long[] before = new long[1];
        await().atMost(Duration.ofSeconds(30))
                .pollInterval(Duration.ofMillis(1))
                .pollDelay(Duration.ZERO)
                .until(() -> {
                    clients.stream().filter(CompletableFuture::isDone).forEach(TestSession::get);
                    long wal = open(tenant).database().walBytes();
                    largest.set(Math.max(largest.get(), wal));
                    if (wal < before[0]) {
                        restarts.incrementAndGet();
                    }
                    before[0] = wal;
                    return restarts.get() >= 5;
                });
        stop.set(true);
        clients.forEach(TestSession::get);

        // The transaction that fills it is let through.
        assertThat(largest).hasValueLessThan((8 << 20) + (64 << 10));
        var released = get(session.tenants.release(tenant.id(), 1));
        Tenant again = session.assign("acme", Durability.SYNC, 2, released.last());
        assertThat(column(again, "select count(*) from t"))
                .containsExactly(Long.toString(written.get()));
    }

    private static CompletableFuture<Void> write(
            TestSession session, Tenant tenant, AtomicBoolean stop, AtomicLong written) {
        return CompletableFuture.runAsync(
                () -> {
                    var blob = new SqlValue.Blob(new byte[20_000]);
                    while (!stop.get()) {
                        Answer answer =
                                get(
                                        tenant.run(
                                                null,
                                                List.of(execute("insert into t values (?)", blob)),
                                                RequestContext.anonymous()));
                        TestSession.result(answer.replies().getFirst());
                        written.incrementAndGet();
                    }
                },
                work -> session.tasks.start("client", work));
    }

    @Test
    void fullWalRefusesWritesUntilTheReaderThatHoldsItIsGone() {
        TestSession session =
                session(wal(Duration.ofMillis(50), Duration.ofMillis(50), 64 << 10, 256 << 10));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        sql(tenant, "insert into t values (0)");
        StreamId reader = session.stream();
        run(tenant, reader, "begin", "select * from t");
        var blob = new SqlValue.Blob(new byte[30_000]);

        await().until(() ->
                get(tenant.run(
                                                null,
                                                List.of(execute("insert into t values (?)", blob)),
                                                RequestContext.anonymous()))
                                        .replies()
                                        .getFirst()
                                instanceof StreamReply.Failed(var full)
                        && full.code().equals("SQLITE_FULL"));

        assertThat(failure(run(tenant, null, "insert into t values (1)").replies().getFirst()))
                .hasMessageContaining("wal_bytes_max");
        assertThat(run(tenant, null, "select count(*) from t").replies().getFirst())
                .isInstanceOf(StreamReply.Executed.class);
        run(tenant, held(reader), "rollback");
        await().until(() ->
                run(tenant, null, "insert into t values (1)").replies().getFirst()
                        instanceof StreamReply.Executed);
    }

    @Test
    void fullDiskRefusesWritesServesReadsAndEvictsClosedTenants() {
        TestSession session = session(ShippingConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        get(session.tenants.release(tenant.id(), 1));
        session.close();
        TestSession full =
                session(ShippingConfig.DEFAULT, Duration.ofMillis(200), Long.MAX_VALUE / 2);
        Tenant served = full.assign("acme", Durability.SYNC, 1, new Txid(1));
        assertThat(column(served, "select count(*) from t")).containsExactly("0");
        Path local = folder.resolve("w/tenants/acme/" + TestSession.LINEAGE + "/db");
        assertThat(local).exists();

        Answer answer = run(served, null, "insert into t values (1)");

        assertThat(failure(answer.replies().getFirst()).code()).isEqualTo("SQLITE_FULL");
        assertThat(failure(answer.replies().getFirst())).hasMessageContaining("disk_reserve_bytes");
        await().until(() -> served.state() instanceof TenantState.Hibernated);
        Tenant other = full.assign("other");
        run(other, null, "create table u(x)");
        await().until(() -> !local.toFile().exists());
        assertThat(column(served, "select count(*) from t")).containsExactly("0");
    }
}
