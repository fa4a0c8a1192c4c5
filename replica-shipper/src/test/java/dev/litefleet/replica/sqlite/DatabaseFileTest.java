package dev.litefleet.replica.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LineageStart;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.sqlite.DatabaseFile.Reason;
import dev.litefleet.replica.sqlite.DatabaseFile.Unusable;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Files from outside. The databases are made by SQLite without our rules, as strangers make them.
final class DatabaseFileTest {
    private static final TenantKey TENANT =
            new TenantKey(new TenantId("acme"), new Lineage("01J00000000000000000000000"));

    @TempDir private Path folder;

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    /// What comes back from the history is the file, but for the two bytes that make it a database
    /// in WAL mode.
    @ParameterizedTest
    @CsvSource({
        "512, delete, UTF-8",
        "1024, delete, UTF-16le",
        "2048, truncate, UTF-16be",
        "4096, delete, UTF-8",
        "4096, wal, UTF-8",
        "8192, persist, UTF-8",
        "16384, delete, UTF-8",
        "32768, delete, UTF-8",
        "65536, delete, UTF-8",
        "65536, wal, UTF-16le"
    })
    void databaseOfAnyKindComesBackInWalMode(int pageSize, String journal, String encoding)
            throws Exception {
        Path file =
                database(
                        "pragma page_size=" + pageSize,
                        "pragma encoding='" + encoding + "'",
                        "pragma auto_vacuum=incremental",
                        "pragma journal_mode=" + journal,
                        "create table t (id integer primary key, x text unique, y as (x || 'é'))",
                        "create virtual table f using fts5(x)",
                        "create view v as select x from t",
                        "create trigger g after insert on t begin insert into f values (new.x);"
                                + " end",
                        "with recursive n(i) as (select 1 union all select i + 1 from n where i <"
                                + " 300) insert into t (x) select 'row ' || i from n",
                        "analyze");
        byte[] expected = Files.readAllBytes(file);
        expected[18] = 2;
        expected[19] = 2;

        DatabaseFile checked = check(file);

        assertThat(checked.pageSize()).isEqualTo(pageSize);
        assertThat((long) checked.pages() * pageSize).isEqualTo(Files.size(file));
        Path restored = restored(file, checked);
        assertThat(restored).hasBinaryContent(expected);
        // A worker opens it without changing a byte outside of the WAL.
        try (var watchdog = new Watchdog(System::nanoTime);
                var connection =
                        Sqlite.database(restored, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.READ_WRITE)) {
            assertThat(connection.queryText("select y from t where id = 7")).isEqualTo("row 7é");
            assertThat(connection.queryText("pragma integrity_check")).isEqualTo("ok");
            assertThat(restored).hasBinaryContent(expected);
        }
    }

    /// The page on which SQLite takes its locks lies inside. Over 1 GiB: by
    /// `-Dlitefleet.large=true`.
    @Test
    void databaseBeyondTheLockPageIsTaken() throws Exception {
        assumeTrue(Boolean.getBoolean("litefleet.large"), "wants -Dlitefleet.large=true");
        Path file =
                database("pragma page_size=65536", "create table t (x)", "create table last (x)");
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
                Statement statement = connection.createStatement()) {
            for (int i = 0; i < 12; i++) {
                statement.execute("insert into t values (zeroblob(98000000))");
            }
            statement.execute("insert into last values ('beyond')");
            statement.execute("delete from t");
        }

        DatabaseFile checked = check(file);

        assertThat(checked.pages()).isGreaterThan(16_385);
        Path restored = restored(file, checked);
        try (var watchdog = new Watchdog(System::nanoTime);
                var connection =
                        Sqlite.database(restored, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.IMMUTABLE)) {
            assertThat(connection.queryText("select x from last")).isEqualTo("beyond");
            assertThat(connection.queryText("pragma quick_check")).isEqualTo("ok");
        }
    }

    @ParameterizedTest(name = "{1} at {0} is {2}")
    @CsvSource({
        "0, 00, NOT_A_DATABASE",
        "16, 0003, DATABASE_UNSUPPORTED",
        "16, 0100, DATABASE_UNSUPPORTED",
        "18, 0303, DATABASE_UNSUPPORTED",
        "18, 0102, DATABASE_UNSUPPORTED",
        "18, 0000, DATABASE_UNSUPPORTED",
        "20, ff, DATABASE_CORRUPT",
        "21, 00, NOT_A_DATABASE",
        "56, 00000004, DATABASE_UNSUPPORTED",
        "56, ffffffff, DATABASE_UNSUPPORTED"
    })
    void headerThatCannotBeIsRefused(int at, String bytes, Reason reason) throws Exception {
        Path file = database("create table t (x)", "insert into t values (randomblob(9000))");
        overwrite(file, at, java.util.HexFormat.of().parseHex(bytes));

        refused(file, reason);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 16, 99})
    void fileWithoutAHeaderIsRefused(int bytes) throws IOException {
        Path file = folder.resolve("short");
        Files.write(file, new byte[bytes]);

        refused(file, Reason.NOT_A_DATABASE);
    }

    @Test
    void fileThatEndsEarlyIsRefused() throws Exception {
        Path file = database("create table t (x)", "insert into t values (randomblob(90000))");
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 4096);
        }

        assertThatThrownBy(() -> check(file))
                .isInstanceOfSatisfying(
                        Unusable.class,
                        refused ->
                                assertThat(refused.reason())
                                        .isIn(Reason.DATABASE_TRUNCATED, Reason.DATABASE_CORRUPT));
    }

    /// Whatever the bytes are, the answer is one of ours, or the file is whole.
    @Seeds(60)
    void damageIsAnAnswerAndNeverAnAccident(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        Path file =
                database(
                        "pragma page_size=512",
                        "create table t (id integer primary key, x text)",
                        "create index i on t (x)",
                        "with recursive n(i) as (select 1 union all select i + 1 from n where i <"
                                + " 200) insert into t (x) select hex(i * 7919) from n");
        long size = Files.size(file);
        for (int i = 0; i < 1 + random.nextInt(8); i++) {
            byte[] noise = new byte[1 + random.nextInt(16)];
            random.nextBytes(noise);
            overwrite(file, random.nextLong(size - noise.length), noise);
        }

        try {
            DatabaseFile checked = check(file);
            assertThat((long) checked.pages() * checked.pageSize()).isLessThanOrEqualTo(size);
        } catch (Unusable refused) {
            assertThat(refused.getMessage()).doesNotContain(folder.toString());
            assertThat(refused.findings()).hasSizeLessThanOrEqualTo(20);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "create virtual table bad using fts4(x)",
                "create view bad as select * from pragma_database_list",
                "create trigger bad after insert on t begin select * from pragma_optimize; end",
                "create table _lf_bad (x)",
                "create table \"sqlite_bad\" (x)",
                "create virtual table sqlite_sequence using fts4(x)"
            })
    void schemaThatATenantCouldNotHaveMadeIsRefused(String sql) throws Exception {
        Path file = folder.resolve("schema");
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
                Statement statement = connection.createStatement()) {
            statement.execute("create table t (x)");
            if (sql.contains("sqlite_")) {
                statement.execute("pragma writable_schema=1");
                statement.execute(
                        "insert into sqlite_schema values ('table', '%s', '%1$s', 0, '%s')"
                                .formatted(
                                        sql.replaceAll(".*?(sqlite_\\w+).*", "$1"),
                                        sql.replace("'", "''")));
            } else {
                statement.execute(sql);
            }
        }

        assertThatThrownBy(() -> check(file))
                .isInstanceOfSatisfying(
                        Unusable.class,
                        refused ->
                                assertThat(refused.reason())
                                        .isIn(Reason.SCHEMA_FORBIDDEN, Reason.DATABASE_CORRUPT));
    }

    /// A replica's database has them, and they do no harm.
    @Test
    void tablesOfLitestreamAreTaken() throws Exception {
        Path file =
                database(
                        "create table _litestream_seq (id integer primary key, seq integer)",
                        "create table _litestream_lock (id integer)",
                        "create table t (x integer primary key autoincrement)",
                        "insert into t values (null)");

        assertThat(check(file).pages()).isPositive();
    }

    private static void refused(Path file, Reason reason) {
        assertThatThrownBy(() -> check(file))
                .isInstanceOfSatisfying(
                        Unusable.class,
                        refused ->
                                assertThat(refused.reason()).as("%s", refused).isEqualTo(reason));
    }

    private static DatabaseFile check(Path file) {
        return DatabaseFile.check(
                file, SqliteLimits.DEFAULT, Duration.ofMinutes(1), System::nanoTime);
    }

    private Path restored(Path file, DatabaseFile checked) {
        var store = new MemoryObjectStore();
        LineageStart.write(
                store,
                TENANT,
                new Txid(1),
                Instant.EPOCH,
                new LineageStart.Image(file, checked.pageSize(), checked.pages()),
                folder);
        Path target = folder.resolve("restored");
        Hydrator.hydrate(
                store,
                RestorePlan.latest(LineageHistory.list(store, TENANT)),
                target,
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
        return target;
    }

    private Path database(String... statements) throws SQLException {
        Path file = folder.resolve("database");
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
                Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
        return file;
    }

    private static void overwrite(Path file, long at, byte[] bytes) throws IOException {
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(bytes), at);
        }
    }
}
