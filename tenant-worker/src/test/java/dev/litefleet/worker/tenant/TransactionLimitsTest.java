package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.execute;
import static dev.litefleet.worker.tenant.TestSession.failure;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.held;
import static dev.litefleet.worker.tenant.TestSession.result;
import static dev.litefleet.worker.tenant.TestSession.run;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.service.Overloaded;
import dev.litefleet.testing.MemoryObjectStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is taken away from clients who hold something for too long or want too much.
final class TransactionLimitsTest {
    @TempDir private Path folder;
    private @Nullable TestSession session;

    private TestSession session(ShippingConfig shipping, TenantConfig config) {
        session = new TestSession(folder, new MemoryObjectStore(), shipping, config);
        return session;
    }

    @AfterEach
    void close() {
        if (session != null) {
            session.close();
        }
    }

    private static TenantConfig limits(Duration contended, Duration idle, Duration age) {
        TenantConfig d = TenantConfig.DEFAULT;
        return new TenantConfig(
                d.hibernateAfter(),
                d.residentsMax(),
                d.assignedMax(),
                d.requestsMax(),
                d.readersMax(),
                d.transactionsMax(),
                contended,
                idle,
                age,
                d.permitWaitMax(),
                d.responseBytesMax(),
                d.cursorIdleMax(),
                d.diskReserveBytes(),
                d.quarantineBytesMax());
    }

    @Test
    void idleHolderIsRobbedWhenAnotherWaitsAndFailsUntilItRollsBack() {
        TestSession session =
                session(
                        ShippingConfig.DEFAULT,
                        limits(
                                Duration.ofMillis(200),
                                Duration.ofMinutes(1),
                                Duration.ofMinutes(5)));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId idle = session.stream();
        run(tenant, idle, "begin immediate", "insert into t values (1)");

        sql(tenant, "insert into t values (2)");

        Answer robbed = run(tenant, held(idle), "insert into t values (3)", "select 1", "commit");
        assertThat(robbed.replies())
                .allMatch(reply ->
                        reply instanceof StreamReply.Failed(var failure)
                                && failure.code().equals("TRANSACTION_TIMEOUT"));
        assertThat(robbed.after()).isEqualTo(StreamState.HELD);
        Answer asked =
                get(
                        tenant.run(
                                held(idle),
                                List.of(new StreamRequest.Autocommit()),
                                RequestContext.anonymous()));
        assertThat(asked.replies()).containsExactly(new StreamReply.AutocommitIs(false));
        Answer rolledBack = run(tenant, held(idle), "rollback", "insert into t values (4)");
        assertThat(rolledBack.after()).isEqualTo(StreamState.FREE);
        assertThat(column(tenant, "select x from t order by x")).containsExactly("2", "4");
    }

    @Test
    void idleHolderIsLeftAloneWhileNobodyWaits() {
        TestSession session =
                session(
                        ShippingConfig.DEFAULT,
                        limits(
                                Duration.ofMillis(50),
                                Duration.ofMinutes(1),
                                Duration.ofMinutes(5)));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId idle = session.stream();
        run(tenant, idle, "begin immediate", "insert into t values (1)");

        await().during(Duration.ofMillis(300)).until(() -> true);

        assertThat(result(run(tenant, held(idle), "commit").replies().getFirst())).isNotNull();
    }

    @Test
    void anyTransactionIsRobbedWhenIdleForTooLong() {
        TestSession session =
                session(
                        ShippingConfig.DEFAULT,
                        limits(
                                Duration.ofMillis(50),
                                Duration.ofMillis(150),
                                Duration.ofMinutes(5)));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId idle = session.stream();
        run(tenant, idle, "begin", "select * from t");

        await().during(Duration.ofMillis(400)).until(() -> true);

        assertThat(failure(run(tenant, held(idle), "select 1").replies().getFirst()).code())
                .isEqualTo("TRANSACTION_TIMEOUT");
    }

    @Test
    void busyTransactionIsRobbedWhenTooOld() {
        TestSession session =
                session(
                        ShippingConfig.DEFAULT,
                        limits(
                                Duration.ofMinutes(1),
                                Duration.ofMinutes(1),
                                Duration.ofMillis(300)));
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId busy = session.stream();
        run(tenant, busy, "begin immediate");

        await().until(() ->
                run(tenant, held(busy), "insert into t values (1)").replies().getFirst()
                                instanceof StreamReply.Failed(var failure)
                        && failure.code().equals("TRANSACTION_TIMEOUT"));

        assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
    }

    @Test
    void statementIsInterruptedAtItsDeadline() {
        TestSession session = session(ShippingConfig.DEFAULT, TenantConfig.DEFAULT);
        var quota = new Quota(1 << 30, 1_000_000, Duration.ofMillis(200));
        Tenant tenant = session.assign("acme", Durability.SYNC, 1, Txid.NONE, quota);

        Answer answer =
                run(
                        tenant,
                        null,
                        "with recursive n(i) as (select 1 union all select i + 1 from n) select"
                                + " count(*) from n",
                        "select 1");

        assertThat(failure(answer.replies().get(0)).code()).isEqualTo("SQLITE_INTERRUPT");
        assertThat(column(result(answer.replies().get(1)))).containsExactly("1");
    }

    @Test
    void clientThatGoesAwayInterruptsItsStatementAndLosesItsTransaction() {
        TestSession session = session(ShippingConfig.DEFAULT, TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId stream = session.stream();
        var context = new RequestContext(null, null, null);
        var running =
                tenant.run(
                        stream,
                        List.of(
                                execute("begin immediate"),
                                execute("insert into t values (1)"),
                                execute(
                                        "with recursive n(i) as (select 1 union all select i + 1"
                                                + " from n) select count(*) from n"),
                                execute("commit")),
                        context);
        await().until(() ->
                tenant.state() instanceof TenantState.Active(var open) && !open.permit().isFree());

        context.cancel();

        assertThat(running)
                .failsWithin(Duration.ofSeconds(4))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.Cancelled.class);
        assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
    }

    @Test
    void clientThatGoesAwayWhileItWaitsLeavesThePermitToTheNext() {
        TestSession session = session(ShippingConfig.DEFAULT, TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId writer = session.stream();
        run(tenant, writer, "begin immediate");
        var contexts = new ArrayList<RequestContext>();
        var waiting = new ArrayList<CompletableFuture<Answer>>();
        for (int i = 0; i < 20; i++) {
            var context = new RequestContext(null, null, null);
            contexts.add(context);
            waiting.add(tenant.run(null, List.of(execute("insert into t values (1)")), context));
        }
        var last = send(tenant, null, "insert into t values (2)");
        var gone = new CompletableFuture<Void>();
        session.tasks.start(
                "leave",
                () -> {
                    contexts.forEach(RequestContext::cancel);
                    gone.complete(null);
                });

        run(tenant, held(writer), "rollback");

        get(gone);
        get(last);
        assertThat(waiting)
                .allMatch(answer -> {
                    try {
                        return get(answer).replies().size() == 1;
                    } catch (CompletionException cancelled) {
                        return cancelled.getCause() instanceof TenantException.Cancelled;
                    }
                });
        assertThat(((TenantState.Active) tenant.state()).open().permit().isFree()).isTrue();
    }

    static ShippingConfig transactions(long bytesMax) {
        ShippingConfig d = ShippingConfig.DEFAULT;
        return new ShippingConfig(
                d.gateMax(),
                d.lagMax(),
                d.lagBytesMax(),
                d.workerLagBytesMax(),
                d.drainQuiet(),
                d.drainEvery(),
                d.drainWalBytes(),
                d.drainSlots(),
                d.walBytesMax(),
                bytesMax);
    }

    /// @return whether the transaction goes on: on a slow machine the watchdog, which looks every
    ///   20 ms, may find a single statement before the COMMIT finds them all
    private static boolean insertBlobs(Tenant tenant, StreamId stream, int count) {
        var blob = new SqlValue.Blob(new byte[900_000]);
        boolean goesOn = true;
        for (int i = 0; i < count && goesOn; i++) {
            Answer answer =
                    get(
                            tenant.run(
                                    held(stream),
                                    List.of(execute("insert into t values (?)", blob)),
                                    RequestContext.anonymous()));
            goesOn = goesOn(answer);
        }
        return goesOn;
    }

    private static boolean goesOn(Answer answer) {
        StreamReply reply = answer.replies().getFirst();
        if (reply instanceof StreamReply.Failed) {
            assertThat(failure(reply).code()).isIn("TXN_TOO_LARGE", "TRANSACTION_TIMEOUT");
            return false;
        }
        return true;
    }

    /// Begins anew whenever the watchdog was first, and then without its leftovers: what is written
    /// over those is not counted until it is more.
    private StreamId begun(
            TestSession session, Tenant tenant, String begin, Predicate<StreamId> work) {
        for (int attempt = 0; attempt < 100; attempt++) {
            StreamId stream = session.stream();
            run(tenant, stream, begin);
            if (work.test(stream)) {
                return stream;
            }
            run(tenant, held(stream), "rollback");
            await().atMost(Duration.ofSeconds(20)).until(() -> Files.size(wal()) < 1 << 20);
        }
        throw new AssertionError("the watchdog was always first");
    }

    private Path wal() {
        return folder.resolve("tenants/acme").resolve(TestSession.LINEAGE.ulid()).resolve("db-wal");
    }

    @Test
    void explicitTransactionOverItsLimitIsRolledBackAtCommit() {
        TestSession session = session(transactions(4 << 20), TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId stream = begun(session, tenant, "begin", begun -> insertBlobs(tenant, begun, 12));

        Answer commit = run(tenant, held(stream), "commit");

        assertThat(failure(commit.replies().getFirst()).code()).isEqualTo("TXN_TOO_LARGE");
        assertThat(commit.after()).isEqualTo(StreamState.FREE);
        assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
        assertThat(run(tenant, null, "insert into t values (1)").seen()).isEqualTo(new Txid(2));
    }

    /// Spilled frames are counted over statements and savepoints: at the COMMIT, and at the RELEASE
    /// that is one.
    @Test
    void statementsAndSavepointsOfATransactionCountTogether() {
        TestSession session = session(transactions(4 << 20), TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        for (String end : List.of("commit", "release outer_most")) {
            StreamId stream =
                    begun(
                            session,
                            tenant,
                            end.equals("commit") ? "begin" : "savepoint outer_most",
                            begun ->
                                    insertBlobs(tenant, begun, 3)
                                            && goesOn(run(tenant, held(begun), "savepoint a"))
                                            && insertBlobs(tenant, begun, 3)
                                            && goesOn(run(tenant, held(begun), "release a"))
                                            && goesOn(
                                                    run(
                                                            tenant,
                                                            held(begun),
                                                            "update t set x = zeroblob(800000)"))
                                            && goesOn(run(tenant, held(begun), "savepoint b"))
                                            && insertBlobs(tenant, begun, 3));

            Answer ended = run(tenant, held(stream), end);

            assertThat(failure(ended.replies().getFirst()).code()).isEqualTo("TXN_TOO_LARGE");
            assertThat(failure(ended.replies().getFirst()).message())
                    .contains("transaction_bytes_max=4194304");
            await().atMost(Duration.ofSeconds(20)).until(() -> Files.size(wal()) < 4 << 20);
            assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
        }
    }

    /// What a savepoint wrote and took back stays in the WAL until it is overwritten.
    @Test
    void whatWasRolledBackToASavepointDoesNotCount() {
        TestSession session = session(transactions(4 << 20), TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId stream =
                begun(
                        session,
                        tenant,
                        "begin",
                        begun ->
                                insertBlobs(tenant, begun, 1)
                                        && goesOn(run(tenant, held(begun), "savepoint a"))
                                        && insertBlobs(tenant, begun, 12));

        Answer answer = run(tenant, held(stream), "rollback to a", "commit");

        assertThat(failures(answer)).isEmpty();
        assertThat(column(tenant, "select count(*) from t")).containsExactly("1");
        assertThat(session.shipping.log().pendingBytes()).isZero();
    }

    /// The statement has no end of its own: whatever ends it is the limit, or the test fails.
    @Test
    void singleStatementOverItsLimitIsStoppedWhileItRuns() throws Exception {
        TestSession session = session(transactions(4 << 20), TenantConfig.DEFAULT);
        var quota = new Quota(8L << 30, 1_000_000, Duration.ofMinutes(2));
        Tenant tenant = session.assign("acme", Durability.SYNC, 1, Txid.NONE, quota);
        sql(tenant, "create table t(x)");
        String endless =
                "with recursive n(i) as (select 1 union all select i + 1 from n)"
                        + " insert into t select randomblob(3000) from n";

        Answer alone = run(tenant, null, endless, "select count(*) from t");
        // What was rolled back leaves the disk with a checkpoint that nobody else has asked for.
        Path wal = wal();
        await().atMost(Duration.ofSeconds(20)).until(() -> Files.size(wal) < 4 << 20);
        StreamId stream = session.stream();
        run(tenant, stream, "begin", "insert into t values (1)");
        Answer inside = run(tenant, held(stream), endless, "select 1");
        Answer after = run(tenant, held(stream), "rollback", "select count(*) from t");

        assertThat(failure(alone.replies().get(0)).code()).isEqualTo("TXN_TOO_LARGE");
        assertThat(column(result(alone.replies().get(1)))).containsExactly("0");
        assertThat(failure(inside.replies().get(0)).code()).isEqualTo("TXN_TOO_LARGE");
        assertThat(failure(inside.replies().get(1)).code()).isEqualTo("TRANSACTION_TIMEOUT");
        assertThat(column(result(after.replies().get(1)))).containsExactly("0");
        assertThat(run(tenant, null, "insert into t values (2)").seen()).isEqualTo(new Txid(2));
        assertThat(column(tenant, "select x from t")).containsExactly("2");
    }

    /// As on a full disk: the commit is in the database, and the tenant must not go on with it.
    @Test
    void commitThatCannotBeSpooledStopsTheTenantWhichComesBackWithoutIt() throws Exception {
        TestSession session = session(ShippingConfig.DEFAULT, TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        sql(tenant, "insert into t values (1)");
        Path tmp = folder.resolve("tmp");
        Path away = Files.move(tmp, folder.resolve("away"));

        assertThat(
                        send(
                                tenant,
                                null,
                                "with recursive n(i) as (select 1 union all select i + 1 from n"
                                        + " limit 20) insert into t select zeroblob(900000) from n"))
                .failsWithin(Duration.ofSeconds(20))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.OutcomeUnknown.class)
                .withMessageContaining("cannot spool a commit of");

        Files.move(away, tmp);
        await().atMost(Duration.ofSeconds(20))
                .ignoreExceptions()
                .until(() -> column(tenant, "select x from t").equals(List.of("1")));
        assertThat(run(tenant, null, "insert into t values (2)").seen()).isEqualTo(new Txid(3));
    }

    private static List<String> failures(Answer answer) {
        return answer.replies().stream()
                .filter(reply -> reply instanceof StreamReply.Failed)
                .map(reply -> failure(reply).message())
                .toList();
    }

    @Test
    void requestsBeyondTheLimitAreRefusedAtOnce() {
        TenantConfig d = TenantConfig.DEFAULT;
        var few =
                new TenantConfig(
                        d.hibernateAfter(),
                        d.residentsMax(),
                        d.assignedMax(),
                        3,
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
        TestSession session = session(ShippingConfig.DEFAULT, few);
        Tenant tenant = session.assign("acme");
        sql(tenant, "create table t(x)");
        StreamId writer = session.stream();
        run(tenant, writer, "begin immediate");
        var waiting = new ArrayList<CompletableFuture<Answer>>();
        for (int i = 0; i < 3; i++) {
            waiting.add(send(tenant, null, "insert into t values (1)"));
        }

        assertThat(send(tenant, null, "select 1"))
                .failsWithin(Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(Overloaded.class);
    }

    @Test
    void answerOverItsLimitFailsAndTheTenantGoesOn() {
        TestSession session = session(ShippingConfig.DEFAULT, TenantConfig.DEFAULT);
        Tenant tenant = session.assign("acme");

        Answer answer =
                run(
                        tenant,
                        null,
                        "with recursive n(i) as (select 1 union all select i + 1 from n limit 20)"
                                + " select zeroblob(900000) from n",
                        "select 1");

        assertThat(failure(answer.replies().get(0)).code()).isEqualTo("RESPONSE_TOO_LARGE");
        assertThat(column(result(answer.replies().get(1)))).containsExactly("1");
    }
}
