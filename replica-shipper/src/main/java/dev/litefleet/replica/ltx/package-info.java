/// LTX, the file format of derived files and log entries; readable and writable by Litestream.
@NullMarked
package dev.litefleet.replica.ltx;

import org.jspecify.annotations.NullMarked;
