package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.Column;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlValue;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Takes what a cursor yields (hrana.md, 1.5), each entry only when it may leave: the first row of
/// a step once its snapshot is durable, the end of a writing step once its commit is. Called by one
/// thread at a time; must not block.
public interface CursorSink {
    /// A step has begun.
    void begin(int step, List<Column> columns);

    void row(SqlValue[] row);

    /// The step that began last has succeeded.
    void end(long rowsAffected, @Nullable Long lastInsertRowid);

    /// A step has failed, begun or not.
    void error(int step, SqlFailure failure);

    /// Whether more entries are welcome. When not, [#whenReady] says when.
    boolean ready();

    /// Calls `resume` once, from any thread, as soon as [#ready] is or becomes true.
    void whenReady(Runnable resume);

    /// The cursor is at its end.
    void done(StreamState after);

    /// It ends here, without its end. Nothing follows.
    void failed(RuntimeException failure);
}
