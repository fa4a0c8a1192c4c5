package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;
import static java.util.Objects.requireNonNull;

import dev.litefleet.controller.catalog.Assigned;
import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.Load;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.controller.operation.FleetException.NoWorkers;
import dev.litefleet.controller.operation.FleetException.TenantDeleted;
import dev.litefleet.controller.operation.FleetException.TenantNotFound;
import dev.litefleet.controller.placement.FleetView;
import dev.litefleet.controller.placement.Placement;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/// Finds the way to a tenant, giving it to a worker first when no session has it.
///
/// The catalog's commit comes first and is durable, then the message, and the route is told only
/// after the worker's acknowledgement (commit-log.md, C1). Messages carry session and number, so
/// sending one again is always right. Thread-safe.
public final class Assign {
    /// How long to wait before asking a worker again that could not be reached. The fleet's changes
    /// end the wait earlier.
    private static final Duration ASK_AGAIN = Duration.ofMillis(250);

    /// An assignment that its worker has acknowledged to this controller.
    private record Acknowledged(String session, long number) {}

    private final Catalog catalog;
    private final Leases leases;
    private final WorkerLink link;
    private final Tasks tasks;
    private final LongSupplier epoch;
    private final Duration max;
    private final Map<TenantId, Acknowledged> acknowledged = new ConcurrentHashMap<>();

    /// @param epoch ours at the moment
    /// @param max how long to wait for a worker
    public Assign(
            Catalog catalog,
            Leases leases,
            WorkerLink link,
            Tasks tasks,
            LongSupplier epoch,
            Duration max) {
        this.catalog = catalog;
        this.leases = leases;
        this.link = link;
        this.tasks = tasks;
        this.epoch = epoch;
        this.max = max;
    }

    /// Blocks until a worker has the tenant.
    ///
    /// @throws FleetException if there is no way to it
    public Route run(TenantId tenant) {
        long deadline = tasks.nanos() + max.toNanos();
        var declined = new HashSet<SessionId>();
        while (true) {
            long seen = leases.changes();
            switch (attempt(tenant, declined)) {
                case Attempt.Found(var route) -> {
                    return route;
                }
                case Attempt.Elsewhere() -> {}
                case Attempt.Wait(var hindrance) -> {
                    long left = deadline - tasks.nanos();
                    if (left <= 0) {
                        throw new NoWorkers(tenant, hindrance);
                    }
                    leases.awaitChange(seen, Duration.ofNanos(Math.min(left, ASK_AGAIN.toNanos())));
                }
            }
        }
    }

    /// What one look at the catalog and one message to a worker led to.
    private sealed interface Attempt {
        record Found(Route route) implements Attempt {}

        /// That worker will not have it: choose again.
        record Elsewhere() implements Attempt {}

        /// @param hindrance in words
        record Wait(String hindrance) implements Attempt {}
    }

    private Attempt attempt(TenantId tenant, Set<SessionId> declined) {
        return switch (await(
                tasks, catalog.assign(tenant, (load, home) -> place(load, home, declined)))) {
            case Assigned.NotFound() -> throw new TenantNotFound(tenant);
            case Assigned.Deleted() -> throw new TenantDeleted(tenant);
            case Assigned.NoRoom(var reason) -> {
                // Who declined a moment ago may have room again.
                declined.clear();
                yield new Attempt.Wait(reason);
            }
            case Assigned.To to -> tell(to, declined);
        };
    }

    private Attempt tell(Assigned.To to, Set<SessionId> declined) {
        String worker = to.session().worker();
        var wanted = new Acknowledged(to.session().id().ulid(), to.tenant().assignment());
        if (to.session().state() != SessionState.LIVE) {
            return new Attempt.Wait("worker " + worker + " is being fenced");
        }
        if (wanted.equals(acknowledged.get(to.tenant().id()))) {
            return new Attempt.Found(route(to));
        }
        AssignmentReply reply;
        try {
            reply = link.assign(to.session().address(), message(to, epoch.getAsLong()));
        } catch (WorkerLink.Unreachable unreachable) {
            return new Attempt.Wait("worker " + worker + " does not answer");
        }
        if (reply.accepted()) {
            acknowledged.put(to.tenant().id(), wanted);
            return new Attempt.Found(route(to));
        }
        if (reply.gone()) {
            declined.add(to.session().id());
            await(tasks, catalog.unassign(to));
            return new Attempt.Elsewhere();
        }
        return new Attempt.Wait("worker " + worker + " declines: " + reply.reason());
    }

    static Assignment message(Assigned.To to, long epoch) {
        return new Assignment(
                to.tenant().id().name(),
                to.tenant().lineage().ulid(),
                to.session().id().ulid(),
                to.tenant().assignment(),
                epoch,
                to.tenant().txidFloor().toString(),
                to.lastSession(),
                to.tenant().spec().durability().word(),
                to.tenant().spec().quotas(),
                to.tenant().tokenGen());
    }

    private static Route route(Assigned.To to) {
        return new Route(
                to.session().address(),
                to.session().id().ulid(),
                to.tenant().assignment(),
                to.tenant().tokenGen());
    }

    private Placement.Decision place(Load load, Optional<String> home, Set<SessionId> declined) {
        return Placement.choose(
                new FleetView(
                        leases.members().stream()
                                .filter(member -> member.registration() != null)
                                .map(member -> worker(member, load, declined))
                                .toList(),
                        home));
    }

    private static FleetView.Worker worker(
            Leases.Member member, Load load, Set<SessionId> declined) {
        var registration = requireNonNull(member.registration());
        return new FleetView.Worker(
                member.session().ulid(),
                registration.worker(),
                member.accepting()
                        && !declined.contains(member.session())
                        && !load.cordoned().contains(registration.worker()),
                load.of(member.session()),
                registration.tenantsMax());
    }

    /// On this route a worker has just answered that it does not have the tenant: it will be asked.
    public void doubt(TenantId tenant, Route refused) {
        acknowledged.remove(tenant, new Acknowledged(refused.session(), refused.number()));
    }

    /// The tenant is no longer with whom it was: what was acknowledged means nothing now.
    public void forget(TenantId tenant) {
        acknowledged.remove(tenant);
    }

    /// As [#forget(TenantId)] for all tenants of a session.
    public void forget(SessionId session) {
        acknowledged.values().removeIf(ack -> ack.session().equals(session.ulid()));
    }
}
