@NullMarked
package dev.litefleet.controller.placement;

import org.jspecify.annotations.NullMarked;
