package dev.litefleet.controller;

import dev.litefleet.service.Blocking;
import dev.litefleet.service.InternalAuth;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.ext.web.Router;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// The internal port. It is bound before an epoch is claimed, because the epoch names it.
final class InternalServer implements AutoCloseable {
    private static final int INSIDE_MAX = 4096;
    private static final int IDLE_SECONDS_MAX = 60;
    private static final int HEADER_BYTES_MAX = 8 * 1024;
    private static final int STOP_SECONDS_MAX = 5;

    private final Router router;
    private final String host;
    private final HttpServer server;
    private volatile @Nullable Whoami self;
    private volatile @Nullable Membership membership;

    /// Binds the port.
    ///
    /// @throws IllegalStateException if that is not possible, naming the address
    InternalServer(Vertx vertx, String host, int port, InternalAuth auth) {
        this.host = host;
        this.router = Router.router(vertx);
        new InternalRoutes(auth, new Blocking(INSIDE_MAX), () -> self, () -> membership)
                .mount(router);
        this.server =
                vertx.createHttpServer(
                                new HttpServerOptions()
                                        .setIdleTimeout(IDLE_SECONDS_MAX)
                                        .setMaxHeaderSize(HEADER_BYTES_MAX)
                                        .setMaxInitialLineLength(HEADER_BYTES_MAX / 2)
                                        // Vert.x speaks it by itself; nobody here does.
                                        .setHttp2ClearTextEnabled(false))
                        .requestHandler(router);
        try {
            server.listen(port, host).toCompletionStage().toCompletableFuture().join();
        } catch (RuntimeException taken) {
            throw new IllegalStateException(
                    "cannot listen [host=%s, port=%d]".formatted(host, port), taken);
        }
    }

    Router router() {
        return router;
    }

    /// `http://host:port`.
    String address() {
        return "http://"
                + (host.contains(":") ? "[" + host + "]" : host)
                + ":"
                + server.actualPort();
    }

    /// From now on this is who answers.
    void claimed(Whoami whoami) {
        self = whoami;
    }

    /// From now on workers are heard.
    void serve(Membership open) {
        membership = open;
    }

    /// Workers are told to come again.
    void stopServing() {
        membership = null;
    }

    @Override
    public void close() {
        stopServing();
        self = null;
        try {
            server.close()
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(STOP_SECONDS_MAX, TimeUnit.SECONDS);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        } catch (java.util.concurrent.ExecutionException | TimeoutException unclean) {
            // The process ends, and its sockets with it.
            return;
        }
    }
}
