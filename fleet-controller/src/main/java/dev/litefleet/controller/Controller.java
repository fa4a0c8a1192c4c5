package dev.litefleet.controller;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.ApiKeyRow;
import dev.litefleet.controller.catalog.Begun;
import dev.litefleet.controller.catalog.Cancellation;
import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.Changed;
import dev.litefleet.controller.catalog.Deletion;
import dev.litefleet.controller.catalog.Erasure;
import dev.litefleet.controller.catalog.EventQuery;
import dev.litefleet.controller.catalog.EventRow;
import dev.litefleet.controller.catalog.FleetCounts;
import dev.litefleet.controller.catalog.HoldRow;
import dev.litefleet.controller.catalog.Holding;
import dev.litefleet.controller.catalog.IdempotencyKey;
import dev.litefleet.controller.catalog.Load;
import dev.litefleet.controller.catalog.OperationDetail;
import dev.litefleet.controller.catalog.OperationKind;
import dev.litefleet.controller.catalog.OperationRow;
import dev.litefleet.controller.catalog.OperationState;
import dev.litefleet.controller.catalog.Provisioned;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.catalog.TenantPage;
import dev.litefleet.controller.catalog.TenantQuery;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.catalog.WorkerRow;
import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.ControllerChain.Verdict;
import dev.litefleet.controller.lease.Failover;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.controller.lease.Tenure;
import dev.litefleet.controller.operation.Assign;
import dev.litefleet.controller.operation.Copies;
import dev.litefleet.controller.operation.Delete;
import dev.litefleet.controller.operation.Erase;
import dev.litefleet.controller.operation.FileCheck;
import dev.litefleet.controller.operation.FleetException.NotServing;
import dev.litefleet.controller.operation.JanitorRounds;
import dev.litefleet.controller.operation.Operations;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.controller.operation.Unassign;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.JanitorReport;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ConditionalWriteProbe;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Overloaded;
import dev.litefleet.service.PublicKeyJwk;
import io.vertx.core.Vertx;
import io.vertx.ext.web.Router;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The fleet's one deciding process: owns the catalog, the leases and the assignments.
///
/// Every future completes only when each catalog commit that its value could have been read from is
/// durable, on a thread of the controller's: what depends on it must be short or go elsewhere. They
/// fail with a [dev.litefleet.controller.operation.FleetException], with
/// [dev.litefleet.replica.ReplicaException.Fenced] when a successor took over before the outcome
/// was known, with [dev.litefleet.replica.objects.StoreException.Unavailable] when the store has
/// not acknowledged in time, or with [Overloaded]. Thread-safe.
public final class Controller implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Controller.class);

    /// Tenants that may be waiting for an assignment at once; more are refused.
    private static final int ROUTING_MAX = 20_000;

    private static final Duration MOVE_AGAIN_MIN = Duration.ofSeconds(1);
    private static final Duration MOVE_AGAIN_MAX = Duration.ofMinutes(1);

    /// What a controller is made of; put together in [#start].
    private record Parts(
            ControllerConfig config,
            ControllerChain chain,
            Tenure tenure,
            EpochLog logs,
            InternalServer server,
            HttpWorkerLink link,
            Catalog catalog,
            Leases leases,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random) {}

    private enum State {
        SERVING,
        CLOSED,
        ENDED
    }

    private final Parts parts;
    private final Failover failover;
    private final Assign assign;
    private final Delete delete;
    private final Erase erase;
    private final JanitorRounds janitor;
    private final Optional<ObjectStore> janitorStore;
    private final Unassign unassign;
    private final Copies copies;
    private final Operations operations;
    private final List<PublicKeyJwk> jwtKeys;
    private final Consumer<ControllerEnd> ended;
    private final AtomicReference<State> state = new AtomicReference<>(State.SERVING);
    private final Map<TenantId, CompletableFuture<Route>> routing = new ConcurrentHashMap<>();
    private final List<Consumer<String>> sessionClosed = new CopyOnWriteArrayList<>();
    private final List<Consumer<TenantId>> tenantMoved = new CopyOnWriteArrayList<>();
    private final AtomicBoolean moving = new AtomicBoolean();

    private Controller(
            Parts parts,
            ObjectStore store,
            Path tmp,
            List<PublicKeyJwk> jwtKeys,
            Consumer<ControllerEnd> ended) {
        this.parts = parts;
        this.jwtKeys = jwtKeys;
        this.ended = ended;
        this.assign =
                new Assign(
                        parts.catalog,
                        parts.leases,
                        parts.link,
                        parts.tasks,
                        this::epoch,
                        parts.config.routeMax());
        this.unassign =
                new Unassign(parts.catalog, parts.leases, parts.link, parts.tasks, this::epoch);
        RetentionConfig retention = parts.config.retention();
        this.janitorStore = retention.store().map(StoreUrl::open);
        this.erase =
                new Erase(
                        parts.catalog,
                        janitorStore.orElse(store),
                        parts.tasks,
                        parts.clock,
                        retention.settled(),
                        retention.segments());
        this.janitor =
                new JanitorRounds(
                        parts.catalog,
                        parts.chain,
                        janitorStore.orElse(store),
                        retention.windows(),
                        retention.every(),
                        tmp,
                        parts.tasks,
                        parts.clock,
                        parts.random,
                        part -> parts.leases.endPart(part.log().session(), part.part()));
        this.delete =
                new Delete(
                        parts.catalog,
                        unassign,
                        erase,
                        parts.tasks,
                        this::moved,
                        parts.config.releaseMax());
        this.copies =
                new Copies(
                        parts.catalog,
                        store,
                        unassign,
                        this::moved,
                        FileCheck::run,
                        fresh(parts.config.data().resolve("operations")),
                        parts.tasks,
                        parts.clock);
        this.operations = new Operations(parts.catalog, copies, parts.tasks);
        this.failover =
                new Failover(
                        parts.catalog,
                        parts.leases,
                        store,
                        parts.tenure::epoch,
                        tmp,
                        parts.tasks,
                        parts.random,
                        this::gone);
    }

    /// Claims the next epoch, recovers what its predecessors left, opens the catalog and the
    /// internal port, and serves. Blocks: up to lease + margin longer if the predecessor neither
    /// closed its epoch nor is provably dead.
    ///
    /// @param ended called at most once, on a thread that must not be blocked, when the controller
    ///   can no longer work; the process must then exit
    /// @throws dev.litefleet.replica.objects.StoreException.Misconfigured if the store is
    ///   unsuitable
    /// @throws IllegalStateException if the internal port cannot be bound
    public static Start start(
            ControllerConfig config,
            ObjectStore store,
            Keys keys,
            Vertx vertx,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random,
            Consumer<ControllerEnd> ended) {
        // Before anything here is touched: a wrong setting must cost nothing.
        ConditionalWriteProbe.run(store, SessionId.create(clock, random).ulid(), clock);
        Path catalogFolder = fresh(config.data().resolve("catalog"));
        Path tmp = fresh(config.data().resolve("catalog-tmp"));
        var chain = new ControllerChain(store, tmp, tasks, clock, random);
        var auth = new InternalAuth(keys, clock, random);
        var link = new HttpWorkerLink(auth, config.releaseMax());
        InternalServer server = null;
        try {
            while (true) {
                Verdict verdict =
                        chain.ask(
                                config.node(), config.lease().plus(config.margin()), link::whoami);
                if (verdict instanceof Verdict.Running(var address)) {
                    closeQuietly(link, server);
                    return new Start.AlreadyRunning(address);
                }
                long newest = ((Verdict.Vacant) verdict).newest();
                if (server == null) {
                    server = new InternalServer(vertx, config.host(), config.internalPort(), auth);
                }
                Optional<Epoch> epoch = chain.claim(newest, server.address(), config.node());
                if (epoch.isPresent()) {
                    server.claimed(new Whoami(epoch.get().session().ulid(), epoch.get().number()));
                    Controller controller =
                            lead(
                                    config,
                                    chain,
                                    epoch.get(),
                                    server,
                                    link,
                                    store,
                                    keys,
                                    tasks,
                                    clock,
                                    random,
                                    catalogFolder,
                                    tmp,
                                    ended);
                    return new Start.Serving(controller);
                }
            }
        } catch (RuntimeException | Error failed) {
            closeQuietly(link, server);
            throw failed;
        }
    }

    private static void closeQuietly(HttpWorkerLink link, @Nullable InternalServer server) {
        link.close();
        if (server != null) {
            server.close();
        }
    }

    @SuppressWarnings("TooManyParameters") // The second half of start, which owns nothing yet.
    private static Controller lead(
            ControllerConfig config,
            ControllerChain chain,
            Epoch epoch,
            InternalServer server,
            HttpWorkerLink link,
            ObjectStore store,
            Keys keys,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random,
            Path catalogFolder,
            Path tmp,
            Consumer<ControllerEnd> ended) {
        long began = tasks.nanos();
        var leases = new Leases(config.lease(), config.margin(), tasks);
        var logs = new EpochLog(chain, store, catalogFolder, tmp, tasks, clock, random);
        Catalog.Beginning first = logs.begin(epoch);
        var tenure = new Tenure(epoch, logs::selfCheck, config.lease(), tasks);
        Catalog catalog = Catalog.open(chain.catalog(), first);
        catalog.addJwtKeys(keys.publicKeys()).join();
        var controller =
                new Controller(
                        new Parts(
                                config, chain, tenure, logs, server, link, catalog, leases, tasks,
                                clock, random),
                        store,
                        tmp,
                        catalog.jwtKeys().join(),
                        ended);
        controller.adopt(catalog.openSessions().join());
        controller.serve();
        controller.operations.resume();
        controller.erase.resume();
        controller.janitor.start();
        var _ = catalog.end().thenAccept(controller::catalogEnded);
        log.atInfo()
                .addKeyValue("epoch", epoch.number())
                .addKeyValue("session", epoch.session())
                .addKeyValue("took", Duration.ofNanos(tasks.nanos() - began))
                .log("controller serving");
        return controller;
    }

    /// Sessions that the catalog names: their leases may have been granted by the predecessor until
    /// a moment ago.
    private void adopt(List<SessionRow> sessions) {
        for (SessionRow session : sessions) {
            if (session.state() == SessionState.LIVE) {
                parts.leases.adopt(session.id());
            } else {
                failover.start(session.id(), false);
            }
        }
    }

    private void serve() {
        parts.server.serve(
                new Membership(
                        parts.config,
                        parts.tenure,
                        parts.catalog,
                        parts.leases,
                        failover,
                        assign,
                        unassign,
                        delete,
                        parts.tasks,
                        parts.clock,
                        this::jwtKeys,
                        this::moved));
        parts.tasks.start("leases", this::endLapsed);
        parts.catalog.onCommit(this::moveIfDue);
    }

    // Epochs

    /// Called after every commit, so that an idle controller never moves.
    private void moveIfDue() {
        if (parts.logs.due(parts.config.epochMax(), parts.config.epochSlotsMax())
                && moving.compareAndSet(false, true)) {
            parts.tasks.start("epoch", this::move);
        }
    }

    /// Follows our own epoch with the next one (commit-log.md, C3): claims it, and lets the catalog
    /// go on in a fresh log when the old one is fenced, recovered and marked closed as a successor
    /// would do it. Requests wait meanwhile. A crash at any step leaves what a crash of two
    /// controllers would.
    private void move() {
        Epoch old = parts.tenure.epoch();
        long began = parts.tasks.nanos();
        long newest = old.number();
        @Nullable Epoch prepared = null;
        long pause = MOVE_AGAIN_MIN.toNanos();
        while (serving()) {
            try {
                if (prepared == null) {
                    Optional<Epoch> claimed =
                            parts.chain.claim(newest, parts.server.address(), parts.config.node());
                    if (claimed.isEmpty()) {
                        // Somebody takes over: our log will tell.
                        log.atWarn().addKeyValue("epoch", newest + 1).log("epoch is taken");
                        return;
                    }
                    Epoch ours = claimed.get();
                    newest = ours.number();
                    parts.server.claimed(new Whoami(ours.session().ulid(), newest));
                    parts.logs.prepare(ours);
                    prepared = ours;
                }
                await(parts.tasks, parts.catalog.moveTo(parts.logs::follow));
                parts.tenure.moved(prepared, parts.logs::selfCheck);
                parts.logs.forget(old);
                log.atInfo()
                        .addKeyValue("epoch", newest)
                        .addKeyValue("session", prepared.session())
                        .addKeyValue("took", Duration.ofNanos(parts.tasks.nanos() - began))
                        .log("controller went on in its next epoch");
                moving.set(false);
                return;
            } catch (RuntimeException failure) {
                if (!serving()) {
                    return;
                }
                log.atWarn().setCause(failure).log("epoch was not followed, will try again");
                parts.tasks.sleep(Duration.ofNanos(pause / 2 + parts.random.nextLong(pause)));
                pause = Math.min(2 * pause, MOVE_AGAIN_MAX.toNanos());
            }
        }
    }

    private void endLapsed() {
        while (true) {
            List<SessionId> lapsed = parts.leases.awaitLapsed();
            if (lapsed.isEmpty()) {
                return;
            }
            lapsed.forEach(session -> failover.start(session, false));
        }
    }

    // Tenants

    /// @param createOnly leave a tenant that is there alone, whatever its spec
    public CompletableFuture<Provisioned> provision(
            TenantId tenant, TenantSpec spec, boolean createOnly) {
        Lineage fresh = freshLineage();
        return serving(() -> parts.catalog.provision(tenant, spec, createOnly, fresh))
                .thenApply(this::provisioned);
    }

    /// Gives a tenant another spec, if it has this etag.
    public CompletableFuture<Changed> change(TenantId tenant, long etag, TenantSpec spec) {
        return serving(() -> parts.catalog.change(tenant, etag, spec))
                .thenApply(result -> {
                    if (result instanceof Changed.Done(var row, var before)) {
                        respecified(row, before);
                    }
                    return result;
                });
    }

    /// A worker learns of another durability or quota with its next assignment.
    private Provisioned provisioned(Provisioned result) {
        if (result instanceof Provisioned.Updated(var row, var before)) {
            respecified(row, before);
        }
        return result;
    }

    private void respecified(TenantRow row, TenantSpec before) {
        if (row.session() != null
                && (row.spec().durability() != before.durability()
                        || !row.spec().quotas().equals(before.quotas()))) {
            unassign.start(row.id(), row.session(), row.assignment());
        }
    }

    /// How long the histories of tenants are kept that ask for nothing else.
    public HistoryWindows windows() {
        return parts.config.retention().windows();
    }

    /// Tombstones included.
    public CompletableFuture<Optional<TenantRow>> tenant(TenantId tenant) {
        return serving(() -> parts.catalog.tenant(tenant));
    }

    public CompletableFuture<TenantPage> tenants(TenantQuery query) {
        return serving(() -> parts.catalog.tenants(query));
    }

    /// Writes the tombstone, then takes the tenant from its worker, waiting for that up to
    /// [ControllerConfig#releaseMax]. May be repeated.
    public CompletableFuture<Deletion> delete(TenantId tenant) {
        return serving(() -> started("delete-" + tenant, () -> delete.run(tenant)));
    }

    // Operations

    /// The state of a tenant at `point`, as a copy of it would have it. Reads the store.
    public CompletableFuture<Copies.Found> find(TenantId tenant, Point point) {
        return serving(() -> started("find-" + tenant, () -> copies.find(tenant, point)));
    }

    /// A new tenant from a state that [#find] has found.
    ///
    /// @param target its id
    public CompletableFuture<Begun> fork(
            TenantId target,
            TenantSpec spec,
            Copies.Found source,
            Optional<IdempotencyKey> repeat) {
        return begin(
                operation(
                        OperationKind.FORK,
                        target,
                        OperationDetail.fork(
                                freshLineage(),
                                source.tenant().id(),
                                source.plan().target(),
                                spec)),
                repeat,
                0);
    }

    /// The tenant back to a state that [#find] has found.
    ///
    /// @param etag that it must have
    public CompletableFuture<Begun> restore(
            Copies.Found state, long etag, Optional<IdempotencyKey> repeat) {
        TenantId tenant = state.tenant().id();
        return begin(
                operation(
                        OperationKind.RESTORE,
                        tenant,
                        OperationDetail.restore(freshLineage(), tenant, state.plan().target())),
                repeat,
                etag);
    }

    /// A new tenant from a file, which is moved away if the operation starts, and deleted when it
    /// ends.
    ///
    /// @param target its id
    public CompletableFuture<Begun> importFile(
            TenantId target, TenantSpec spec, Path file, Optional<IdempotencyKey> repeat) {
        OperationRow operation =
                operation(
                        OperationKind.IMPORT,
                        target,
                        OperationDetail.imported(freshLineage(), spec));
        try {
            // Before it starts: it must find the file there.
            Files.move(file, copies.file(operation));
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot move an upload", failed);
        }
        return begin(operation, repeat, 0)
                .whenComplete((begun, _) -> {
                    if (!(begun instanceof Begun.Started)) {
                        copies.file(operation).toFile().delete();
                    }
                });
    }

    /// Where uploads may be put before they are imported; emptied at every start.
    public Path uploads() {
        return copies.folder();
    }

    private CompletableFuture<Begun> begin(
            OperationRow operation, Optional<IdempotencyKey> repeat, long etag) {
        return serving(
                () -> started(operation.id(), () -> operations.begin(operation, repeat, etag)));
    }

    private OperationRow operation(OperationKind kind, TenantId target, OperationDetail detail) {
        return new OperationRow(
                "op_" + SessionId.create(parts.clock, parts.random).ulid(),
                kind,
                target,
                OperationState.RUNNING,
                "begin",
                detail,
                parts.clock.instant().truncatedTo(ChronoUnit.MILLIS),
                null);
    }

    private Lineage freshLineage() {
        return new Lineage(SessionId.create(parts.clock, parts.random).ulid());
    }

    /// The operation, after waiting for its end for at most `max`.
    public CompletableFuture<Optional<OperationRow>> operation(String id, Duration max) {
        return serving(() -> started("wait-" + id, () -> operations.settled(id, max)));
    }

    /// The newest ones, newest first.
    ///
    /// @param before id that those of the page before ended with; empty for the first page
    /// @param state nothing for all
    public CompletableFuture<List<OperationRow>> operations(
            String before, int limit, Optional<OperationState> state) {
        return serving(() -> parts.catalog.operations(before, limit, state));
    }

    /// Ends an operation before its last commit.
    public CompletableFuture<Cancellation> cancel(String operation) {
        return serving(() -> started("cancel-" + operation, () -> operations.cancel(operation)));
    }

    /// Operations of this process, for metrics.
    public Operations operations() {
        return operations;
    }

    /// What happened, the oldest first.
    public CompletableFuture<List<EventRow>> events(EventQuery query) {
        return serving(() -> parts.catalog.events(query));
    }

    public CompletableFuture<FleetCounts> counts() {
        return serving(parts.catalog::counts);
    }

    /// How far a running operation is.
    public Optional<Operations.Progress> progress(String operation) {
        return operations.progress(operation);
    }

    // Retention

    /// Sets a hold, or replaces the one of this name.
    public CompletableFuture<Holding> hold(TenantId tenant, HoldRow hold) {
        return serving(() -> parts.catalog.hold(tenant, hold));
    }

    /// The holds in force, by name; none of an unknown tenant.
    public CompletableFuture<List<HoldRow>> holds(TenantId tenant) {
        return serving(() -> parts.catalog.holds(tenant));
    }

    /// @return whether there was such a hold in force
    public CompletableFuture<Boolean> releaseHold(TenantId tenant, String name) {
        return serving(() -> parts.catalog.releaseHold(tenant, name));
    }

    /// How far a deleted tenant is erased; nothing if it is not deleted.
    public CompletableFuture<Optional<Erasure>> erasure(TenantId tenant) {
        return serving(() -> parts.catalog.erasure(tenant));
    }

    /// What the janitor did since this process began, for metrics.
    public JanitorRounds janitor() {
        return janitor;
    }

    /// The next round of the janitor, now.
    public CompletableFuture<JanitorReport> clean() {
        return serving(() -> started("janitor-now", janitor::round));
    }

    // Routes

    /// The way to a tenant, which is assigned first if no session has it. Calls for one tenant
    /// share one answer. Waits up to [ControllerConfig#routeMax] for a worker.
    public CompletableFuture<Route> route(TenantId tenant) {
        return serving(() -> routed(tenant));
    }

    /// The way to a tenant after `refused` was answered with 421: the worker is asked again,
    /// whatever it acknowledged before.
    public CompletableFuture<Route> routeAgain(TenantId tenant, Route refused) {
        assign.doubt(tenant, refused);
        // A search that was under way may have found that same route before the doubt.
        return serving(() ->
                routed(tenant)
                        .thenCompose(route ->
                                route.equals(refused)
                                        ? routed(tenant)
                                        : CompletableFuture.completedFuture(route)));
    }

    private CompletableFuture<Route> routed(TenantId tenant) {
        var fresh = new CompletableFuture<Route>();
        CompletableFuture<Route> running = routing.putIfAbsent(tenant, fresh);
        if (running != null) {
            return running.copy();
        }
        if (routing.size() > ROUTING_MAX) {
            routing.remove(tenant, fresh);
            fresh.completeExceptionally(new Overloaded("routing", ROUTING_MAX));
            return fresh;
        }
        parts.tasks.start(
                "assign-" + tenant,
                () -> {
                    try {
                        Route route = assign.run(tenant);
                        // Before the answer, so that whoever doubts it starts a new search.
                        routing.remove(tenant, fresh);
                        fresh.complete(route);
                    } catch (RuntimeException | Error failure) {
                        routing.remove(tenant, fresh);
                        fresh.completeExceptionally(failure);
                    }
                });
        return fresh.copy();
    }

    /// Tells of sessions whose routes and connections are to be dropped: they are closed, or being
    /// fenced; of one session perhaps more than once. Called on a thread that must not be blocked.
    ///
    /// @param listener is given the session's ULID
    public void onSessionClosed(Consumer<String> listener) {
        sessionClosed.add(listener);
    }

    /// Tells of tenants whose route is to be dropped: deleted or released. As above.
    public void onTenantMoved(Consumer<TenantId> listener) {
        tenantMoved.add(listener);
    }

    private void gone(SessionId session) {
        assign.forget(session);
        sessionClosed.forEach(listener -> listener.accept(session.ulid()));
    }

    private void moved(TenantId tenant) {
        assign.forget(tenant);
        tenantMoved.forEach(listener -> listener.accept(tenant));
    }

    // Workers

    /// Sessions that are not closed.
    public CompletableFuture<List<WorkerRow>> workers() {
        return serving(() ->
                parts.catalog
                        .openSessions()
                        .thenCombine(
                                parts.catalog.load(),
                                (sessions, load) ->
                                        sessions.stream()
                                                .map(session -> worker(session, load))
                                                .toList()));
    }

    private WorkerRow worker(SessionRow session, Load load) {
        Optional<Leases.Member> member = parts.leases.member(session.id());
        var registration = member.map(Leases.Member::registration).orElse(null);
        boolean live = member.map(Leases.Member::present).orElse(false);
        String state =
                switch (session.state()) {
                    case LIVE -> live ? "live" : "silent";
                    case FENCING -> "fencing";
                    case CLOSED -> "closed";
                };
        return new WorkerRow(
                session.worker(),
                session.id().ulid(),
                session.address(),
                state,
                load.of(session.id()),
                member.map(Leases.Member::residents).orElse(0),
                registration == null ? 0 : registration.tenantsMax(),
                load.cordoned().contains(session.worker()),
                session.started(),
                session.part(),
                registration == null ? "" : registration.version());
    }

    // Keys

    /// Public keys of this fleet's tokens: ours and those the catalog remembers.
    public List<PublicKeyJwk> jwtKeys() {
        return jwtKeys;
    }

    public CompletableFuture<List<ApiKeyRow>> apiKeys() {
        return serving(parts.catalog::apiKeys);
    }

    /// Remembers an API key's hash; one that is there stays as it is.
    public CompletableFuture<Void> addApiKey(ApiKeyRow key) {
        return serving(() -> parts.catalog.addApiKey(key));
    }

    // This process

    public long epoch() {
        return parts.tenure.epoch().number();
    }

    /// Of the internal port, `http://host:port`.
    public String internalAddress() {
        return parts.server.address();
    }

    /// The internal port's, for what else belongs there (health, metrics). Not signed by itself.
    public Router internalRouter() {
        return parts.server.router();
    }

    /// Whether it still is the fleet's controller, as far as it knows.
    public boolean serving() {
        return state.get() == State.SERVING;
    }

    private <T> CompletableFuture<T> serving(Supplier<CompletableFuture<T>> question) {
        if (!serving()) {
            return CompletableFuture.failedFuture(
                    new NotServing("it is stopping or has a successor"));
        }
        return question.get()
                .exceptionallyCompose(failure ->
                        CompletableFuture.failedFuture(
                                cause(failure) instanceof Catalog.Ended ended
                                        ? new NotServing(String.valueOf(ended.getMessage()))
                                        : cause(failure)));
    }

    private static Throwable cause(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null
                ? failure.getCause()
                : failure;
    }

    private <T> CompletableFuture<T> started(String name, Supplier<T> body) {
        var answer = new CompletableFuture<T>();
        parts.tasks.start(
                name,
                () -> {
                    try {
                        answer.complete(body.get());
                    } catch (RuntimeException | Error failure) {
                        answer.completeExceptionally(failure);
                    }
                });
        return answer;
    }

    // Its end

    private void catalogEnded(RuntimeException why) {
        if (!state.compareAndSet(State.SERVING, State.ENDED)) {
            return;
        }
        parts.server.stopServing();
        parts.leases.close();
        log.atError().addKeyValue("epoch", epoch()).setCause(why).log("controller ended");
        String words = String.valueOf(why.getMessage());
        ended.accept(
                why instanceof Fenced
                        ? new ControllerEnd.Fenced(words)
                        : new ControllerEnd.Failed(words));
    }

    /// Stops admitting, closes the catalog and its log, and marks the epoch closed, so that a
    /// successor need not wait. Workers are not stopped and keep their tenants: a supervisor that
    /// wants them released stops them first, while this controller still listens.
    @Override
    public void close() {
        boolean clean = state.compareAndSet(State.SERVING, State.CLOSED);
        parts.server.stopServing();
        parts.leases.close();
        parts.logs.leaving();
        parts.catalog.close();
        if (clean) {
            try {
                parts.logs.leave();
            } catch (RuntimeException failure) {
                // The successor does it then, after a wait.
                log.atWarn().setCause(failure).log("epoch was not closed");
            }
        }
        parts.link.close();
        parts.server.close();
        janitorStore.ifPresent(ObjectStore::close);
    }

    private static Path fresh(Path folder) {
        try {
            if (Files.exists(folder)) {
                try (Stream<Path> files = Files.walk(folder)) {
                    for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(file);
                    }
                }
            }
            return Files.createDirectories(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot empty " + folder, e);
        }
    }
}
