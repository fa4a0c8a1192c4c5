@NullMarked
package dev.litefleet.observer.cli;

import org.jspecify.annotations.NullMarked;
