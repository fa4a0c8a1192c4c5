/// The fleet's facts: a SQLite database that is shipped like any tenant's.
@NullMarked
package dev.litefleet.controller.catalog;

import org.jspecify.annotations.NullMarked;
