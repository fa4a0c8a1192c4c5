package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.NamedArg;
import dev.litefleet.replica.sqlite.SqlValue;
import java.util.List;

/// One statement with its arguments, as a client sent it.
///
/// @param wantRows whether rows go into the answer; the statement runs to its end all the same
public record Stmt(String sql, List<SqlValue> args, List<NamedArg> named, boolean wantRows) {}
