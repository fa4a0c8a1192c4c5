package dev.litefleet.worker.tenant;

import java.util.List;

/// One request of a pipeline, its stored texts already put in (hrana.md, 1.3).
public sealed interface StreamRequest {
    /// Exactly one statement.
    record Execute(Stmt stmt) implements StreamRequest {}

    /// Steps, each of which may depend on how earlier ones went.
    record Batch(List<Step> steps) implements StreamRequest {}

    /// All statements of a text until one fails; their rows are dropped.
    record Sequence(String sql) implements StreamRequest {}

    /// What the first statement of a text takes and gives, without running it.
    record Describe(String sql) implements StreamRequest {}

    /// Whether the stream is outside a transaction.
    record Autocommit() implements StreamRequest {}

    /// Rolls back what is open and ends the stream. The last one of a pipeline.
    record Close() implements StreamRequest {}
}
