package dev.litefleet.controller.gateway;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.litefleet.controller.api.Answers;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.replica.TenantId;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Refused;
import dev.litefleet.service.Tokens;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.json.JsonObject;
import io.vertx.httpproxy.Body;
import io.vertx.httpproxy.ProxyRequest;
import io.vertx.httpproxy.ProxyResponse;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Streams tenant traffic to the worker that holds the tenant.
///
/// A request is parked while its tenant wakes or moves, at most `parkMax`. It is sent a second time
/// only after 421, which a worker says before it has executed anything, and only when its body was
/// buffered; a request that never reached a worker (no connection) waits for the next route. What
/// may have been executed is never sent again: its client hears `OUTCOME_UNKNOWN`.
///
/// One instance per event loop; the shared part is [Shared].
public final class Gateway {
    private static final Logger log = LoggerFactory.getLogger(Gateway.class);

    /// Bodies up to this size are held for the second attempt after a 421.
    private static final int REPLAY_BYTES_MAX = 1 << 20;

    static final int WORKER_CONNECTIONS_MAX = 512;
    private static final Duration CONNECT_MAX = Duration.ofSeconds(2);
    private static final Duration LOOK_AGAIN = Duration.ofMillis(50);

    /// Unused connections are given up long before the worker does (75 s): a request that meets a
    /// connection which is just being closed would be lost.
    private static final int KEEP_ALIVE_SECONDS = 30;

    /// Closed sessions remembered; routes to them may still be on their way from the controller.
    private static final int CLOSED_MAX = 10_000;

    private static final Pattern HEADER_NAMES = Pattern.compile("[A-Za-z0-9, _-]{1,1000}");

    /// What all instances of a process share.
    public static final class Shared {
        private final RouteCache routes;
        private final Tokens tokens;
        private final InternalAuth auth;
        private final Duration parkMax;
        private final LongSupplier ticker;
        private final Map<String, Set<HttpClientRequest>> sent = new ConcurrentHashMap<>();
        private final Cache<String, Boolean> closed =
                Caffeine.newBuilder().maximumSize(CLOSED_MAX).build();

        /// @param parkMax how long a request may wait for its tenant
        /// @param ticker monotonic nanoseconds
        public Shared(
                Routing controller,
                Tokens tokens,
                InternalAuth auth,
                Duration parkMax,
                LongSupplier ticker) {
            this.routes = new RouteCache(controller);
            this.tokens = tokens;
            this.auth = auth;
            this.parkMax = parkMax;
            this.ticker = ticker;
        }

        /// Drops the route of a tenant that is being released or deleted.
        public void tenantMoved(TenantId tenant) {
            routes.forget(tenant);
        }

        /// Ends what is under way to a session that the controller has closed: a frozen worker
        /// would keep its clients waiting for ever.
        public void sessionClosed(String session) {
            closed.put(session, Boolean.TRUE);
            routes.forgetSession(session);
            Set<HttpClientRequest> waiting = sent.remove(session);
            if (waiting != null) {
                waiting.forEach(HttpClientRequest::reset);
            }
        }

        private boolean closed(Route route) {
            return closed.getIfPresent(route.session()) != null;
        }

        /// From now until [#ended] the request is reset when its session is closed.
        private void started(Route route, HttpClientRequest request) {
            sent.computeIfAbsent(route.session(), _ -> ConcurrentHashMap.newKeySet()).add(request);
            // Closing marks first and resets then; so one of the two sees the other.
            if (closed(route)) {
                sent.remove(route.session());
                request.reset();
            }
        }

        private void ended(Route route, HttpClientRequest request) {
            Set<HttpClientRequest> waiting = sent.get(route.session());
            if (waiting != null) {
                waiting.remove(request);
            }
        }
    }

    private final Vertx vertx;
    private final Shared shared;
    private final HttpClient client;

    public Gateway(Vertx vertx, Shared shared) {
        this.vertx = vertx;
        this.shared = shared;
        this.client =
                vertx.createHttpClient(
                        new HttpClientOptions()
                                .setKeepAlive(true)
                                .setKeepAliveTimeout(KEEP_ALIVE_SECONDS)
                                .setTcpNoDelay(true)
                                .setDecompressionSupported(false)
                                .setMaxHeaderSize(8 << 10)
                                .setConnectTimeout((int) CONNECT_MAX.toMillis()),
                        new PoolOptions().setHttp1MaxSize(WORKER_CONNECTIONS_MAX));
    }

    /// Serves `request` if it is the data plane's.
    ///
    /// @return false if it is not; nothing was touched then
    public boolean handle(HttpServerRequest request) {
        TenantPath.Parsed parsed = TenantPath.parse(request.uri());
        boolean preflight =
                request.method().equals(HttpMethod.OPTIONS)
                        && !(parsed instanceof TenantPath.Parsed.Foreign);
        if (preflight) {
            preflight(request);
            return true;
        }
        return switch (parsed) {
            case TenantPath.Parsed.Foreign() -> false;
            case TenantPath.Parsed.Wrong(var code, var detail) -> {
                fail(request, new Problem(404, code, detail, false));
                yield true;
            }
            case TenantPath.Parsed.ByToken(var rest) -> {
                byToken(request, rest);
                yield true;
            }
            case TenantPath.Parsed.Tenant(var path) -> {
                admit(request, path);
                yield true;
            }
        };
    }

    /// Answered here: it carries no token, and nobody without one may wake a tenant.
    private static void preflight(HttpServerRequest request) {
        String asked = request.getHeader("access-control-request-headers");
        request.response()
                .setStatusCode(204)
                .putHeader("access-control-allow-origin", "*")
                .putHeader("access-control-allow-methods", "GET, POST, OPTIONS")
                .putHeader(
                        "access-control-allow-headers",
                        asked == null || !HEADER_NAMES.matcher(asked).matches()
                                ? "authorization, content-type"
                                : asked)
                .putHeader("access-control-max-age", "86400")
                .putHeader("vary", "origin, access-control-request-headers")
                .end();
    }

    private void byToken(HttpServerRequest request, String rest) {
        try {
            String tenant =
                    shared.tokens
                            .verify(request.getHeader("authorization"))
                            .onlyTenant()
                            .orElseThrow(() ->
                                    Refused.of(
                                            404,
                                            "TENANT_MISSING",
                                            "the URL names no tenant and the token not"
                                                    + " exactly one; use /t/<tenant>/",
                                            false));
            admit(request, new TenantPath(TenantId.parse(tenant), rest));
        } catch (Refused refused) {
            fail(request, refused.problem());
        } catch (IllegalArgumentException wrongName) {
            fail(request, Problem.unreadable(wrongName));
        }
    }

    private void admit(HttpServerRequest request, TenantPath path) {
        try {
            // Only to refuse early; the worker decides, also on the token's generation.
            shared.tokens.verify(request.getHeader("authorization"), path.tenant(), 0);
        } catch (Refused refused) {
            fail(request, refused.problem());
            return;
        }
        Exchange exchange = new Exchange(request, path);
        if (bodyBytes(request) <= REPLAY_BYTES_MAX) {
            request.body()
                    .onSuccess(body -> {
                        exchange.body = body;
                        exchange.route();
                    });
        } else {
            request.pause();
            exchange.route();
        }
    }

    /// Bytes that the request announces; chunked bodies count as too large to hold.
    private static long bodyBytes(HttpServerRequest request) {
        String length = request.getHeader("content-length");
        if (length == null) {
            return request.getHeader("transfer-encoding") == null ? 0 : Long.MAX_VALUE;
        }
        try {
            return Long.parseLong(length);
        } catch (NumberFormatException _) {
            return Long.MAX_VALUE;
        }
    }

    /// One request on its way. Confined to its event loop.
    private final class Exchange {
        private final HttpServerRequest request;
        private final TenantPath path;
        private final Context loop = vertx.getOrCreateContext();
        private final long deadline;
        private @Nullable Buffer body; // null when it streams
        private boolean misdirected; // one 421 was met

        Exchange(HttpServerRequest request, TenantPath path) {
            this.request = request;
            this.path = path;
            this.deadline = shared.ticker.getAsLong() + shared.parkMax.toNanos();
        }

        private void route() {
            follow(shared.routes.route(path.tenant()));
        }

        private void follow(CompletableFuture<Route> route) {
            if (route.isDone() && !route.isCompletedExceptionally()) {
                send(route.join());
                return;
            }
            var waiting =
                    route.copy()
                            .orTimeout(
                                    Math.max(1, deadline - shared.ticker.getAsLong()),
                                    TimeUnit.NANOSECONDS);
            var _ =
                    waiting.whenComplete((found, failure) ->
                            loop.runOnContext(_ -> {
                                if (failure == null) {
                                    send(found);
                                } else {
                                    unroutable(failure);
                                }
                            }));
        }

        private void unroutable(Throwable failure) {
            Throwable cause = failure.getCause() == null ? failure : failure.getCause();
            if (failure instanceof TimeoutException || cause instanceof TimeoutException) {
                fail(request, parkedTooLong());
            } else {
                fail(request, Answers.problem(cause));
            }
        }

        private void send(Route route) {
            if (request.response().closed()) {
                return;
            }
            if (shared.closed(route)) {
                unreached(route);
                return;
            }
            URI worker = URI.create(route.address());
            String target = path.target();
            client.request(
                            new RequestOptions()
                                    .setHost(worker.getHost())
                                    .setPort(worker.getPort())
                                    .setMethod(request.method())
                                    .setURI(target))
                    .onComplete(connected -> {
                        if (connected.failed()) {
                            unreached(route);
                        } else {
                            pass(route, connected.result(), target);
                        }
                    });
        }

        /// Nothing was sent. Either the worker restarts at another address or another one takes the
        /// tenant over; the controller will know.
        private void unreached(Route route) {
            shared.routes.forget(path.tenant(), route);
            if (shared.ticker.getAsLong() >= deadline) {
                fail(request, parkedTooLong());
                return;
            }
            vertx.setTimer(LOOK_AGAIN.toMillis(), _ -> route());
        }

        private void pass(Route route, HttpClientRequest upstream, String target) {
            ProxyRequest proxied = ProxyRequest.reverseProxy(request);
            proxied.setURI(target);
            Buffer held = body;
            if (held != null) {
                proxied.setBody(Body.body(held));
            }
            String method = request.method().name();
            proxied.putHeader(
                    InternalAuth.HEADER,
                    shared.auth.sign(method, target, held == null ? null : held.getBytes()));
            shared.started(route, upstream);
            proxied.send(upstream)
                    .onComplete(answer -> {
                        shared.ended(route, upstream);
                        if (answer.failed()) {
                            lost(route, answer.cause());
                        } else if (answer.result().getStatusCode() == 421) {
                            misdirected(route, answer.result());
                        } else {
                            shared.started(route, upstream);
                            answer.result().send().onComplete(_ -> shared.ended(route, upstream));
                        }
                    });
        }

        private void misdirected(Route route, ProxyResponse answer) {
            answer.release();
            if (misdirected || body == null) {
                shared.routes.forget(path.tenant(), route);
                fail(
                        request,
                        new Problem(
                                503,
                                "TENANT_MOVING",
                                "the tenant is moving to another worker; send the request again",
                                true));
                return;
            }
            misdirected = true;
            follow(shared.routes.routeAgain(path.tenant(), route));
        }

        private void lost(Route route, Throwable cause) {
            shared.routes.forget(path.tenant(), route);
            log.atDebug()
                    .addKeyValue("tenant", path.tenant())
                    .addKeyValue("session", route.session())
                    .setCause(cause)
                    .log("worker's answer was lost");
            fail(
                    request,
                    new Problem(
                            503,
                            "OUTCOME_UNKNOWN",
                            "the worker stopped answering; the request may have been executed:"
                                    + " read before you repeat a write",
                            false));
        }

        private Problem parkedTooLong() {
            return new Problem(
                    503,
                    "TENANT_UNAVAILABLE",
                    "no worker serves the tenant yet; send the request again",
                    true);
        }
    }

    /// Errors on the data plane have the body that every Hrana client can read; its content type
    /// must be exactly `application/json` (hrana-client compares for equality).
    static void fail(HttpServerRequest request, Problem problem) {
        HttpServerResponse response = request.response();
        if (response.closed() || response.ended()) {
            return;
        }
        if (response.headWritten()) {
            response.reset();
            return;
        }
        response.setStatusCode(problem.status())
                .putHeader("content-type", "application/json")
                .putHeader("access-control-allow-origin", "*");
        if (problem.status() == 503 && problem.retryable()) {
            response.putHeader("retry-after", "1");
        }
        response.end(
                new JsonObject()
                        .put("error", problem.detail())
                        .put("message", problem.detail())
                        .put("code", problem.code())
                        .toBuffer());
        request.resume();
    }
}
