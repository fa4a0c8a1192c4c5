package dev.litefleet.worker.hrana;

import org.jspecify.annotations.Nullable;

/// The body of `POST v3/cursor`: a batch whose results are streamed.
///
/// @param baton null to open a stream
record Cursor(@Nullable String baton, Batch batch) {}
