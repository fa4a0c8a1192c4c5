package dev.litefleet.replica.log;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// [Tasks] on virtual threads. Guards may be used from platform threads too.
public final class ThreadTasks implements Tasks {
    private static final Logger log = LoggerFactory.getLogger(ThreadTasks.class);

    @Override
    public void start(String name, Runnable body) {
        Thread.ofVirtual()
                .name(name)
                .uncaughtExceptionHandler((thread, failure) ->
                        log.atError()
                                .setCause(failure)
                                .addKeyValue("task", thread.getName())
                                .log("task died"))
                .start(body);
    }

    @Override
    public void sleep(Duration time) {
        if (!time.isPositive()) {
            return;
        }
        try {
            TimeUnit.NANOSECONDS.sleep(time.toNanos());
        } catch (InterruptedException interrupted) {
            throw interrupted(interrupted);
        }
    }

    @Override
    public long nanos() {
        return System.nanoTime();
    }

    @Override
    public Guard guard() {
        return new LockGuard();
    }

    private static TasksInterrupted interrupted(InterruptedException cause) {
        Thread.currentThread().interrupt();
        return new TasksInterrupted(cause);
    }

    private static final class LockGuard implements Guard {
        private final ReentrantLock lock = new ReentrantLock();
        private final Condition condition = lock.newCondition();

        @Override
        public void lock() {
            lock.lock();
        }

        @Override
        public void unlock() {
            lock.unlock();
        }

        @Override
        @SuppressWarnings("WaitNotInLoop") // The caller's loop: see Guard.
        public void await() {
            try {
                condition.await();
            } catch (InterruptedException cause) {
                throw interrupted(cause);
            }
        }

        @Override
        @SuppressWarnings("WaitNotInLoop") // The caller's loop: see Guard.
        public boolean await(Duration max) {
            try {
                return condition.awaitNanos(max.toNanos()) > 0;
            } catch (InterruptedException cause) {
                throw interrupted(cause);
            }
        }

        @Override
        public void signalAll() {
            condition.signalAll();
        }
    }
}
