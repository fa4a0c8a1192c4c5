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
import static dev.litefleet.worker.tenant.TestSession.stmt;
import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.testing.MemoryObjectStore;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a client can do with one tenant: statements, batches, sequences, transactions over several
/// requests and beside one another.
final class TenantTest {
    @TempDir private Path folder;
    private TestSession session;
    private Tenant tenant;

    @BeforeEach
    void open() {
        session = new TestSession(folder, new MemoryObjectStore());
        tenant = session.assign("acme");
    }

    @AfterEach
    void close() {
        session.close();
    }

    @Test
    void firstCommitIsTxidOneAndDurableWhenAnswered() {
        Answer created = run(tenant, execute("create table t(x)"));

        assertThat(created.seen()).isEqualTo(new Txid(1));
        assertThat(created.durable()).isEqualTo(new Txid(1));
    }

    @Test
    void everyCommitHasItsOwnTxid() {
        Answer answer =
                run(
                        tenant,
                        execute("create table t(x)"),
                        execute("insert into t values (1)"),
                        execute("insert into t values (2), (3)"),
                        execute("select count(*) from t"));

        assertThat(answer.seen()).isEqualTo(new Txid(3));
        assertThat(column(result(answer.replies().get(3)))).containsExactly("3");
    }

    @Test
    void commitWithoutChangesTakesNoTxid() {
        sql(tenant, "create table t(x)");
        long slots = session.log.durable().number();

        Answer answer =
                run(
                        tenant,
                        null,
                        "begin immediate",
                        "commit",
                        "delete from t where x = 1",
                        "update t set x = 2 where x = 1",
                        "select 1");

        assertThat(answer.seen()).isEqualTo(new Txid(1));
        assertThat(session.log.durable().number()).isEqualTo(slots);
    }

    @Test
    void failedStatementDoesNotStopLaterOnes() {
        sql(tenant, "create table t(x primary key)");

        Answer answer =
                run(
                        tenant,
                        null,
                        "insert into t values (1)",
                        "insert into t values (1)",
                        "insert into t values (2)",
                        "selec");

        assertThat(failure(answer.replies().get(1)).code()).isEqualTo("SQLITE_CONSTRAINT");
        assertThat(failure(answer.replies().get(3)).code())
                .isIn("SQL_PARSE_ERROR", "SQL_INPUT_ERROR");
        assertThat(column(tenant, "select x from t order by x")).containsExactly("1", "2");
    }

    @Test
    void batchStepsRunByTheirConditions() {
        Answer answer =
                run(
                        tenant,
                        new StreamRequest.Batch(
                                List.of(
                                        step("begin", null),
                                        step("create table t(x primary key)", ok(0)),
                                        step("insert into t values (1)", ok(1)),
                                        step("insert into t values (1)", ok(2)),
                                        step("commit", ok(3)),
                                        step("rollback", new Condition.Not(ok(4))),
                                        step("select 1", new Condition.IsAutocommit()))));

        var batched = (StreamReply.Batched) answer.replies().getFirst();
        assertThat(batched.results().stream().map(result -> result != null))
                .containsExactly(true, true, true, false, false, true, true);
        assertThat(batched.errors().stream().map(error -> error != null))
                .containsExactly(false, false, false, true, false, false, false);
        assertThat(column(tenant, "select count(*) from sqlite_schema")).containsExactly("0");
    }

    private static Step step(String sql, Condition condition) {
        return new Step(stmt(sql), condition);
    }

    private static Condition ok(int step) {
        return new Condition.Ok(step);
    }

    @Test
    void sequenceStopsAtFirstFailureAndKeepsWhatWasCommitted() {
        Answer answer =
                run(
                        tenant,
                        new StreamRequest.Sequence(
                                "create table t(x); insert into t values (1); insert into nope"
                                        + " values (1); insert into t values (2)"),
                        new StreamRequest.Sequence(""),
                        new StreamRequest.Sequence("-- nothing"));

        assertThat(failure(answer.replies().get(0)).message()).contains("no such table: nope");
        assertThat(answer.replies().get(1)).isEqualTo(new StreamReply.Sequenced());
        assertThat(answer.replies().get(2)).isEqualTo(new StreamReply.Sequenced());
        assertThat(column(tenant, "select x from t")).containsExactly("1");
    }

    @Test
    void transactionSpansRequestsAndIsSeenOnlyAfterItsCommit() {
        sql(tenant, "create table t(x)");
        StreamId stream = session.stream();

        Answer begun = run(tenant, stream, "begin immediate", "insert into t values (1)");
        assertThat(begun.after()).isEqualTo(StreamState.HELD);
        assertThat(begun.seen()).isEqualTo(new Txid(1));
        assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
        Answer inside = run(tenant, held(stream), "select count(*) from t");
        assertThat(column(result(inside.replies().getFirst()))).containsExactly("1");
        Answer committed = run(tenant, held(stream), "commit");

        assertThat(committed.after()).isEqualTo(StreamState.FREE);
        assertThat(committed.seen()).isEqualTo(new Txid(2));
        assertThat(column(tenant, "select count(*) from t")).containsExactly("1");
    }

    @Test
    void deferredTransactionsAreOpenInParallelAndOneWriterFollowsTheOther() {
        sql(tenant, "create table t(x)");
        StreamId one = session.stream();
        StreamId two = session.stream();
        run(tenant, one, "begin");
        run(tenant, two, "begin");
        run(tenant, held(one), "insert into t values (1)");

        var waits = send(tenant, held(two), "insert into t values (2)");
        assertThat(column(tenant, "select count(*) from t")).containsExactly("0");
        assertThat(waits).isNotDone();
        run(tenant, held(one), "commit");

        assertThat(result(get(waits).replies().getFirst()).rowsAffected()).isEqualTo(1);
        run(tenant, held(two), "commit");
        assertThat(column(tenant, "select x from t order by x")).containsExactly("1", "2");
    }

    @Test
    void deferredReaderThatWritesAfterAForeignCommitIsBusyAtOnceAndGivesThePermitBack() {
        sql(tenant, "create table t(x)");
        StreamId reader = session.stream();
        run(tenant, reader, "begin", "select count(*) from t");
        sql(tenant, "insert into t values (1)");

        Answer answer = run(tenant, held(reader), "insert into t values (2)");

        assertThat(failure(answer.replies().getFirst()).code()).isEqualTo("SQLITE_BUSY");
        sql(tenant, "insert into t values (3)");
        run(tenant, held(reader), "rollback");
        assertThat(column(tenant, "select x from t order by x")).containsExactly("1", "3");
    }

    @Test
    void closeRollsBackAndFreesThePermit() {
        sql(tenant, "create table t(x)");
        StreamId stream = session.stream();
        run(tenant, stream, "begin immediate", "insert into t values (1)");

        Answer closed =
                get(
                        tenant.run(
                                held(stream),
                                List.of(new StreamRequest.Close()),
                                RequestContext.anonymous()));

        assertThat(closed.after()).isEqualTo(StreamState.CLOSED);
        sql(tenant, "insert into t values (2)");
        assertThat(column(tenant, "select x from t")).containsExactly("2");
    }

    @Test
    void sessionSettingsBelongToTheirStream() {
        sql(tenant, "create table p(x primary key)");
        sql(tenant, "create table c(x references p(x))");
        StreamId stream = session.stream();

        Answer off = run(tenant, stream, "pragma foreign_keys=off", "insert into c values (1)");
        assertThat(off.after()).isEqualTo(StreamState.HELD);
        assertThat(result(off.replies().get(1)).rowsAffected()).isEqualTo(1);
        Answer other = run(tenant, null, "insert into c values (2)");
        assertThat(failure(other.replies().getFirst()).code()).isEqualTo("SQLITE_CONSTRAINT");
        Answer still = run(tenant, held(stream), "insert into c values (3)");
        assertThat(result(still.replies().getFirst()).rowsAffected()).isEqualTo(1);
    }

    @Test
    void describeSeesUncommittedTablesAndChangesNothing() {
        StreamId stream = session.stream();
        run(tenant, stream, "begin", "create table t(a integer, b varchar(20))");

        Answer answer =
                get(
                        tenant.run(
                                held(stream),
                                List.of(
                                        new StreamRequest.Describe(
                                                "select a, b, 1+1 from t where a = :a")),
                                RequestContext.anonymous()));

        var described = (StreamReply.Described) answer.replies().getFirst();
        assertThat(described.description().parameters()).containsExactly(":a");
        assertThat(described.description().columns().get(1).declaredType())
                .isEqualTo("varchar(20)");
        assertThat(described.description().readonly()).isTrue();
    }

    @Test
    void heldStreamThatIsUnknownHasExpired() {
        assertThat(send(tenant, new StreamId(77, true), "select 1"))
                .failsWithin(java.time.Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.StreamExpired.class);
    }

    @Test
    void secondRequestOnABusyStreamIsRefused() {
        sql(tenant, "create table t(x)");
        StreamId writer = session.stream();
        StreamId stream = session.stream();
        run(tenant, writer, "begin immediate");
        run(tenant, stream, "begin");
        var waits = send(tenant, held(stream), "insert into t values (1)");

        assertThat(send(tenant, held(stream), "select 1"))
                .failsWithin(java.time.Duration.ofSeconds(5))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.StreamBusy.class);
        run(tenant, held(writer), "rollback");
        get(waits);
    }

    @Test
    void readOnlyContextMayNotWrite() {
        sql(tenant, "create table t(x)");
        var readOnly = new RequestContext(null, null, null, true);

        Answer answer =
                get(
                        tenant.run(
                                null,
                                List.of(execute("select 1"), execute("insert into t values (1)")),
                                readOnly));

        assertThat(column(result(answer.replies().get(0)))).containsExactly("1");
        assertThat(failure(answer.replies().get(1)).code()).isEqualTo("SQLITE_READONLY");
    }

    @Test
    void bindsValuesOfAllTypes() {
        sql(tenant, "create table t(x)");
        sql(
                tenant,
                "insert into t values (?), (?), (?), (?), (?)",
                new SqlValue.Int(Long.MIN_VALUE),
                new SqlValue.Real(1),
                new SqlValue.Text("a\0b"),
                new SqlValue.Blob(new byte[0]),
                SqlValue.NULL);

        assertThat(column(tenant, "select typeof(x) from t"))
                .containsExactly("integer", "real", "text", "blob", "null");
        assertThat(column(tenant, "select x from t limit 1"))
                .containsExactly(Long.toString(Long.MIN_VALUE));
    }
}
