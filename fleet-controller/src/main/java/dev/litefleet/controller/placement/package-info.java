/// Which worker a tenant lives on. Pure.
@NullMarked
package dev.litefleet.controller.placement;

import org.jspecify.annotations.NullMarked;
