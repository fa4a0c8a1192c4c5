/// Fakes with real state, faults on request, and real stores, for the tests of every module.
@NullMarked
package dev.litefleet.testing;

import org.jspecify.annotations.NullMarked;
