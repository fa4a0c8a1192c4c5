package dev.litefleet.replica.sqlite;

import dev.litefleet.replica.sqlite.SqlTokens.Kind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The statement gate: splits a text the way SQLite does, lets known statements through and refuses
/// everything else, before SQLite sees a byte. Safe for any thread.
///
/// It must come before prepare, not before step: pragmas act when they are prepared, also under
/// `explain` and in a mere describe. It is a list of what is allowed; what it does not know it
/// refuses.
public final class SqlGate {
    /// Longest text that is looked at, in UTF-16 units.
    public static final int TEXT_MAX = 1_000_000;

    private static final int STRIPES = 16;

    /// Longer texts are checked each time: they are migrations and inlined data, seldom repeated.
    private static final int CACHED_TEXT_MAX = 8_192;

    private final List<Stripe> stripes;

    /// @param cachedMax texts remembered, about; each costs at most about 50 KiB, usually 1
    public SqlGate(int cachedMax) {
        var made = new ArrayList<Stripe>();
        for (int i = 0; i < STRIPES; i++) {
            made.add(new Stripe(Math.max(1, cachedMax / STRIPES)));
        }
        stripes = List.copyOf(made);
    }

    /// A gate that remembers 4,096 texts.
    public SqlGate() {
        this(4_096);
    }

    /// The statements of `sql`, from the cache if this very text was checked before.
    public GatedScript check(String sql) {
        if (sql.length() > CACHED_TEXT_MAX) {
            return read(sql);
        }
        int hash = sql.hashCode();
        Stripe stripe = stripes.get((hash ^ hash >>> 16) & STRIPES - 1);
        GatedScript known = stripe.find(sql);
        if (known != null) {
            return known;
        }
        GatedScript script = read(sql);
        stripe.keep(sql, script);
        return script;
    }

    private static GatedScript read(String sql) {
        if (sql.length() > TEXT_MAX) {
            String message = "SQL text longer than " + TEXT_MAX + " characters";
            return new GatedScript(List.of(), new SqlRefused("SQLITE_TOOBIG", message, -1));
        }
        int broken = firstUnpaired(sql);
        if (broken >= 0) {
            // SQLite would end the text at a NUL, and the driver would turn half a surrogate pair
            // into a question mark: it would see another text than the gate.
            return new GatedScript(
                    List.of(), SqlRefused.unreadable("character not allowed in SQL", broken));
        }
        var tokens = new SqlTokens(sql);
        var statements = new ArrayList<GatedStatement>();
        int from = 0;
        while (from < tokens.count()) {
            int to = statementEnd(tokens, from);
            if (to > from) {
                try {
                    statements.add(new StatementRules(tokens, from, to).gate());
                } catch (SqlRefused refusal) {
                    return new GatedScript(Collections.unmodifiableList(statements), refusal);
                }
            }
            from = to + 1;
        }
        return new GatedScript(Collections.unmodifiableList(statements), null);
    }

    /// Cuts a text of our own into its statements, without checking them.
    static List<String> split(String sql) {
        var tokens = new SqlTokens(sql);
        var statements = new ArrayList<String>();
        int from = 0;
        while (from < tokens.count()) {
            int to = statementEnd(tokens, from);
            if (to > from) {
                statements.add(tokens.statement(from, to));
            }
            from = to + 1;
        }
        return statements;
    }

    private static int firstUnpaired(String sql) {
        for (int i = 0; i < sql.length(); i++) {
            char c = sql.charAt(i);
            if (c == '\0') {
                return i;
            }
            if (Character.isSurrogate(c)) {
                if (Character.isLowSurrogate(c)
                        || i + 1 == sql.length()
                        || !Character.isLowSurrogate(sql.charAt(i + 1))) {
                    return i;
                }
                i++;
            }
        }
        return -1;
    }

    /// Index of the semicolon that ends the statement beginning at token `from`, or the count of
    /// tokens. The semicolons of a trigger's body belong to it: its end is an `end` that follows a
    /// semicolon, because no statement of a body may begin with that word. The `end` of a `case`
    /// follows an expression.
    private static int statementEnd(SqlTokens tokens, int from) {
        boolean trigger = createsTrigger(tokens, from);
        for (int i = from; i < tokens.count(); i++) {
            if (tokens.kind(i) == Kind.SEMICOLON
                    && (!trigger
                            || (i - 2 > from
                                    && tokens.isWord(i - 1, "END")
                                    && tokens.kind(i - 2) == Kind.SEMICOLON))) {
                return i;
            }
        }
        return tokens.count();
    }

    private static boolean createsTrigger(SqlTokens tokens, int from) {
        int at = StatementRules.afterExplain(tokens, from);
        if (!tokens.isWord(at, "CREATE")) {
            return false;
        }
        at++;
        if (tokens.isWord(at, "TEMP") || tokens.isWord(at, "TEMPORARY")) {
            at++;
        }
        return tokens.isWord(at, "TRIGGER");
    }

    /// A part of the cache under one lock, least recently used first.
    private static final class Stripe {
        private final Map<String, GatedScript> scripts; // guarded by this

        Stripe(int max) {
            scripts =
                    new LinkedHashMap<>(16, 0.75f, true) {
                        @Override
                        protected boolean removeEldestEntry(Map.Entry<String, GatedScript> eldest) {
                            return size() > max;
                        }
                    };
        }

        synchronized @Nullable GatedScript find(String sql) {
            return scripts.get(sql);
        }

        synchronized void keep(String sql, GatedScript script) {
            scripts.put(sql, script);
        }
    }
}
