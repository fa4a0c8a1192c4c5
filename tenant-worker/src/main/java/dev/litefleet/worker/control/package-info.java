/// The conversation between a worker and the controller. The worker owns the wire records; the
/// controller imports them.
@NullMarked
package dev.litefleet.worker.control;

import org.jspecify.annotations.NullMarked;
