/// What is done with tenants: each a straight line over the catalog and the workers.
@NullMarked
package dev.litefleet.controller.operation;

import org.jspecify.annotations.NullMarked;
