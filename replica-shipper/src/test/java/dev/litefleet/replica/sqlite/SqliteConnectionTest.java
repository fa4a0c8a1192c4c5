package dev.litefleet.replica.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/// One connection on a real file: what runs, what it answers, and what it knows of its transaction.
final class SqliteConnectionTest {
    @TempDir Path folder;

    private final Watchdog watchdog = new Watchdog(System::nanoTime);
    private final SqlGate gate = new SqlGate();
    private SqliteDatabase database;
    private SqliteConnection connection;

    @BeforeEach
    void open() {
        Sqlite.load(folder.resolve("tmp"));
        Path file = folder.resolve("db");
        Sqlite.create(file, 4096);
        database = Sqlite.database(file, SqliteLimits.DEFAULT, watchdog);
        connection = database.connect(OpenMode.READ_WRITE);
    }

    @AfterEach
    void close() {
        connection.close();
        watchdog.close();
    }

    private StatementResult run(String sql, SqlValue... args) {
        return run(connection, sql, args);
    }

    private StatementResult run(SqliteConnection on, String sql, SqlValue... args) {
        GatedStatement statement = gate.check(sql).single();
        return on.run(statement, Bindings.of(statement, List.of(args)), ResultLimits.NONE);
    }

    private static @Nullable Object plain(SqlValue value) {
        return switch (value) {
            case SqlValue.Null() -> null;
            case SqlValue.Int(long number) -> number;
            case SqlValue.Real(double number) -> number;
            case SqlValue.Text(String text) -> text;
            case SqlValue.Blob blob -> blob;
        };
    }

    private @Nullable Object one(String sql, SqlValue... args) {
        return plain(run(sql, args).rows().getFirst()[0]);
    }

    private SqlFailure failure(String sql) {
        return catchThrowableOfType(SqlFailure.class, () -> run(sql));
    }

    @Test
    void answersRowsColumnsAndCounts() {
        run("create table t(id integer primary key, name VARCHAR(20), score)");

        StatementResult inserted =
                run("insert into t(name, score) values ('a', 1.5), ('b', x'00ff')");
        StatementResult read = run("select id, name, score, count(*) over () from t");

        assertThat(inserted.rowsAffected()).isEqualTo(2);
        assertThat(inserted.lastInsertRowid()).isEqualTo(2);
        assertThat(read.columns())
                .containsExactly(
                        new Column("id", "INTEGER"),
                        new Column("name", "VARCHAR(20)"),
                        new Column("score", null),
                        new Column("count(*) over ()", null));
        assertThat(read.rows().get(1))
                .containsExactly(
                        new SqlValue.Int(2),
                        new SqlValue.Text("b"),
                        new SqlValue.Blob(new byte[] {0, (byte) 0xff}),
                        new SqlValue.Int(2));
        assertThat(read.rowsAffected()).isZero();
        assertThat(read.lastInsertRowid()).isNull();
        assertThat(run("update t set score = 0").lastInsertRowid()).isNull();
        assertThat(run("create table u(a)").rowsAffected()).isZero();
        assertThat(run("with a as (select 1) delete from t").rowsAffected()).isEqualTo(2);
    }

    @Test
    void valuesComeBackAsBound() {
        var values =
                List.of(
                        SqlValue.NULL,
                        new SqlValue.Int(Long.MIN_VALUE),
                        new SqlValue.Real(1),
                        new SqlValue.Real(Double.POSITIVE_INFINITY),
                        new SqlValue.Text("a\0b\u20ac\ud83d\ude00"),
                        new SqlValue.Text(""),
                        new SqlValue.Blob(new byte[0]),
                        new SqlValue.Blob(new byte[] {0, 1}));

        for (SqlValue value : values) {
            assertThat(run("select ?", value).rows().getFirst()[0]).isEqualTo(value);
        }
        assertThat(one("select typeof(?)", new SqlValue.Real(1))).isEqualTo("real");
        assertThat(one("select ?", new SqlValue.Real(Double.NaN))).isNull();
    }

    @Test
    void numbersParametersAsSqliteDoes() {
        GatedStatement statement = gate.check("select ?, :a, ?5, @a, :a, $b::c(d), ?2, ?").single();
        var args = new ArrayList<SqlValue>();
        for (int i = 1; i <= statement.parameters().size(); i++) {
            args.add(new SqlValue.Int(i));
        }

        StatementResult result =
                connection.run(statement, Bindings.of(statement, args), ResultLimits.NONE);

        assertThat(Arrays.stream(result.rows().getFirst()).map(value -> plain(value)))
                .containsExactly(1L, 2L, 5L, 6L, 2L, 7L, 2L, 8L);
    }

    @Test
    void bindsByName() {
        GatedStatement statement = gate.check("select :a, @b, $c, :a").single();
        var named =
                List.of(
                        new NamedArg("a", new SqlValue.Int(1)),
                        new NamedArg("@b", new SqlValue.Int(2)),
                        new NamedArg("b", new SqlValue.Int(9)));

        assertThatThrownBy(() -> Bindings.of(statement, List.of(), named.subList(0, 2)))
                .isInstanceOfSatisfying(
                        SqlRefused.class,
                        refused -> assertThat(refused.code()).isEqualTo("ARGS_INVALID"));
        var all = new ArrayList<>(named.subList(0, 2));
        all.add(new NamedArg("c", new SqlValue.Int(3)));
        StatementResult result =
                connection.run(
                        statement, Bindings.of(statement, List.of(), all), ResultLimits.NONE);

        assertThat(Arrays.stream(result.rows().getFirst()).map(value -> plain(value)))
                .containsExactly(1L, 2L, 3L, 1L);
    }

    @Test
    void refusesArgumentsThatDoNotFit() {
        GatedStatement two = gate.check("select ?, ?").single();
        GatedStatement explained = gate.check("explain select ?").single();
        var value = List.<SqlValue>of(SqlValue.NULL);

        assertThatThrownBy(() -> Bindings.of(two, value)).isInstanceOf(SqlRefused.class);
        assertThatThrownBy(() ->
                        Bindings.of(two, List.of(SqlValue.NULL, SqlValue.NULL, SqlValue.NULL)))
                .isInstanceOf(SqlRefused.class);
        assertThatThrownBy(() -> Bindings.of(two, value, List.of(new NamedArg("a", SqlValue.NULL))))
                .isInstanceOfSatisfying(
                        SqlRefused.class,
                        refused ->
                                assertThat(refused.code())
                                        .isEqualTo("ARGS_BOTH_POSITIONAL_AND_NAMED"));
        assertThat(
                        connection
                                .run(
                                        explained,
                                        Bindings.of(explained, List.of()),
                                        ResultLimits.NONE)
                                .rows())
                .isNotEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            nullValues = "-",
            value = {
                "insert into u values (1, 'b', 1)     | SQLITE_CONSTRAINT |"
                        + " SQLITE_CONSTRAINT_PRIMARYKEY | SQLite error: UNIQUE constraint failed:"
                        + " u.id",
                "insert into u values (2, 'a', 1)     | SQLITE_CONSTRAINT |"
                        + " SQLITE_CONSTRAINT_UNIQUE     | SQLite error: UNIQUE constraint failed:"
                        + " u.name",
                "insert into u values (2, null, 1)    | SQLITE_CONSTRAINT |"
                        + " SQLITE_CONSTRAINT_NOTNULL    | SQLite error: NOT NULL constraint failed:"
                        + " u.name",
                "insert into u values (2, 'b', 9)     | SQLITE_CONSTRAINT | SQLITE_CONSTRAINT_CHECK"
                        + "      | SQLite error: CHECK constraint failed: n < 5",
                "insert into c values (7)             | SQLITE_CONSTRAINT |"
                        + " SQLITE_CONSTRAINT_FOREIGNKEY | SQLite error: FOREIGN KEY constraint failed",
                "insert into u(id) values ('x')       | SQLITE_MISMATCH   | -                      "
                        + "      | SQLite error: datatype mismatch",
                "select * from nope                   | SQLITE_UNKNOWN    | -                      "
                        + "      | SQLite error: no such table: nope",
                "select abs(-9223372036854775808)     | SQLITE_UNKNOWN    | -                      "
                        + "      | SQLite error: integer overflow",
                "select zeroblob(2000000)             | SQLITE_TOOBIG     | -                      "
                        + "      | SQLite error: string or blob too big",
                "select x from u                      | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: no such column: x (at offset 7)",
                "select u.x from u                    | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: no such column: u.x (at offset 7)",
                "select 1 frm u                       | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: near \"u\": syntax error (at offset 13)",
                "select 1 +                           | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: incomplete input",
                "select nofun(1)                      | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: no such function: nofun (at offset 7)",
                "selec 1                              | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: near \"selec\": syntax error (at offset 0)",
                "select 'abc                          | SQL_INPUT_ERROR   | -                      "
                        + "      | SQL input error: unrecognized token: \"'abc\" (at offset 7)",
                "commit                               | SQLITE_UNKNOWN    | -                      "
                        + "      | SQLite error: cannot commit - no transaction is active",
                "select load_extension('/tmp/x')      | SQLITE_UNKNOWN    | -                      "
                        + "      | SQLite error: not authorized",
                "vacuum                               | SQL_PARSE_ERROR   | -                      "
                        + "      | SQL not allowed: VACUUM",
            })
    void failuresKeepSqlitesWords(
            String sql, String code, @Nullable String extended, String message) {
        run("create table u(id integer primary key, name text not null unique, n check (n < 5))");
        run("create table c(u references u)");
        run("insert into u values (1, 'a', 1)");

        SqlFailure failure = failure(sql);

        assertThat(failure.code()).isEqualTo(code);
        assertThat(failure.extendedCode()).isEqualTo(extended);
        assertThat(failure.message()).isEqualTo(message);
        // The connection is as good as before.
        assertThat(one("select count(*) from u")).isEqualTo(1L);
    }

    @Test
    void pathsInSqlitesWordsAreReplaced() {
        var thrown =
                new SQLiteException(
                        SQLiteErrorCode.SQLITE_CANTOPEN + " (cannot open /data/t/db-wal)",
                        SQLiteErrorCode.SQLITE_CANTOPEN);

        assertThat(SqliteErrors.of(thrown, null, "/data/t/db").message())
                .isEqualTo("SQLite error: cannot open database-wal");
    }

    @Test
    void failuresNameNoPath() throws Exception {
        Path broken = folder.resolve("broken");
        Files.writeString(broken, "x".repeat(8192));
        var bad = Sqlite.database(broken, SqliteLimits.DEFAULT, watchdog);
        var absent = Sqlite.database(folder.resolve("absent/db"), SqliteLimits.DEFAULT, watchdog);

        assertThatThrownBy(() -> bad.connect(OpenMode.READ_WRITE))
                .isInstanceOfSatisfying(
                        SqlFailure.class,
                        failure -> {
                            assertThat(failure.code()).isEqualTo("SQLITE_NOTADB");
                            assertThat(failure.message()).doesNotContain(folder.toString());
                        });
        assertThatThrownBy(() -> absent.connect(OpenMode.READ_WRITE))
                .isInstanceOfSatisfying(
                        SqlFailure.class,
                        failure -> {
                            assertThat(failure.code()).isEqualTo("SQLITE_CANTOPEN");
                            assertThat(failure.message()).doesNotContain(folder.toString());
                        });
    }

    /// Each line runs on a table with a unique column that holds 1; afterwards the connection must
    /// know, as SQLite does, whether a transaction is open. SQLite is asked with a `begin`.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "begin",
                "begin; commit",
                "begin; insert into t values (2); commit",
                "begin; rollback",
                "begin; insert into t values (1)",
                "begin; insert or rollback into t values (1)",
                "begin; insert or fail into t values (1)",
                "begin; insert into t values (2); insert or rollback into t values (1)",
                "begin immediate; update or rollback t set a = 1; select 1",
                "begin; insert into r values (1)",
                "insert into r values (1)",
                "insert or rollback into t values (1)",
                "begin exclusive; end transaction",
                "begin readonly; select * from t",
                "begin readonly; insert into t values (3)",
                "begin readonly; commit",
                "savepoint a",
                "savepoint a; release a",
                "savepoint a; savepoint b; release b",
                "savepoint a; savepoint b; release a",
                "savepoint a; savepoint A; release a",
                "savepoint a; savepoint A; release a; release a",
                "savepoint a; rollback to a",
                "savepoint a; rollback to a; release a",
                "savepoint a; savepoint b; rollback to a; release b",
                "savepoint a; rollback",
                "savepoint a; commit",
                "begin; savepoint a; release a",
                "begin; savepoint a; savepoint b; release a; commit",
                "begin; savepoint a; insert or rollback into t values (1)",
                "begin; savepoint a; insert or rollback into t values (1); savepoint a; release a",
                "savepoint a; release b",
                "commit",
                "rollback",
                "begin; begin",
                "begin; insert into c values (9); commit",
                "savepoint a; insert into c values (9); release a",
                "begin; insert into c values (9); commit; rollback",
                "begin; selec",
                "begin; select * from nope",
            })
    void knowsWhetherATransactionIsOpen(String script) {
        connection.exec(
                """
                create table t(a unique); insert into t values (1);
                create table r(a);
                create trigger rr after insert on r begin select raise(rollback, 'no'); end;
                create table p(a primary key);
                create table c(a references p deferrable initially deferred);
                """);

        GatedScript gated = gate.check(script);
        for (GatedStatement statement : gated.statements()) {
            try {
                connection.run(statement, Bindings.NONE, ResultLimits.NONE);
            } catch (SqlFailure expected) {
                assertThat(expected.code()).doesNotContain("INTERNAL");
            }
        }

        boolean weSay = connection.autocommit();
        boolean sqliteSays = true;
        try {
            connection.exec("begin");
        } catch (SqlFailure open) {
            assertThat(open.message()).contains("within a transaction");
            sqliteSays = false;
        }
        assertThat(weSay).isEqualTo(sqliteSays);
        connection.exec("rollback");
        assertThat(connection.autocommit()).isTrue();
    }

    @Test
    void readonlyTransactionsCannotWriteAndLaterOnesCan() {
        run("create table t(a)");
        run("BEGIN TRANSACTION READONLY");
        assertThat(failure("insert into t values (1)").code()).isEqualTo("SQLITE_READONLY");
        assertThat(failure("create table u(a)").code()).isEqualTo("SQLITE_READONLY");
        run("pragma query_only=0");
        assertThat(failure("insert into t values (1)").code()).isEqualTo("SQLITE_READONLY");
        run("commit");

        run("insert into t values (1)");

        assertThat(one("select count(*) from t")).isEqualTo(1L);
    }

    @Test
    void readersCannotWriteWhateverTheySay() {
        run("create table t(a)");
        try (var reader = database.connect(OpenMode.READ_ONLY_QUERY)) {
            run(reader, "pragma query_only=off");
            assertThatThrownBy(() -> run(reader, "insert into t values (1)"))
                    .isInstanceOfSatisfying(
                            SqlFailure.class,
                            failure -> assertThat(failure.code()).isEqualTo("SQLITE_READONLY"));
            assertThatThrownBy(() -> run(reader, "pragma user_version=3"))
                    .isInstanceOf(SqlFailure.class);
            reader.resetSession();
            assertThatThrownBy(() -> run(reader, "insert into t values (1)"))
                    .isInstanceOf(SqlFailure.class);
        }
    }

    @Test
    void sessionSettingsDoNotReachTheNextUser() {
        run("create table p(a primary key)");
        run("create table c(a references p)");
        run("pragma foreign_keys=off");
        run("pragma recursive_triggers=on");
        run("pragma case_sensitive_like=on");
        run("insert into c values (1)");
        run("begin");
        run("insert into p values (1)");
        assertThat(connection.sessionDirty()).isTrue();

        connection.resetSession();

        assertThat(connection.sessionDirty()).isFalse();
        assertThat(connection.autocommit()).isTrue();
        assertThat(one("select count(*) from p")).isEqualTo(0L);
        assertThat(one("pragma foreign_keys")).isEqualTo(1L);
        assertThat(one("pragma recursive_triggers")).isEqualTo(0L);
        assertThat(one("select 'A' like 'a'")).isEqualTo(1L);
        assertThat(failure("insert into c values (2)").code()).isEqualTo("SQLITE_CONSTRAINT");
    }

    @Test
    void describesWithoutRunning() {
        run("create table t(id integer primary key, n DECIMAL(3))");
        run("begin");
        run("create table uncommitted(a TEXT)");

        assertThat(describe("select a, ?5, :x from uncommitted"))
                .isEqualTo(
                        new Description(
                                Arrays.asList(null, null, null, null, "?5", ":x"),
                                List.of(
                                        new Column("a", "TEXT"),
                                        new Column("?5", null),
                                        new Column(":x", null)),
                                false,
                                true));
        assertThat(describe("insert into t values (?, ?) returning n").readonly()).isFalse();
        assertThat(describe("insert into t values (?, ?) returning n").columns())
                .containsExactly(new Column("n", "DECIMAL(3)"));
        assertThat(one("select count(*) from t")).isEqualTo(0L);
        assertThat(describe("explain select 1").explain()).isTrue();
        assertThat(describe("pragma table_info(t)").columns()).hasSize(6);
        assertThatThrownBy(() -> describe("select nope")).isInstanceOf(SqlFailure.class);
    }

    private Description describe(String sql) {
        return connection.describe(gate.check(sql).single());
    }

    /// A pragma acts when it is compiled, so describing one would set it.
    @Test
    void describingAPragmaDoesNotSetIt() {
        describe("pragma foreign_keys=off");
        describe("pragma user_version=7");
        describe("pragma query_only=on");
        describe("pragma case_sensitive_like=on");

        assertThat(one("pragma foreign_keys")).isEqualTo(1L);
        assertThat(one("pragma user_version")).isEqualTo(0L);
        assertThat(one("select 'A' like 'a'")).isEqualTo(1L);
        run("create table t(a)");
    }

    @Test
    void answersPragmasThatDoNothing() {
        assertThat(one("pragma journal_mode=WAL")).isEqualTo("wal");
        assertThat(one("pragma busy_timeout=3000")).isEqualTo(3000L);
        assertThat(one("pragma synchronous=full")).isEqualTo(2L);
        assertThat(one("pragma cache_size=-64000")).isEqualTo(-64000L);
        assertThat(one("pragma synchronous")).isEqualTo(1L);
        assertThat(one("pragma cache_size")).isEqualTo(-2000L);
        assertThat(one("pragma journal_mode")).isEqualTo("wal");
        assertThat(one("pragma wal_autocheckpoint")).isEqualTo(0L);
        assertThat(run("pragma database_list").rows().getFirst())
                .containsExactly(
                        new SqlValue.Int(0), new SqlValue.Text("main"), new SqlValue.Text(""));
    }

    @Test
    void setsHeaderNumbers() {
        run("pragma user_version = -7");
        run("pragma application_id(0x7f)");

        assertThat(one("pragma user_version")).isEqualTo(-7L);
        assertThat(one("pragma application_id")).isEqualTo(127L);
    }

    @Test
    void readingPragmasAnswer() {
        connection.exec("create table t(a primary key, b references t); create index i on t(b)");
        for (String pragma :
                List.of(
                        "table_info(t)",
                        "table_xinfo('t')",
                        "table_list",
                        "index_list(t)",
                        "index_info(i)",
                        "index_xinfo(i)",
                        "foreign_key_list(t)",
                        "foreign_keys",
                        "integrity_check(10)",
                        "quick_check",
                        "collation_list",
                        "compile_options",
                        "function_list",
                        "module_list",
                        "pragma_list",
                        "data_version",
                        "encoding",
                        "freelist_count",
                        "locking_mode",
                        "max_page_count",
                        "page_count",
                        "page_size",
                        "schema_version",
                        "auto_vacuum",
                        "analysis_limit",
                        "busy_timeout")) {
            assertThat(run("pragma " + pragma).rows()).as(pragma).isNotEmpty();
        }
        assertThat(run("pragma foreign_key_check").rows()).isEmpty();
        run("pragma optimize");
    }

    /// The names of a cached statement's columns follow the schema, whoever changed it.
    @Test
    void columnsFollowTheSchema() {
        run("create table t(a)");
        run("insert into t values (1)");
        try (var reader = database.connect(OpenMode.READ_ONLY_QUERY)) {
            assertThat(run(reader, "select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("a");
            assertThat(run(reader, "select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("a");

            run("alter table t rename column a to b");
            assertThat(run(reader, "select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("b");

            connection.exec("begin; alter table t rename column b to c");
            assertThat(run(reader, "select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("b");
            assertThat(run("select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("c");
            connection.exec("commit; alter table t add column d");
            assertThat(run(reader, "select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("c", "d");

            run("begin");
            run("alter table t rename column c to e");
            assertThat(run("select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("e", "d");
            run("rollback");
            assertThat(run("select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("c", "d");
            assertThat(run(reader, "select * from t").columns())
                    .extracting(Column::name)
                    .containsExactly("c", "d");
        }
    }

    @Test
    void stopsAtItsLimits() {
        GatedStatement many =
                gate.check(
                                "with recursive n(x) as (select 1 union all select x+1 from n)"
                                        + " select x from n")
                        .single();
        GatedStatement long1 = gate.check("select hex(zeroblob(1000)) union all select 1").single();

        assertThatThrownBy(
                        () -> connection.run(many, Bindings.NONE, new ResultLimits(100, 1 << 20)))
                .isInstanceOfSatisfying(
                        SqlFailure.class,
                        failure -> assertThat(failure.code()).isEqualTo("RESPONSE_TOO_LARGE"));
        assertThatThrownBy(() -> connection.run(long1, Bindings.NONE, new ResultLimits(100, 1999)))
                .isInstanceOf(SqlFailure.class);
        assertThat(connection.run(long1, Bindings.NONE, new ResultLimits(2, 2008)).rows())
                .hasSize(2);
    }

    @Test
    void aSinkMayStop() {
        var taken = new ArrayList<SqlValue>();
        GatedStatement statement = gate.check("values (1), (2), (3)").single();

        connection.run(
                statement,
                Bindings.NONE,
                ResultLimits.NONE,
                new RowSink() {
                    @Override
                    public void columns(List<Column> columns) {
                        assertThat(columns).hasSize(1);
                    }

                    @Override
                    public boolean row(SqlValue[] row) {
                        taken.add(row[0]);
                        return taken.size() < 2;
                    }
                });

        assertThat(taken).containsExactly(new SqlValue.Int(1), new SqlValue.Int(2));
        run("create table t(a)");
    }

    @Test
    void rowsAreTakenOneByOne() {
        run("create table t(a integer primary key)");
        GatedStatement insert =
                gate.check("insert into t values (1), (2), (3) returning a * 10 as b").single();
        try (var rows = connection.open(insert, Bindings.NONE)) {
            assertThat(rows.columns()).extracting(Column::name).containsExactly("b");
            for (long i = 1; i <= 3; i++) {
                assertThat(rows.next()).isTrue();
                assertThat(rows.row()).containsExactly(new SqlValue.Int(i * 10));
            }
            assertThatThrownBy(() -> run("select 1")).isInstanceOf(IllegalStateException.class);
            assertThat(rows.next()).isFalse();
            assertThat(rows.next()).isFalse();
            assertThat(rows.end().rowsAffected()).isEqualTo(3);
            assertThat(rows.end().lastInsertRowid()).isEqualTo(3);
        }
        try (var rows = connection.open(gate.check("select a from t").single(), Bindings.NONE)) {
            assertThat(rows.next()).isTrue();
        }
        try (var rows =
                connection.open(
                        gate.check("select a from t where a > 9").single(), Bindings.NONE)) {
            assertThat(rows.next()).isFalse();
            assertThat(rows.end().rowsRead()).isZero();
        }
        try (var rows = connection.open(gate.check("begin").single(), Bindings.NONE)) {
            assertThat(rows.next()).isFalse();
            assertThat(rows.columns()).isEmpty();
            assertThat(rows.end().rowsAffected()).isZero();
        }
        assertThat(connection.autocommit()).isFalse();
        try (var rows =
                connection.open(gate.check("pragma database_list").single(), Bindings.NONE)) {
            assertThat(rows.next()).isTrue();
            assertThat(rows.row()).hasSize(3);
            assertThat(rows.next()).isFalse();
        }
        run("commit");
    }

    @Test
    void rowsFailInTheMiddle() {
        GatedStatement statement =
                gate.check("select abs(x) from (values (1), (-9223372036854775808)) as v(x)")
                        .single();
        GatedStatement named =
                gate.check("with v(x) as (values (1), (-9223372036854775808)) select abs(x) from v")
                        .single();
        assertThat(statement.kind()).isEqualTo(StatementKind.READ);
        var rows = connection.open(named, Bindings.NONE);
        assertThat(rows.next()).isTrue();
        assertThatThrownBy(rows::next)
                .isInstanceOf(SqlFailure.class)
                .hasMessageContaining("overflow");
        rows.close();
        run("create table t(a)");
    }

    @Test
    void tellsCommitsBeforeTheyAreVisible() {
        run("create table t(a)");
        var seen = new AtomicInteger();
        try (var reader = database.connect(OpenMode.READ_ONLY_QUERY)) {
            connection.onCommit(() -> seen.set((int) (long) plainCount(reader)));
            long before = connection.commits();

            run("insert into t values (1)");

            assertThat(seen).hasValue(0);
            assertThat(plainCount(reader)).isEqualTo(1);
            assertThat(connection.commits()).isEqualTo(before + 1);
            run("select 1");
            run("begin");
            run("commit");
            assertThat(connection.commits()).isEqualTo(before + 1);
        }
    }

    private long plainCount(SqliteConnection on) {
        return on.queryLong("select count(*) from t");
    }

    @Test
    void fullTextAndSpatialTablesWork() {
        run("create virtual table f using fts5(body)");
        run("create virtual table g using rtree(id, x0, x1)");
        run("insert into f values ('the quick fox'), ('a lazy dog')");
        run("insert into g values (1, 0, 5), (2, 7, 9)");
        try (var reader = database.connect(OpenMode.READ_ONLY_QUERY)) {
            assertThat(
                            plain(
                                    run(reader, "select highlight(f, 0, '<', '>') from f('quick')")
                                            .rows()
                                            .getFirst()[0]))
                    .isEqualTo("the <quick> fox");
            assertThat(plain(run(reader, "select id from g where x0 > 6").rows().getFirst()[0]))
                    .isEqualTo(2L);
            assertThat(run(reader, "select name from dbstat limit 1").rows()).hasSize(1);
        }
        run("delete from f");
        assertThat(one("pragma integrity_check")).isEqualTo("ok");
    }

    @Test
    void keepsOnlySoManyStatements() {
        for (int i = 0; i < 500; i++) {
            assertThat(one("select " + i)).isEqualTo((long) i);
        }
        connection.shrinkMemory();
        assertThat(one("select 1")).isEqualTo(1L);
    }

    @Test
    void checkpointsWithoutWaiting() throws Exception {
        Path wal = folder.resolve("db-wal");
        run("create table t(a)");
        run("insert into t values (1)");
        try (var reader = database.connect(OpenMode.READ_ONLY_QUERY)) {
            reader.exec("begin");
            assertThat(reader.queryLong("select count(*) from t")).isEqualTo(1);
            run("insert into t values (2)");

            assertThat(connection.checkpointPassive().busy()).isFalse();
            assertThat(connection.checkpointPassive().checkpointed()).isPositive();
            assertThat(connection.checkpointTruncate().busy()).isTrue();
            reader.exec("commit");
        }
        assertThat(Files.size(wal)).isPositive();

        assertThat(connection.checkpointTruncate().busy()).isFalse();

        assertThat(Files.size(wal)).isZero();
        assertThat(connection.pageCount()).isEqualTo(2);
        assertThat(connection.pageSize()).isEqualTo(4096);
    }

    @Test
    void quotaFillsTheDatabase() {
        connection.pagesMax(20);
        run("create table t(a)");

        SqlFailure failure = failure("insert into t select zeroblob(900000)");

        assertThat(failure.code()).isEqualTo("SQLITE_FULL");
        assertThat(connection.autocommit()).isTrue();
    }

    @Test
    void aWaitingWriterIsBusyAtOnce() {
        run("create table t(a)");
        try (var other = database.connect(OpenMode.READ_WRITE)) {
            other.exec("begin immediate");
            assertThat(failure("insert into t values (1)").code()).isEqualTo("SQLITE_BUSY");
            run("begin");
            assertThat(failure("insert into t values (1)").code()).isEqualTo("SQLITE_BUSY");
            other.exec("rollback");
            run("insert into t values (1)");
            run("commit");
        }
    }

    @Test
    void opensImmutableFilesWithoutTouchingThem() throws Exception {
        run("create table t(a)");
        run("insert into t values (1)");
        connection.checkpointTruncate();
        Path copy = Files.createDirectory(folder.resolve("odd %41 #name")).resolve("copy.db");
        connection.exec("pragma journal_mode=delete");
        connection.close();
        Files.copy(folder.resolve("db"), copy);

        try (var image =
                Sqlite.database(copy, SqliteLimits.DEFAULT, watchdog).connect(OpenMode.IMMUTABLE)) {
            assertThat(image.queryLong("select count(*) from t")).isEqualTo(1);
            assertThatThrownBy(() -> run(image, "insert into t values (2)"))
                    .isInstanceOfSatisfying(
                            SqlFailure.class,
                            failure -> assertThat(failure.code()).isEqualTo("SQLITE_READONLY"));
        }
        try (var files = Files.list(copy.getParent())) {
            assertThat(files).containsExactly(copy);
        }
    }

    @Test
    void refusesOldLibraries() {
        Sqlite.requireVersion("3.51.3");
        Sqlite.requireVersion("3.54.0");
        Sqlite.requireVersion("4.0.0");
        assertThatThrownBy(() -> Sqlite.requireVersion("3.51.2"))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> Sqlite.requireVersion("3.9.9"))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void limitsAreReallySet() {
        assertThat(failure("select " + "1+".repeat(150) + "1").message()).contains("depth");
        assertThat(failure("select " + "1,".repeat(250) + "1").message())
                .contains("too many columns");
        assertThat(failure("select 1" + " union select 1".repeat(60)).message())
                .contains("compound");
        assertThat(failure("select 1 like '" + "a".repeat(1_100) + "'").message()).contains("LIKE");
        assertThat(failure("explain select ?1001").message()).contains("variable number");
        assertThat(failure("select '" + "a".repeat(100_001) + "'").code())
                .isEqualTo("SQLITE_TOOBIG");
        assertThat(failure("select printf('%*s', 2000000, 'a')").code()).isEqualTo("SQLITE_TOOBIG");
        // The engine's own answer, behind the gate.
        assertThatThrownBy(() -> connection.exec("attach ':memory:' as x"))
                .hasMessageContaining("too many attached databases - max 0");
        assertThatThrownBy(() -> connection.exec("vacuum")).isInstanceOf(SqlFailure.class);
        assertThatThrownBy(() -> connection.exec("vacuum into '" + folder.resolve("out") + "'"))
                .isInstanceOf(SqlFailure.class);
        assertThat(folder.resolve("out")).doesNotExist();
        connection.exec(
                """
                create table t(a);
                create trigger r after insert on t when new.a < 100 begin insert into t values (new.a + 1); end;
                """);
        run("pragma recursive_triggers=on");
        assertThat(failure("insert into t values (1)").message()).contains("nested too deep");
    }

    @Test
    void workEndsAtItsDeadline() {
        try (var work = connection.within(Deadline.after(Duration.ZERO, System::nanoTime))) {
            assertThat(work.over()).isTrue();
            assertThat(failure("select 1").code()).isEqualTo("SQLITE_INTERRUPT");
        }
        assertThat(one("select 1")).isEqualTo(1L);
    }
}
