package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LineageStart;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.DatabaseFile;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.testing.MemoryObjectStore;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Databases that keep some bytes of each page for themselves, as encrypted and checksummed ones
/// do: imported, grown here, and read back elsewhere, byte for byte.
final class ReservedBytesTest {
    private static final int RESERVED_AT = 20;
    private static final int CONTENT_AT = 105;

    @TempDir private Path folder;

    @ParameterizedTest(name = "{1} of {0}")
    @CsvSource({"512, 32", "4096, 8", "4096, 255", "65536, 12"})
    void reservedBytesStayAsTheyWereWhereverTheDatabaseGoes(int pageSize, int reserved)
            throws Exception {
        Sqlite.load(folder.resolve("lib"));
        Path made = database(pageSize, reserved);
        DatabaseFile checked =
                DatabaseFile.check(
                        made, SqliteLimits.DEFAULT, Duration.ofMinutes(1), System::nanoTime);
        var store = new MemoryObjectStore();
        LineageStart.write(
                store,
                TestSession.key("acme"),
                new Txid(1),
                Instant.EPOCH,
                new LineageStart.Image(made, checked.pageSize(), checked.pages()),
                folder);
        byte[] expected = Files.readAllBytes(made);
        expected[18] = 2; // WAL mode
        expected[19] = 2;
        assertThat(restored(store, "imported")).hasBinaryContent(expected);
        Txid last;
        try (var session = new TestSession(folder.resolve("w-1"), store)) {
            Tenant tenant = session.assign("acme", Durability.SYNC, 1, new Txid(1));
            assertThat(column(tenant, "select count(*) from t")).containsExactly("200");

            sql(tenant, "insert into t select a + 1000, hex(zeroblob(300)) from t");
            sql(tenant, "delete from t where a % 3 = 0");
            last = session.tenants.release(tenant.id(), 1).join().last();
        }
        Path grown = restored(store, "grown");
        assertThat(Files.size(grown)).isGreaterThan(expected.length);
        assertThat(Files.readAllBytes(grown)[RESERVED_AT] & 0xff).isEqualTo(reserved);
        try (var connection =
                        DriverManager.getConnection("jdbc:sqlite:file:" + grown + "?immutable=1");
                var statement = connection.createStatement();
                var rows = statement.executeQuery("pragma integrity_check")) {
            assertThat(rows.getString(1)).isEqualTo("ok");
        }
        try (var session = new TestSession(folder.resolve("w-2"), store)) {
            Tenant tenant = session.assign("acme", Durability.SYNC, 2, last);
            assertThat(column(tenant, "select count(*), max(b) from t")).containsExactly("267");
            sql(tenant, "insert into t values (5000, 'more')");
        }
    }

    private Path restored(ObjectStore store, String name) {
        Path target = folder.resolve(name);
        Hydrator.hydrate(
                store,
                RestorePlan.latest(LineageHistory.list(store, TestSession.key("acme"))),
                target,
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
        return target;
    }

    /// SQLite takes the number from the header of a database that has no content yet.
    private Path database(int pageSize, int reserved) throws Exception {
        Path file = folder.resolve("made");
        String url = "jdbc:sqlite:" + file;
        try (var connection = DriverManager.getConnection(url);
                var statement = connection.createStatement()) {
            statement.execute("pragma page_size=" + pageSize);
            statement.execute("pragma user_version=7");
        }
        byte[] bytes = Files.readAllBytes(file);
        bytes[RESERVED_AT] = (byte) reserved;
        ByteBuffer.wrap(bytes).putShort(CONTENT_AT, (short) (pageSize - reserved));
        Files.write(file, bytes);
        try (var connection = DriverManager.getConnection(url);
                var statement = connection.createStatement()) {
            statement.execute("create table t(a integer primary key, b)");
            statement.execute(
                    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)"
                            + " insert into t select i, 'row ' || i from n");
        }
        return file;
    }
}
