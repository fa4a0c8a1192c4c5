package dev.litefleet.testing;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/// A monotonic ticker that stands still until a test advances it.
public final class TestTicker implements LongSupplier {
    // Not from 0: readings of a ticker mean nothing but their difference, and code that thinks
    // otherwise shall fail here.
    private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 1_000_000_000L);

    /// In nanoseconds; wraps around in every test that runs for a second.
    @Override
    public long getAsLong() {
        return nanos.get();
    }

    public long read() {
        return nanos.get();
    }

    public void advance(Duration time) {
        if (time.isNegative()) {
            throw new IllegalArgumentException("a ticker never goes back: " + time);
        }
        nanos.addAndGet(time.toNanos());
    }
}
