package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.run;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static dev.litefleet.worker.tenant.TestSession.stmt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.testing.FlakyObjectStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A batch whose entries leave one by one, held back by the store and by a slow client.
final class CursorTest {
    @TempDir private Path folder;
    private static final ShippingConfig SMALL_TRANSACTIONS =
            TransactionLimitsTest.transactions(4 << 20);

    private final FlakyObjectStore store = new FlakyObjectStore();
    private TestSession session;
    private Tenant tenant;

    @BeforeEach
    void open() {
        TenantConfig d = TenantConfig.DEFAULT;
        var config =
                new TenantConfig(
                        d.hibernateAfter(),
                        d.residentsMax(),
                        d.assignedMax(),
                        d.requestsMax(),
                        2,
                        d.transactionsMax(),
                        d.idleContended(),
                        d.idleMax(),
                        d.transactionAgeMax(),
                        d.permitWaitMax(),
                        d.responseBytesMax(),
                        Duration.ofMillis(300),
                        d.diskReserveBytes(),
                        d.quarantineBytesMax());
        session = new TestSession(folder, store, SMALL_TRANSACTIONS, config);
        var quota = new Quota(8L << 30, 1_000_000, Duration.ofMinutes(2));
        tenant = session.assign("acme", Durability.SYNC, 1, Txid.NONE, quota);
        sql(tenant, "create table t(x)");
    }

    @AfterEach
    void close() {
        store.releasePuts();
        session.close();
    }

    /// A client that writes down what it gets, and reads only as much as it is allowed to.
    private static final class Client implements CursorSink {
        final List<String> got = new CopyOnWriteArrayList<>();
        final CompletableFuture<StreamState> end = new CompletableFuture<>();
        private int appetite = Integer.MAX_VALUE; // guarded by this
        private @Nullable Runnable resume; // guarded by this

        synchronized void eat(int rows) {
            appetite = rows;
            if (resume != null && rows > 0) {
                resume.run();
                resume = null;
            }
        }

        @Override
        public void begin(int step, List<Column> columns) {
            got.add("begin " + step);
        }

        @Override
        public synchronized void row(SqlValue[] row) {
            appetite--;
            got.add(row[0] instanceof SqlValue.Int(long number) ? "row " + number : "row");
        }

        @Override
        public void end(long rowsAffected, @Nullable Long lastInsertRowid) {
            got.add("end " + rowsAffected);
        }

        @Override
        public void error(int step, SqlFailure failure) {
            got.add("error " + step + " " + failure.code());
        }

        @Override
        public synchronized boolean ready() {
            return appetite > 0;
        }

        @Override
        public synchronized void whenReady(Runnable action) {
            if (appetite > 0) {
                action.run();
            } else {
                resume = action;
            }
        }

        @Override
        public void done(StreamState after) {
            end.complete(after);
        }

        @Override
        public void failed(RuntimeException failure) {
            end.completeExceptionally(failure);
        }
    }

    private Client cursor(@Nullable StreamId stream, String... statements) {
        return cursor(new Client(), stream, statements);
    }

    private Client cursor(Client client, @Nullable StreamId stream, String... statements) {
        tenant.cursor(
                stream,
                Stream.of(statements).map(sql -> new Step(stmt(sql), null)).toList(),
                client,
                RequestContext.anonymous());
        return client;
    }

    @Test
    void stepsLeaveInOrderAndFailuresDoNotStopThem() {
        Client client =
                cursor(
                        null,
                        "insert into t values (1), (2)",
                        "select x from t order by x",
                        "insert into nope values (1)",
                        "select x from t where x > 5");

        assertThat(get(client.end)).isEqualTo(StreamState.FREE);
        assertThat(client.got)
                .containsExactly(
                        "begin 0",
                        "end 2",
                        "begin 1",
                        "row 1",
                        "row 2",
                        "end 0",
                        "error 2 SQLITE_UNKNOWN",
                        "begin 3",
                        "end 0");
    }

    /// The statement has no end of its own: whatever ends it is the limit, or the test fails.
    @Test
    void stepOverTheLimitOfTransactionsIsStoppedWhileItRuns() {
        Client client =
                cursor(
                        null,
                        "with recursive n(i) as (select 1 union all select i + 1 from n)"
                                + " insert into t select randomblob(3000) from n",
                        "select count(*) from t");

        assertThat(get(client.end)).isEqualTo(StreamState.FREE);
        assertThat(client.got)
                .containsExactly("error 0 TXN_TOO_LARGE", "begin 1", "row 0", "end 0");
    }

    @Test
    void firstRowWaitsForItsSnapshotToBeStored() {
        store.holdPuts();
        var written = send(tenant, null, "insert into t values (1)");
        await().until(() ->
                ((TenantState.Active) tenant.state()).open().database().pendingBytes() > 0);

        Client client = cursor(null, "select x from t");

        await().during(Duration.ofMillis(150)).until(client.got::isEmpty);
        store.releasePuts();
        get(client.end);
        assertThat(client.got).containsExactly("begin 0", "row 1", "end 0");
        get(written);
    }

    @Test
    void endOfAWritingStepWaitsForItsCommitToBeStored() {
        store.holdPuts();

        Client client = cursor(null, "insert into t values (1)", "select 1");

        await().during(Duration.ofMillis(150)).until(() -> !client.got.contains("end 1"));
        store.releasePuts();
        get(client.end);
        assertThat(client.got).containsExactly("begin 0", "end 1", "begin 1", "row 1", "end 0");
    }

    @Test
    void slowClientHoldsNoThreadAndOthersGoOn() {
        var slow = Stream.generate(Client::new).limit(2).toList();
        for (Client client : slow) {
            client.eat(1);
            cursor(client, null, "values (1), (2), (3)");
        }
        await().until(() -> slow.stream().allMatch(client -> client.got.contains("row 1")));

        // Both readers are taken, the writer is not.
        assertThat(run(tenant, null, "insert into t values (1)").replies()).hasSize(1);

        slow.forEach(client -> client.eat(10));
        for (Client client : slow) {
            get(client.end);
            assertThat(client.got).containsExactly("begin 0", "row 1", "row 2", "row 3", "end 0");
        }
    }

    @Test
    void clientThatStopsReadingLosesItsCursorAndItsReader() {
        var stuck = new Client();
        stuck.eat(1);

        cursor(stuck, null, "values (1), (2), (3)");

        assertThat(stuck.end)
                .failsWithin(Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.StreamExpired.class);
        get(cursor(null, "values (1)").end);
        get(cursor(null, "values (1)").end);
    }

    @Test
    void cursorLeavesItsTransactionToTheStream() {
        StreamId stream = session.stream();

        Client client = cursor(stream, "begin immediate", "insert into t values (1)");

        assertThat(get(client.end)).isEqualTo(StreamState.HELD);
        run(tenant, TestSession.held(stream), "commit");
        assertThat(TestSession.column(tenant, "select x from t")).containsExactly("1");
    }

    @Test
    void manyRowsAllArrive() {
        Client client =
                cursor(
                        null,
                        "with recursive n(i) as (select 1 union all select i + 1 from n limit"
                                + " 20000) select i from n");

        get(client.end);
        assertThat(client.got).hasSize(20_002).contains("row 20000");
    }

    @Test
    void cancelledCursorIsInterrupted() {
        var context = new RequestContext(null, null, null);
        var client = new Client();
        tenant.cursor(
                null,
                List.of(
                        new Step(
                                stmt(
                                        "with recursive n(i) as (select 1 union all select i + 1"
                                                + " from n) select count(*) from n"),
                                null)),
                client,
                context);

        context.cancel();

        assertThat(client.end)
                .failsWithin(Duration.ofSeconds(4))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.Cancelled.class);
    }
}
