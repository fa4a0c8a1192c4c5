package dev.litefleet.controller;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.Failover;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.controller.lease.Leases.Standing;
import dev.litefleet.controller.lease.Tenure;
import dev.litefleet.controller.operation.Assign;
import dev.litefleet.controller.operation.Delete;
import dev.litefleet.controller.operation.Unassign;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.service.PublicKeyJwk;
import dev.litefleet.service.Refused;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.Registered;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.TokenGen;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What workers say to the controller, and what it answers. Blocks on the catalog.
final class Membership {
    private static final Logger log = LoggerFactory.getLogger(Membership.class);

    private final ControllerConfig config;
    private final Tenure tenure;
    private final Catalog catalog;
    private final Leases leases;
    private final Failover failover;
    private final Assign assign;
    private final Unassign unassign;
    private final Delete delete;
    private final Tasks tasks;
    private final InstantSource clock;
    private final Supplier<List<PublicKeyJwk>> jwtKeys;
    private final Consumer<TenantId> moved;

    @SuppressWarnings("TooManyParameters") // Wired once, in Controller.
    Membership(
            ControllerConfig config,
            Tenure tenure,
            Catalog catalog,
            Leases leases,
            Failover failover,
            Assign assign,
            Unassign unassign,
            Delete delete,
            Tasks tasks,
            InstantSource clock,
            Supplier<List<PublicKeyJwk>> jwtKeys,
            Consumer<TenantId> moved) {
        this.config = config;
        this.tenure = tenure;
        this.catalog = catalog;
        this.leases = leases;
        this.failover = failover;
        this.assign = assign;
        this.unassign = unassign;
        this.delete = delete;
        this.tasks = tasks;
        this.clock = clock;
        this.jwtKeys = jwtKeys;
        this.moved = moved;
    }

    /// The session is in the catalog before it hears anything, so whoever fences it later knows of
    /// it.
    ///
    /// @throws Refused 409 `SESSION_CLOSED` if it is being fenced or closed
    Registered register(Registration registration) {
        var session = new SessionId(registration.session());
        SessionState state =
                await(
                        tasks,
                        catalog.register(
                                new SessionRow(
                                        session,
                                        registration.worker(),
                                        registration.address(),
                                        registration.part(),
                                        SessionState.LIVE,
                                        clock.instant()),
                                registration.tenantsMax()));
        if (state != SessionState.LIVE || !leases.register(registration)) {
            throw Refused.of(
                    409,
                    "SESSION_CLOSED",
                    "this session is fenced or about to be; start a new one",
                    false);
        }
        // Behind the registration, so that whoever asks for one of its tenants finds the worker
        // here again as soon as they are free: it has their files.
        endPrevious(registration);
        await(tasks, catalog.deletedBut(session)).forEach(delete::resume);
        Epoch epoch = tenure.epoch();
        return new Registered(
                epoch.session().ulid(),
                epoch.number(),
                config.lease().toMillis(),
                config.heartbeat().toMillis(),
                jwtKeys.get());
    }

    /// The lock that the new session holds proves that the process of the one before is dead.
    private void endPrevious(Registration registration) {
        String previous = registration.previousSession();
        if (previous == null || previous.equals(registration.session())) {
            return;
        }
        var session = new SessionId(previous);
        Optional<SessionRow> row = await(tasks, catalog.session(session));
        if (row.isPresent()
                && row.get().worker().equals(registration.worker())
                && row.get().state() != SessionState.CLOSED) {
            failover.start(session, true);
        }
    }

    HeartbeatReply heartbeat(Heartbeat heartbeat) {
        var session = new SessionId(heartbeat.session());
        // Who was heard while we are not sure is not silent; it has no lease for the while.
        boolean grant = heartbeat.leaseWanted() && tenure.sure(config.heartbeat().dividedBy(2));
        Standing standing = leases.heartbeat(heartbeat, grant);
        return switch (standing) {
            case LIVE, HEARD -> {
                leases.partToName(session).ifPresent(part -> name(session, part));
                boolean first = heartbeat.tokenGensSeen() < tokenGensSeen();
                List<TokenGen> gens = first ? await(tasks, catalog.tokenGens(session)) : List.of();
                yield new HeartbeatReply(
                        tenure.epoch().number(),
                        HeartbeatReply.LIVE,
                        standing == Standing.LIVE,
                        gens,
                        tokenGensSeen(),
                        partToEnd(heartbeat));
            }
            case CLOSED -> reply(HeartbeatReply.CLOSED);
            case UNKNOWN -> {
                boolean open =
                        await(tasks, catalog.session(session))
                                .filter(row -> row.state() != SessionState.LIVE)
                                .isEmpty();
                yield reply(open ? HeartbeatReply.UNKNOWN : HeartbeatReply.CLOSED);
            }
        };
    }

    private @Nullable Integer partToEnd(Heartbeat heartbeat) {
        OptionalInt part = leases.partToEnd(heartbeat);
        return part.isPresent() ? part.getAsInt() : null;
    }

    /// Tells the catalog that the session's log has come to a later part. Behind the answer: the
    /// lease does not depend on the store.
    private void name(SessionId session, int part) {
        tasks.start(
                "part-" + session,
                () -> {
                    int named = 0;
                    try {
                        await(tasks, catalog.raisePart(session, part));
                        named = part;
                    } catch (RuntimeException unknown) {
                        // A later heartbeat says it again; an early part is late, never wrong.
                        log.atDebug()
                                .addKeyValue("session", session)
                                .setCause(unknown)
                                .log("part was not recorded");
                    } finally {
                        leases.named(session, named);
                    }
                });
    }

    /// Generations change only with a release today, so what a session must be told once is what
    /// its tenants' were when this controller began; the counter says that it was.
    private long tokenGensSeen() {
        return tenure.epoch().number() << 32;
    }

    private HeartbeatReply reply(String status) {
        return new HeartbeatReply(tenure.epoch().number(), status, false, List.of(), 0, null);
    }

    /// Commits lie in a worker's quarantine. It is an event: somebody must look.
    void lost(Lost lost) {
        log.atWarn()
                .addKeyValue("tenant", lost.tenant())
                .addKeyValue("worker", lost.worker())
                .addKeyValue("first", lost.first())
                .addKeyValue("last", lost.last())
                .log("commits may be lost");
        await(tasks, catalog.lost(lost));
    }

    /// A worker has released a tenant by itself: it is stopping, so it gets nothing new.
    void released(Release release) {
        leases.stopping(new SessionId(release.session()));
        var tenant = new TenantId(release.tenant());
        if (unassign.take(release)) {
            assign.forget(tenant);
            moved.accept(tenant);
        }
    }
}
