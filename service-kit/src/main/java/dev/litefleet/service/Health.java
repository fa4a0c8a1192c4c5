package dev.litefleet.service;

import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.Router;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/// `/livez` (the event loop answers) and `/readyz` (every named check passes); no authentication,
/// no tenant data. `?verbose` lists the checks, as Kubernetes' own servers do.
public final class Health {
    /// What a check says.
    ///
    /// @param detail one line for `?verbose`
    public record State(boolean ok, String detail) {
        public static State ok(String detail) {
            return new State(true, detail);
        }

        public static State bad(String detail) {
            return new State(false, detail);
        }
    }

    private final Map<String, Supplier<State>> checks = new LinkedHashMap<>();

    /// Adds a check; it runs on the event loop, so it must only look at memory.
    public Health check(String name, Supplier<State> check) {
        checks.put(name, check);
        return this;
    }

    public void mount(Router router) {
        router.get("/livez").handler(context -> context.response().end("ok\n"));
        router.get("/readyz")
                .handler(context -> {
                    boolean verbose = context.queryParams().contains("verbose");
                    boolean ready = true;
                    Buffer body = Buffer.buffer();
                    for (var check : checks.entrySet()) {
                        State state = look(check.getValue());
                        ready &= state.ok();
                        if (verbose || !state.ok()) {
                            body.appendString(
                                    "[%s] %s %s\n"
                                            .formatted(
                                                    state.ok() ? "+" : "-",
                                                    check.getKey(),
                                                    state.detail()));
                        }
                    }
                    context.response()
                            .setStatusCode(ready ? 200 : 503)
                            .putHeader("content-type", "text/plain")
                            .end(body.appendString(ready ? "ready\n" : "not ready\n"));
                });
    }

    /// A check that fails is one that does not pass.
    private static State look(Supplier<State> check) {
        try {
            return check.get();
        } catch (RuntimeException failure) {
            return State.bad(String.valueOf(failure.getMessage()));
        }
    }
}
