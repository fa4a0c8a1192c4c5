package dev.litefleet.replica.history;

import dev.litefleet.replica.log.LogName;

/// A part of a log that its writer may still write.
///
/// @param part 1 or more
public record OpenPart(LogName log, int part) {}
