@NullMarked
package dev.litefleet.controller.lease;

import org.jspecify.annotations.NullMarked;
