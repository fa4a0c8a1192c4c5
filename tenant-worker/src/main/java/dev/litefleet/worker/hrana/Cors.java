package dev.litefleet.worker.hrana;

import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;

/// Lets browsers' studios call tenants from other origins. Tokens travel in a header, never in
/// cookies, so any origin may ask.
final class Cors {
    private Cors() {}

    /// The headers that a browser wants to see on an answer; nothing for other clients.
    static void answer(HttpServerRequest request) {
        if (request.getHeader("origin") != null) {
            request.response()
                    .putHeader("access-control-allow-origin", "*")
                    .putHeader(
                            "access-control-expose-headers",
                            "litefleet-txid, litefleet-durable-txid");
        }
    }

    static void preflight(HttpServerRequest request) {
        HttpServerResponse response = request.response().setStatusCode(204);
        response.putHeader("access-control-allow-origin", "*")
                .putHeader("access-control-allow-methods", "GET, POST, OPTIONS")
                .putHeader("access-control-allow-headers", allowed(request))
                .putHeader("access-control-max-age", "86400")
                .putHeader("vary", "origin, access-control-request-headers");
        response.end();
    }

    /// What was asked for: `*` does not cover `authorization` (Fetch standard, 4.9).
    private static String allowed(HttpServerRequest request) {
        String asked = request.getHeader("access-control-request-headers");
        return asked == null || !asked.matches("[A-Za-z0-9, _-]{1,1000}")
                ? "authorization, content-type"
                : asked;
    }
}
