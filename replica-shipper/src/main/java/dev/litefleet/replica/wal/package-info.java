/// SQLite's write-ahead log, read while SQLite writes it.
@NullMarked
package dev.litefleet.replica.wal;

import org.jspecify.annotations.NullMarked;
