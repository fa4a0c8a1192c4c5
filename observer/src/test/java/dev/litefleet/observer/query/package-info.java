@NullMarked
package dev.litefleet.observer.query;

import org.jspecify.annotations.NullMarked;
