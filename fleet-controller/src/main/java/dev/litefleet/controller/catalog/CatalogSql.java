package dev.litefleet.controller.catalog;

import dev.litefleet.replica.sqlite.Bindings;
import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.GatedStatement;
import dev.litefleet.replica.sqlite.ResultLimits;
import dev.litefleet.replica.sqlite.RowSink;
import dev.litefleet.replica.sqlite.SqlGate;
import dev.litefleet.replica.sqlite.SqlValue;
import dev.litefleet.replica.sqlite.SqliteConnection;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Runs the catalog's own statements on its one connection. Texts are constants or put together
/// from constants; every value is bound. Confined to the catalog's thread.
final class CatalogSql {
    /// One row of an answer; columns from 0.
    static final class Row {
        private final SqlValue[] cells;

        private Row(SqlValue[] cells) {
            this.cells = cells;
        }

        String text(int column) {
            return ((SqlValue.Text) cells[column]).value();
        }

        @Nullable String textOrNull(int column) {
            return isNull(column) ? null : text(column);
        }

        long integer(int column) {
            return ((SqlValue.Int) cells[column]).value();
        }

        boolean isNull(int column) {
            return cells[column] instanceof SqlValue.Null;
        }
    }

    private final SqliteConnection connection;
    private final SqlGate gate = new SqlGate();
    private final Map<String, GatedStatement> gated = new HashMap<>();

    CatalogSql(SqliteConnection connection) {
        this.connection = connection;
    }

    /// @param args texts, integers and nulls
    /// @return rows changed
    int update(String text, @Nullable Object... args) {
        GatedStatement statement = gated(text);
        return Math.toIntExact(
                connection.run(statement, bind(statement, args), ResultLimits.NONE).rowsAffected());
    }

    /// @param args texts, integers and nulls
    <T> List<T> query(String text, Function<Row, T> read, @Nullable Object... args) {
        GatedStatement statement = gated(text);
        var rows = new ArrayList<SqlValue[]>();
        connection.run(
                statement,
                bind(statement, args),
                ResultLimits.NONE,
                new RowSink() {
                    @Override
                    public void columns(List<Column> columns) {}

                    @Override
                    public boolean row(SqlValue[] row) {
                        return rows.add(row);
                    }
                });
        // Read afterwards: reading may run another statement.
        return rows.stream().map(cells -> read.apply(new Row(cells))).toList();
    }

    /// Any number of statements without values.
    void script(String text) {
        connection.exec(text);
    }

    long integer(String text) {
        return connection.queryLong(text);
    }

    boolean inTransaction() {
        return !connection.autocommit();
    }

    private GatedStatement gated(String text) {
        return gated.computeIfAbsent(text, sql -> gate.check(sql).single());
    }

    private static Bindings bind(GatedStatement statement, @Nullable Object[] args) {
        var values = new ArrayList<SqlValue>(args.length);
        for (Object arg : args) {
            values.add(
                    switch (arg) {
                        case null -> SqlValue.NULL;
                        case String text -> new SqlValue.Text(text);
                        case Long number -> new SqlValue.Int(number);
                        default ->
                                throw new IllegalArgumentException("cannot bind " + arg.getClass());
                    });
        }
        return Bindings.of(statement, values, List.of());
    }
}
