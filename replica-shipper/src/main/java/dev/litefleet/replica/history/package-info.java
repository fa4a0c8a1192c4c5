/// A tenant's derived files: written from log entries, listed, planned, and read back into a
/// database that is verified page for page.
@NullMarked
package dev.litefleet.replica.history;

import org.jspecify.annotations.NullMarked;
