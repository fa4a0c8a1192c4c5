package dev.litefleet.worker;

import dev.litefleet.service.HeadDeadline;
import dev.litefleet.worker.hrana.HranaRoutes;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.VerticleBase;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.Router;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/// The worker's port on one event loop. Several instances share the port and the handlers.
final class HttpPort extends VerticleBase {
    /// What all instances share.
    ///
    /// @param bound completed with the port
    /// @param connections open now, over all instances
    record Shared(
            HttpConfig config,
            HranaRoutes hrana,
            Router router,
            WorkerMetrics metrics,
            CompletableFuture<Integer> bound,
            AtomicInteger connections) {}

    /// Vert.x's way to say: any free port, the same for all instances.
    private static final int ANY_SHARED = -1;

    private final Shared shared;

    HttpPort(Shared shared) {
        this.shared = shared;
    }

    @Override
    public Future<?> start() {
        HttpConfig config = shared.config();
        var options =
                new HttpServerOptions()
                        .setHost(config.host())
                        .setPort(config.port() == 0 ? ANY_SHARED : config.port())
                        .setIdleTimeout((int) config.idle().toSeconds())
                        .setIdleTimeoutUnit(TimeUnit.SECONDS)
                        .setMaxHeaderSize(config.headerBytesMax())
                        .setMaxInitialLineLength(config.requestLineBytesMax())
                        .setHandle100ContinueAutomatically(true)
                        // A few bytes of gzip can become gigabytes; no client of ours sends it.
                        .setDecompressionSupported(false)
                        .setCompressionSupported(false)
                        // Nobody speaks HTTP/2 without TLS to a worker, so nobody can flood it.
                        .setHttp2ClearTextEnabled(false);
        HttpServer server = vertx.createHttpServer(options);
        Handler<HttpServerRequest> other = shared.router();
        var heads = new HeadDeadline(vertx, config.idle());
        server.requestHandler(request -> {
            heads.request(request);
            if (!shared.hrana().handle(request)) {
                other.handle(request);
            }
        });
        server.connectionHandler(connection -> admit(connection, heads));
        return server.listen().onSuccess(on -> shared.bound().complete(on.actualPort()));
    }

    private void admit(HttpConnection connection, HeadDeadline heads) {
        Runnable gone = heads.opened(connection);
        connection.closeHandler(_ -> {
            gone.run();
            shared.connections().decrementAndGet();
        });
        if (shared.connections().incrementAndGet() > shared.config().connectionsMax()) {
            shared.metrics().connectionRefused();
            connection.close();
        }
    }
}
