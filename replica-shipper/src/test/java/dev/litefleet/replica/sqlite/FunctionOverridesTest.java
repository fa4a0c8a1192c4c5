package dev.litefleet.replica.sqlite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.testing.Seeds;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteConnection;
import org.sqlite.jdbc4.JDBC4Connection;

/// The functions that end or stall a process, wherever a schema may hide them, and the replacements
/// of those that must stay.
final class FunctionOverridesTest {
    @TempDir Path folder;

    private final Watchdog watchdog = new Watchdog(System::nanoTime);
    private final SqlGate gate = new SqlGate();
    private SqliteDatabase database;
    private SqliteConnection connection;

    @BeforeEach
    void open() {
        Sqlite.load(folder.resolve("tmp"));
        Sqlite.create(folder.resolve("db"), 4096);
        database = Sqlite.database(folder.resolve("db"), SqliteLimits.DEFAULT, watchdog);
        connection = database.connect(OpenMode.READ_WRITE);
    }

    @AfterEach
    void close() {
        connection.close();
        watchdog.close();
    }

    private StatementResult run(String sql, SqlValue... args) {
        GatedStatement statement = gate.check(sql).single();
        return connection.run(statement, Bindings.of(statement, List.of(args)), ResultLimits.NONE);
    }

    static Stream<String> refusedCalls() {
        return FunctionOverrides.REFUSED.entrySet().stream()
                .flatMap(refused ->
                        refused.getValue().stream()
                                .map(args ->
                                        refused.getKey()
                                                + "("
                                                + String.join(",", Collections.nCopies(args, "1"))
                                                + ")"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("refusedCalls")
    void refusedFunctionsFailCleanly(String call) {
        assertThatThrownBy(() -> run("select " + call))
                .isInstanceOf(SqlFailure.class)
                .hasMessageContaining("function not available");
        // Also as an aggregate over rows, and in a database whose text is UTF-16.
        assertThatThrownBy(() -> run("with t(a) as (values (1), (2)) select " + call + " from t"))
                .hasMessageContaining("function not available");
        run("select 1");
    }

    /// What the library offers beyond SQLite's own functions is on our list or known to be
    /// harmless: a new driver with a new function fails here.
    @Test
    void everyAddedFunctionIsKnown() {
        var harmless =
                List.of(
                        "bm25",
                        "fts5",
                        "fts5_get_locale",
                        "fts5_insttoken",
                        "fts5_locale",
                        "fts5_source_id",
                        "highlight",
                        "match",
                        "matchinfo",
                        "offsets",
                        "optimize",
                        "rtreecheck",
                        "snippet",
                        "instr",
                        "trim",
                        "ltrim",
                        "rtrim");
        var rows = run("select distinct name from pragma_function_list where builtin = 0").rows();

        for (SqlValue[] row : rows) {
            String name = ((SqlValue.Text) row[0]).value();
            assertThat(harmless.contains(name) || FunctionOverrides.REFUSED.containsKey(name))
                    .as(name)
                    .isTrue();
        }
        assertThat(rows.size()).isGreaterThan(30);
    }

    /// The two calls that end the process without the overrides, and the same through everything
    /// that runs later than the gate looks.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "select padl('a', 4611686018427387904)",
                "select replicate('abc', 1431655766)",
                "select PADL('a', 4611686018427387904)",
                "select \"padl\"('a', 4611686018427387904)",
                "create view v as select padl('a', 4611686018427387904) as p; select * from v",
                "create view v(p) as select replicate('abc', 1431655766); select p from v",
                "create trigger r after insert on t begin select padl('a', 4611686018427387904);"
                        + " end; insert into t values (1)",
                "create trigger r before update on t begin update t set a = replicate('abc',"
                        + " 1431655766); end; insert into t values (1); update t set a = 2",
                "create table g(a, b as (padl('a', 4611686018427387904))); insert into g(a) values"
                        + " (1); select * from g",
                "create table g(a, b as (replicate('abc', 1431655766)) stored); insert into g(a)"
                        + " values (1)",
                "create table g(a check (padl(a, 4611686018427387904) > '')); insert into g values"
                        + " ('a')",
                "create table g(a default (replicate('abc', 1431655766)), b); insert into g(b)"
                        + " values (1)",
                "create table g(a); insert into g values ('a'); create index i on g(padl(a,"
                        + " 4611686018427387904))",
                "create table g(a); create index i on g(a) where padl(a, 4611686018427387904) > '';"
                        + " insert into g values ('a')",
                "create table g(a); insert into g values ('a'); alter table g add column b as"
                        + " (padl(a, 4611686018427387904)); select b from g",
                "create table g(a); insert into g values ('abc'); update g set a = replicate(a,"
                        + " 1431655766)",
                "with x(a) as (select padl('a', 4611686018427387904)) select * from x",
                "select * from (values (1)) order by padl('a', 4611686018427387904 + column1)",
                "select group_concat(x, replicate('abc', 1431655766)) from (select 1 as x union"
                        + " select 2)",
            })
    void crashingFunctionsFailWhereverTheyHide(String script) {
        run("create table t(a)");

        assertThatThrownBy(
                        () -> {
                            for (GatedStatement statement : gate.check(script).statements()) {
                                connection.run(statement, Bindings.NONE, ResultLimits.NONE);
                            }
                        })
                .isInstanceOf(SqlFailure.class)
                .hasMessageContaining("function");
        run("select 1");
    }

    @Test
    void replacementsWorkInIndexesAndGeneratedColumns() {
        connection.exec(
                """
                create table t(a, b as (instr(a, 'x')), c as (trim(a)) stored, check (ltrim(a) <> ''));
                create index i on t(rtrim(a, 'x'));
                create view v as select instr(a, 'y') as y from t;
                create trigger r after insert on t begin select trim(new.a); end;
                insert into t(a) values (' axy ');
                """);

        assertThat(run("select b, c from t where rtrim(a, 'x') = ' axy '").rows().getFirst())
                .containsExactly(new SqlValue.Int(3), new SqlValue.Text("axy"));
        assertThat(run("select y from v").rows().getFirst()).containsExactly(new SqlValue.Int(4));
    }

    private static final List<String> ALPHABET =
            List.of(
                    "a",
                    "a",
                    "a",
                    "b",
                    "b",
                    "ab",
                    "aab",
                    " ",
                    " ",
                    "\u00e9",
                    "\u20ac",
                    "\ud83d\ude00",
                    "\0",
                    "\u00e8");

    private static final byte[] BYTES = {0, 'a', 'b', (byte) 0x80, (byte) 0xc3, (byte) 0xa9, -1};

    private static SqlValue value(SplittableRandom random, boolean blobs) {
        int kind = random.nextInt(12);
        if (kind == 0) {
            return SqlValue.NULL;
        }
        if (kind == 1) {
            return new SqlValue.Int(random.nextInt(-12, 112));
        }
        if (kind == 2) {
            return new SqlValue.Real(random.nextInt(40) / 4.0);
        }
        if (kind <= 5 && blobs) {
            byte[] bytes = new byte[random.nextInt(6)];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = BYTES[random.nextInt(BYTES.length)];
            }
            return new SqlValue.Blob(bytes);
        }
        var text = new StringBuilder();
        for (int i = random.nextInt(8); i > 0; i--) {
            text.append(ALPHABET.get(random.nextInt(ALPHABET.size())));
        }
        return new SqlValue.Text(text.toString());
    }

    private static SQLiteConnection original(String encoding) throws SQLException {
        var config = new SQLiteConfig();
        var made = new JDBC4Connection("jdbc:sqlite::memory:", ":memory:", config.toProperties());
        made.getDatabase()._exec("pragma encoding='" + encoding + "'; create table t(a)");
        return made;
    }

    private static SqlValue ask(SQLiteConnection of, String sql, SqlValue... args)
            throws SQLException {
        GatedStatement statement = new SqlGate(16).check(sql).single();
        var program = new Program(of, sql);
        try {
            program.start(Bindings.of(statement, List.of(args)).values);
            return program.value(0);
        } finally {
            program.close();
        }
    }

    /// Our own functions against the library's, side by side in one process.
    @Seeds(60)
    void replacementsAnswerAsTheOriginals(long seed) throws SQLException {
        var random = new SplittableRandom(seed);
        String encoding = random.nextInt(4) == 0 ? "UTF-16le" : "UTF-8";
        try (SQLiteConnection original = original(encoding);
                SQLiteConnection ours = original(encoding)) {
            FunctionOverrides.install(ours);
            for (int i = 0; i < 100; i++) {
                // Bytes that are no UTF-8 cannot come back as text through the driver, hence no
                // blobs
                // for trim; and UTF-16 would read them as two-byte units.
                SqlValue x = value(random, false);
                SqlValue y = value(random, false);
                for (String call :
                        List.of("trim(?, ?)", "ltrim(?, ?)", "rtrim(?, ?)", "instr(?, ?)")) {
                    assertThat(ask(ours, "select " + call, x, y))
                            .as("seed %d %s: %s of %s, %s", seed, encoding, call, x, y)
                            .isEqualTo(ask(original, "select " + call, x, y));
                }
                for (String call : List.of("trim(?)", "ltrim(?)", "rtrim(?)", "typeof(trim(?))")) {
                    assertThat(ask(ours, "select " + call, x))
                            .as("seed %d %s: %s of %s", seed, encoding, call, x)
                            .isEqualTo(ask(original, "select " + call, x));
                }
                if (encoding.equals("UTF-8")) {
                    SqlValue b = value(random, true);
                    SqlValue c = value(random, true);
                    assertThat(ask(ours, "select instr(?, ?)", b, c))
                            .as("seed %d: instr of %s, %s", seed, b, c)
                            .isEqualTo(ask(original, "select instr(?, ?)", b, c));
                }
            }
        }
    }

    /// Seconds to minutes with the originals, on the largest values a tenant may have.
    @Test
    void replacementsAreLinear() {
        long start = System.nanoTime();

        run(
                "select instr(replace(hex(zeroblob(249000)), '0', 'aa'),"
                        + " replace(hex(zeroblob(120000)), '0', 'aa') || 'b')");
        run(
                "select length(trim(replace(hex(zeroblob(249000)), '0', 'a') || 'b',"
                        + " replace(hex(zeroblob(120000)), '0', 'c') || 'a'))");
        run(
                "select instr(cast(zeroblob(990000) as blob), cast(zeroblob(490000) || x'01' as"
                        + " blob))");

        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(4));
    }

    @Test
    void worksOnUtf16Databases() throws SQLException {
        try (SQLiteConnection utf16 = original("UTF-16be")) {
            FunctionOverrides.install(utf16);

            assertThat(ask(utf16, "select instr('a\u20acb', 'b')")).isEqualTo(new SqlValue.Int(3));
            assertThatThrownBy(() -> ask(utf16, "select padl('a', 5)"))
                    .hasMessageContaining("function not available");
        }
    }
}
