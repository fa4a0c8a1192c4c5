package dev.litefleet.service;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerRequest;

/// What is still on its way of the body of a request that is refused.
public final class RestOfBody {
    private static final int BYTES_MAX = 4 << 20;
    private static final long LINGER_MILLIS = 2000;

    private RestOfBody() {}

    /// Lets it pass by, so that the connection can be used again, unless it is long.
    public static void discard(HttpServerRequest request) {
        if (request.isEnded()) {
            return;
        }
        var passed = new long[1];
        request.handler(chunk -> {
            passed[0] += chunk.length();
            if (passed[0] > BYTES_MAX) {
                request.connection().close();
            }
        });
    }

    /// The same for one that has been answered because its body is too long. A connection that is
    /// closed while its client still writes is reset, and the answer may be lost with it (RFC 9112,
    /// 9.6); so it is closed only when the body does not end soon.
    public static void linger(HttpServerRequest request, Vertx vertx) {
        if (request.isEnded()) {
            return;
        }
        long close = vertx.setTimer(LINGER_MILLIS, _ -> request.connection().close());
        request.endHandler(_ -> vertx.cancelTimer(close));
        request.exceptionHandler(_ -> vertx.cancelTimer(close));
        discard(request);
    }
}
