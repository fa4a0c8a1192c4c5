/// The words of the replica: values that every other package speaks in. JDK only.
@NullMarked
package dev.litefleet.replica;

import org.jspecify.annotations.NullMarked;
