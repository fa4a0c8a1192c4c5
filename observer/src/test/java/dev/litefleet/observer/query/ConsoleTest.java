package dev.litefleet.observer.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.observer.query.Console.Limits;
import dev.litefleet.observer.query.Console.NotReadOnly;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.Sqlite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ConsoleTest {
    private static final String ENDLESS =
            "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from"
                    + " c";

    @TempDir Path folder;

    private Path file = Path.of("");
    private Console console;

    @BeforeEach
    void open() throws SQLException {
        Sqlite.load(folder);
        file = folder.resolve("image.db");
        try (var connection = DriverManager.getConnection("jdbc:sqlite:" + file);
                var statement = connection.createStatement()) {
            statement.execute("create table t (id integer primary key, body text)");
            statement.execute("insert into t (body) values ('a'), ('b'), ('c')");
            statement.execute("pragma journal_mode = wal");
        }
        console = Console.open(file);
    }

    @AfterEach
    void close() {
        console.close();
    }

    @Test
    void rowsBeyondTheLimitAreCutOffAndSaidToBe() {
        var two = new Limits(2, 1 << 20, Duration.ofSeconds(60));

        assertThat(console.run("select id from t", two).rows()).hasSize(2);
        assertThat(console.run("select id from t", two).truncated()).isTrue();
        assertThat(console.run("select id from t limit 2", two).truncated()).isFalse();
    }

    @Test
    void bytesBeyondTheLimitFail() {
        var little = new Limits(10, 1000, Duration.ofSeconds(60));

        assertThatThrownBy(() -> console.run("select zeroblob(2000)", little))
                .isInstanceOfSatisfying(
                        SqlFailure.class,
                        failure -> assertThat(failure.code()).isEqualTo("RESPONSE_TOO_LARGE"));
    }

    @Test
    void endlessStatementIsInterruptedAndTheNextOneRuns() {
        assertThatThrownBy(() -> console.run(ENDLESS, new Limits(10, 1000, Duration.ofMillis(50))))
                .isInstanceOf(SqlFailure.class);

        assertThat(console.run("select 1", Limits.DEFAULT).rows().getFirst())
                .containsExactly(new SqlValue.Int(1));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "insert into t (body) values ('d')",
                "update t set body = 'x' returning id",
                "with x as (select 1) delete from t",
                "create table u (id)",
                "create temp table u (id)",
                "drop table t",
                "attach 'other.db' as other",
                "vacuum",
                "vacuum into 'copy.db'",
                "pragma writable_schema = 1",
                "pragma user_version = 7",
                "pragma journal_mode = delete",
                "select load_extension('x')",
                "select 1; delete from t",
                ";;; /* */ delete from t",
                ""
            })
    void whatIsNotOneReadingStatementIsRefused(String sql) throws IOException {
        byte[] before = Files.readAllBytes(file);

        assertThatThrownBy(() -> console.run(sql, Limits.DEFAULT))
                .isInstanceOfAny(NotReadOnly.class, SqlFailure.class);

        assertThat(Files.readAllBytes(file)).isEqualTo(before);
        try (var files = Files.list(folder)) {
            assertThat(files.map(path -> path.getFileName().toString()))
                    .doesNotContain("other.db", "copy.db", "image.db-wal", "image.db-journal");
        }
    }

    @Test
    void quickCheckOfASoundFileIsOk() {
        assertThat(console.quickCheck()).isEqualTo("ok");
    }
}
