package dev.litefleet.worker.hrana;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// SQL texts that a stream keeps under a number (`store_sql`). Confined to the request that has the
/// stream.
final class StoredTexts {
    /// `@libsql/client` keeps 30 and evicts by itself; libsql-server allows 50.
    static final int TEXTS_MAX = 128;

    /// All texts of a stream together. One may be as long as a statement may be.
    static final int CHARS_MAX = 1 << 20;

    private final Map<Integer, String> texts = new HashMap<>();
    private int chars;

    /// Keeps `sql` under `id`, in place of what was there (PROTOCOL.md; libsql-server refused).
    ///
    /// @return what is wrong, null if it is stored
    @Nullable HranaError store(int id, String sql) {
        String before = texts.get(id);
        int after = chars + sql.length() - (before == null ? 0 : before.length());
        if (before == null && texts.size() == TEXTS_MAX) {
            return HranaError.inBand(
                    "SQL_STORE_TOO_MANY",
                    "Too many SQL texts stored on the stream, at most " + TEXTS_MAX);
        }
        if (after > CHARS_MAX) {
            return HranaError.inBand(
                    "SQL_STORE_TOO_LARGE",
                    "SQL texts stored on the stream are too large, at most "
                            + CHARS_MAX
                            + " characters in all");
        }
        texts.put(id, sql);
        chars = after;
        return null;
    }

    /// Forgets `id`; an unknown one is fine.
    void close(int id) {
        String before = texts.remove(id);
        if (before != null) {
            chars -= before.length();
        }
    }

    /// @throws HranaFailure 400 if nothing is stored under `id`
    String text(int id) {
        String sql = texts.get(id);
        if (sql == null) {
            throw HranaFailure.protocol("SQL text " + id + " is not stored on this stream");
        }
        return sql;
    }

    boolean isEmpty() {
        return texts.isEmpty();
    }

    int chars() {
        return chars;
    }
}
