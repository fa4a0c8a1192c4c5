@NullMarked
package dev.litefleet.controller.catalog;

import org.jspecify.annotations.NullMarked;
