/// Takes the numbers of the README: each beside a peer or the raw limit, in one run.
@NullMarked
package dev.litefleet.bench;

import org.jspecify.annotations.NullMarked;
