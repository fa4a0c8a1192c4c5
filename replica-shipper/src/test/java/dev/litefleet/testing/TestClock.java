package dev.litefleet.testing;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/// A wall clock that stands still until a test moves it, in either direction.
public final class TestClock implements InstantSource {
    /// Where every test begins unless it says otherwise.
    public static final Instant START = Instant.parse("2026-11-21T12:00:00Z");

    private volatile Instant now;

    public TestClock() {
        this(START);
    }

    public TestClock(Instant now) {
        this.now = now;
    }

    @Override
    public Instant instant() {
        return now;
    }

    /// @param time negative to turn the clock back
    public synchronized void advance(Duration time) {
        now = now.plus(time);
    }

    public void set(Instant time) {
        now = time;
    }
}
