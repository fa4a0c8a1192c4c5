/// The `litefleet` program: the top of the graph, wires everything, decides nothing.
@NullMarked
package dev.litefleet.cli;

import org.jspecify.annotations.NullMarked;
