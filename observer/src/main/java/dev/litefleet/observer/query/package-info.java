/// One guarded statement on an image.
@NullMarked
package dev.litefleet.observer.query;

import org.jspecify.annotations.NullMarked;
