package dev.litefleet.worker.control;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.service.Blocking;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Refused;
import dev.litefleet.service.Reply;
import dev.litefleet.worker.tenant.Assigned;
import dev.litefleet.worker.tenant.Durability;
import dev.litefleet.worker.tenant.Quota;
import dev.litefleet.worker.tenant.Released;
import dev.litefleet.worker.tenant.TenantAssignment;
import dev.litefleet.worker.tenant.TenantException;
import dev.litefleet.worker.tenant.Tenants;
import io.vertx.core.buffer.Buffer;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.handler.BodyHandler;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/// `/internal/v1/...` of a worker: what the controller tells it. Every request must be signed with
/// the fleet's key, and is taken once.
public final class ControlRoutes {
    static final String ASSIGN = "/internal/v1/assign";
    static final String RELEASE = "/internal/v1/release";
    static final String STATUS = "/internal/v1/status";

    private static final int BODY_BYTES_MAX = 1 << 16;

    private final String worker;
    private final String session;
    private final InternalAuth auth;
    private final Epochs epochs;
    private final Lease lease;
    private final CommitLog commits;
    private final Tenants tenants;
    private final Quota quota;
    private final Blocking blocking;
    private volatile boolean stopping;

    /// @param quota what an assignment leaves open
    /// @param blocking bounds the requests that are inside at once; a release stays until
    ///   everything of its tenant is drained
    public ControlRoutes(
            String worker,
            String session,
            InternalAuth auth,
            Epochs epochs,
            Lease lease,
            CommitLog commits,
            Tenants tenants,
            Quota quota,
            Blocking blocking) {
        this.worker = worker;
        this.session = session;
        this.auth = auth;
        this.epochs = epochs;
        this.lease = lease;
        this.commits = commits;
        this.tenants = tenants;
        this.quota = quota;
        this.blocking = blocking;
    }

    public void mount(Router router) {
        var body = BodyHandler.create(false).setBodyLimit(BODY_BYTES_MAX);
        router.post(ASSIGN)
                .handler(body)
                .handler(
                        blocking.route(context -> signed(context, Assignment.class), this::assign));
        router.post(RELEASE)
                .handler(body)
                .handler(
                        blocking.route(
                                context -> signed(context, ReleaseRequest.class), this::release));
        router.get(STATUS).handler(blocking.route(this::signed, _ -> reply(status())));
    }

    /// Takes no assignment from here on: the process is about to release what it has.
    public void stop() {
        stopping = true;
    }

    private <T extends Record> T signed(RoutingContext context, Class<T> type) {
        return Wire.read(signed(context), type);
    }

    private byte[] signed(RoutingContext context) {
        Buffer buffer = context.body() == null ? null : context.body().buffer();
        byte[] body = buffer == null ? new byte[0] : buffer.getBytes();
        auth.verifyOnce(
                context.request().method().name(),
                context.request().uri(),
                context.request().getHeader(InternalAuth.HEADER),
                body);
        return body;
    }

    private Reply assign(Assignment message) {
        String refusal = refusal(message.session(), message.epoch());
        if (refusal == null && stopping) {
            refusal = "the worker is stopping";
        }
        return reply(refusal == null ? answer(message) : AssignmentReply.refused(refusal));
    }

    private AssignmentReply answer(Assignment message) {
        return switch (tenants.assign(assignment(message))) {
            case Assigned.Taken() -> AssignmentReply.taken();
            case Assigned.Gone(String reason) -> AssignmentReply.gone(reason);
            case Assigned.Refused(String reason) -> AssignmentReply.refused(reason);
        };
    }

    private TenantAssignment assignment(Assignment message) {
        return new TenantAssignment(
                new TenantKey(new TenantId(message.tenant()), new Lineage(message.lineage())),
                message.number(),
                Txid.parse(message.txidFloor()),
                message.durability().equals(Assignment.ASYNC) ? Durability.ASYNC : Durability.SYNC,
                quota(message.quotas()),
                message.tokenGen(),
                message.previousSession());
    }

    private Quota quota(Quotas asked) {
        return new Quota(
                asked.databaseBytesMax() == 0 ? quota.databaseBytesMax() : asked.databaseBytesMax(),
                asked.valueBytesMax() == 0
                        ? quota.valueBytesMax()
                        : Math.toIntExact(asked.valueBytesMax()),
                asked.statementMillisMax() == 0
                        ? quota.statementMax()
                        : Duration.ofMillis(asked.statementMillisMax()));
    }

    private Reply release(ReleaseRequest message) {
        String refusal = refusal(message.session(), message.epoch());
        if (refusal != null) {
            throw stale(refusal);
        }
        try {
            Released released =
                    tenants.release(new TenantId(message.tenant()), message.number()).join();
            return reply(release(session, released));
        } catch (CompletionException failed) {
            throw switch (failed.getCause()) {
                case TenantException.NotHere notHere -> stale(String.valueOf(notHere.getMessage()));
                case TenantException tenant ->
                        Refused.of(503, tenant.code(), String.valueOf(tenant.getMessage()), true);
                case null, default -> failed;
            };
        }
    }

    /// What the controller is told of a finished release.
    public static Release release(String session, Released released) {
        return new Release(
                released.key().tenant().name(),
                session,
                released.number(),
                released.key().lineage().ulid(),
                released.last().toString());
    }

    private static Refused stale(String why) {
        return Refused.of(409, "RELEASE_STALE", why, false);
    }

    /// Why a message is not for this session, or not from the current controller; null if it is.
    private @Nullable String refusal(String meant, long epoch) {
        if (!meant.equals(session)) {
            return "another session is meant [session=" + meant + "]";
        }
        if (!epochs.accept(epoch)) {
            return "a newer controller has been heard [epoch=%d, newest=%d]"
                    .formatted(epoch, epochs.newest());
        }
        return null;
    }

    private WorkerStatus status() {
        var durable = commits.durable();
        return new WorkerStatus(
                worker,
                session,
                epochs.newest(),
                durable.part(),
                durable.number(),
                commits.pendingBytes(),
                tenants.residents(),
                tenants.assigned(),
                lease.live());
    }

    private static Reply reply(Record message) {
        return new Reply(
                200,
                Map.of("content-type", "application/json"),
                Buffer.buffer(Wire.write(message)));
    }
}
