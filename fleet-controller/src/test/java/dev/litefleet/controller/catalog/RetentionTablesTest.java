package dev.litefleet.controller.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.testing.TestClock;
import dev.litefleet.testing.TestTicker;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The catalog's tables are bounded by number as well as by age: a fleet that is busy for a day
/// must not have a catalog that nobody can move. On SQLite alone, nothing is shipped.
final class RetentionTablesTest {
    /// A series of numbers, as a table.
    private static final String NUMBERS =
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < %d) ";

    private final TestClock clock = new TestClock();

    @TempDir Path folder;
    private Watchdog watchdog;
    private SqliteConnection connection;
    private CatalogSql sql;
    private RetentionTables tables;

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @BeforeEach
    void open() {
        Path db = folder.resolve("catalog.db");
        Sqlite.create(db, 4096);
        watchdog = new Watchdog(new TestTicker());
        connection =
                Sqlite.database(db, SqliteLimits.DEFAULT, watchdog).connect(OpenMode.READ_WRITE);
        sql = new CatalogSql(connection);
        for (int version = 0; version < Migrations.latest(); version++) {
            Migrations.apply(sql, version);
        }
        tables = new RetentionTables(sql, clock);
    }

    @AfterEach
    void close() {
        connection.close();
        watchdog.close();
    }

    @Test
    void newestEventsStayAndTheLastRoundOfTheJanitor() {
        long beyond = 2 * RetentionTables.PRUNED_MAX + 5;
        tables.cleaned("{}"); // The oldest of all, and needed.
        event(RetentionTables.EVENTS_MAX + beyond);

        int rounds = pruneAll();

        assertThat(rounds).isEqualTo(3);
        assertThat(count("events")).isEqualTo(RetentionTables.EVENTS_MAX + 1);
        assertThat(sql.integer("select count(*) from events where kind = 'janitor_run'"))
                .isEqualTo(1);
        assertThat(sql.integer("select min(seq) from events where kind = 'x'"))
                .isEqualTo(1 + beyond + 1);
    }

    @Test
    void eventsUpToTheBoundStay() {
        event(RetentionTables.EVENTS_MAX);

        assertThat(tables.prune()).isZero();

        assertThat(count("events")).isEqualTo(RetentionTables.EVENTS_MAX);
    }

    @Test
    void newestOperationsStayAndThoseThatRunOrMayBeNamed() {
        long all = RetentionTables.OPERATIONS_MAX + 7;
        sql.script(
                NUMBERS.formatted(all)
                        + """
                        insert into operations
                        select printf('op_%08d', i), 'fork', 't', iif(i = 1, 'running', 'failed'),
                               'done', '{}', MILLIS, iif(i = 1, null, MILLIS) from n
                        """
                                .replace("MILLIS", Long.toString(clock.millis())));
        sql.script(
                "insert into idempotency values ('k', 'h', 202, 'op_00000002', "
                        + clock.millis()
                        + ")");

        pruneAll();

        // Seven are beyond the bound; one of them runs, and a key names another.
        assertThat(count("operations")).isEqualTo(all - 5);
        assertThat(sql.query("select id from operations order by id limit 3", row -> row.text(0)))
                .containsExactly("op_00000001", "op_00000002", "op_00000008");
    }

    private void event(long count) {
        sql.script(
                NUMBERS.formatted(count)
                        + "insert into events (at, kind, detail) select "
                        + clock.millis()
                        + ", 'x', '{}' from n");
    }

    private int pruneAll() {
        int rounds = 1;
        while (tables.prune() >= RetentionTables.PRUNED_MAX) {
            rounds++;
        }
        return rounds;
    }

    private long count(String table) {
        return sql.integer("select count(*) from " + table);
    }
}
