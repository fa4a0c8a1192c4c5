/// SQLite as this fleet uses it: one place that opens connections, one gate that tenants' SQL
/// passes before SQLite sees it, and one mapping of its failures. Shared by worker, observer and
/// catalog.
///
/// Rules and their evidence: the sandbox section of this module's `DESIGN.md`.
@NullMarked
package dev.litefleet.replica.sqlite;

import org.jspecify.annotations.NullMarked;
