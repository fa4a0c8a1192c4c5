/// One controller: its place in the chain of controllers, the fleet's facts, the lives of its
/// workers and the way to each tenant. What HTTP clients see of it is built on [Controller] by the
/// packages above.
@NullMarked
package dev.litefleet.controller;

import org.jspecify.annotations.NullMarked;
