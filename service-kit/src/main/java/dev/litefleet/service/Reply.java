package dev.litefleet.service;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import java.util.HashMap;
import java.util.Map;

/// A finished HTTP answer, built off the event loop and sent on it.
///
/// @param body empty for answers without one (204)
public record Reply(int status, Map<String, String> headers, Buffer body) {
    private static final String TYPE = "content-type";

    public Reply {
        headers = Map.copyOf(headers);
    }

    public static Reply ok(JsonObject body) {
        return json(200, body);
    }

    public static Reply created(JsonObject body) {
        return json(201, body);
    }

    public static Reply json(int status, JsonObject body) {
        return new Reply(status, Map.of(TYPE, "application/json"), body.toBuffer());
    }

    public static Reply text(String contentType, String body) {
        return new Reply(200, Map.of(TYPE, contentType), Buffer.buffer(body));
    }

    public static Reply of(Problem problem) {
        var headers = new HashMap<String, String>();
        headers.put(TYPE, "application/problem+json");
        // Not with every 503: clients take it for leave to send a write again.
        if (problem.retryable() && (problem.status() == 503 || problem.status() == 429)) {
            headers.put("retry-after", "1");
        }
        return new Reply(problem.status(), headers, problem.toJson().toBuffer());
    }

    /// The same answer with one more header.
    public Reply with(String name, String value) {
        var more = new HashMap<>(headers);
        more.put(name, value);
        return new Reply(status, more, body);
    }

    /// Sends this answer; on the response's own event loop only. A connection that is gone already
    /// is not an error.
    public void send(HttpServerResponse response) {
        if (response.closed() || response.ended()) {
            return;
        }
        response.setStatusCode(status);
        headers.forEach(response::putHeader);
        response.end(body);
    }
}
