package dev.litefleet.controller;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.Deletion;
import dev.litefleet.controller.catalog.Provisioned;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.ControllerChain.Verdict;
import dev.litefleet.controller.lease.Failover;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.controller.lease.Tenure;
import dev.litefleet.controller.operation.Assign;
import dev.litefleet.controller.operation.Delete;
import dev.litefleet.controller.operation.Erase;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.controller.operation.Unassign;
import dev.litefleet.controller.operation.WorkerLink;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.service.Refused;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A controller process: everything that production's [Controller] is made of but HTTP, wired as it
/// wires them. Only that wiring, and following its own epoch, are told again here.
final class SimController {
    private static final Duration STANDBY = Duration.ofSeconds(1);
    private static final Duration ROUTE_MAX = Duration.ofSeconds(3);
    private static final Duration RELEASE_MAX = Duration.ofSeconds(3);

    final SimFleet fleet;
    private final String name;
    private final SimProcess process;
    private final ControllerConfig config;
    private @Nullable String claimed; // its session, once it has one
    private @Nullable Reign reign;
    private @Nullable CompletableFuture<Boolean> leaving;
    private boolean ended;

    SimController(SimFleet fleet, String name, SimProcess process) {
        this.fleet = fleet;
        this.name = name;
        this.process = process;
        this.config =
                ControllerConfig.of(
                        process.folder(),
                        "127.0.0.1",
                        0,
                        fleet.locksItsFolder() ? Optional.of(name) : Optional.empty());
    }

    String name() {
        return name;
    }

    SimProcess process() {
        return process;
    }

    SimTasks.Node node() {
        return process.node();
    }

    String address() {
        return "http://" + name + ":1";
    }

    /// Whether it serves, as far as it knows.
    boolean serving() {
        return reign != null && !ended;
    }

    void start() {
        node().start("main", this::run);
    }

    private void run() {
        try {
            stand();
            if (leaving != null) {
                await(node(), leaving);
            }
        } catch (RuntimeException failure) {
            if (!SimProcess.isFault(failure)) {
                throw failure;
            }
        } finally {
            ended = true;
            bury();
        }
        fleet.exit(this);
    }

    private void bury() {
        Reign last = reign;
        if (last == null) {
            return;
        }
        try {
            last.bury();
        } finally {
            if (fleet.world.over()) {
                last.bury(); // It may have been killed in the middle of it.
            }
        }
    }

    private void stand() {
        var chain =
                new ControllerChain(
                        process.store(),
                        process.folder(),
                        node(),
                        node().clock(),
                        process.random());
        while (true) {
            Verdict verdict =
                    chain.ask(config.node(), config.lease().plus(config.margin()), this::whoami);
            if (!(verdict instanceof Verdict.Vacant(var newest))) {
                node().sleep(STANDBY);
                continue;
            }
            Optional<Epoch> epoch = chain.claim(newest, address(), config.node());
            if (epoch.isPresent()) {
                claimed = epoch.get().session().ulid();
                lead(chain, epoch.get());
                return;
            }
        }
    }

    private Optional<String> whoami(String address) {
        return fleet.controllers().stream()
                .filter(other -> other != this && other.address().equals(address))
                .findAny()
                .flatMap(other -> fleet.wire.ask(node(), other.node(), () -> other.claimed));
    }

    private void lead(ControllerChain chain, Epoch epoch) {
        boolean shorter = fleet.is(FleetMutant.COUNTS_SHORTER_LEASES);
        Duration lease = config.lease().dividedBy(shorter ? 2 : 1);
        var leases = new Leases(lease, config.margin(), node());
        var logs =
                new EpochLog(
                        chain,
                        process.store(),
                        process.folder(),
                        process.folder(),
                        node(),
                        node().clock(),
                        process.random());
        WrongSteps wrong = new WrongSteps(fleet, process);
        wrong.settle(chain.catalog(), epoch);
        boolean unfenced = fleet.is(FleetMutant.LEADS_WITHOUT_FENCING) && epoch.number() > 1;
        Catalog.Beginning first = unfenced ? unfenced(epoch) : logs.begin(epoch);
        boolean blind = fleet.is(FleetMutant.GRANTS_AFTER_DOUBT);
        Supplier<SelfCheck> look = blind ? () -> SelfCheck.ABSENT : logs::selfCheck;
        var tenure = new Tenure(epoch, look, config.lease(), node());
        Catalog catalog = Catalog.open(chain.catalog(), first, new SimThread(fleet.world, node()));
        var next = new Reign(chain, leases, logs, tenure, catalog, first.logEnd(), wrong);
        reign = next;
        next.begin();
        await(node(), catalog.end());
    }

    private Catalog.Beginning unfenced(Epoch epoch) {
        var end = new CompletableFuture<LogEnd>();
        var commits =
                new CommitLog(
                        process.store(),
                        epoch.log(),
                        CommitLogConfig.DEFAULT,
                        node(),
                        node().clock(),
                        process.random(),
                        end::complete);
        commits.open();
        return new Catalog.Beginning(
                process.folder().resolve("0"),
                Txid.NONE,
                new Shipping(
                        commits,
                        process.store(),
                        process.folder(),
                        node(),
                        node().clock(),
                        ShippingConfig.DEFAULT),
                end);
    }

    // What others ask. Nothing is no answer.

    private <T> Optional<T> asked(Function<Reign, T> question) {
        Reign now = reign;
        return now == null || ended
                ? Optional.empty()
                : SimProcess.unlessFault(() -> question.apply(now));
    }

    SimWorker.@Nullable Entry register(Registration message) {
        return asked(
                        now -> {
                            try {
                                var answer = now.membership.register(message);
                                fleet.judge.registered(message.session());
                                return new SimWorker.Entry(Optional.of(answer));
                            } catch (Refused closed) {
                                return new SimWorker.Entry(Optional.empty());
                            }
                        })
                .orElse(null);
    }

    @Nullable HeartbeatReply heartbeat(Heartbeat message) {
        return asked(now -> now.membership.heartbeat(message)).orElse(null);
    }

    /// A worker's word that it has released a tenant.
    boolean released(Release release) {
        return asked(
                        now -> {
                            now.membership.released(
                                    fleet.is(FleetMutant.RELEASE_WITHOUT_NUMBER)
                                            ? now.renumbered(release)
                                            : release);
                            return true;
                        })
                .orElse(false);
    }

    boolean provision(TenantId tenant) {
        return asked(
                        now -> {
                            var fresh =
                                    new Lineage(
                                            SessionId.create(node().clock(), process.random())
                                                    .ulid());
                            Provisioned result =
                                    await(
                                            node(),
                                            now.catalog.provision(
                                                    tenant, TenantSpec.DEFAULT, true, fresh));
                            boolean there = !(result instanceof Provisioned.Deleted);
                            if (there) {
                                fleet.judge.provisioned(tenant);
                            }
                            return there;
                        })
                .orElse(false);
    }

    /// Somebody wants the tenant: sees to it that a worker has it.
    boolean route(TenantId tenant) {
        return asked(now -> now.route(tenant)).orElse(false);
    }

    /// As [#route], and tells the way.
    @Nullable Route way(TenantId tenant) {
        return asked(now -> now.way(tenant)).flatMap(Function.identity()).orElse(null);
    }

    /// Where this way leads nobody knows the tenant.
    @Nullable Route routeAgain(TenantId tenant, Route refused) {
        return asked(
                        now -> {
                            now.assign.doubt(tenant, refused);
                            return now.way(tenant);
                        })
                .flatMap(Function.identity())
                .orElse(null);
    }

    /// Takes the tenant from whoever has it.
    boolean move(TenantId tenant) {
        return asked(
                        now -> {
                            Optional<TenantRow> row = await(node(), now.catalog.tenant(tenant));
                            String session = row.map(TenantRow::session).orElse(null);
                            return session != null
                                    && now.unassign.run(
                                            tenant, session, row.get().assignment(), RELEASE_MAX);
                        })
                .orElse(false);
    }

    boolean delete(TenantId tenant) {
        return asked(
                        now -> {
                            boolean done = now.delete.run(tenant) instanceof Deletion.Done;
                            if (done) {
                                fleet.judge.deleted(tenant);
                            }
                            return done;
                        })
                .orElse(false);
    }

    boolean erased(TenantId tenant) {
        return asked(now ->
                        await(node(), now.catalog.erasure(tenant))
                                .filter(erasure -> erasure.receipt() != null)
                                .isPresent())
                .orElse(false);
    }

    /// Stops as after SIGTERM.
    void stop() {
        Reign now = reign;
        if (now != null && !ended) {
            ended = true;
            var left = new CompletableFuture<Boolean>();
            leaving = left;
            node().start(
                            "stop",
                            () -> left.complete(SimProcess.unlessFault(now::leave).isPresent()));
        }
    }

    /// What there is while it serves.
    private final class Reign {
        private final ControllerChain chain;
        private final Leases leases;
        private final EpochLog logs;
        private final Tenure tenure;
        private final Catalog catalog;
        private final CompletableFuture<LogEnd> logEnd;
        private final WrongSteps wrong;
        private final Assign assign;
        private final Unassign unassign;
        private final Erase erase;
        private final Delete delete;
        private final Failover failover;
        private final Membership membership;
        private final Set<TenantId> routing = new HashSet<>();
        private final Map<SessionId, Integer> parts = new HashMap<>(); // as first heard
        private boolean moving;

        private Reign(
                ControllerChain chain,
                Leases leases,
                EpochLog logs,
                Tenure tenure,
                Catalog catalog,
                CompletableFuture<LogEnd> logEnd,
                WrongSteps wrong) {
            this.chain = chain;
            this.leases = leases;
            this.logs = logs;
            this.tenure = tenure;
            this.catalog = catalog;
            this.logEnd = logEnd;
            this.wrong = wrong;
            var link = new Link();
            assign = new Assign(catalog, leases, link, node(), this::number, ROUTE_MAX);
            unassign = new Unassign(catalog, leases, link, node(), this::number);
            erase =
                    new Erase(
                            catalog,
                            process.store(),
                            node(),
                            node().clock(),
                            SimFleet.SETTLED,
                            config.retention().segments());
            delete = new Delete(catalog, unassign, erase, node(), assign::forget, RELEASE_MAX);
            failover =
                    new Failover(
                            catalog,
                            leases,
                            process.store(),
                            tenure::epoch,
                            process.folder(),
                            node(),
                            process.random(),
                            assign::forget);
            membership =
                    new Membership(
                            config,
                            tenure,
                            catalog,
                            leases,
                            failover,
                            assign,
                            unassign,
                            delete,
                            node(),
                            node().clock(),
                            List::of,
                            assign::forget);
        }

        private long number() {
            return tenure.epoch().number();
        }

        private void begin() {
            for (SessionRow session : await(node(), catalog.openSessions())) {
                parts.put(session.id(), session.part());
                if (session.state() != SessionState.LIVE) {
                    end(session.id(), false);
                } else {
                    leases.adopt(session.id());
                }
            }
            node().start("leases", this::endLapsed);
            catalog.onCommit(this::moveIfDue);
            erase.resume();
        }

        private void endLapsed() {
            while (true) {
                List<SessionId> lapsed = leases.awaitLapsed();
                if (lapsed.isEmpty()) {
                    return;
                }
                lapsed.forEach(session -> end(session, false));
            }
        }

        private void end(SessionId session, boolean dead) {
            if (fleet.is(FleetMutant.SUCCESSOR_WAITS_ONE_LEASE) && parts.containsKey(session)) {
                node().start(
                                "wrong-" + session,
                                () -> {
                                    node().sleep(config.margin()); // The lease is over already.
                                    failover.start(session, true);
                                });
            } else if (wrong.failsOver()) {
                leases.end(session, dead);
                node().start(
                                "wrong-" + session,
                                () ->
                                        wrong.failOver(
                                                catalog,
                                                leases,
                                                tenure.epoch(),
                                                session,
                                                parts.getOrDefault(session, 1)));
            } else {
                failover.start(session, dead);
            }
        }

        private void moveIfDue() {
            if (!moving && logs.due(config.epochMax(), fleet.epochSlotsMax())) {
                moving = true;
                node().start("epoch", this::move);
            }
        }

        /// As [Controller] does it.
        private void move() {
            long newest = number();
            @Nullable Epoch prepared = null;
            while (!ended) {
                try {
                    if (prepared == null) {
                        Optional<Epoch> next = chain.claim(newest, address(), config.node());
                        if (next.isEmpty()) {
                            return;
                        }
                        newest = next.get().number();
                        claimed = next.get().session().ulid();
                        logs.prepare(next.get());
                        prepared = next.get();
                    }
                    await(node(), catalog.moveTo(logs::follow));
                    tenure.moved(prepared, logs::selfCheck);
                    moving = false;
                    return;
                } catch (RuntimeException failure) {
                    if (!SimProcess.isFault(failure)) {
                        throw failure;
                    }
                    node().sleep(STANDBY);
                }
            }
        }

        private boolean route(TenantId tenant) {
            return way(tenant).isPresent();
        }

        private Optional<Route> way(TenantId tenant) {
            if (!routing.add(tenant)) {
                return Optional.empty();
            }
            try {
                if (fleet.is(FleetMutant.TELLS_BEFORE_CATALOG)) {
                    tellEarly(tenant);
                }
                Route route = assign.run(tenant);
                fleet.judge.routed(tenant, route.session(), route.number());
                return Optional.of(route);
            } finally {
                routing.remove(tenant);
            }
        }

        private void tellEarly(TenantId tenant) {
            Optional<TenantRow> row = await(node(), catalog.tenant(tenant));
            if (row.isEmpty() || row.get().session() != null || row.get().deletedAt() != null) {
                return;
            }
            leases.members().stream()
                    .filter(member -> member.registration() != null)
                    .findFirst()
                    .ifPresent(member ->
                            new Link()
                                    .assign(
                                            member.registration().address(),
                                            new Assignment(
                                                    tenant.name(),
                                                    row.get().lineage().ulid(),
                                                    member.session().ulid(),
                                                    row.get().assignment() + 1,
                                                    number(),
                                                    row.get().txidFloor().toString(),
                                                    null,
                                                    Assignment.SYNC,
                                                    row.get().spec().quotas(),
                                                    1)));
        }

        private Release renumbered(Release release) {
            long now =
                    await(node(), catalog.tenant(new TenantId(release.tenant())))
                            .map(TenantRow::assignment)
                            .orElse(release.number());
            return new Release(
                    release.tenant(),
                    release.session(),
                    now,
                    release.lineage(),
                    release.lastTxid());
        }

        /// As [Controller#close] does it.
        private boolean leave() {
            leases.close();
            logs.leaving();
            catalog.close();
            logs.leave();
            return true;
        }

        /// Its process is gone, or goes: closes what production leaves to the end of the process.
        private void bury() {
            leases.close();
            logEnd.complete(new LogEnd.Fatal("the process ends"));
            catalog.close();
        }
    }

    /// The way to workers.
    private final class Link implements WorkerLink {
        @Override
        public AssignmentReply assign(String address, Assignment assignment) {
            fleet.judge.assigns(assignment);
            return fleet.at(address)
                    .flatMap(worker ->
                            fleet.wire.ask(
                                    node(), worker.process.node(), () -> worker.assign(assignment)))
                    .orElseThrow(SimController::unreachable);
        }

        @Override
        public Optional<Release> release(String address, ReleaseRequest request) {
            return fleet.at(address)
                    .flatMap(worker ->
                            fleet.wire.ask(
                                    node(), worker.process.node(), () -> worker.release(request)))
                    .orElseThrow(SimController::unreachable)
                    .release();
        }
    }

    private static WorkerLink.Unreachable unreachable() {
        return new WorkerLink.Unreachable("no answer");
    }
}
