package dev.litefleet.controller;

import dev.litefleet.replica.log.Tasks;
import dev.litefleet.testing.SimTasks;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/// The catalog's thread as an actor of a simulated world: one thing after the other, in the order
/// in which they came. An actor exists only while there is work.
final class SimThread extends AbstractExecutorService {
    private final SimTasks world;
    private final SimTasks.Node node;
    private final Tasks.Guard guard;
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>(); // guard
    private boolean running; // guard
    private boolean closed; // guard

    SimThread(SimTasks world, SimTasks.Node node) {
        this.world = world;
        this.node = node;
        this.guard = node.guard();
    }

    @Override
    public void execute(Runnable task) {
        if (world.over()) {
            task.run(); // Somebody who is unwound closes its files.
            return;
        }
        guard.lock();
        try {
            if (closed) {
                throw new RejectedExecutionException("closed");
            }
            waiting.add(task);
            if (running) {
                return;
            }
            running = true;
        } finally {
            guard.unlock();
        }
        node.start("catalog", this::run);
    }

    private void run() {
        while (true) {
            Runnable task;
            guard.lock();
            try {
                task = waiting.poll();
                if (task == null) {
                    running = false;
                    guard.signalAll();
                    return;
                }
            } finally {
                guard.unlock();
            }
            task.run();
        }
    }

    @Override
    public void shutdown() {
        closed = true;
    }

    @Override
    public List<Runnable> shutdownNow() {
        shutdown();
        return List.of();
    }

    @Override
    public boolean isShutdown() {
        return closed;
    }

    @Override
    public boolean isTerminated() {
        return closed && !running;
    }

    /// Does not wait.
    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
        return isTerminated();
    }

    /// What is queued still runs.
    @Override
    public void close() {
        shutdown();
        guard.lock();
        try {
            while (running && !world.over()) {
                guard.await();
            }
        } finally {
            guard.unlock();
        }
    }
}
