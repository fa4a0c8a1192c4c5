package dev.litefleet.controller;

import dev.litefleet.service.Blocking;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Reply;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.Wire;
import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// `/internal/v1` of the controller. Every request must be signed with the fleet's key.
final class InternalRoutes {
    private static final int BODY_BYTES_MAX = 64 * 1024;

    private final InternalAuth auth;
    private final Blocking blocking;
    private final Supplier<@Nullable Whoami> self;
    private final Supplier<@Nullable Membership> membership;

    /// @param self null until an epoch is claimed
    /// @param membership null until the catalog is open: workers are told to come again
    InternalRoutes(
            InternalAuth auth,
            Blocking blocking,
            Supplier<@Nullable Whoami> self,
            Supplier<@Nullable Membership> membership) {
        this.auth = auth;
        this.blocking = blocking;
        this.self = self;
        this.membership = membership;
    }

    void mount(Router router) {
        router.get(Whoami.PATH)
                .handler(
                        blocking.route(
                                context -> {
                                    verified(context, new byte[0]);
                                    return Whoami.PATH;
                                },
                                _ -> whoami()));
        message(
                router,
                "/internal/v1/register",
                Registration.class,
                membership -> message -> ok(membership.register(message)));
        message(
                router,
                "/internal/v1/heartbeat",
                Heartbeat.class,
                membership -> message -> ok(membership.heartbeat(message)));
        message(
                router,
                "/internal/v1/released",
                Release.class,
                membership ->
                        message -> {
                            membership.released(message);
                            return done();
                        });
        message(
                router,
                "/internal/v1/lost",
                Lost.class,
                membership ->
                        message -> {
                            membership.lost(message);
                            return done();
                        });
    }

    private static Reply done() {
        return new Reply(204, Map.of(), Buffer.buffer());
    }

    private <T extends Record> void message(
            Router router,
            String path,
            Class<T> type,
            Function<Membership, Function<T, Reply>> answer) {
        router.post(path)
                .handler(BodyHandler.create(false).setBodyLimit(BODY_BYTES_MAX))
                .handler(
                        blocking.route(
                                context -> {
                                    Buffer buffer = context.body().buffer();
                                    byte[] body = buffer == null ? new byte[0] : buffer.getBytes();
                                    verified(context, body);
                                    return Wire.read(body, type);
                                },
                                message -> {
                                    Membership open = membership.get();
                                    return open == null
                                            ? Reply.of(starting())
                                            : answer.apply(open).apply(message);
                                }));
    }

    private void verified(RoutingContext context, byte[] body) {
        auth.verifyOnce(
                context.request().method().name(),
                context.request().uri(),
                context.request().getHeader(InternalAuth.HEADER),
                body);
    }

    private Reply whoami() {
        Whoami known = self.get();
        return known == null ? Reply.of(starting()) : ok(known);
    }

    private static Reply ok(Record message) {
        return new Reply(
                200,
                Map.of("content-type", "application/json"),
                Buffer.buffer(Wire.write(message)));
    }

    private static Problem starting() {
        return new Problem(503, "NOT_SERVING", "this controller is not serving; ask again", true);
    }
}
