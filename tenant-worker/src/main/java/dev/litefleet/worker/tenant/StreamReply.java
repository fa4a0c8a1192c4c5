package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.Description;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.StatementResult;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The answer to one [StreamRequest].
public sealed interface StreamReply {
    record Executed(StatementResult result) implements StreamReply {}

    /// @param results by step; null for one that failed or was skipped
    /// @param errors by step; null for one that succeeded or was skipped
    record Batched(List<@Nullable StatementResult> results, List<@Nullable SqlFailure> errors)
            implements StreamReply {}

    record Sequenced() implements StreamReply {}

    record Described(Description description) implements StreamReply {}

    record AutocommitIs(boolean autocommit) implements StreamReply {}

    record Closed() implements StreamReply {}

    /// The request failed; later ones of its pipeline ran nevertheless.
    record Failed(SqlFailure failure) implements StreamReply {}
}
