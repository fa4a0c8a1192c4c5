package dev.litefleet.worker.control;

import dev.litefleet.replica.log.Tasks;
import dev.litefleet.testing.TestTicker;
import java.time.Duration;
import java.util.ArrayDeque;

/// Tasks that run when the test says so, on a ticker that the test advances.
final class HandTasks implements Tasks {
    final TestTicker ticker = new TestTicker();
    private final ArrayDeque<Runnable> started = new ArrayDeque<>();

    @Override
    public void start(String name, Runnable body) {
        started.add(body);
    }

    /// Runs what was started and has not run yet.
    ///
    /// @return how many bodies ran
    int run() {
        int ran = 0;
        for (Runnable next = started.poll(); next != null; next = started.poll()) {
            next.run();
            ran++;
        }
        return ran;
    }

    @Override
    public void sleep(Duration time) {
        ticker.advance(time);
    }

    @Override
    public long nanos() {
        return ticker.read();
    }

    @Override
    public Guard guard() {
        throw new UnsupportedOperationException("not needed by a lease");
    }
}
