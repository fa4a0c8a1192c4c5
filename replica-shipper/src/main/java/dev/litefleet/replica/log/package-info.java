/// The commit log of a session: one writer, numbered slots, put-if-absent, a fence at the end. The
/// protocol is in `DESIGN.md`, the bytes in `FORMAT.md`.
@NullMarked
package dev.litefleet.replica.log;

import org.jspecify.annotations.NullMarked;
