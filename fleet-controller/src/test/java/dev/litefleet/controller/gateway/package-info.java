@NullMarked
package dev.litefleet.controller.gateway;

import org.jspecify.annotations.NullMarked;
