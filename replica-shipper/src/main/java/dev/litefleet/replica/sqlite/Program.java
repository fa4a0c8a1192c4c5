package dev.litefleet.replica.sqlite;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;
import org.sqlite.core.CoreStatement;
import org.sqlite.core.DB;

/// A prepared statement, used through the driver's native layer: its JDBC result sets cost more
/// than a point select does. Confined like its connection.
///
/// The driver itself splits nothing off here and runs none of its pseudo-statements (`backup to`,
/// `restore from`): those live in the JDBC layer above.
final class Program extends CoreStatement {
    private final DB db;
    private final long statement; // sqlite3_stmt*, valid while `pointer` is open
    private List<Column> columns = List.of();
    private long columnsSeen = SqliteDatabase.SCHEMA_CHANGING;

    Program(SQLiteConnection connection, String text) throws SQLException {
        super(connection);
        db = connection.getDatabase();
        sql = text;
        db.prepare(this);
        statement = pointer.safeRunLong((_, address) -> address);
    }

    /// Binds and steps to the first row.
    ///
    /// @return whether there is one; if not, the statement has been reset
    boolean start(@Nullable Object[] values) throws SQLException {
        return db.execute(this, values);
    }

    /// Steps to the next row.
    ///
    /// @return whether there is one
    boolean next() throws SQLException {
        int code = db.step(statement);
        if (code == SQLITE_ROW) {
            return true;
        }
        if (code != SQLITE_DONE) {
            db.throwex(code);
        }
        return false;
    }

    int columnCount() throws SQLException {
        return db.column_count(statement);
    }

    /// The columns of the row just stepped to. Names are read once per state of the schema: SQLite
    /// recompiles a statement by itself, and its columns may be others afterwards.
    ///
    /// @param before the schema's stamp before the statement was started
    /// @param after the schema's stamp now
    List<Column> columns(int count, long before, long after) throws SQLException {
        if (after == SqliteDatabase.SCHEMA_CHANGING
                || after != columnsSeen
                || columns.size() != count) {
            columns = readColumns();
            columnsSeen = before == after ? after : SqliteDatabase.SCHEMA_CHANGING;
        }
        return columns;
    }

    List<Column> readColumns() throws SQLException {
        int count = columnCount();
        var read = new ArrayList<Column>(count);
        for (int i = 0; i < count; i++) {
            read.add(new Column(db.column_name(statement, i), db.column_decltype(statement, i)));
        }
        return List.copyOf(read);
    }

    SqlValue[] row(int count) throws SQLException {
        var row = new SqlValue[count];
        for (int i = 0; i < count; i++) {
            row[i] = value(i);
        }
        return row;
    }

    SqlValue value(int column) throws SQLException {
        return switch (db.column_type(statement, column)) {
            case SQLITE_INTEGER -> new SqlValue.Int(db.column_long(statement, column));
            case SQLITE_FLOAT -> new SqlValue.Real(db.column_double(statement, column));
            case SQLITE_TEXT -> new SqlValue.Text(db.column_text(statement, column));
            case SQLITE_BLOB -> blob(db.column_blob(statement, column));
            default -> SqlValue.NULL;
        };
    }

    private static SqlValue blob(byte @Nullable [] bytes) {
        return new SqlValue.Blob(bytes == null ? new byte[0] : bytes);
    }

    long number(int column) throws SQLException {
        return db.column_long(statement, column);
    }

    /// Ready for the next run. Errors here repeat the one that stepping reported.
    void reset(boolean forget) throws SQLException {
        if (!pointer.isClosed()) {
            db.reset(statement);
            if (forget) {
                db.clear_bindings(statement);
            }
        }
    }

    /// Whether an error made the driver give the statement up.
    boolean lost() {
        return pointer.isClosed();
    }

    void close() throws SQLException {
        pointer.close();
    }

    @Override
    public ResultSet executeQuery(String text, boolean closeOnCompletion) {
        throw new UnsupportedOperationException("not a JDBC statement");
    }
}
