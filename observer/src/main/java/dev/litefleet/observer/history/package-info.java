/// What the object store alone says about a fleet and its tenants' histories. Only reads.
@NullMarked
package dev.litefleet.observer.history;

import org.jspecify.annotations.NullMarked;
