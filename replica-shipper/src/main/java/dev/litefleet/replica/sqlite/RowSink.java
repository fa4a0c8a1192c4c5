package dev.litefleet.replica.sqlite;

import java.util.List;

/// Receives a statement's rows as they come.
public interface RowSink {
    /// Called once, before the first row, also when there are no rows or no columns.
    void columns(List<Column> columns);

    /// One row. The array is the sink's to keep.
    ///
    /// @return whether to go on; the statement is reset otherwise
    boolean row(SqlValue[] row);
}
