package dev.litefleet.replica.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Deadlines on real statements, with the system's ticker: what is measured here is that SQLite
/// listens.
final class WatchdogTest {
    private static final Duration LIMIT = Duration.ofMillis(200);

    /// Far above the limit, because other tests share the machine, and far below what the
    /// statements would take.
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    @TempDir Path folder;

    private final Watchdog watchdog = new Watchdog(System::nanoTime);
    private final SqlGate gate = new SqlGate();
    private SqliteConnection connection;

    @BeforeEach
    void open() {
        Sqlite.load(folder.resolve("tmp"));
        Sqlite.create(folder.resolve("db"), 4096);
        connection =
                Sqlite.database(folder.resolve("db"), SqliteLimits.DEFAULT, watchdog)
                        .connect(OpenMode.READ_WRITE);
    }

    @AfterEach
    void close() {
        connection.close();
        watchdog.close();
    }

    private StatementResult run(String sql) {
        return connection.run(gate.check(sql).single(), Bindings.NONE, ResultLimits.NONE);
    }

    private SqlFailure failsBy(Deadline deadline, String sql) {
        try (var _ = connection.within(deadline)) {
            return catchThrowableOfType(SqlFailure.class, () -> run(sql));
        }
    }

    private static Deadline in(Duration time) {
        return Deadline.after(time, System::nanoTime);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "with recursive n(x) as (select 1 union all select x+1 from n) select count(*) from"
                        + " n",
                "with recursive n(x) as (select 1 union all select x+1 from n) select"
                        + " json_group_array(x) from n",
                "with recursive n(x) as (select 1 union all select x+1 from n) select median(x)"
                        + " from n",
                "with recursive n(x) as (select 1 union all select x+1 from n) select"
                        + " group_concat('abc') over (order by x) from n",
                "with recursive n(x) as (select 1 union all select x+1 from n) select x from n"
                        + " order by -x",
                "with recursive n(x) as (select 1 union select x+1 from n) select max(x) from n",
                "with recursive n(x) as (select 1 union all select x+1 from n limit 100000)"
                        + " select count(*) from n a, n b, n c",
                "with recursive n(x) as (select 1 union all select x+1 from n) insert into t select"
                        + " x from n",
                "with recursive n(x) as (select 1 union all select x+1 from n) delete from t where"
                        + " (select max(x) from n)",
            })
    void endsWhatWouldNotEnd(String sql) {
        run("create table t(a)");
        run("insert into t values (1)");
        long start = System.nanoTime();

        SqlFailure failure = failsBy(in(LIMIT), sql);

        assertThat(failure.code()).isIn("SQLITE_INTERRUPT", "SQLITE_TOOBIG");
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(PATIENCE);
        assertThat(connection.autocommit()).isTrue();
        assertThat(run("select count(*) from t").rows().getFirst())
                .containsExactly(new SqlValue.Int(1));
    }

    @Test
    void endsCreateTableAsByQuotaOrDeadline() {
        connection.pagesMax(200);
        long start = System.nanoTime();

        SqlFailure failure =
                failsBy(
                        in(PATIENCE),
                        "create table b as with recursive n(x) as"
                                + " (select 1 union all select x+1 from n) select x from n");

        assertThat(failure.code()).isEqualTo("SQLITE_FULL");
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(PATIENCE);
    }

    /// A transaction survives the interrupt of a read and, as SQLite decides, not that of a write.
    @Test
    void knowsTheTransactionAfterAnInterrupt() {
        run("create table t(a)");
        run("begin");
        run("insert into t values (1)");

        failsBy(
                in(LIMIT),
                "with recursive n(x) as (select 1 union all select x+1 from n) select max(x) from"
                        + " n");

        assertThat(connection.autocommit()).isFalse();
        failsBy(
                in(LIMIT),
                "with recursive n(x) as (select 1 union all select x+1 from n) insert into t select"
                        + " x from n");
        boolean open = !connection.autocommit();
        SqlFailure begin = catchThrowableOfType(SqlFailure.class, () -> run("begin"));
        assertThat(begin != null).isEqualTo(open);
    }

    @Test
    void workThatWasInTimeIsLeftAlone() {
        for (int i = 0; i < 200; i++) {
            try (var _ = connection.within(in(Duration.ofMillis(i % 20 == 0 ? 1 : 5_000)))) {
                catchThrowableOfType(SqlFailure.class, () -> run("select 1"));
            }
            // Between two stretches of work nothing may be hit, whatever the last deadline was.
            run("select count(*) from (values (1), (2))");
        }
    }

    @Test
    void anEarlierDeadlineWakesTheWatchdogEarlier() throws Exception {
        Path second = folder.resolve("second");
        Sqlite.create(second, 4096);
        var inWork = new CountDownLatch(1);
        var done = new CountDownLatch(1);
        try (var pool = Executors.newSingleThreadExecutor();
                var other =
                        Sqlite.database(second, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.READ_WRITE)) {
            pool.execute(() -> {
                try (var _ = other.within(in(Duration.ofHours(1)))) {
                    inWork.countDown();
                    done.await();
                } catch (InterruptedException gone) {
                    throw new AssertionError(gone);
                }
            });
            inWork.await();

            SqlFailure failure =
                    failsBy(
                            in(LIMIT),
                            "with recursive n(x) as (select 1 union all select x+1 from n) select"
                                    + " max(x) from n");

            done.countDown();
            assertThat(failure.code()).isEqualTo("SQLITE_INTERRUPT");
        }
    }

    @Test
    void cancelledFromAnotherThread() throws Exception {
        try (var pool = Executors.newSingleThreadExecutor()) {
            var work = connection.within(in(Duration.ofHours(1)));
            var inStatement = new CountDownLatch(1);
            connection.onCommit(inStatement::countDown);
            run("create table t(a)");
            inStatement.await();
            var cancelling = pool.submit(work::cancel);

            SqlFailure failure =
                    catchThrowableOfType(
                            SqlFailure.class,
                            () ->
                                    run(
                                            "with recursive n(x) as (select 1 union all select x+1"
                                                    + " from n) select max(x) from n"));

            cancelling.get();
            work.close();
            assertThat(failure.code()).isEqualTo("SQLITE_INTERRUPT");
            work.cancel();
            run("select 1");
        }
    }

    @Test
    void interruptsRowsTakenOneByOne() {
        GatedStatement slow =
                gate.check(
                                "with recursive n(x) as (select 1 union all select x+1 from n)"
                                        + " select x from n where x in (1, 100000000000)")
                        .single();
        var rows = connection.open(slow, Bindings.NONE);
        assertThat(rows.next()).isTrue();
        SqlFailure failure;
        try (var _ = connection.within(in(LIMIT))) {
            failure = catchThrowableOfType(SqlFailure.class, rows::next);
        }

        assertThat(failure.code()).isEqualTo("SQLITE_INTERRUPT");
        run("create table t(a)");
    }

    /// Idle costs nothing: after the last deadline the thread waits without a time limit.
    @Test
    void sleepsWhenNothingWorks() {
        try (var _ = connection.within(in(Duration.ofMillis(50)))) {
            run("select 1");
        }
        await().atMost(PATIENCE)
                .until(() ->
                        Thread.getAllStackTraces().keySet().stream()
                                .filter(thread -> thread.getName().equals("sqlite-watchdog"))
                                .allMatch(thread ->
                                        thread.getState() == Thread.State.WAITING
                                                || thread.getState() == Thread.State.TERMINATED));
    }
}
