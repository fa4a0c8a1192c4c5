package dev.litefleet.replica.sqlite;

import dev.litefleet.replica.sqlite.SqlTokens.Kind;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteException;

/// The driver's exceptions in the words of the Hrana protocol: SQLite's own message, no path.
final class SqliteErrors {
    /// Primary result codes with a name on the wire; <https://sqlite.org/rescode.html>.
    private static final Map<Integer, String> NAMES =
            Map.ofEntries(
                    Map.entry(2, "SQLITE_INTERNAL"),
                    Map.entry(3, "SQLITE_PERM"),
                    Map.entry(4, "SQLITE_ABORT"),
                    Map.entry(5, "SQLITE_BUSY"),
                    Map.entry(6, "SQLITE_LOCKED"),
                    Map.entry(7, "SQLITE_NOMEM"),
                    Map.entry(8, "SQLITE_READONLY"),
                    Map.entry(9, "SQLITE_INTERRUPT"),
                    Map.entry(10, "SQLITE_IOERR"),
                    Map.entry(11, "SQLITE_CORRUPT"),
                    Map.entry(12, "SQLITE_NOTFOUND"),
                    Map.entry(13, "SQLITE_FULL"),
                    Map.entry(14, "SQLITE_CANTOPEN"),
                    Map.entry(15, "SQLITE_PROTOCOL"),
                    Map.entry(17, "SQLITE_SCHEMA"),
                    Map.entry(18, "SQLITE_TOOBIG"),
                    Map.entry(19, "SQLITE_CONSTRAINT"),
                    Map.entry(20, "SQLITE_MISMATCH"),
                    Map.entry(21, "SQLITE_MISUSE"),
                    Map.entry(22, "SQLITE_NOLFS"),
                    Map.entry(23, "SQLITE_AUTH"),
                    Map.entry(25, "SQLITE_RANGE"),
                    Map.entry(26, "SQLITE_NOTADB"));

    private static final int ERROR = 1;

    /// How messages of the compiler begin that point at a place in the text.
    private static final List<String> POINTING =
            List.of(
                    "near \"",
                    "no such column: ",
                    "ambiguous column name: ",
                    "no such function: ",
                    "wrong number of arguments to function ",
                    "misuse of aggregate",
                    "unrecognized token: \"",
                    "incomplete input");

    private SqliteErrors() {}

    /// The failure that `thrown` stands for.
    ///
    /// @param sql the statement being compiled, null if it was running
    /// @param path of the database, which must not be shown
    static SqlFailure of(SQLException thrown, @Nullable String sql, String path) {
        if (!(thrown instanceof SQLiteException failed)) {
            // The driver's own complaints are about how we call it, not about what SQLite said.
            throw new IllegalStateException("driver misused: " + thrown.getMessage(), thrown);
        }
        int code = failed.getResultCode().code;
        String words = words(failed).replace(path, "database");
        if (code == ERROR && sql != null && POINTING.stream().anyMatch(words::startsWith)) {
            int offset = offset(words, sql);
            String place = offset < 0 ? "" : " (at offset " + offset + ")";
            String message = "SQL input error: " + words + place;
            return new SqlFailure("SQL_INPUT_ERROR", null, message, thrown);
        }
        String name = NAMES.getOrDefault(code & 0xff, "SQLITE_UNKNOWN");
        String extended = code > 0xff ? failed.getResultCode().name() : null;
        return new SqlFailure(name, extended, "SQLite error: " + words, thrown);
    }

    /// `sqlite3_errmsg`: the driver wraps it as `[NAME] its own words (message)`.
    private static String words(SQLiteException failed) {
        String message = String.valueOf(failed.getMessage());
        int open = message.indexOf(" (", failed.getResultCode().toString().length());
        return open < 0 || !message.endsWith(")")
                ? message
                : message.substring(open + 2, message.length() - 1);
    }

    /// Where in `sql` the message points, in UTF-16 units. The driver does not pass SQLite's offset
    /// on, so the place is named only when what the message quotes occurs once; -1 otherwise.
    private static int offset(String words, String sql) {
        if (words.equals("incomplete input")) {
            return -1;
        }
        String quoted = quoted(words);
        String last = quoted.substring(quoted.lastIndexOf('.') + 1);
        var tokens = new SqlTokens(sql);
        int found = -1;
        for (int i = 0; i < tokens.count(); i++) {
            boolean same =
                    tokens.text(i).equals(quoted)
                            || (tokens.kind(i) != Kind.STRING
                                    && !last.isEmpty()
                                    && tokens.exactName(i).equals(last));
            if (same && found >= 0) {
                return -1;
            }
            if (same) {
                boolean qualified = !last.equals(quoted) && i >= 2;
                found = tokens.start(qualified ? i - 2 : i);
            }
        }
        return found;
    }

    private static String quoted(String words) {
        int quote = words.indexOf('"');
        if (quote >= 0) {
            int end = words.lastIndexOf('"');
            return end > quote ? words.substring(quote + 1, end) : words.substring(quote + 1);
        }
        int open = words.indexOf("function ");
        if (open >= 0) {
            return words.substring(open + "function ".length()).replace("()", "");
        }
        return words.substring(words.lastIndexOf(": ") + 1).strip();
    }
}
