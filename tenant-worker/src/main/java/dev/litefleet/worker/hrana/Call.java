package dev.litefleet.worker.hrana;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.litefleet.replica.Txid;
import dev.litefleet.service.RestOfBody;
import dev.litefleet.worker.tenant.RequestContext;
import dev.litefleet.worker.tenant.Tenant;
import io.vertx.core.Context;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One request of the data plane and its answer, which is sent exactly once. Confined to the
/// request's event loop, except [#later].
final class Call {
    private static final Logger log = LoggerFactory.getLogger(Call.class);
    private static final CharSequence CONTENT_TYPE = fast("content-type");
    private static final CharSequence JSON = fast("application/json");
    private static final CharSequence TXID = fast("litefleet-txid");
    private static final CharSequence DURABLE_TXID = fast("litefleet-durable-txid");

    final HttpServerRequest request;
    final Tenant tenant;
    final RequestContext about;

    /// Whether the session's ownership of its log was looked up after this request arrived.
    boolean checked;

    private final Context context;
    private final String route;
    private final RequestListener listener;
    private final Ticker ticker;
    private final long started;

    Call(
            HttpServerRequest request,
            String route,
            Tenant tenant,
            RequestContext about,
            Context context,
            Ticker ticker,
            RequestListener listener) {
        this.request = request;
        this.route = route;
        this.tenant = tenant;
        this.about = about;
        this.context = context;
        this.listener = listener;
        this.ticker = ticker;
        this.started = ticker.read();
        request.response().closeHandler(_ -> about.cancel());
    }

    /// Runs `work` on the request's event loop; what it throws fails the request. Any thread.
    void later(Runnable work) {
        context.runOnContext(_ -> attempt(work));
    }

    void attempt(Runnable work) {
        try {
            work.run();
        } catch (RuntimeException failure) {
            fail(failure);
        }
    }

    void send(byte[] body, @Nullable Txid seen, @Nullable Txid durable) {
        HttpServerResponse response = request.response();
        if (response.closed() || response.ended()) {
            return;
        }
        if (seen != null && durable != null) {
            response.putHeader(TXID, seen.toString());
            response.putHeader(DURABLE_TXID, durable.toString());
        }
        end(200, body);
    }

    /// Answers with the error that `failure` is to the client.
    void fail(Throwable failure) {
        HranaError error = HranaError.of(failure);
        if (error.status() == 500) {
            log.atError().addKeyValue("op", route).setCause(failure).log("request failed");
        }
        fail(error);
    }

    void fail(HranaError error) {
        HttpServerResponse response = request.response();
        if (response.closed() || response.ended() || response.headWritten()) {
            return;
        }
        if (error.retryable()) {
            response.putHeader("retry-after", "1");
        }
        end(error.status(), error.body());
        if (error.status() == 413) {
            RestOfBody.linger(request, context.owner());
        } else if (error.status() == 408) {
            // There is no end of the body to wait for, so no next request on this connection.
            request.connection().close();
        }
    }

    private void end(int status, byte[] body) {
        Cors.answer(request);
        request.response()
                .setStatusCode(status)
                .putHeader(CONTENT_TYPE, JSON)
                .end(Buffer.buffer(body));
        listener.answered(route, status, ticker.read() - started);
    }

    /// For answers that are not written here.
    void answered(int status) {
        listener.answered(route, status, ticker.read() - started);
    }

    private static CharSequence fast(String text) {
        return io.vertx.core.http.HttpHeaders.createOptimized(text);
    }
}
