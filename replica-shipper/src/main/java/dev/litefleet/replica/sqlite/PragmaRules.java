package dev.litefleet.replica.sqlite;

import static dev.litefleet.replica.sqlite.StatementRules.near;

import dev.litefleet.replica.sqlite.GatedStatement.FixedAnswer;
import dev.litefleet.replica.sqlite.SqlTokens.Kind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Decides about one pragma. What SQLite is given is made anew from name and argument, so no
/// spelling of either can mean something else to it than to this class.
final class PragmaRules {
    /// Read, never with an argument.
    private static final Set<String> PLAIN =
            Set.of(
                    "auto_vacuum",
                    "collation_list",
                    "compile_options",
                    "data_version",
                    "encoding",
                    "freelist_count",
                    "function_list",
                    "locking_mode",
                    "max_page_count",
                    "module_list",
                    "page_count",
                    "page_size",
                    "pragma_list",
                    "schema_version",
                    "wal_autocheckpoint");

    /// Read, with the name of a table or index, or a count.
    private static final Set<String> WITH_NAME =
            Set.of(
                    "foreign_key_check",
                    "foreign_key_list",
                    "index_info",
                    "index_list",
                    "index_xinfo",
                    "integrity_check",
                    "quick_check",
                    "table_info",
                    "table_list",
                    "table_xinfo");

    private static final Set<String> WITH_COUNT = Set.of("integrity_check", "quick_check");

    /// Switches of the connection.
    private static final Set<String> SWITCHES =
            Set.of(
                    "case_sensitive_like",
                    "defer_foreign_keys",
                    "foreign_keys",
                    "ignore_check_constraints",
                    "legacy_alter_table",
                    "query_only",
                    "recursive_triggers",
                    "reverse_unordered_selects");

    /// Numbers in the file's header that belong to the application.
    private static final Set<String> HEADER_NUMBERS = Set.of("application_id", "user_version");

    /// Settings that are ours: reading tells them, and a value that changes nothing is accepted,
    /// because drivers and frameworks send them when they connect.
    private static final Set<String> OURS =
            Set.of("busy_timeout", "cache_size", "journal_mode", "synchronous");

    private static final Map<String, Boolean> SWITCH_WORDS =
            Map.of(
                    "on", true, "yes", true, "true", true, "off", false, "no", false, "false",
                    false);

    private static final long BUSY_TIMEOUT_MILLIS_MAX = 5_000;

    private final SqlTokens tokens;
    private final int to;
    private int at;

    /// @param at index of the token after `pragma`
    /// @param to index after the last token
    PragmaRules(SqlTokens tokens, int at, int to) {
        this.tokens = tokens;
        this.at = at;
        this.to = to;
    }

    GatedStatement gate() {
        int first = at;
        String name = name();
        if (at < to && tokens.kind(at) == Kind.DOT) {
            if (!name.equals("main")) {
                throw SqlRefused.notAllowed("schema " + name, tokens.start(first));
            }
            at++;
            name = name();
        }
        String argument = argument();
        GatedStatement statement = decide(name, argument);
        if (statement == null) {
            String what = "PRAGMA " + name + (argument == null ? "" : " with this value");
            throw SqlRefused.notAllowed(what, tokens.start(first));
        }
        return statement;
    }

    private String name() {
        String name = at < to ? tokens.name(at) : "";
        if (name.isEmpty()) {
            throw near(tokens, at, to);
        }
        at++;
        return name;
    }

    /// The argument without quotes, a number with its sign, or null.
    private @Nullable String argument() {
        if (at == to) {
            return null;
        }
        boolean parenthesis = tokens.kind(at) == Kind.LEFT;
        if (!parenthesis && tokens.kind(at) != Kind.EQUALS) {
            throw near(tokens, at, to);
        }
        at++;
        String sign = "";
        if (at < to && (tokens.kind(at) == Kind.MINUS || tokens.kind(at) == Kind.PLUS)) {
            sign = tokens.kind(at) == Kind.MINUS ? "-" : "";
            at++;
            if (at < to && tokens.kind(at) != Kind.NUMBER) {
                throw near(tokens, at, to);
            }
        }
        if (at >= to) {
            throw near(tokens, at, to);
        }
        String value =
                switch (tokens.kind(at)) {
                    case NUMBER -> sign + tokens.text(at);
                    case WORD, QUOTED, STRING -> tokens.exactName(at);
                    default -> throw near(tokens, at, to);
                };
        at++;
        if (parenthesis) {
            if (at >= to || tokens.kind(at) != Kind.RIGHT) {
                throw near(tokens, at, to);
            }
            at++;
        }
        if (at < to) {
            throw near(tokens, at, to);
        }
        return value;
    }

    /// Null if it is not allowed.
    private static @Nullable GatedStatement decide(String name, @Nullable String argument) {
        if (WITH_NAME.contains(name)) {
            return of(StatementKind.PRAGMA_READ, name, given(name, argument), true, null);
        }
        if (name.equals("database_list")) {
            return argument == null ? noop(name, databaseList()) : null;
        }
        if (name.equals("optimize")) {
            Long mask = argument == null ? null : integer(argument);
            if (argument != null && mask == null) {
                return null;
            }
            return of(StatementKind.DDL, name, mask == null ? "" : "(" + mask + ")", false, null);
        }
        if (argument == null) {
            boolean known =
                    PLAIN.contains(name)
                            || SWITCHES.contains(name)
                            || HEADER_NUMBERS.contains(name)
                            || OURS.contains(name)
                            || name.equals("analysis_limit");
            // SQLite's case_sensitive_like cannot be read and answers nothing.
            return known ? of(StatementKind.PRAGMA_READ, name, "", true, name) : null;
        }
        if (SWITCHES.contains(name)) {
            Boolean on = switchOf(argument);
            return on == null
                    ? null
                    : of(StatementKind.PRAGMA_SET, name, on ? "=1" : "=0", true, name);
        }
        Long number = integer(argument);
        if (HEADER_NUMBERS.contains(name)) {
            boolean fits = number != null && number == (int) (long) number;
            return fits ? of(StatementKind.WRITE, name, "=" + number, false, null) : null;
        }
        if (name.equals("analysis_limit")) {
            boolean fits = number != null && number >= 0 && number <= 1_000_000;
            return fits ? of(StatementKind.PRAGMA_SET, name, "=" + number, true, name) : null;
        }
        return withoutEffect(name, SqlTokens.lower(argument), number);
    }

    /// A name in quotes; a count stays a number, which the two checks that take one want.
    private static String given(String name, @Nullable String argument) {
        if (argument == null) {
            return "";
        }
        Long count = WITH_COUNT.contains(name) ? integer(argument) : null;
        return count == null ? "('" + argument.replace("'", "''") + "')" : "(" + count + ")";
    }

    private static @Nullable GatedStatement withoutEffect(
            String name, String argument, @Nullable Long number) {
        return switch (name) {
            case "journal_mode" ->
                    argument.equals("wal") ? noop(name, name, new SqlValue.Text("wal")) : null;
            case "synchronous" ->
                    switch (argument) {
                        case "normal", "1" -> noop(name, name, new SqlValue.Int(1));
                        case "full", "2" -> noop(name, name, new SqlValue.Int(2));
                        default -> null;
                    };
            case "cache_size" -> number == null ? null : noop(name, name, new SqlValue.Int(number));
            case "busy_timeout" ->
                    number == null || number > BUSY_TIMEOUT_MILLIS_MAX
                            ? null
                            : noop(name, "timeout", new SqlValue.Int(Math.max(0, number)));
            default -> null;
        };
    }

    private static @Nullable Boolean switchOf(String argument) {
        Long number = integer(argument);
        return number != null
                ? Boolean.valueOf(number != 0)
                : SWITCH_WORDS.get(SqlTokens.lower(argument));
    }

    private static @Nullable Long integer(String argument) {
        try {
            return Long.decode(argument.startsWith("0x") ? argument : decimal(argument));
        } catch (NumberFormatException _) {
            return null;
        }
    }

    /// Without the leading zeros that would make it octal to Java.
    private static String decimal(String argument) {
        boolean negative = argument.startsWith("-");
        String digits = argument.substring(negative ? 1 : 0);
        int zeros = 0;
        while (zeros < digits.length() - 1 && digits.charAt(zeros) == '0') {
            zeros++;
        }
        if (digits.isEmpty() || digits.charAt(0) < '0' || digits.charAt(0) > '9') {
            throw new NumberFormatException(argument);
        }
        return (negative ? "-" : "") + digits.substring(zeros);
    }

    private static GatedStatement of(
            StatementKind kind,
            String name,
            String argument,
            boolean readonly,
            @Nullable String setting) {
        String sql = "PRAGMA main." + name + argument;
        return new GatedStatement(
                sql, kind, false, readonly, false, false, List.of(), null, setting, null);
    }

    private static GatedStatement noop(String name, String column, SqlValue value) {
        List<SqlValue[]> rows = List.<SqlValue[]>of(new SqlValue[] {value});
        return noop(name, new FixedAnswer(List.of(new Column(column, null)), rows));
    }

    private static GatedStatement noop(String name, FixedAnswer answer) {
        return new GatedStatement(
                "PRAGMA " + name,
                StatementKind.NOOP,
                false,
                true,
                false,
                false,
                List.of(),
                null,
                name,
                answer);
    }

    /// The real one shows where the file lies.
    private static FixedAnswer databaseList() {
        return new FixedAnswer(
                List.of(
                        new Column("seq", null),
                        new Column("name", null),
                        new Column("file", null)),
                List.<SqlValue[]>of(
                        new SqlValue[] {
                            new SqlValue.Int(0), new SqlValue.Text("main"), new SqlValue.Text("")
                        }));
    }
}
