package dev.litefleet.replica.sqlite;

import org.jspecify.annotations.Nullable;

/// A result column.
///
/// @param name as SQLite names it
/// @param declaredType the type as written in `create table` (`VARCHAR(20)`), null for an
///   expression
public record Column(String name, @Nullable String declaredType) {}
