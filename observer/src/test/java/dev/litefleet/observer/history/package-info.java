@NullMarked
package dev.litefleet.observer.history;

import org.jspecify.annotations.NullMarked;
