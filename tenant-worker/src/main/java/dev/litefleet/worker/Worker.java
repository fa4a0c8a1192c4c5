package dev.litefleet.worker;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.AccessProbe;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.Health;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Metrics;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Reply;
import dev.litefleet.service.Shutdown;
import dev.litefleet.service.Tokens;
import dev.litefleet.worker.control.ControlLink;
import dev.litefleet.worker.control.ControlRoutes;
import dev.litefleet.worker.control.Epochs;
import dev.litefleet.worker.control.Lease;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.hrana.HranaRoutes;
import dev.litefleet.worker.tenant.Released;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.Tenants;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Vertx;
import io.vertx.ext.web.Router;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One worker process: how its parts are put together, started and stopped.
///
/// Start: folder, log (which proves that the store keeps its promise), tenants, port, controller.
/// Stop: no new assignments, all tenants released and reported, then everything closed in the
/// reverse order, each phase within a deadline. When the log ends (somebody fenced it) nothing of
/// that happens: the tenants are stopped at once, what was not durable is kept aside, and [#ended]
/// completes.
public final class Worker implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Worker.class);

    static final String VERSION = "0.1.0";

    private static final int CONTROL_REQUESTS_MAX = 256;
    private static final Duration RELEASE_MAX = Duration.ofSeconds(20);
    private static final Duration PHASE_MAX = Duration.ofSeconds(5);

    private final WorkerConfig config;
    private final WorkerFolder folder;
    private final ObjectStore store;
    private final SessionId session;
    private final CommitLog commits;
    private final Tenants tenants;
    private final Lease lease;
    private final Vertx vertx;
    private final ControlRoutes routes;
    private final ControlLink link;
    private final String address;
    private final CompletableFuture<Void> registered;
    private final CompletableFuture<LogEnd> ended = new CompletableFuture<>();

    /// Hears of the log's end, which may come before there are tenants.
    private static final class End implements CommitLog.Listener {
        private @Nullable LogEnd end; // guarded by this
        private @Nullable Worker worker; // guarded by this

        @Override
        public void ended(LogEnd end) {
            Worker told;
            synchronized (this) {
                this.end = end;
                told = worker;
            }
            if (told != null) {
                told.stopAtOnce(end);
            }
        }

        void tell(Worker worker) {
            LogEnd already;
            synchronized (this) {
                this.worker = worker;
                already = end;
            }
            if (already != null) {
                worker.stopAtOnce(already);
            }
        }
    }

    /// Starts a worker and begins to register it.
    ///
    /// @param store closed with the worker
    /// @param random must be unpredictable: session ids come from it
    /// @throws IllegalStateException if another process runs this worker
    /// @throws dev.litefleet.replica.objects.StoreException if the store does not answer, or does
    ///   not keep put-if-absent
    public static Worker start(
            WorkerConfig config,
            ObjectStore store,
            Keys keys,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random) {
        WorkerFolder folder = WorkerFolder.take(config.worker().folder());
        try {
            Sqlite.load(folder.tmp());
            return new Worker(config, folder, store, keys, tasks, clock, random);
        } catch (RuntimeException failed) {
            folder.close();
            throw failed;
        }
    }

    private Worker(
            WorkerConfig config,
            WorkerFolder folder,
            ObjectStore store,
            Keys keys,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random) {
        this.config = config;
        this.folder = folder;
        this.store = store;
        this.session = SessionId.create(clock, random);
        String name = config.worker().name();
        var end = new End();
        commits =
                new CommitLog(
                        store,
                        new LogName(name, session),
                        logConfig(config.log()),
                        tasks,
                        clock,
                        random,
                        end);
        commits.open();
        AccessProbe.run(
                store, Slot.FIRST.key(commits.name()), Slot.FIRST.next().key(commits.name()));
        folder.hold(session);
        tenants =
                new Tenants(
                        folder.path(),
                        new Shipping(commits, store, folder.tmp(), tasks, clock, config.shipping()),
                        config.tenant());
        lease = new Lease(tasks, commits::selfCheck);
        vertx = Vertx.vertx();
        var auth = new InternalAuth(keys, clock, random);
        var tokens = new Tokens(vertx, keys.publicKeys(), clock);
        var epochs = new Epochs();
        routes =
                new ControlRoutes(
                        name,
                        session.ulid(),
                        auth,
                        epochs,
                        lease,
                        commits,
                        tenants,
                        config.quota(),
                        new Blocking(CONTROL_REQUESTS_MAX));
        var metrics = new Metrics();
        var meters = new WorkerMetrics(metrics.registry(), commits, tenants, lease, VERSION);
        var hrana =
                new HranaRoutes(
                        vertx,
                        tenants,
                        tokens,
                        lease,
                        keys,
                        config.hrana(),
                        random,
                        Ticker.systemTicker(),
                        meters);
        address = serve(hrana, router(metrics), meters);
        link =
                new ControlLink(
                        config.control(),
                        new Registration(
                                name,
                                session.ulid(),
                                address,
                                commits.durable().part(),
                                folder.previous().map(SessionId::ulid).orElse(null),
                                config.tenant().assignedMax(),
                                VERSION),
                        auth,
                        lease,
                        epochs,
                        tenants,
                        tokens,
                        commits,
                        tasks,
                        random);
        end.tell(this);
        registered = link.start();
    }

    private static CommitLogConfig logConfig(LogConfig config) {
        return CommitLogConfig.DEFAULT
                .withLinger(config.linger())
                .withSegmentBytesMax(config.segmentBytesMax())
                .withParts(config.partMax(), config.partSlotsMax());
    }

    private Router router(Metrics metrics) {
        Router router = Router.router(vertx);
        routes.mount(router);
        metrics.mount(router);
        new Health()
                .check("log", this::logHealth)
                .check("controller", this::controllerHealth)
                .mount(router);
        router.route()
                .handler(context ->
                        Reply.of(new Problem(404, "NOT_FOUND", "nothing is here", false))
                                .send(context.response()));
        return router;
    }

    private Health.State logHealth() {
        return ended.isDone() ? Health.State.bad("ended") : Health.State.ok("open");
    }

    /// An outage of the controller or of the store takes no worker out of service: degraded, but
    /// ready, once it has been registered.
    private Health.State controllerHealth() {
        if (!registered.isDone()) {
            return Health.State.bad("not registered yet");
        }
        if (lease.live()) {
            return Health.State.ok("lease is live");
        }
        return Health.State.ok(
                lease.wanted()
                        ? "degraded: no lease, reads look at the log"
                        : "no lease, as nobody reads");
    }

    private String serve(HranaRoutes hrana, Router router, WorkerMetrics meters) {
        var bound = new CompletableFuture<Integer>();
        var shared =
                new HttpPort.Shared(
                        config.http(), hrana, router, meters, bound, new AtomicInteger());
        int instances = Math.max(1, Runtime.getRuntime().availableProcessors());
        vertx.deployVerticle(
                        () -> new HttpPort(shared), new DeploymentOptions().setInstances(instances))
                .await();
        return config.http().advertise().isEmpty()
                ? "http://" + config.http().host() + ":" + bound.join()
                : config.http().advertise();
    }

    /// Where gateway and controller reach this worker, `http://host:port`.
    public String address() {
        return address;
    }

    public SessionId session() {
        return session;
    }

    /// Completes when the controller has taken the registration.
    public CompletableFuture<Void> registered() {
        return registered;
    }

    /// Completes when the log has ended and everything has been stopped: the process must go.
    public CompletableFuture<LogEnd> ended() {
        return ended;
    }

    private void stopAtOnce(LogEnd end) {
        log.atInfo()
                .addKeyValue("worker", config.worker().name())
                .addKeyValue("session", session)
                .log("worker stops at once, its log has ended");
        lease.end();
        tenants.fenced(end);
        ended.complete(end);
    }

    /// Releases every tenant and stops. After [#ended] there is nothing to release.
    @Override
    public void close() {
        var phases = new Shutdown();
        if (!ended.isDone()) {
            phases.then("assignments", PHASE_MAX, routes::stop)
                    .then(
                            "release",
                            RELEASE_MAX.plus(config.control().releaseMax()),
                            this::release);
        }
        phases.then("control", PHASE_MAX, link::close)
                .then("http", PHASE_MAX, () -> vertx.close().await())
                .then("tenants", PHASE_MAX, tenants::close)
                .then("log", PHASE_MAX, () -> commits.close(PHASE_MAX))
                .then("store", PHASE_MAX, store::close)
                .then("folder", PHASE_MAX, folder::close)
                .run();
    }

    private void release() {
        List<Released> released = tenants.releaseAll().join();
        for (Released one : released) {
            link.released(
                    ControlRoutes.release(session.ulid(), one), config.control().releaseMax());
        }
        log.atInfo()
                .addKeyValue("worker", config.worker().name())
                .addKeyValue("tenants", released.size())
                .log("worker released its tenants");
    }
}
