package dev.litefleet.replica.sqlite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.testing.Seeds;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteConnection;
import org.sqlite.jdbc4.JDBC4Connection;

/// Our tokens, our splitting and our parameter numbers against SQLite's own, on random soups made
/// of the pieces where they could differ.
final class SqlTokensTest {
    private static final List<String> PIECES =
            List.of(
                    "select",
                    "1",
                    " ",
                    " ",
                    " ",
                    "\n",
                    "\t",
                    "\f",
                    "\r",
                    "\u000b",
                    ";",
                    ";",
                    ";",
                    "'",
                    "''",
                    "'a;b'",
                    "\"",
                    "\"a;b\"",
                    "`",
                    "`a;b`",
                    "[",
                    "]",
                    "[a;b]",
                    "--",
                    "--x\n",
                    "/*",
                    "*/",
                    "/**/",
                    "/*;*/",
                    "/",
                    "*",
                    "-",
                    "->",
                    "->>",
                    "=",
                    "==",
                    "<",
                    "<>",
                    "<<",
                    ">",
                    ">=",
                    "!",
                    "!=",
                    "|",
                    "||",
                    ",",
                    "(",
                    ")",
                    "+",
                    "~",
                    "&",
                    "%",
                    ".",
                    "?",
                    "?1",
                    "?02",
                    ":a",
                    "@a",
                    "$a",
                    "#a",
                    "#1",
                    "$",
                    ":",
                    "::",
                    "$a::b(c)",
                    "$a(",
                    "x'00'",
                    "x'0",
                    "X'zz'",
                    "x",
                    "0x1f",
                    "0x",
                    "1.5",
                    ".5",
                    "1.",
                    "1e5",
                    "1e",
                    "1e+",
                    "1_000",
                    "1__0",
                    "12ab",
                    "abc",
                    "_a",
                    "a$b",
                    "\u00e9",
                    "\ud83d\ude00",
                    "\uFEFF",
                    "\u00a0",
                    "\u2028",
                    "\\",
                    "\u0001",
                    "\u007f",
                    "{",
                    "}",
                    "create trigger r after insert on t begin select 1; end",
                    "begin",
                    "end",
                    "case when 1 then 2 end",
                    "create",
                    "trigger",
                    "explain",
                    "as",
                    "from t",
                    "where",
                    "values",
                    "null",
                    "END;",
                    "; end",
                    "and",
                    "or");

    @TempDir Path folder;

    private static SQLiteConnection memory() throws SQLException {
        var config = new SQLiteConfig();
        var connection =
                new JDBC4Connection("jdbc:sqlite::memory:", ":memory:", config.toProperties());
        connection.getDatabase()._exec("create table t(a)");
        return connection;
    }

    private static String soup(SplittableRandom random, int pieces) {
        var soup = new StringBuilder();
        for (int i = random.nextInt(pieces) + 1; i > 0; i--) {
            soup.append(PIECES.get(random.nextInt(PIECES.size())));
            if (random.nextInt(3) == 0) {
                soup.append(' ');
            }
        }
        return soup.toString();
    }

    /// What SQLite says to a text: its complaint, or how many columns and parameters the first
    /// statement has.
    private static String compile(SQLiteConnection connection, String sql) {
        try {
            var program = new Program(connection, sql);
            try {
                return "ok " + program.columnCount() + " " + program.readColumns();
            } finally {
                program.close();
            }
        } catch (SQLException failed) {
            return String.valueOf(failed.getMessage());
        }
    }

    /// SQLite compiles a text up to the end of its first statement. If our first piece ends
    /// elsewhere, or begins elsewhere, the same engine says something else to it.
    @Seeds(150)
    void firstStatementEndsWhereSqliteEndsIt(long seed) throws SQLException {
        var random = new SplittableRandom(seed);
        try (SQLiteConnection connection = memory()) {
            for (int i = 0; i < 100; i++) {
                String sql = (random.nextBoolean() ? "select " : "") + soup(random, 8);
                List<String> pieces = SqlGate.split(sql);
                if (pieces.isEmpty()) {
                    // The driver reports "nothing there" in its own way, for spaces and comments.
                    assertThat(firstByte(connection, sql)).as(sql).isFalse();
                    continue;
                }
                String first = pieces.getFirst();
                var tokens = new SqlTokens(sql);
                boolean ended =
                        pieces.size() > 1
                                || tokens.kind(tokens.count() - 1) == SqlTokens.Kind.SEMICOLON;

                assertThat(compile(connection, ended ? first + ";" : first))
                        .as("seed %d: %s -> %s", seed, sql, first)
                        .isEqualTo(compile(connection, sql));
            }
        }
    }

    /// Whether SQLite finds any statement in the text.
    private static boolean firstByte(SQLiteConnection connection, String sql) {
        return compile(connection, sql).startsWith("ok");
    }

    /// Runs a whole script by SQLite's own loop, and our pieces one after the other.
    @Seeds(100)
    void scriptsFallIntoSqlitesStatements(long seed) throws SQLException {
        var random = new SplittableRandom(seed);
        var script = new StringBuilder();
        int statements = 1 + random.nextInt(12);
        for (int i = 0; i < statements; i++) {
            script.append(noise(random));
            script.append(statement(random, i));
            script.append(noise(random));
            script.append(i + 1 < statements || random.nextBoolean() ? ";" : "");
        }
        script.append(noise(random));
        String sql = script.toString();

        String whole;
        try (SQLiteConnection connection = memory()) {
            connection.getDatabase()._exec(sql);
            whole = state(connection);
        }
        try (SQLiteConnection connection = memory()) {
            for (String piece : SqlGate.split(sql)) {
                var program = new Program(connection, piece);
                boolean row = program.start(Bindings.NONE.values);
                while (row) {
                    row = program.next();
                }
                program.close();
            }
            assertThat(state(connection)).as("seed %d: %s", seed, sql).isEqualTo(whole);
        }
        assertThat(SqlGate.split(sql)).hasSize(statements);
    }

    private static String noise(SplittableRandom random) {
        List<String> noises =
                List.of(
                        "", "", " ", "\n", "\f", "\uFEFF", "/*;*/", "/* ' */", "--;\n", "-- '\n",
                        " ;", ";;", "/**/");
        // Not beginning with a semicolon after a statement would join two; a space never does.
        return " " + noises.get(random.nextInt(noises.size())) + " ";
    }

    private static String statement(SplittableRandom random, int i) {
        return switch (random.nextInt(6)) {
            case 0 -> "insert into t values ('" + i + ";''" + "')";
            case 1 -> "insert into t values (case when " + i + " then ';' else 1 end)";
            case 2 -> "create table [t;" + i + "](a, \";\"\"\")";
            case 3 ->
                    "create trigger \"r"
                            + i
                            + ";\" after insert on t begin select 1; select case 1 when 2 then 3"
                            + " end; /* end; */ delete from t where a = 'end;'; end";
            case 4 -> "update t set a = a || ';' where a <> ';' -- ; \n";
            default -> "create view v" + i + " as select ';' as `;`, x'3b' as [;]";
        };
    }

    private static String state(SQLiteConnection connection) throws SQLException {
        try (var statement = connection.createStatement();
                var rows =
                        statement.executeQuery(
                                "select group_concat(s, '|') from (select name || sql as s from"
                                        + " sqlite_schema union all select a from t)")) {
            return String.valueOf(rows.getString(1));
        }
    }

    /// SQLite's count of parameters, and the number of each name, for soups of parameters.
    @Seeds(100)
    void numbersParametersAsSqlite(long seed) throws SQLException {
        var random = new SplittableRandom(seed);
        List<String> variables =
                List.of(
                        "?", "?", "?1", "?3", "?07", ":a", ":b", "@a", "$a", "$a::b", "$a(b)", "#x",
                        ":\u00e9", ":1");
        var sql = new StringBuilder("select 0");
        int count = 1 + random.nextInt(10);
        var used = new java.util.ArrayList<String>();
        for (int i = 0; i < count; i++) {
            String variable = variables.get(random.nextInt(variables.size()));
            used.add(variable);
            sql.append(", /*?*/ ").append(variable).append(" -- :z\n");
        }
        List<@Nullable String> names = new SqlGate().check(sql.toString()).single().parameters();
        var values = new @Nullable Object[names.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (long) i + 1;
        }
        try (SQLiteConnection connection = memory()) {
            var program = new Program(connection, sql.toString());
            // The driver refuses fewer values than parameters; one too many names would show below.
            assertThat(program.start(values)).isTrue();
            SqlValue[] row = program.row(count + 1);
            for (int i = 0; i < count; i++) {
                long number = ((SqlValue.Int) row[i + 1]).value();
                String name = used.get(i);
                if (!name.equals("?")) {
                    String expected = names.get((int) number - 1);
                    assertThat(name.startsWith("?") ? Integer.parseInt(name.substring(1)) : name)
                            .as(sql.toString())
                            .isEqualTo(name.startsWith("?") ? (int) number : expected);
                }
            }
            program.close();
            if (!names.isEmpty()) {
                var fewer = java.util.Arrays.copyOf(values, values.length - 1);
                var again = new Program(connection, sql.toString());
                assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> again.start(fewer)))
                        .as("one name too many: %s", sql)
                        .isNotNull();
                again.close();
            }
        }
    }

    /// Every single unit between two words: SQLite must see a separator, a letter or an error where
    /// we do.
    @Test
    void everyUnitIsWhatSqliteTakesItFor() throws SQLException {
        try (SQLiteConnection connection = memory()) {
            for (int c = 1; c < 0x10000; c += c < 0x300 ? 1 : 97) {
                if (Character.isSurrogate((char) c)) {
                    continue;
                }
                for (String frame :
                        List.of(
                                "select 1 as a%sb",
                                "select 1 as%sb", "select%s1", "%sselect 1", "select 1 as a %sb")) {
                    String sql = frame.replace("%s", String.valueOf((char) c));
                    String piece = SqlGate.split(sql).getFirst();
                    String said = compile(connection, sql);
                    boolean illegal = hasIllegal(sql);

                    assertThat(
                                    compile(
                                            connection,
                                            piece
                                                    + (piece.length() < sql.strip().length()
                                                                    && c == ';'
                                                            ? ";"
                                                            : "")))
                            .as("U+%04x in %s", c, frame)
                            .isEqualTo(said);
                    if (illegal) {
                        assertThat(said).as("U+%04x in %s", c, frame).contains("SQLITE_ERROR");
                    } else {
                        assertThat(said)
                                .as("U+%04x in %s", c, frame)
                                .doesNotContain("unrecognized token");
                    }
                }
            }
        }
    }

    private static boolean hasIllegal(String sql) {
        var tokens = new SqlTokens(sql);
        for (int i = 0; i < tokens.count(); i++) {
            if (tokens.kind(i) == SqlTokens.Kind.ILLEGAL) {
                return true;
            }
        }
        return false;
    }

    /// Which token is the first unknown one, and how far it reaches, SQLite says itself.
    @Seeds(50)
    void unknownTokensAreTheSame(long seed) throws SQLException {
        var random = new SplittableRandom(seed);
        try (SQLiteConnection connection = memory()) {
            for (int i = 0; i < 50; i++) {
                // Valid up to the last piece, so that the parser gets there.
                String last =
                        PIECES.get(random.nextInt(PIECES.size()))
                                + PIECES.get(random.nextInt(PIECES.size()));
                String sql = "select 1 as " + last;
                String said = compile(connection, sql);
                var tokens = new SqlTokens(sql);
                int mark = said.indexOf("unrecognized token: \"");
                if (mark >= 0 && tokens.count() > 3) {
                    String token =
                            said.substring(
                                    mark + "unrecognized token: \"".length(), said.length() - 2);
                    var ours = new java.util.ArrayList<String>();
                    for (int t = 0; t < tokens.count(); t++) {
                        if (tokens.kind(t) == SqlTokens.Kind.ILLEGAL) {
                            ours.add(tokens.text(t));
                        }
                    }
                    // Misplaced digit separators are a matter of the parser, not of the tokens.
                    if (!token.contains("_")) {
                        assertThat(ours).as("seed %d: %s", seed, sql).contains(token);
                    }
                }
                assertThat(new String(sql.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8))
                        .isEqualTo(sql);
            }
        }
    }
}
