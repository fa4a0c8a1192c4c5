package dev.litefleet.replica.sqlite;

import java.time.Duration;
import java.util.function.LongSupplier;

/// A reading of a monotonic ticker after which work must have ended.
///
/// @param nanos reading, compared by difference only
/// @param ticker nanoseconds, monotonic, arbitrary origin
public record Deadline(long nanos, LongSupplier ticker) {
    /// The deadline `time` from now.
    public static Deadline after(Duration time, LongSupplier ticker) {
        return new Deadline(ticker.getAsLong() + time.toNanos(), ticker);
    }

    /// Time left; zero or negative when it is over.
    public Duration remaining() {
        return Duration.ofNanos(nanos - ticker.getAsLong());
    }

    /// Whether it is over.
    public boolean expired() {
        return nanos - ticker.getAsLong() <= 0;
    }
}
