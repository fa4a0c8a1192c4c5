@NullMarked
package dev.litefleet.controller.testing;

import org.jspecify.annotations.NullMarked;
