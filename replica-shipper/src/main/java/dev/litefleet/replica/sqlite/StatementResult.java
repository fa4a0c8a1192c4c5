package dev.litefleet.replica.sqlite;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a statement answered.
///
/// @param rows empty if the rows went to a [RowSink] or were not wanted
/// @param rowsRead rows returned, also those that were not wanted
/// @param rowsAffected rows changed by this statement itself, without triggers
/// @param lastInsertRowid of an `INSERT`, else null
public record StatementResult(
        List<Column> columns,
        List<SqlValue[]> rows,
        long rowsRead,
        long rowsAffected,
        @Nullable Long lastInsertRowid) {}
