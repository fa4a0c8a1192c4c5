package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Assigned;
import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Takes a tenant from the session that has it: asks for a release and writes down that it is done
/// (commit-log.md, W8). Whoever is asked twice says the same, and the catalog takes a release only
/// while it still says (tenant, session, number). Thread-safe.
public final class Unassign {
    private static final Logger log = LoggerFactory.getLogger(Unassign.class);

    private static final Duration ASK_AGAIN_MIN = Duration.ofMillis(100);
    private static final Duration ASK_AGAIN_MAX = Duration.ofSeconds(10);

    private static final Duration FOR_EVER = Duration.ofDays(365);

    private final Catalog catalog;
    private final Leases leases;
    private final WorkerLink link;
    private final Tasks tasks;
    private final LongSupplier epoch;

    /// @param epoch ours at the moment
    public Unassign(
            Catalog catalog, Leases leases, WorkerLink link, Tasks tasks, LongSupplier epoch) {
        this.catalog = catalog;
        this.leases = leases;
        this.link = link;
        this.tasks = tasks;
        this.epoch = epoch;
    }

    /// Blocks until no session has the assignment any more, or the time is over.
    ///
    /// @param session that the catalog names
    /// @param number of its assignment
    /// @return whether the catalog names another assignment or none now
    public boolean run(TenantId tenant, String session, long number, Duration max) {
        long deadline = tasks.nanos() + max.toNanos();
        long pause = ASK_AGAIN_MIN.toNanos();
        while (true) {
            long seen = leases.changes();
            Optional<Assigned.To> held = await(tasks, catalog.held(tenant, session, number));
            if (held.isEmpty() || ask(held.get())) {
                return true;
            }
            long left = deadline - tasks.nanos();
            if (left <= 0) {
                return false;
            }
            leases.awaitChange(seen, Duration.ofNanos(Math.min(left, pause)));
            pause = Math.min(2 * pause, ASK_AGAIN_MAX.toNanos());
        }
    }

    /// As [#run] behind the caller, for as long as it takes.
    public void start(TenantId tenant, String session, long number) {
        tasks.start(
                "release-" + tenant,
                () -> {
                    try {
                        while (!patiently(tenant, session, number)) {
                            tasks.sleep(ASK_AGAIN_MAX);
                        }
                    } catch (Catalog.Ended | Fenced ended) {
                        // A successor reads in the catalog what is left to do.
                        log.atDebug()
                                .addKeyValue("tenant", tenant)
                                .setCause(ended)
                                .log("release was left to a successor");
                    }
                });
    }

    /// Nobody else will do it while this process lives, so a store that is silent for a while must
    /// not end it.
    private boolean patiently(TenantId tenant, String session, long number) {
        try {
            return run(tenant, session, number, FOR_EVER);
        } catch (Catalog.Ended | Fenced ended) {
            throw ended;
        } catch (RuntimeException failure) {
            log.atWarn()
                    .addKeyValue("tenant", tenant)
                    .setCause(failure)
                    .log("tenant was not released, will try again");
            return false;
        }
    }

    private boolean ask(Assigned.To held) {
        if (held.session().state() != SessionState.LIVE) {
            // Its failover takes all its tenants.
            return false;
        }
        try {
            Optional<Release> release =
                    link.release(
                            held.session().address(),
                            new ReleaseRequest(
                                    held.tenant().id().name(),
                                    held.session().id().ulid(),
                                    held.tenant().assignment(),
                                    epoch.getAsLong()));
            return release.isPresent() ? take(release.get()) : disowned(held);
        } catch (WorkerLink.Unreachable unreachable) {
            return false;
        }
    }

    /// The worker knows nothing of the assignment: its message may still be on its way, or the
    /// report of its release was lost. Only the answer to the assignment itself is final; if it
    /// takes it now, it is asked for its release next.
    private boolean disowned(Assigned.To held) {
        return link.assign(held.session().address(), Assign.message(held, epoch.getAsLong())).gone()
                && await(tasks, catalog.unassign(held));
    }

    /// A worker says that a release is finished, asked or by itself.
    ///
    /// @return whether the catalog took it; a late or repeated one it does not take
    public boolean take(Release release) {
        return await(
                tasks,
                catalog.released(
                        new TenantId(release.tenant()),
                        new SessionId(release.session()),
                        release.number(),
                        new Lineage(release.lineage()),
                        Txid.parse(release.lastTxid())));
    }
}
