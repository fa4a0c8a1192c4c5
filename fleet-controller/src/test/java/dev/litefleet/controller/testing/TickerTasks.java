package dev.litefleet.controller.testing;

import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.testing.TestTicker;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/// Real threads whose time stands still until a test advances the ticker. Timed waits look at the
/// ticker every millisecond.
public final class TickerTasks implements Tasks {
    private static final Duration LOOK = Duration.ofMillis(1);

    private final TestTicker ticker = new TestTicker();
    private final Tasks threads = new ThreadTasks();
    private final AtomicInteger timed = new AtomicInteger();

    public void advance(Duration time) {
        ticker.advance(time);
    }

    /// How many threads wait for time to pass.
    public int waiting() {
        return timed.get();
    }

    @Override
    public void start(String name, Runnable body) {
        threads.start(name, body);
    }

    @Override
    public void sleep(Duration time) {
        long until = ticker.read() + time.toNanos();
        timed.incrementAndGet();
        while (until - ticker.read() > 0) {
            LockSupport.parkNanos(LOOK.toNanos());
        }
        timed.decrementAndGet();
    }

    @Override
    public long nanos() {
        return ticker.read();
    }

    @Override
    public Guard guard() {
        Guard guard = threads.guard();
        return new Guard() {
            @Override
            public void lock() {
                guard.lock();
            }

            @Override
            public void unlock() {
                guard.unlock();
            }

            @Override
            public void await() {
                guard.await();
            }

            /// May return early, as every wait may.
            @Override
            public boolean await(Duration max) {
                long until = ticker.read() + max.toNanos();
                timed.incrementAndGet();
                guard.await(LOOK);
                timed.decrementAndGet();
                return until - ticker.read() > 0;
            }

            @Override
            public void signalAll() {
                guard.signalAll();
            }
        };
    }
}
