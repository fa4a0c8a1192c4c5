/// Fleets for the observer's tests.
@NullMarked
package dev.litefleet.observer.testing;

import org.jspecify.annotations.NullMarked;
