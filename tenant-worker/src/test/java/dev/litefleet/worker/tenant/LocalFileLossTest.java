package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Verifier;
import dev.litefleet.testing.MemoryObjectStore;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The local file is damaged, or another program writes to it while it is open: the tenant stops,
/// nothing of it goes into the history, and it comes back from the store.
final class LocalFileLossTest {
    @TempDir private Path folder;
    private final MemoryObjectStore store = new MemoryObjectStore();
    private TestSession session;
    private Tenant tenant;
    private Path db;

    @BeforeEach
    void open() {
        session = new TestSession(folder.resolve("w-1"), store);
        tenant = session.assign("acme");
        db = folder.resolve("w-1/tenants/acme/" + TestSession.LINEAGE + "/db");
        sql(tenant, "create table t(id integer primary key, v)");
        sql(
                tenant,
                "insert into t select value, randomblob(3000) from json_each('[1,2,3,4,5,6,7,8]')");
    }

    @AfterEach
    void close() {
        session.close();
    }

    /// Asks until it is answered. What failed before says so.
    private List<String> eventually(String query) {
        var rows = new java.util.concurrent.atomic.AtomicReference<List<String>>();
        await().atMost(Duration.ofSeconds(20))
                .until(() -> {
                    try {
                        rows.set(column(tenant, query));
                        return true;
                    } catch (CompletionException | AssertionError stopped) {
                        return false;
                    }
                });
        return rows.get();
    }

    private void assertOutcomeUnknown(String statement) {
        assertThat(send(tenant, null, statement))
                .failsWithin(Duration.ofSeconds(20))
                .withThrowableThat()
                .withCauseInstanceOf(TenantException.OutcomeUnknown.class);
    }

    private void assertHistoryIsWhole() {
        assertHistoryIsWhole("acme", get(session.tenants.release(tenant.id(), 1)).last());
    }

    private void assertHistoryIsWhole(String name, Txid last) {
        assertThat(
                        Verifier.verify(
                                        store,
                                        new Verifier.Scope(
                                                TestSession.key(name), List.of(), last, true),
                                        session.tasks,
                                        dev.litefleet.replica.history.Progress.NONE)
                                .problems())
                .isEmpty();
    }

    /// The log may send it when the tenant has long been opened again below it: then it would hold
    /// two commits of one TXID.
    @Test
    void commitThatTheLogStillHasLandsBeforeTheTenantOpensAgain() {
        session.close();
        session = TestSession.lingering(folder.resolve("w-2"), store);
        tenant = session.assign("globex", Durability.ASYNC);
        sql(tenant, "create table t(v)");
        var open = ((TenantState.Active) tenant.state()).open();
        session.log.flush();
        get(open.database().gate(new Txid(1)));
        sql(tenant, "insert into t values ('acknowledged')");
        assertThat(open.database().durable()).isEqualTo(new Txid(1));

        open.broken(new IllegalStateException("the disk failed"));

        assertThat(eventually("select v from t")).containsExactly("acknowledged");
        sql(tenant, "insert into t values ('after')");
        assertThat(get(session.tenants.release(tenant.id(), 1)).last()).isEqualTo(new Txid(3));
        assertHistoryIsWhole("globex", new Txid(3));
    }

    private void damage(long offset, int bytes) throws IOException {
        await().until(tenant::hibernate);
        try (var file = new RandomAccessFile(db.toFile(), "rw")) {
            file.seek(offset);
            file.write(new byte[bytes]);
        }
    }

    @Test
    void damagedPageStopsTheTenantWhichComesBackFromTheStore() throws IOException {
        damage(4096, 8 * 4096);

        assertOutcomeUnknown("select sum(length(v)) from t");

        assertThat(eventually("select sum(length(v)) from t")).containsExactly("24000");
        assertHistoryIsWhole();
    }

    @Test
    void fileThatIsNoDatabaseIsReplacedBeforeAnybodyNotices() throws IOException {
        damage(0, 100);

        assertThat(column(tenant, "select sum(length(v)) from t")).containsExactly("24000");
        assertHistoryIsWhole();
    }

    @Test
    void diskThatIsFullOrMemoryThatLacksIsNoLossOfTheFile() {
        for (String extended :
                List.of("SQLITE_IOERR_NOMEM", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_GETTEMPPATH")) {
            assertThat(OpenTenant.losesFile(failure("SQLITE_IOERR", extended))).isFalse();
        }
        assertThat(OpenTenant.losesFile(failure("SQLITE_CORRUPT", "SQLITE_CORRUPT_VTAB")))
                .isFalse();
        assertThat(OpenTenant.losesFile(failure("SQLITE_FULL", null))).isFalse();
        assertThat(OpenTenant.losesFile(failure("SQLITE_IOERR", "SQLITE_IOERR_FSYNC"))).isTrue();
        assertThat(OpenTenant.losesFile(failure("SQLITE_CORRUPT", null))).isTrue();
        assertThat(OpenTenant.losesFile(failure("SQLITE_NOTADB", null))).isTrue();
    }

    private static dev.litefleet.replica.sqlite.SqlFailure failure(
            String code, @org.jspecify.annotations.Nullable String extended) {
        return new dev.litefleet.replica.sqlite.SqlFailure(code, extended, "x", null);
    }

    private void outsider(String... statements) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + db);
                Statement statement = connection.createStatement()) {
            for (String text : statements) {
                statement.execute(text);
            }
        }
    }

    @Test
    void writeByAnotherProgramStopsTheTenantAndIsNotShipped() throws SQLException {
        outsider("insert into t values (99, 'foreign')");

        assertOutcomeUnknown("insert into t values (9, 'ours')");

        assertThat(eventually("select count(*) from t")).containsExactly("8");
        assertThat(session.tenants.takeLost()).hasSize(1);
        assertHistoryIsWhole();
    }

    @Test
    void checkpointByAnotherProgramStopsTheTenantAndNothingDurableIsLost() throws SQLException {
        outsider("pragma wal_checkpoint(truncate)");

        assertOutcomeUnknown("insert into t values (9, 'ours')");

        assertThat(eventually("select count(*) from t")).containsExactly("8");
        assertHistoryIsWhole();
    }

    /// The frames that a drain would read are other ones by then.
    @Test
    void drainNeverReadsFramesThatAnotherProgramWrote() throws SQLException {
        outsider(
                "pragma wal_checkpoint(truncate)",
                "update t set v = zeroblob(3000)",
                "update t set v = zeroblob(3001)");
        var open = ((TenantState.Active) tenant.state()).open();

        open.checkpointer().request();

        await().until(() -> tenant.state() instanceof TenantState.Failed);
        assertThat(eventually("select sum(length(v)) from t")).containsExactly("24000");
        assertHistoryIsWhole();
    }

    @Test
    void foreignFramesAreNoticedAtTheCheckpointToo() throws SQLException {
        outsider("insert into t values (99, 'foreign')");
        var open = ((TenantState.Active) tenant.state()).open();

        open.checkpointer().request();

        await().until(() -> tenant.state() instanceof TenantState.Failed);
        assertThat(eventually("select count(*) from t")).containsExactly("8");
        assertHistoryIsWhole();
    }
}
