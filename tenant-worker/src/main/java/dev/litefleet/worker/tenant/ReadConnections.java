package dev.litefleet.worker.tenant;

import dev.litefleet.replica.sqlite.SqliteConnection;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A bounded set of connections of one kind, opened when needed, and the line of those who wait for
/// one. Connections are taken, given back and closed on platform threads.
///
/// Nobody blocks: who has to wait is called when a connection is free, and tries again.
/// Thread-safe.
@SuppressWarnings("ReferenceEquality") // Who waits is found by identity.
final class ReadConnections {
    private final Supplier<SqliteConnection> connect;
    private final int max;
    private final int idleMax;
    private final ArrayDeque<SqliteConnection> idle = new ArrayDeque<>(); // guarded by this
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>(); // guarded by this
    private int open; // guarded by this; idle ones and those in use

    /// @param idleMax how many are kept for the next user
    ReadConnections(Supplier<SqliteConnection> connect, int max, int idleMax) {
        this.connect = connect;
        this.max = max;
        this.idleMax = idleMax;
    }

    /// A connection, or null if all are in use.
    @Nullable SqliteConnection take() {
        synchronized (this) {
            SqliteConnection ready = idle.pollLast();
            if (ready != null) {
                return ready;
            }
            if (open == max) {
                return null;
            }
            open++;
        }
        boolean connected = false;
        try {
            SqliteConnection fresh = connect.get();
            connected = true;
            return fresh;
        } finally {
            if (!connected) {
                retire();
            }
        }
    }

    /// A connection, or null after `resume` was put in line: it is called when it is worth trying
    /// again.
    @Nullable SqliteConnection takeOrWait(Runnable resume) {
        SqliteConnection connection = take();
        if (connection != null) {
            return connection;
        }
        synchronized (this) {
            if (idle.isEmpty() && open == max) {
                waiting.add(resume);
                return null;
            }
        }
        return takeOrWait(resume);
    }

    /// Takes somebody out of the line.
    ///
    /// @return whether he was there
    synchronized boolean withdraw(Runnable resume) {
        return waiting.removeIf(place -> place == resume);
    }

    /// Somebody who was called did not take a connection after all: calls the next if one is free.
    void pass() {
        Runnable next = null;
        synchronized (this) {
            if (!idle.isEmpty() || open < max) {
                next = waiting.poll();
            }
        }
        if (next != null) {
            next.run();
        }
    }

    /// The connection is clean and outside a transaction.
    void giveBack(SqliteConnection connection) {
        Runnable next;
        boolean kept;
        synchronized (this) {
            kept = idle.size() < idleMax;
            if (kept) {
                idle.addLast(connection);
            } else {
                open--;
            }
            next = waiting.poll();
        }
        if (!kept) {
            connection.close();
        }
        if (next != null) {
            next.run();
        }
    }

    /// The connection cannot be used any more.
    void discard(SqliteConnection connection) {
        connection.close();
        retire();
    }

    private void retire() {
        Runnable next;
        synchronized (this) {
            open--;
            next = waiting.poll();
        }
        if (next != null) {
            next.run();
        }
    }

    /// Closes those that nobody uses.
    void closeIdle() {
        List<SqliteConnection> closing;
        synchronized (this) {
            closing = new ArrayList<>(idle);
            open -= idle.size();
            idle.clear();
        }
        closing.forEach(SqliteConnection::close);
    }

    synchronized int open() {
        return open;
    }
}
