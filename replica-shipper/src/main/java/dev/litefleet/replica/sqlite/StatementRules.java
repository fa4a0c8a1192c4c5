package dev.litefleet.replica.sqlite;

import dev.litefleet.replica.sqlite.SqlTokens.Kind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Decides about one statement, by its first words and by the names in it.
final class StatementRules {
    /// Table functions that show a path or write although they stand in a `select`.
    private static final Set<String> TABLE_FUNCTIONS_REFUSED =
            Set.of("pragma_database_list", "pragma_optimize");

    /// Modules a tenant may create virtual tables with.
    private static final Set<String> MODULES = Set.of("fts5", "fts5vocab", "rtree", "rtree_i32");

    /// Words after which a name is a table's, an index's, a view's or a trigger's.
    private static final Set<String> BEFORE_NAMES =
            Set.of(
                    "into",
                    "update",
                    "from",
                    "join",
                    "table",
                    "view",
                    "index",
                    "trigger",
                    "exists",
                    "to",
                    "on",
                    "reindex",
                    "analyze",
                    "abort",
                    "fail",
                    "ignore",
                    "replace",
                    "rollback",
                    "rename",
                    "references");

    private static final Set<String> CONTROL =
            Set.of("begin", "commit", "end", "rollback", "savepoint", "release");

    /// Highest parameter number of any SQLite build we use.
    private static final int VARIABLES_MAX = 32_766;

    private final SqlTokens tokens;
    private final int from;
    private final int to;
    private int at;

    /// @param from index of the first token
    /// @param to index after the last
    StatementRules(SqlTokens tokens, int from, int to) {
        this.tokens = tokens;
        this.from = from;
        this.to = to;
        this.at = from;
    }

    /// Index of the token after `explain` and `explain query plan`; `from` if it is not there.
    static int afterExplain(SqlTokens tokens, int from) {
        if (!tokens.isWord(from, "EXPLAIN")) {
            return from;
        }
        return tokens.isWord(from + 1, "QUERY") && tokens.isWord(from + 2, "PLAN")
                ? from + 3
                : from + 1;
    }

    /// A statement of our own, if it begins or ends a transaction or a savepoint; else null.
    static @Nullable GatedStatement control(String sql) {
        var tokens = new SqlTokens(sql);
        boolean control = tokens.count() > 0 && CONTROL.contains(tokens.name(0));
        return control ? new StatementRules(tokens, 0, tokens.count()).gate() : null;
    }

    GatedStatement gate() {
        for (int i = from; i < to; i++) {
            if (tokens.kind(i) == Kind.ILLEGAL) {
                String problem = "unrecognized token: \"" + tokens.text(i) + "\"";
                throw SqlRefused.unreadable(problem, tokens.start(i));
            }
        }
        at = Math.min(afterExplain(tokens, from), to);
        boolean explain = at > from;
        if (at == to) {
            throw SqlRefused.unreadable("incomplete input", tokens.end(to - 1));
        }
        if (explain && tokens.isWord(at, "PRAGMA")) {
            // A pragma takes effect when its explanation is prepared.
            throw refuse("EXPLAIN PRAGMA", from);
        }
        GatedStatement statement = byFirstWord();
        checkNames(statement.kind());
        return explain ? explained(statement) : statement;
    }

    private GatedStatement explained(GatedStatement of) {
        return new GatedStatement(
                text(),
                StatementKind.READ,
                true,
                of.readonly(),
                false,
                false,
                of.parameters(),
                null,
                null,
                null);
    }

    private GatedStatement byFirstWord() {
        if (tokens.kind(at) != Kind.WORD) {
            throw near(at);
        }
        String word = tokens.name(at);
        int first = at;
        at++;
        return switch (word) {
            case "select", "values" -> statement(StatementKind.READ, true, false, false);
            case "with" -> with();
            case "insert", "replace" -> statement(StatementKind.WRITE, false, true, true);
            case "update", "delete" -> statement(StatementKind.WRITE, false, true, false);
            case "create" -> create();
            case "drop" -> drop();
            case "alter" -> alter();
            case "reindex", "analyze" -> {
                mainSchemaOnly();
                if (at + 1 == to && tokens.name(at).equals("temp")) {
                    throw refuse("schema temp", at);
                }
                yield statement(StatementKind.DDL, false, false, false);
            }
            case "begin" -> begin();
            case "commit", "end" -> {
                transactionName();
                atEnd();
                yield control(StatementKind.COMMIT, "COMMIT", true, null);
            }
            case "rollback" -> rollback();
            case "savepoint" -> savepoint();
            case "release" -> {
                skip("SAVEPOINT");
                String name = lastName();
                yield control(StatementKind.RELEASE, "RELEASE " + quote(name), true, name);
            }
            case "pragma" -> new PragmaRules(tokens, at, to).gate();
            case "attach", "detach", "vacuum" -> throw refuse(word.toUpperCase(Locale.ROOT), first);
            default -> throw near(first);
        };
    }

    private GatedStatement statement(
            StatementKind kind, boolean readonly, boolean countsChanges, boolean inserts) {
        return new GatedStatement(
                text(),
                kind,
                false,
                readonly,
                countsChanges,
                inserts,
                parameters(),
                null,
                null,
                null);
    }

    private static GatedStatement control(
            StatementKind kind, String sql, boolean readonly, @Nullable String savepoint) {
        return new GatedStatement(
                sql, kind, false, readonly, false, false, List.of(), savepoint, null, null);
    }

    private String text() {
        return tokens.statement(from, to);
    }

    /// The verb stands behind the last common table expression.
    private GatedStatement with() {
        skip("RECURSIVE");
        do {
            at++; // the expression's name
            if (kindAt(at) == Kind.LEFT) {
                parenthesis();
            }
            expect("AS");
            if (tokens.isWord(at, "NOT")) {
                at++;
            }
            skip("MATERIALIZED");
            if (kindAt(at) != Kind.LEFT) {
                throw near(at);
            }
            parenthesis();
        } while (kindAt(at) == Kind.COMMA && at++ < to);
        if (at >= to || tokens.kind(at) != Kind.WORD) {
            throw near(at);
        }
        return switch (tokens.name(at)) {
            case "select", "values" -> statement(StatementKind.READ, true, false, false);
            case "insert", "replace" -> statement(StatementKind.WRITE, false, true, true);
            case "update", "delete" -> statement(StatementKind.WRITE, false, true, false);
            default -> throw near(at);
        };
    }

    private void parenthesis() {
        int depth = 0;
        do {
            Kind kind = kindAt(at);
            if (kind == null) {
                throw near(at);
            }
            if (kind == Kind.LEFT) {
                depth++;
            } else if (kind == Kind.RIGHT) {
                depth--;
            }
            at++;
        } while (depth > 0);
    }

    private GatedStatement create() {
        if (tokens.isWord(at, "TEMP") || tokens.isWord(at, "TEMPORARY")) {
            throw refuse("temporary objects", at);
        }
        boolean virtual = tokens.isWord(at, "VIRTUAL");
        if (virtual || tokens.isWord(at, "UNIQUE")) {
            at++;
            expect(virtual ? "TABLE" : "INDEX");
        } else {
            schemaObject();
        }
        ifExists("NOT");
        mainSchemaOnly();
        if (virtual) {
            at += kindAt(at + 1) == Kind.DOT ? 3 : 1;
            expect("USING");
            String module = tokens.name(at);
            if (at >= to || !MODULES.contains(module)) {
                throw refuse("module " + module, at);
            }
        }
        return statement(StatementKind.DDL, false, false, false);
    }

    private GatedStatement drop() {
        schemaObject();
        ifExists(null);
        mainSchemaOnly();
        if (systemTable(at)) {
            throw refuse("DROP of a system table", at);
        }
        return statement(StatementKind.DDL, false, false, false);
    }

    private GatedStatement alter() {
        expect("TABLE");
        mainSchemaOnly();
        return statement(StatementKind.DDL, false, false, false);
    }

    private void schemaObject() {
        if (at >= to
                || !(tokens.isWord(at, "TABLE")
                        || tokens.isWord(at, "VIEW")
                        || tokens.isWord(at, "INDEX")
                        || tokens.isWord(at, "TRIGGER"))) {
            throw near(at);
        }
        at++;
    }

    private void ifExists(@Nullable String not) {
        if (tokens.isWord(at, "IF")) {
            at++;
            if (not != null) {
                expect(not);
            }
            expect("EXISTS");
        }
    }

    /// The name that follows may be qualified with `main` and nothing else.
    private void mainSchemaOnly() {
        if (kindAt(at + 1) == Kind.DOT && !tokens.name(at).equals("main")) {
            throw refuse("schema " + tokens.name(at), at);
        }
    }

    /// SQLite's grammar, and libSQL's two additions, which older clients also write as the name of
    /// the transaction.
    private GatedStatement begin() {
        StatementKind kind = StatementKind.BEGIN_DEFERRED;
        String mode = at < to ? tokens.name(at) : "";
        switch (mode) {
            case "deferred", "concurrent" -> at++;
            case "immediate", "exclusive" -> {
                kind = StatementKind.BEGIN_IMMEDIATE;
                at++;
            }
            case "readonly" -> {
                kind = StatementKind.BEGIN_READONLY;
                at++;
            }
            default -> {}
        }
        String name = transactionName();
        if (kind == StatementKind.BEGIN_DEFERRED && name.equals("readonly")) {
            kind = StatementKind.BEGIN_READONLY;
        }
        atEnd();
        return kind == StatementKind.BEGIN_IMMEDIATE
                ? control(kind, "BEGIN IMMEDIATE", false, null)
                : control(kind, "BEGIN", true, null);
    }

    /// Skips `transaction` and the name that may follow it, which means nothing.
    private String transactionName() {
        if (!tokens.isWord(at, "TRANSACTION") || at >= to) {
            return "";
        }
        at++;
        if (at < to && !tokens.isWord(at, "TO") && named(at)) {
            return tokens.name(at++);
        }
        return "";
    }

    private GatedStatement rollback() {
        transactionName();
        if (at == to) {
            return control(StatementKind.ROLLBACK, "ROLLBACK", true, null);
        }
        expect("TO");
        skip("SAVEPOINT");
        String name = lastName();
        return control(StatementKind.ROLLBACK_TO, "ROLLBACK TO " + quote(name), true, name);
    }

    private GatedStatement savepoint() {
        String name = lastName();
        return control(StatementKind.SAVEPOINT, "SAVEPOINT " + quote(name), true, name);
    }

    private String lastName() {
        if (at >= to || !named(at)) {
            throw near(at);
        }
        String name = tokens.exactName(at++);
        atEnd();
        return name;
    }

    private boolean named(int index) {
        Kind kind = kindAt(index);
        return kind == Kind.WORD || kind == Kind.QUOTED || kind == Kind.STRING;
    }

    private static String quote(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }

    private void atEnd() {
        if (at < to) {
            throw near(at);
        }
    }

    private void expect(String word) {
        if (at >= to || !tokens.isWord(at, word)) {
            throw near(at);
        }
        at++;
    }

    private void skip(String word) {
        if (at < to && tokens.isWord(at, word)) {
            at++;
        }
    }

    private @Nullable Kind kindAt(int index) {
        return index < to ? tokens.kind(index) : null;
    }

    private SqlRefused near(int index) {
        return near(tokens, index, to);
    }

    /// SQLite's own words for a token that does not fit.
    static SqlRefused near(SqlTokens tokens, int index, int to) {
        if (index >= to) {
            return SqlRefused.unreadable("incomplete input", tokens.end(to - 1));
        }
        String problem = "near \"" + tokens.text(index) + "\": syntax error";
        return SqlRefused.unreadable(problem, tokens.start(index));
    }

    private SqlRefused refuse(String what, int index) {
        return SqlRefused.notAllowed(what, index < to ? tokens.start(index) : -1);
    }

    /// Names that may not occur, wherever they stand: a trigger's or a view's body runs later, when
    /// no gate looks.
    private void checkNames(StatementKind kind) {
        boolean changes = kind.needsWritePermit();
        for (int i = from; i < to; i++) {
            if (!named(i)) {
                continue;
            }
            String name = tokens.name(i);
            if (TABLE_FUNCTIONS_REFUSED.contains(name)) {
                throw refuse(name, i);
            }
            if (!changes) {
                continue;
            }
            boolean place = namePlace(i);
            if (place && name.equals("temp") && kindAt(i + 1) == Kind.DOT) {
                throw refuse("schema temp", i);
            }
            if ((name.startsWith("_litestream_") || name.startsWith("_lf_"))
                    && (place || tokens.kind(i) != Kind.STRING)) {
                throw refuse("reserved name " + name, i);
            }
            if (written(i) && systemTable(i)) {
                throw refuse("writing a system table", i);
            }
        }
    }

    /// Whether a name stands where SQLite would take a string for one.
    private boolean namePlace(int index) {
        if (index == from) {
            return false;
        }
        int before = index - 1;
        return tokens.kind(before) == Kind.DOT
                || (tokens.kind(before) == Kind.WORD && BEFORE_NAMES.contains(tokens.name(before)));
    }

    /// Whether `index` begins the name of a table that the statement, or a trigger's body, writes.
    private boolean written(int index) {
        int before = index - 1;
        if (before < from) {
            return false;
        }
        if (tokens.isWord(before, "INTO") || tokens.isWord(before, "UPDATE")) {
            return true;
        }
        if (before - 1 < from) {
            return false;
        }
        return (tokens.isWord(before, "FROM") && tokens.isWord(before - 1, "DELETE"))
                || (tokens.kind(before) == Kind.WORD
                        && tokens.isWord(before - 1, "OR")
                        && before - 2 >= from
                        && tokens.isWord(before - 2, "UPDATE"));
    }

    /// Whether the name at `index`, perhaps qualified, is SQLite's own. Its counters of
    /// `autoincrement` are documented as the application's to change.
    private boolean systemTable(int index) {
        int table = kindAt(index + 1) == Kind.DOT ? index + 2 : index;
        String name = table < to ? tokens.name(table) : "";
        return name.startsWith("sqlite_") && !name.equals("sqlite_sequence");
    }

    /// SQLite's numbering: `?` takes the next number, `?5` is 5, a name takes the next number where
    /// it first occurs. The first name of a number is its name.
    private List<@Nullable String> parameters() {
        Map<String, Integer> numbers = new HashMap<>();
        var names = new ArrayList<@Nullable String>();
        for (int i = from; i < to; i++) {
            if (tokens.kind(i) != Kind.VARIABLE) {
                continue;
            }
            String text = tokens.text(i);
            if (text.equals("?")) {
                names.add(null);
            } else if (text.startsWith("?")) {
                int number = number(text, i);
                while (names.size() < number) {
                    names.add(null);
                }
                if (names.get(number - 1) == null) {
                    names.set(number - 1, text);
                }
            } else if (numbers.putIfAbsent(text, names.size() + 1) == null) {
                names.add(text);
            }
            if (names.size() > VARIABLES_MAX) {
                throw SqlRefused.unreadable("too many SQL variables", tokens.start(i));
            }
        }
        return names.isEmpty() ? List.of() : Collections.unmodifiableList(names);
    }

    private int number(String text, int index) {
        int number = 0;
        for (int i = 1; i < text.length() && number <= VARIABLES_MAX; i++) {
            number = 10 * number + text.charAt(i) - '0';
        }
        if (number < 1 || number > VARIABLES_MAX) {
            String problem = "variable number must be between ?1 and ?" + VARIABLES_MAX;
            throw SqlRefused.unreadable(problem, tokens.start(index));
        }
        return number;
    }
}
