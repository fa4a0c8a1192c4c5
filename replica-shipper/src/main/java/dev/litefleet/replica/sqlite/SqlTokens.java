package dev.litefleet.replica.sqlite;

import java.util.Arrays;

/// A text cut into tokens exactly where SQLite cuts it.
///
/// Written from the documentation: <https://sqlite.org/lang_expr.html> (literals, parameters),
/// <https://sqlite.org/lang_comment.html>, <https://sqlite.org/draft/tokenreq.html>; what they
/// leave open was asked of the library, and `SqlTokensTest` asks it again. SQLite reads UTF-8 bytes
/// and this reads UTF-16 units; both agree because every byte and every unit above 127 is a letter
/// to SQLite, except a byte order mark at the start of a token, which is a space.
final class SqlTokens {
    /// What a token is, as far as the gate cares.
    enum Kind {
        /// A bare word: keyword or name.
        WORD,
        /// A name in double quotes, backquotes or brackets.
        QUOTED,
        STRING,
        BLOB,
        NUMBER,
        /// `?`, `?1`, `:a`, `@a`, `$a::b(c)`.
        VARIABLE,
        SEMICOLON,
        LEFT,
        RIGHT,
        DOT,
        COMMA,
        EQUALS,
        PLUS,
        MINUS,
        /// Any other operator.
        OPERATOR,
        /// What SQLite calls an unrecognized token, also a string without end.
        ILLEGAL
    }

    private final String sql;
    private final int length;
    private Kind[] kinds = new Kind[16];
    private int[] bounds = new int[32]; // start and end of each token
    private int count;

    /// Cuts `sql`, which must hold no NUL.
    SqlTokens(String sql) {
        this.sql = sql;
        this.length = sql.length();
        int at = 0;
        while (at < length) {
            at = next(at);
        }
    }

    int count() {
        return count;
    }

    Kind kind(int index) {
        return kinds[index];
    }

    int start(int index) {
        return bounds[2 * index];
    }

    int end(int index) {
        return bounds[2 * index + 1];
    }

    String text(int index) {
        return sql.substring(start(index), end(index));
    }

    /// The text from token `from` to token `to`, which is a semicolon or does not exist. A comment
    /// at its end stays: SQLite makes it part of a column's name and of a view's stored text.
    String statement(int from, int to) {
        return sql.substring(start(from), to < count ? start(to) : length);
    }

    /// Whether token `index` is the bare word `upper`, in any case. ASCII only: SQLite knows no
    /// other case, while Java's comparison takes U+017F for an s.
    boolean isWord(int index, String upper) {
        if (index >= count || kinds[index] != Kind.WORD) {
            return false;
        }
        int start = start(index);
        if (end(index) - start != upper.length()) {
            return false;
        }
        for (int i = 0; i < upper.length(); i++) {
            if (upper(sql.charAt(start + i)) != upper.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /// The name that token `index` is, without quotes and in lower case; a string counts, because
    /// SQLite takes one wherever it wants a name. Empty if it is none.
    String name(int index) {
        return lower(exactName(index));
    }

    /// The name that token `index` is, without quotes. Empty if it is none.
    String exactName(int index) {
        if (index >= count) {
            return "";
        }
        return switch (kinds[index]) {
            case WORD -> text(index);
            case QUOTED, STRING -> {
                String inner = sql.substring(start(index) + 1, end(index) - 1);
                char quote = sql.charAt(start(index));
                String one = String.valueOf(quote);
                yield quote == '[' ? inner : inner.replace(one + one, one);
            }
            default -> "";
        };
    }

    /// ASCII letters of `text` in lower case.
    static String lower(String text) {
        char[] chars = text.toCharArray();
        for (int i = 0; i < chars.length; i++) {
            if (chars[i] >= 'A' && chars[i] <= 'Z') {
                chars[i] = (char) (chars[i] + ('a' - 'A'));
            }
        }
        return new String(chars);
    }

    private static char upper(char c) {
        return c >= 'a' && c <= 'z' ? (char) (c - ('a' - 'A')) : c;
    }

    /// The unit at `index`, NUL behind the end, as in C.
    private char at(int index) {
        return index < length ? sql.charAt(index) : '\0';
    }

    private int add(Kind kind, int start, int end) {
        if (count == kinds.length) {
            kinds = Arrays.copyOf(kinds, 2 * count);
            bounds = Arrays.copyOf(bounds, 4 * count);
        }
        kinds[count] = kind;
        bounds[2 * count] = start;
        bounds[2 * count + 1] = end;
        count++;
        return end;
    }

    private int next(int at) {
        char c = sql.charAt(at);
        return switch (c) {
            case ' ', '\t', '\n', '\f', '\r' -> spaces(at + 1);
            case '\uFEFF' -> at + 1;
            case '-' -> minus(at);
            case '/' -> slash(at);
            case '(' -> add(Kind.LEFT, at, at + 1);
            case ')' -> add(Kind.RIGHT, at, at + 1);
            case ';' -> add(Kind.SEMICOLON, at, at + 1);
            case ',' -> add(Kind.COMMA, at, at + 1);
            case '+' -> add(Kind.PLUS, at, at + 1);
            case '*', '%', '&', '~' -> add(Kind.OPERATOR, at, at + 1);
            case '=' -> add(Kind.EQUALS, at, at(at + 1) == '=' ? at + 2 : at + 1);
            case '<' -> add(Kind.OPERATOR, at, "=><".indexOf(at(at + 1)) >= 0 ? at + 2 : at + 1);
            case '>' -> add(Kind.OPERATOR, at, "=>".indexOf(at(at + 1)) >= 0 ? at + 2 : at + 1);
            case '|' -> add(Kind.OPERATOR, at, at(at + 1) == '|' ? at + 2 : at + 1);
            case '!' ->
                    at(at + 1) == '='
                            ? add(Kind.OPERATOR, at, at + 2)
                            : add(Kind.ILLEGAL, at, at + 1);
            case '\'' -> quoted(Kind.STRING, at, c);
            case '"', '`' -> quoted(Kind.QUOTED, at, c);
            case '[' -> bracketed(at);
            case '?' -> question(at);
            case '$', '@', '#', ':' -> variable(at);
            case '.' -> digit(at(at + 1)) ? number(at) : add(Kind.DOT, at, at + 1);
            case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' -> number(at);
            case 'x', 'X' -> at(at + 1) == '\'' ? blob(at) : word(at);
            default -> letter(c) ? word(at) : add(Kind.ILLEGAL, at, at + 1);
        };
    }

    /// A run of spaces may go on with a vertical tab, but not begin with one.
    private int spaces(int at) {
        int end = at;
        while (end < length && (sql.charAt(end) == ' ' || within(sql.charAt(end), '\t', '\r'))) {
            end++;
        }
        return end;
    }

    private int minus(int at) {
        if (at(at + 1) == '-') {
            int newline = sql.indexOf('\n', at);
            return newline < 0 ? length : newline;
        }
        if (at(at + 1) == '>') {
            return add(Kind.OPERATOR, at, at(at + 2) == '>' ? at + 3 : at + 2);
        }
        return add(Kind.MINUS, at, at + 1);
    }

    /// A comment without end reaches the end of the text, but a slash and a star at the very end
    /// are two operators.
    private int slash(int at) {
        if (at(at + 1) != '*' || at + 2 >= length) {
            return add(Kind.OPERATOR, at, at + 1);
        }
        int close = sql.indexOf("*/", at + 2);
        return close < 0 ? length : close + 2;
    }

    private int quoted(Kind kind, int at, char quote) {
        int end = at + 1;
        while (end < length) {
            if (sql.charAt(end) != quote) {
                end++;
            } else if (at(end + 1) == quote) {
                end += 2;
            } else {
                return add(kind, at, end + 1);
            }
        }
        return add(Kind.ILLEGAL, at, length);
    }

    private int bracketed(int at) {
        int close = sql.indexOf(']', at);
        return close < 0 ? add(Kind.ILLEGAL, at, length) : add(Kind.QUOTED, at, close + 1);
    }

    private int question(int at) {
        int end = at + 1;
        while (digit(at(end))) {
            end++;
        }
        return add(Kind.VARIABLE, at, end);
    }

    /// `$name`, with `::` inside and one suffix in parentheses (Tcl's arrays) after the first
    /// letter.
    private int variable(int at) {
        int end = at + 1;
        int letters = 0;
        Kind kind = Kind.VARIABLE;
        while (end < length) {
            char c = sql.charAt(end);
            if (identifier(c)) {
                letters++;
                end++;
            } else if (c == '(' && letters > 0) {
                end++;
                while (end < length && !space(sql.charAt(end)) && sql.charAt(end) != ')') {
                    end++;
                }
                if (at(end) == ')') {
                    end++;
                } else {
                    kind = Kind.ILLEGAL;
                }
                break;
            } else if (c == ':' && at(end + 1) == ':') {
                end += 2;
            } else {
                break;
            }
        }
        return add(letters == 0 ? Kind.ILLEGAL : kind, at, end);
    }

    private int number(int at) {
        int end = at;
        if (sql.charAt(at) == '0' && (at(at + 1) | 0x20) == 'x' && hex(at(at + 2))) {
            end = at + 3;
            while (hex(at(end)) || at(end) == '_') {
                end++;
            }
        } else {
            end = digits(end);
            if (at(end) == '.') {
                end = digits(end + 1);
            }
            if ((at(end) | 0x20) == 'e' && exponent(end + 1)) {
                end = digits(end + 2);
            }
        }
        Kind kind = Kind.NUMBER;
        while (end < length && identifier(sql.charAt(end))) {
            kind = Kind.ILLEGAL;
            end++;
        }
        return add(kind, at, end);
    }

    private boolean exponent(int at) {
        return digit(at(at)) || ((at(at) == '+' || at(at) == '-') && digit(at(at + 1)));
    }

    private int digits(int at) {
        int end = at;
        while (digit(at(end)) || at(end) == '_') {
            end++;
        }
        return end;
    }

    private int blob(int at) {
        int end = at + 2;
        while (hex(at(end))) {
            end++;
        }
        if (at(end) == '\'' && (end - at) % 2 == 0) {
            return add(Kind.BLOB, at, end + 1);
        }
        while (end < length && sql.charAt(end) != '\'') {
            end++;
        }
        return add(Kind.ILLEGAL, at, Math.min(end + 1, length));
    }

    private int word(int at) {
        int end = at + 1;
        while (end < length && identifier(sql.charAt(end))) {
            end++;
        }
        return add(Kind.WORD, at, end);
    }

    private static boolean within(char c, char first, char last) {
        return c >= first && c <= last;
    }

    private static boolean space(char c) {
        return c == ' ' || within(c, '\t', '\r');
    }

    private static boolean digit(char c) {
        return within(c, '0', '9');
    }

    private static boolean hex(char c) {
        return digit(c) || within((char) (c | 0x20), 'a', 'f');
    }

    /// Whether a word may begin with it.
    private static boolean letter(char c) {
        return c >= 0x80 || c == '_' || within((char) (c | 0x20), 'a', 'z');
    }

    /// Whether a word may go on with it.
    private static boolean identifier(char c) {
        return letter(c) || digit(c) || c == '$';
    }
}
