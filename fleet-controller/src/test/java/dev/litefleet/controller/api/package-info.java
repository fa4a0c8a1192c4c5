@NullMarked
package dev.litefleet.controller.api;

import org.jspecify.annotations.NullMarked;
