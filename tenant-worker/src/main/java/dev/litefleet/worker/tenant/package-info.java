/// Tenants on this worker: opened on demand, written under one permit each, shipped commit by
/// commit, answered only when what they saw is durable.
@NullMarked
package dev.litefleet.worker.tenant;

import org.jspecify.annotations.NullMarked;
