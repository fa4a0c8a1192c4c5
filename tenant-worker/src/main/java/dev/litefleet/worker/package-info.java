/// The worker process: settings, wiring, start and stop.
@NullMarked
package dev.litefleet.worker;

import org.jspecify.annotations.NullMarked;
