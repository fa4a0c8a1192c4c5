package dev.litefleet.worker.hrana;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The body of `POST v2/pipeline` and `v3/pipeline`.
///
/// @param baton null to open a stream
record PipelineRequest(@Nullable String baton, List<Request> requests) {
    /// One request on the stream.
    sealed interface Request {
        record Execute(Statement statement) implements Request {}

        record RunBatch(Batch batch) implements Request {}

        /// @param sql null if `sqlId` counts
        record Sequence(@Nullable String sql, int sqlId) implements Request {}

        /// @param sql null if `sqlId` counts
        record Describe(@Nullable String sql, int sqlId) implements Request {}

        record StoreSql(int sqlId, String sql) implements Request {}

        record CloseSql(int sqlId) implements Request {}

        record GetAutocommit() implements Request {}

        /// Always the last one.
        record Close() implements Request {}
    }

    boolean closes() {
        return !requests.isEmpty() && requests.getLast() instanceof Request.Close;
    }
}
