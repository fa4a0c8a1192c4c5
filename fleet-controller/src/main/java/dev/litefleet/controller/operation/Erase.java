package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.Erasure;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.Erased;
import dev.litefleet.replica.objects.ObjectStore;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Erases the objects of a deleted tenant (commit-log.md, G6): at once when no session holds it any
/// more, and again when no request that was signed before can arrive; then the receipt is written.
/// What lies in shared segments goes with the exact window.
///
/// Every step may be repeated; the next controller goes on where this one stopped. Thread-safe.
public final class Erase {
    private static final Logger log = LoggerFactory.getLogger(Erase.class);

    /// Passes of one attempt after which something must be writing there.
    private static final int PASSES_MAX = 8;

    private static final Duration AGAIN_MIN = Duration.ofMillis(200);
    private static final Duration AGAIN_MAX = Duration.ofMinutes(10);
    private static final Duration LOOK = Duration.ofSeconds(10);

    private final Catalog catalog;
    private final ObjectStore store;
    private final Tasks tasks;
    private final InstantSource clock;
    private final Duration settled;
    private final Duration segments;
    private final Tasks.Guard guard;
    private final Set<TenantId> running = new HashSet<>(); // guard

    /// @param store with the rights to delete
    /// @param settled after so long no request that was sent before is executed any more
    /// @param segments after so long no segment of before exists any more
    public Erase(
            Catalog catalog,
            ObjectStore store,
            Tasks tasks,
            InstantSource clock,
            Duration settled,
            Duration segments) {
        this.catalog = catalog;
        this.store = store;
        this.tasks = tasks;
        this.clock = clock;
        this.settled = settled;
        this.segments = segments;
        this.guard = tasks.guard();
    }

    /// Takes up what a predecessor has left.
    public void resume() {
        await(tasks, catalog.unerased()).forEach(this::start);
    }

    /// Goes on behind the caller until there is a receipt, unless that is under way already.
    public void start(TenantId tombstone) {
        guard.lock();
        try {
            if (!running.add(tombstone)) {
                return;
            }
        } finally {
            guard.unlock();
        }
        tasks.start("erase-" + tombstone, () -> runUntilDone(tombstone));
    }

    /// The top of a background task: the one place that may catch everything.
    private void runUntilDone(TenantId tenant) {
        Duration pause = AGAIN_MIN;
        try {
            while (!run(tenant, pause)) {
                pause = longer(pause);
            }
        } catch (Catalog.Ended | Fenced ended) {
            log.atDebug()
                    .addKeyValue("tenant", tenant)
                    .setCause(ended)
                    .log("erasure was left to a successor");
        } finally {
            guard.lock();
            running.remove(tenant);
            guard.unlock();
        }
    }

    private static Duration longer(Duration pause) {
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(AGAIN_MAX) > 0 ? AGAIN_MAX : twice;
    }

    /// @param pause to wait after a failure
    /// @return whether there is nothing left to do
    private boolean run(TenantId tenant, Duration pause) {
        try {
            return erase(tenant);
        } catch (Catalog.Ended | Fenced ended) {
            throw ended;
        } catch (RuntimeException failure) {
            log.atError()
                    .addKeyValue("tenant", tenant)
                    .setCause(failure)
                    .log("tenant was not erased, will try again");
            tasks.sleep(pause);
            return false;
        }
    }

    /// @return whether there is nothing left to do
    boolean erase(TenantId tenant) {
        Optional<Erasure> found = await(tasks, catalog.erasure(tenant));
        if (found.isEmpty() || found.get().receipt() != null) {
            return true;
        }
        Instant unheld = found.get().unheldAt();
        if (unheld == null) {
            tasks.sleep(LOOK); // Its session releases it, or is closed.
            return false;
        }
        empty(tenant);
        Instant last = unheld.plus(settled);
        if (last.isAfter(clock.instant())) {
            tasks.sleep(Duration.between(clock.instant(), last));
        }
        // A late request of the last owner, or of a recovery, may have written since.
        empty(tenant);
        Instant emptyAt = clock.instant();
        if (emptyAt.isBefore(last)) {
            return false; // The clock was turned back: not yet.
        }
        await(tasks, catalog.erased(tenant, emptyAt, unheld.plus(segments)));
        log.atInfo().addKeyValue("tenant", tenant).log("tenant erased");
        return true;
    }

    /// Erases until a listing is empty.
    private void empty(TenantId tenant) {
        String folder = "tenants/" + tenant + "/";
        for (int pass = 0; pass < PASSES_MAX; pass++) {
            Erased some = store.erase(folder, _ -> true);
            int uploads = store.abortUploads(folder, Instant.MAX);
            await(tasks, catalog.erasedSome(tenant, some, uploads));
            if (some.refused() > 0) {
                throw new Refused(some);
            }
            if (store.list(folder, "", 1).objects().isEmpty()) {
                return;
            }
        }
        throw new IllegalStateException("objects keep coming into " + folder);
    }

    /// The store will not let go of something.
    private static final class Refused extends RuntimeException {
        Refused(Erased erased) {
            super(
                    "the store refuses to delete %d: %s"
                            .formatted(erased.refused(), erased.refusal()));
        }
    }
}
