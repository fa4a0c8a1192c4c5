package dev.litefleet.worker.control;

import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/// This session's right to serve plain reads without asking anybody (commit-log.md, Reads by a
/// possible zombie).
///
/// It is measured from the moment a heartbeat was *sent*, on the monotonic clock: whenever the
/// controller's answer was written, it was later, so the controller's own count ends after ours. No
/// worker grants itself a lease. While there is none, every read waits for a look at the session's
/// own log that began after the read arrived; all reads that wait share one.
///
/// A lease is asked for only while there are reads: the controller has to make sure of its own
/// right to grant it, which costs the fleet one request to the store per lease period. Any thread.
public final class Lease {
    /// How long after the last read a lease is still asked for.
    static final Duration WANTED = Duration.ofSeconds(30);

    private final Tasks tasks;
    private final Supplier<SelfCheck> selfCheck;
    private List<CompletableFuture<SelfCheck>> waiting = new ArrayList<>(); // guarded by this
    private boolean checking; // guarded by this
    private boolean used; // guarded by this
    private long usedNanos; // guarded by this
    private volatile Runnable missed = () -> {};
    private Term term = new Term(0, Duration.ZERO, false); // guarded by this; read racily

    /// @param until on the monotonic clock
    private record Term(long until, Duration length, boolean granted) {}

    /// @param selfCheck looks at the session's own log; blocks
    public Lease(Tasks tasks, Supplier<SelfCheck> selfCheck) {
        this.tasks = tasks;
        this.selfCheck = selfCheck;
    }

    /// The controller granted `length` in answer to a message sent at `sent`. Answers may overtake
    /// each other; the lease never gets shorter by a late one.
    ///
    /// @param sent reading of [Tasks#nanos] before the message left
    public synchronized void renewed(long sent, Duration length) {
        long until = sent + length.toNanos();
        if (!term.granted() || until - term.until() > 0) {
            term = new Term(until, length, true);
        }
    }

    /// The controller said that the session is closed, or the log said so.
    public synchronized void end() {
        term = new Term(0, Duration.ZERO, false);
    }

    /// Whether plain reads may be served now.
    public synchronized boolean live() {
        return term.granted() && tasks.nanos() - term.until() < 0;
    }

    /// Whether a plain read that has just arrived may be served without a look at the log.
    /// Remembers that there are reads.
    public boolean covers() {
        boolean live;
        synchronized (this) {
            used = true;
            usedNanos = tasks.nanos();
            live = live();
        }
        if (!live) {
            missed.run();
        }
        return live;
    }

    /// Whether somebody read within the last [#WANTED].
    public synchronized boolean wanted() {
        return used && tasks.nanos() - usedNanos < WANTED.toNanos();
    }

    /// @param missed runs whenever a read finds no lease, in its thread; must not block
    void onMissed(Runnable missed) {
        this.missed = missed;
    }

    /// Time since the heartbeat that this lease rests on was sent; zero without a lease.
    public synchronized Duration age() {
        return term.granted()
                ? Duration.ofNanos(tasks.nanos() - term.until()).plus(term.length())
                : Duration.ZERO;
    }

    /// What a look at the log finds that begins after this call. Calls that come while one runs
    /// share the next one.
    public CompletableFuture<SelfCheck> check() {
        var answer = new CompletableFuture<SelfCheck>();
        synchronized (this) {
            waiting.add(answer);
            if (checking) {
                return answer;
            }
            checking = true;
        }
        tasks.start("self-check", this::checkWhileAwaited);
        return answer;
    }

    private void checkWhileAwaited() {
        while (true) {
            List<CompletableFuture<SelfCheck>> served;
            synchronized (this) {
                if (waiting.isEmpty()) {
                    checking = false;
                    return;
                }
                served = waiting;
                waiting = new ArrayList<>();
            }
            SelfCheck found;
            try {
                found = selfCheck.get();
            } catch (RuntimeException failure) {
                served.forEach(answer -> answer.completeExceptionally(failure));
                continue;
            }
            served.forEach(answer -> answer.complete(found));
        }
    }
}
