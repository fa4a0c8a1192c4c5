package dev.litefleet.worker.tenant;

import org.jspecify.annotations.Nullable;

/// One step of a batch.
///
/// @param condition whether it runs; null for always
public record Step(Stmt stmt, @Nullable Condition condition) {}
