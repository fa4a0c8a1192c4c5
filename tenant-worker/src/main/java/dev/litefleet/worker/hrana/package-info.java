/// Hrana over HTTP: reads requests, runs them on a tenant, writes answers. Nothing is decided here
/// about SQL; see `worker.tenant`.
@NullMarked
package dev.litefleet.worker.hrana;

import org.jspecify.annotations.NullMarked;
