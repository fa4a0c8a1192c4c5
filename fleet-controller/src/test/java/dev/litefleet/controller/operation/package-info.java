@NullMarked
package dev.litefleet.controller.operation;

import org.jspecify.annotations.NullMarked;
