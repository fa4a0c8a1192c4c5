package dev.litefleet.replica.log;

import java.time.Duration;

/// Where concurrent work runs and how it waits: everything that the log, the fence and recovery do
/// with threads and time. Real threads ([ThreadTasks]), or a simulation that lets exactly one actor
/// run at a time, as a seed says, in virtual time (`SimTasks` in the test-jar).
public interface Tasks {
    /// Starts `body` beside the caller. An exception that leaves `body` is the program's end: the
    /// implementation reports it loudly.
    void start(String name, Runnable body);

    /// Parks the caller; negative and zero durations return at once.
    ///
    /// @throws TasksInterrupted if the caller is interrupted, and keeps its interrupt flag
    void sleep(Duration time);

    /// Monotonic clock for waits and deadlines, in nanoseconds from an arbitrary origin.
    long nanos();

    /// A new lock with one condition.
    Guard guard();

    /// A lock that is not reentrant by contract, with one condition. `await` and `signalAll` need
    /// the lock held; waits may end without a signal, so they stand in a loop.
    interface Guard {
        void lock();

        void unlock();

        /// @throws TasksInterrupted as [Tasks#sleep]
        void await();

        /// Waits at most this long.
        ///
        /// @return false if the time had run out
        /// @throws TasksInterrupted as [Tasks#sleep]
        boolean await(Duration max);

        void signalAll();
    }

    /// The waiting thread was interrupted: somebody wants it to end.
    final class TasksInterrupted extends RuntimeException {
        public TasksInterrupted(InterruptedException cause) {
            super("interrupted while waiting", cause);
        }
    }
}
