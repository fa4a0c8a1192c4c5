package dev.litefleet.cli;

import com.github.f4b6a3.ulid.UlidCreator;
import dev.litefleet.controller.Controller;
import dev.litefleet.controller.ControllerConfig;
import dev.litefleet.controller.ControllerEnd;
import dev.litefleet.controller.ControllerMetrics;
import dev.litefleet.controller.RetentionConfig;
import dev.litefleet.controller.Start;
import dev.litefleet.controller.api.ApiErrors;
import dev.litefleet.controller.api.EventRoutes;
import dev.litefleet.controller.api.FleetRoutes;
import dev.litefleet.controller.api.HoldRoutes;
import dev.litefleet.controller.api.OpenApiRoutes;
import dev.litefleet.controller.api.OperationRoutes;
import dev.litefleet.controller.api.TenantRoutes;
import dev.litefleet.controller.api.WorkerRoutes;
import dev.litefleet.controller.auth.ApiKeys;
import dev.litefleet.controller.auth.TenantTokens;
import dev.litefleet.controller.gateway.Gateway;
import dev.litefleet.controller.gateway.Routing;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.HeadDeadline;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Metrics;
import dev.litefleet.service.Reply;
import dev.litefleet.service.Tokens;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Controller, REST API and gateway in one process: what listens on the public port.
final class ControlPlane implements AutoCloseable {
    /// How long a request may wait for its tenant to wake or move. A failover takes at most lease,
    /// margin and recovery, about 5 s.
    private static final Duration PARK_MAX = Duration.ofSeconds(15);

    /// Longer than the 30 s that an answer may wait for its commits to become durable.
    private static final int IDLE_SECONDS = 120;

    private static final int API_REQUESTS_MAX = 512;

    /// Settings of the public side.
    ///
    /// @param data holds `admin.key` and the controller's folder
    /// @param secrets folder of the private keys
    /// @param port public port; the next one is internal
    /// @param node see [ControllerConfig#node]
    /// @param leases how long silence may last
    /// @param epochs when the controller goes on in its next epoch
    /// @param retention what is deleted and when
    record Settings(
            Path data,
            Path secrets,
            String host,
            int port,
            String node,
            LeaseOptions leases,
            EpochOptions epochs,
            RetentionConfig retention) {}

    /// What became of an attempt to start.
    sealed interface Started {
        record Serving(ControlPlane plane) implements Started {}

        record AlreadyRunning(String address) implements Started {}
    }

    private final Vertx vertx;
    private final Controller controller;

    private ControlPlane(Vertx vertx, Controller controller) {
        this.vertx = vertx;
        this.controller = controller;
    }

    /// Starts the controller, then listens.
    ///
    /// @param ended as [Controller#start] calls it
    /// @throws CompletionException if the public port is taken
    static Started start(
            Settings settings, ObjectStore store, Vertx vertx, Consumer<ControllerEnd> ended) {
        var clock = InstantSource.system();
        var random = new SecureRandom();
        Keys keys = Keys.open(settings.secrets(), random);
        var config =
                settings.leases()
                        .of(
                                ControllerConfig.of(
                                        settings.data().resolve("controller"),
                                        settings.host(),
                                        settings.port() == 0 ? 0 : settings.port() + 1,
                                        Optional.of(settings.node())))
                        .withRetention(settings.retention())
                        .withEpochs(settings.epochs().max(), settings.epochs().slotsMax());
        Start start =
                Controller.start(
                        config, store, keys, vertx, new ThreadTasks(), clock, random, ended);
        return switch (start) {
            case Start.AlreadyRunning(var address) -> new Started.AlreadyRunning(address);
            case Start.Serving(var controller) -> {
                var plane = new ControlPlane(vertx, controller);
                plane.listen(settings, keys, clock, random);
                yield new Started.Serving(plane);
            }
        };
    }

    private void listen(Settings settings, Keys keys, InstantSource clock, SecureRandom random) {
        ApiKeys apiKeys =
                ApiKeys.open(
                        controller,
                        System.getenv("LITEFLEET_ADMIN_KEY"),
                        settings.data().resolve("admin.key"),
                        clock,
                        random);
        var gateways =
                new Gateway.Shared(
                        new Routing(controller::route, controller::routeAgain),
                        new Tokens(vertx, controller.jwtKeys(), clock),
                        new InternalAuth(keys, clock, random),
                        PARK_MAX,
                        System::nanoTime);
        controller.onSessionClosed(gateways::sessionClosed);
        controller.onTenantMoved(gateways::tenantMoved);
        var blocking = new Blocking(API_REQUESTS_MAX);
        var tokens = new TenantTokens(keys.signer(vertx), clock);
        var tenants =
                new TenantRoutes(
                        controller,
                        apiKeys,
                        tokens,
                        keys.derive("litefleet idempotency v1"),
                        clock,
                        blocking);
        var operations = new OperationRoutes(controller, apiKeys, tokens, blocking);
        var holds = new HoldRoutes(controller, clock, blocking);
        var workers = new WorkerRoutes(controller, apiKeys, blocking);
        var events = new EventRoutes(controller, apiKeys, blocking);
        var fleet = new FleetRoutes(controller, apiKeys, clock, blocking);
        var metrics = new Metrics();
        ControllerMetrics.register(metrics.registry(), controller);
        metrics.mount(controller.internalRouter());
        int loops = Math.max(1, Runtime.getRuntime().availableProcessors());
        vertx.deployVerticle(
                        () ->
                                new PublicServer(
                                        settings,
                                        gateways,
                                        router(
                                                List.of(
                                                        tenants::mount,
                                                        operations::mount,
                                                        events::mount,
                                                        holds::mount,
                                                        workers::mount,
                                                        fleet::mount),
                                                blocking)),
                        new DeploymentOptions().setInstances(loops))
                .toCompletionStage()
                .toCompletableFuture()
                .orTimeout(20, TimeUnit.SECONDS)
                .join();
    }

    /// @param api in this order: some rely on what an earlier one lets in
    private Router router(List<Consumer<Router>> api, Blocking blocking) {
        Router router = Router.router(vertx);
        router.route().handler(ControlPlane::stamp);
        api.forEach(routes -> routes.accept(router));
        OpenApiRoutes.mount(router);
        router.get("/livez").handler(context -> context.response().end("ok\n"));
        router.get("/readyz").handler(blocking.route(_ -> controller, ControlPlane::ready));
        ApiErrors.install(router);
        return router;
    }

    private static void stamp(RoutingContext context) {
        context.response()
                .putHeader("litefleet-version", Litefleet.VERSION)
                .putHeader("x-request-id", "req_" + UlidCreator.getUlid());
        context.next();
    }

    private static Reply ready(Controller controller) {
        long live =
                controller.workers().join().stream()
                        .filter(worker -> worker.state().equals("live"))
                        .count();
        String body =
                "[+] catalog open, epoch %d%n[%s] workers live: %d%n"
                        .formatted(controller.epoch(), live > 0 ? "+" : "-", live);
        Reply reply = Reply.text("text/plain", body);
        return live > 0 ? reply : new Reply(503, Map.copyOf(reply.headers()), reply.body());
    }

    Controller controller() {
        return controller;
    }

    /// Stops admitting and closes the controller. Workers must have stopped before.
    @Override
    public void close() {
        controller.close();
    }

    /// One event loop's share of the public port.
    private static final class PublicServer extends VerticleBase {
        private final Settings settings;
        private final Gateway.Shared shared;
        private final Router router;
        private @Nullable Gateway gateway;

        PublicServer(Settings settings, Gateway.Shared shared, Router router) {
            this.settings = settings;
            this.shared = shared;
            this.router = router;
        }

        @Override
        public Future<?> start() {
            gateway = new Gateway(vertx, shared);
            var options =
                    new HttpServerOptions()
                            .setHost(settings.host())
                            .setPort(settings.port())
                            .setMaxHeaderSize(8 << 10)
                            .setMaxInitialLineLength(4 << 10)
                            .setIdleTimeout(IDLE_SECONDS)
                            .setTcpNoDelay(true)
                            .setCompressionSupported(false)
                            .setDecompressionSupported(false)
                            .setHttp2ClearTextEnabled(false);
            var heads = new HeadDeadline(vertx, Duration.ofSeconds(IDLE_SECONDS));
            return vertx.createHttpServer(options)
                    .connectionHandler(connection -> {
                        Runnable gone = heads.opened(connection);
                        connection.closeHandler(_ -> gone.run());
                    })
                    .requestHandler(request -> {
                        heads.request(request);
                        handle(request);
                    })
                    .listen();
        }

        private void handle(HttpServerRequest request) {
            Gateway tenants = gateway;
            if (tenants == null || !tenants.handle(request)) {
                router.handle(request);
            }
        }
    }
}
