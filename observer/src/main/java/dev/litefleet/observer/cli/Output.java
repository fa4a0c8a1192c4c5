package dev.litefleet.observer.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.replica.sqlite.SqlValue;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.regex.Pattern;

/// Rows to people and programs: data to standard output, words to standard error.
public enum Output {
    TABLE {
        @Override
        public void print(List<String> columns, List<SqlValue[]> rows, PrintWriter out) {
            int[] width = columns.stream().mapToInt(String::length).toArray();
            List<String[]> cells = rows.stream().map(Output::cells).toList();
            for (String[] row : cells) {
                for (int i = 0; i < row.length; i++) {
                    width[i] = Math.max(width[i], Math.min(row[i].length(), CELL_CHARS_MAX));
                }
            }
            line(columns.toArray(String[]::new), width, out);
            cells.forEach(row -> line(row, width, out));
        }
    },
    JSON {
        @Override
        public void print(List<String> columns, List<SqlValue[]> rows, PrintWriter out) {
            List<String> names = unique(columns);
            ArrayNode array = MAPPER.createArrayNode();
            for (SqlValue[] row : rows) {
                ObjectNode object = array.addObject();
                for (int i = 0; i < row.length; i++) {
                    put(object, names.get(i), row[i]);
                }
            }
            out.println(array.toPrettyString());
        }
    },
    CSV {
        @Override
        public void print(List<String> columns, List<SqlValue[]> rows, PrintWriter out) {
            out.print(String.join(",", columns.stream().map(Output::quoted).toList()) + "\r\n");
            for (SqlValue[] row : rows) {
                var fields = new String[row.length];
                for (int i = 0; i < row.length; i++) {
                    fields[i] = row[i] instanceof SqlValue.Null ? "" : field(plain(row[i]));
                }
                out.print(String.join(",", fields) + "\r\n");
            }
        }
    };

    private static final long EXACT = 1L << 53;
    private static final int CELL_CHARS_MAX = 80;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    // What moves a terminal's cursor or turns its direction of writing; tenants' data is hostile.
    private static final Pattern UNPRINTABLE =
            Pattern.compile("[\\p{Cc}\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]");

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSX").withZone(ZoneOffset.UTC);

    /// RFC 3339, UTC, milliseconds.
    static String time(Instant time) {
        return TIME.format(time);
    }

    public abstract void print(List<String> columns, List<SqlValue[]> rows, PrintWriter out);

    private static String[] cells(SqlValue[] row) {
        var cells = new String[row.length];
        for (int i = 0; i < row.length; i++) {
            cells[i] = shortened(UNPRINTABLE.matcher(start(row[i])).replaceAll(" "));
        }
        return cells;
    }

    private static String shortened(String text) {
        if (text.length() <= CELL_CHARS_MAX) {
            return text;
        }
        int end = CELL_CHARS_MAX - 1;
        return text.substring(0, Character.isHighSurrogate(text.charAt(end - 1)) ? end - 1 : end)
                + "…";
    }

    /// A little more of the value than a cell shows.
    private static String start(SqlValue value) {
        return switch (value) {
            case SqlValue.Blob(var bytes) when bytes.length > CELL_CHARS_MAX ->
                    "x'" + HexFormat.of().formatHex(bytes, 0, CELL_CHARS_MAX);
            case SqlValue.Text(var text) when text.length() > 2 * CELL_CHARS_MAX ->
                    text.substring(0, 2 * CELL_CHARS_MAX);
            default -> plain(value);
        };
    }

    private static void line(String[] cells, int[] width, PrintWriter out) {
        var line = new StringBuilder();
        for (int i = 0; i < cells.length; i++) {
            line.append(cells[i]);
            if (i < cells.length - 1) {
                line.repeat(' ', width[i] - cells[i].length() + 2);
            }
        }
        out.println(line.toString().stripTrailing());
    }

    private static String plain(SqlValue value) {
        return switch (value) {
            case SqlValue.Null() -> "NULL";
            case SqlValue.Int(var number) -> Long.toString(number);
            case SqlValue.Real(var number) -> Double.toString(number);
            case SqlValue.Text(var text) -> text;
            case SqlValue.Blob(var bytes) -> "x'" + HexFormat.of().formatHex(bytes) + "'";
        };
    }

    /// 64-bit integers stay exact: most readers of JSON would round them above 2^53.
    private static void put(ObjectNode object, String name, SqlValue value) {
        switch (value) {
            case SqlValue.Null() -> object.putNull(name);
            case SqlValue.Int(var number) -> {
                if (number > -EXACT && number < EXACT) {
                    object.put(name, number);
                } else {
                    object.put(name, Long.toString(number));
                }
            }
            case SqlValue.Real(var number) -> object.put(name, number);
            case SqlValue.Text(var text) -> object.put(name, text);
            case SqlValue.Blob(var bytes) ->
                    object.putObject(name).put("base64", Base64.getEncoder().encodeToString(bytes));
        }
    }

    /// Columns may share a name; members of an object may not.
    private static List<String> unique(List<String> columns) {
        var taken = new LinkedHashSet<String>();
        for (String column : columns) {
            String name = column;
            for (int i = 1; !taken.add(name); i++) {
                name = column + ":" + i;
            }
        }
        return List.copyOf(taken);
    }

    /// An empty text is not NULL.
    private static String field(String text) {
        return text.isEmpty() ? "\"\"" : quoted(text);
    }

    private static String quoted(String field) {
        return field.matches("[^\",\r\n]*") ? field : '"' + field.replace("\"", "\"\"") + '"';
    }
}
