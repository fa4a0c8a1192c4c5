package dev.litefleet.controller.lease;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What is done about a worker's session that has lost its lease or whose process is dead: fence
/// its log, recover it, close it, take its tenants away (commit-log.md, C2). They come back on
/// their next request.
///
/// Every step may be repeated, also by two controllers at once, so a failure means: again from the
/// start. Thread-safe.
public final class Failover {
    private static final Logger log = LoggerFactory.getLogger(Failover.class);

    private static final Duration AGAIN_MIN = Duration.ofMillis(200);
    private static final Duration AGAIN_MAX = Duration.ofSeconds(10);

    /// Recoveries at a time. Each holds 64 MiB of pages, and 8 MiB or one larger entry of bodies: a
    /// whole fleet that dies at once must not take its controller with it.
    public static final int RECOVERING_MAX = 4;

    private final Catalog catalog;
    private final Leases leases;
    private final ObjectStore store;
    private final Supplier<Epoch> epoch;
    private final Path tmp;
    private final Tasks tasks;
    private final RandomGenerator random;
    private final Consumer<SessionId> gone;
    private final Tasks.Guard guard;
    private final Set<SessionId> running = new HashSet<>(); // guard
    private int recovering; // guard

    /// @param epoch ours at the moment
    /// @param tmp folder for temporary files of recoveries
    /// @param gone hears of a session when nothing may be sent to it any more; before its tenants
    ///   are assigned again, and possibly more than once
    public Failover(
            Catalog catalog,
            Leases leases,
            ObjectStore store,
            Supplier<Epoch> epoch,
            Path tmp,
            Tasks tasks,
            RandomGenerator random,
            Consumer<SessionId> gone) {
        this.catalog = catalog;
        this.leases = leases;
        this.store = store;
        this.epoch = epoch;
        this.tmp = tmp;
        this.tasks = tasks;
        this.random = random;
        this.gone = gone;
        this.guard = tasks.guard();
    }

    /// Ends the session in the background, unless that is under way already.
    ///
    /// @param dead its process is known to have ended: nobody waits for its lease
    public void start(SessionId session, boolean dead) {
        leases.end(session, dead);
        guard.lock();
        try {
            if (!running.add(session)) {
                return;
            }
        } finally {
            guard.unlock();
        }
        tasks.start("failover-" + session, () -> runUntilDone(session));
    }

    /// The top of a background loop: the one place that may catch everything.
    private void runUntilDone(SessionId session) {
        long pause = AGAIN_MIN.toNanos();
        while (true) {
            try {
                run(session);
                break;
            } catch (LogEnded | Catalog.Ended | Fenced ended) {
                // Our successor will do it.
                break;
            } catch (RuntimeException failure) {
                log.atError()
                        .addKeyValue("session", session)
                        .setCause(failure)
                        .log("failover failed, will try again");
                tasks.sleep(Duration.ofNanos(pause / 2 + random.nextLong(pause)));
                pause = Math.min(2 * pause, AGAIN_MAX.toNanos());
            }
        }
        guard.lock();
        try {
            running.remove(session);
        } finally {
            guard.unlock();
        }
    }

    /// When it is its turn. All logs are fenced by then, so nobody writes to one that waits.
    private Recovered recover(SessionRow row, Fence.Closed closed) {
        guard.lock();
        try {
            while (recovering == RECOVERING_MAX) {
                guard.await();
            }
            recovering++;
        } finally {
            guard.unlock();
        }
        try {
            return Recovery.recover(store, row.log(), closed, tmp, tasks, this::isWanted);
        } finally {
            guard.lock();
            try {
                recovering--;
                guard.signalAll();
            } finally {
                guard.unlock();
            }
        }
    }

    /// Of a tombstone nothing is written any more, or what was erased would come back.
    private boolean isWanted(TenantKey key) {
        return await(tasks, catalog.tenant(key.tenant()))
                .filter(tenant -> tenant.deletedAt() != null)
                .isEmpty();
    }

    /// The four steps, in the only order that is safe.
    void run(SessionId session) {
        long began = tasks.nanos();
        Optional<SessionRow> fencing = await(tasks, catalog.fencing(session));
        if (fencing.isEmpty()) {
            leases.forget(session);
            return;
        }
        SessionRow row = fencing.get();
        gone.accept(session);
        // Until then the worker may serve plain reads, and a new owner's commits would make them
        // stale.
        leases.awaitEnded(session);
        Epoch ours = epoch.get();
        // The part was read in the commit that set `fencing`; from there it never changes.
        Fence.Closed closed =
                Fence.close(
                        store,
                        row.log(),
                        leases.durable(session, row.part()),
                        ours.session().ulid(),
                        ours.number(),
                        tasks,
                        random);
        Recovered recovered = recover(row, closed);
        recovered
                .failed()
                .forEach((tenant, failure) ->
                        log.atError()
                                .addKeyValue("tenant", tenant)
                                .addKeyValue("session", session)
                                .setCause(failure)
                                .log("tenant was not recovered"));
        long unassigned = await(tasks, catalog.closed(session, recovered.coverage()));
        leases.forget(session);
        log.atInfo()
                .addKeyValue("worker", row.worker())
                .addKeyValue("session", session)
                .addKeyValue("slot", closed.slot())
                .addKeyValue("tenants", unassigned)
                .addKeyValue("objects", recovered.filesWritten())
                .addKeyValue("took", Duration.ofNanos(tasks.nanos() - began))
                .log("session closed");
    }
}
