/// `litefleet observe`: what people type after something went wrong.
@NullMarked
package dev.litefleet.observer.cli;

import org.jspecify.annotations.NullMarked;
