/// Who is alive: the chain of controllers, the leases of worker sessions, and what is done about a
/// session that has lost its lease.
@NullMarked
package dev.litefleet.controller.lease;

import org.jspecify.annotations.NullMarked;
