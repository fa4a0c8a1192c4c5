package dev.litefleet.replica.sqlite;

/// An argument for a named parameter.
///
/// @param name with its sign (`:a`, `@a`, `$a`) or without
public record NamedArg(String name, SqlValue value) {}
