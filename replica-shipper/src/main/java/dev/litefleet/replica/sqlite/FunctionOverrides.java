package dev.litefleet.replica.sqlite;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.sql.SQLException;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.sqlite.Function;
import org.sqlite.SQLiteConnection;
import org.sqlite.core.Codes;

/// Replaces functions that a tenant could end or stall the process with. The driver adds some that
/// SQLite does not have: `padl` and `replicate` overrun a buffer, others double memory; SQLite's
/// own `instr` and `trim` compare every pair of positions in one instruction, deaf to interrupts.
final class FunctionOverrides {
    /// Registered for every text encoding (1 or 4), else SQLite prefers the original where the
    /// encoding fits better; deterministic and innocuous, as the originals of those that stay are,
    /// so that indexes, generated columns, views and triggers may use them.
    private static final int FLAGS = 0x1 | 0x800 | 0x200000;

    /// Name to numbers of arguments.
    static final Map<String, List<Integer>> REFUSED =
            Map.ofEntries(
                    Map.entry("atn2", List.of(2)),
                    Map.entry("charindex", List.of(2, 3)),
                    Map.entry("cot", List.of(1)),
                    Map.entry("coth", List.of(1)),
                    Map.entry("difference", List.of(2)),
                    Map.entry("fts3_tokenizer", List.of(1, 2)),
                    Map.entry("leftstr", List.of(2)),
                    Map.entry("lower_quartile", List.of(1)),
                    Map.entry("mode", List.of(1)),
                    Map.entry("padc", List.of(2)),
                    Map.entry("padl", List.of(2)),
                    Map.entry("padr", List.of(2)),
                    Map.entry("proper", List.of(1)),
                    Map.entry("replicate", List.of(2)),
                    Map.entry("reverse", List.of(1)),
                    Map.entry("rightstr", List.of(2)),
                    Map.entry("rtreedepth", List.of(1)),
                    Map.entry("rtreenode", List.of(2)),
                    Map.entry("square", List.of(1)),
                    Map.entry("stdev", List.of(1)),
                    Map.entry("strfilter", List.of(2)),
                    Map.entry("upper_quartile", List.of(1)),
                    Map.entry("variance", List.of(1)));

    private FunctionOverrides() {}

    static void install(SQLiteConnection connection) throws SQLException {
        for (var refused : REFUSED.entrySet()) {
            for (int args : refused.getValue()) {
                create(connection, refused.getKey(), new Refused(refused.getKey()), args);
            }
        }
        create(connection, "instr", new Instr(storesUtf8(connection)), 2);
        for (Side side : Side.values()) {
            create(connection, side.function, new Trim(side), 1);
            create(connection, side.function, new Trim(side), 2);
        }
    }

    private static void create(
            SQLiteConnection connection, String name, Function function, int args)
            throws SQLException {
        Function.create(connection, name, function, args, FLAGS);
    }

    private static boolean storesUtf8(SQLiteConnection connection) throws SQLException {
        var asked = new Program(connection, "pragma encoding");
        try {
            asked.start(Bindings.NONE.values);
            return asked.value(0).equals(new SqlValue.Text("UTF-8"));
        } finally {
            asked.close();
        }
    }

    private static final class Refused extends Function {
        private final String name;

        Refused(String name) {
            this.name = name;
        }

        @Override
        protected void xFunc() throws SQLException {
            error("function not available: " + name);
        }
    }

    /// `instr(X,Y)`: 1 plus the characters of X before the first Y, 0 without one; bytes instead of
    /// characters if both are blobs. Linear in their lengths (Knuth, Morris, Pratt).
    private static final class Instr extends Function {
        private final boolean utf8;

        /// @param utf8 whether texts arrive in UTF-8, which are then not converted
        Instr(boolean utf8) {
            this.utf8 = utf8;
        }

        @Override
        protected void xFunc() throws SQLException {
            int type = value_type(0);
            int neededType = value_type(1);
            if (type == Codes.SQLITE_NULL || neededType == Codes.SQLITE_NULL) {
                result();
                return;
            }
            boolean characters = type != Codes.SQLITE_BLOB || neededType != Codes.SQLITE_BLOB;
            result(find(bytes(0, type), bytes(1, neededType), characters));
        }

        private byte[] bytes(int index, int type) throws SQLException {
            if (utf8 || type == Codes.SQLITE_BLOB) {
                byte[] bytes = value_blob(index);
                return bytes == null ? new byte[0] : bytes;
            }
            return value_text(index).getBytes(UTF_8);
        }
    }

    static int find(byte[] text, byte[] needle, boolean characters) {
        if (needle.length == 0) {
            return 1;
        }
        if (needle.length > text.length) {
            return 0;
        }
        int[] borders = borders(needle);
        int matched = 0;
        for (int i = 0; i < text.length; i++) {
            while (matched > 0 && text[i] != needle[matched]) {
                matched = borders[matched - 1];
            }
            if (text[i] == needle[matched]) {
                matched++;
            }
            if (matched == needle.length) {
                int start = i + 1 - matched;
                if (!characters || start == 0 || startsCharacter(text[start])) {
                    return characters ? 1 + characters(text, start) : 1 + start;
                }
                matched = borders[matched - 1];
            }
        }
        return 0;
    }

    /// Of each prefix, the length of its longest proper prefix that also ends it.
    private static int[] borders(byte[] needle) {
        int[] borders = new int[needle.length];
        int border = 0;
        for (int i = 1; i < needle.length; i++) {
            while (border > 0 && needle[i] != needle[border]) {
                border = borders[border - 1];
            }
            if (needle[i] == needle[border]) {
                border++;
            }
            borders[i] = border;
        }
        return borders;
    }

    private static boolean startsCharacter(byte b) {
        return (b & 0xc0) != 0x80;
    }

    /// Steps from the first byte to `end` by characters: what a broken text begins with counts too.
    private static int characters(byte[] text, int end) {
        int count = 0;
        for (int i = 1; i <= end; i++) {
            if (startsCharacter(text[i])) {
                count++;
            }
        }
        return count;
    }

    /// Which ends are trimmed.
    enum Side {
        BOTH("trim", true, true),
        LEFT("ltrim", true, false),
        RIGHT("rtrim", false, true);

        private final String function;
        private final boolean left;
        private final boolean right;

        Side(String function, boolean left, boolean right) {
            this.function = function;
            this.left = left;
            this.right = right;
        }
    }

    /// `trim(X)` and `trim(X,Y)`: X without the characters of Y, or spaces, at its ends. One
    /// look-up per character. Bytes that are no UTF-8 come back as U+FFFD: the driver returns text
    /// only.
    private static final class Trim extends Function {
        private final Side side;

        Trim(Side side) {
            this.side = side;
        }

        @Override
        protected void xFunc() throws SQLException {
            if (value_type(0) == Codes.SQLITE_NULL
                    || (args() == 2 && value_type(1) == Codes.SQLITE_NULL)) {
                result();
                return;
            }
            String characters = args() == 2 ? value_text(1) : " ";
            result(trim(value_text(0), characters, side));
        }
    }

    /// The original reads its second argument up to a NUL.
    static String trim(String text, String characters, Side side) {
        int end = characters.indexOf('\0');
        var set = new BitSet();
        characters.substring(0, end < 0 ? characters.length() : end).codePoints().forEach(set::set);
        int from = 0;
        int to = text.length();
        while (side.left && from < to && set.get(text.codePointAt(from))) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (side.right && from < to && set.get(text.codePointBefore(to))) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }
}
