package dev.litefleet.worker.control;

import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.PublicKeyJwk;
import dev.litefleet.service.Tokens;
import dev.litefleet.worker.tenant.LostCommits;
import dev.litefleet.worker.tenant.Tenants;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A worker's side of the conversation with the controller: registers, then sends a heartbeat every
/// interval and renews the [Lease] by the answers.
///
/// The controller may be down for as long as it likes: the worker goes on with the tenants it has.
/// Told that its session is closed, it looks at its log at once, so that a process that was paused
/// for long leaves within one heartbeat of being resumed; what it finds there decides, not the
/// message.
public final class ControlLink implements AutoCloseable {
    static final String REGISTER = "/internal/v1/register";
    static final String HEARTBEAT = "/internal/v1/heartbeat";
    static final String RELEASED = "/internal/v1/released";
    static final String LOST = "/internal/v1/lost";

    private static final Logger log = LoggerFactory.getLogger(ControlLink.class);
    private static final Duration REPEATED_WARNING = Duration.ofMinutes(1);

    private final ControlConfig config;
    private final Registration registration;
    private final ControlClient client;
    private final Lease lease;
    private final Epochs epochs;
    private final Tenants tenants;
    private final Tokens tokens;
    private final CommitLog commits;
    private final Tasks tasks;
    private final RandomGenerator random;
    private final CompletableFuture<Void> registeredOnce = new CompletableFuture<>();
    private volatile boolean registered;
    private volatile boolean closed;
    private volatile boolean askedForLease; // by the last heartbeat
    private final Tasks.Guard rest;
    private boolean roused; // rest

    // The rest is confined to the link's task.
    private Duration leaseLength = Duration.ZERO;
    private Duration interval = Duration.ZERO;
    private List<PublicKeyJwk> keys = List.of();
    private long tokenGensSeen;
    private int failures;
    private boolean suspected;
    private boolean warned;
    private long warnedAt;

    /// @param registration what this session is; its part is said anew each time
    public ControlLink(
            ControlConfig config,
            Registration registration,
            InternalAuth auth,
            Lease lease,
            Epochs epochs,
            Tenants tenants,
            Tokens tokens,
            CommitLog commits,
            Tasks tasks,
            RandomGenerator random) {
        this.config = config;
        this.registration = registration;
        this.client = new ControlClient(config.url(), auth, config.answerMax());
        this.lease = lease;
        this.epochs = epochs;
        this.tenants = tenants;
        this.tokens = tokens;
        this.commits = commits;
        this.tasks = tasks;
        this.random = random;
        this.rest = tasks.guard();
    }

    /// Begins to register, and goes on until [#close].
    ///
    /// @return completes when the controller has taken the registration for the first time
    public CompletableFuture<Void> start() {
        lease.onMissed(this::rouse);
        tasks.start("control-link", this::run);
        return registeredOnce;
    }

    /// Whether the controller that answers knows this session.
    public boolean registered() {
        return registered;
    }

    private void run() {
        while (!closed) {
            Duration pause;
            try {
                pause = registered ? heartbeat() : register();
                recovered();
            } catch (ControlException failure) {
                if (closed) {
                    return;
                }
                pause = failed(failure);
            }
            rest(pause);
        }
    }

    /// Until the next message is due, or somebody reads who has no lease.
    private void rest(Duration pause) {
        long until = tasks.nanos() + pause.toNanos();
        rest.lock();
        try {
            for (long left = pause.toNanos();
                    left > 0 && !roused && !closed;
                    left = until - tasks.nanos()) {
                rest.await(Duration.ofNanos(left));
            }
            roused = false;
        } finally {
            rest.unlock();
        }
    }

    /// The next heartbeat goes at once if the last one asked for no lease: once, so that reads
    /// without a lease cause no more heartbeats than there are without them, plus one.
    private void rouse() {
        if (askedForLease) {
            return;
        }
        rest.lock();
        try {
            askedForLease = true;
            roused = true;
            rest.signalAll();
        } finally {
            rest.unlock();
        }
    }

    private Duration register() {
        Registered answer;
        try {
            answer =
                    client.ask(
                            REGISTER,
                            registration.in(commits.durable().part()),
                            Registered.class,
                            config.answerMax());
        } catch (ControlException.Denied denied) {
            // Perhaps this session is closed already; the log knows.
            suspect();
            throw denied;
        }
        if (!epochs.accept(answer.epoch())) {
            throw new ControlException.Outdated(REGISTER, answer.epoch(), epochs.newest());
        }
        leaseLength = Duration.ofMillis(answer.leaseMillis());
        interval = Duration.ofMillis(answer.heartbeatMillis());
        if (!answer.jwtKeys().equals(keys)) {
            keys = answer.jwtKeys();
            tokens.keys(keys);
        }
        tokenGensSeen = 0;
        registered = true;
        log.atInfo()
                .addKeyValue("controller", answer.controllerSession())
                .addKeyValue("epoch", answer.epoch())
                .addKeyValue("lease", leaseLength)
                .log("worker registered");
        registeredOnce.complete(null);
        return Duration.ZERO;
    }

    private Duration heartbeat() {
        long sent = tasks.nanos();
        Heartbeat message = message();
        askedForLease = message.leaseWanted();
        HeartbeatReply reply = client.ask(HEARTBEAT, message, HeartbeatReply.class, heartbeatMax());
        if (!epochs.accept(reply.epoch())) {
            throw new ControlException.Outdated(HEARTBEAT, reply.epoch(), epochs.newest());
        }
        switch (reply.status()) {
            case HeartbeatReply.LIVE -> {
                if (reply.leased()) {
                    lease.renewed(sent, leaseLength);
                }
                suspected = false;
                reply.tokenGens().forEach(this::take);
                tokenGensSeen = reply.tokenGensSeen();
                Integer part = reply.endPart();
                if (part != null) {
                    commits.endPart(part);
                }
            }
            case HeartbeatReply.CLOSED -> suspect();
            case HeartbeatReply.UNKNOWN -> {
                registered = false;
                return Duration.ZERO;
            }
            default -> throw new ControlException.Denied(HEARTBEAT, 200, reply.status());
        }
        tellLost();
        return interval.minusNanos(tasks.nanos() - sent);
    }

    /// What went into the quarantine since the last heartbeat.
    private void tellLost() {
        List<LostCommits> lost = tenants.takeLost();
        int told = 0;
        try {
            for (LostCommits one : lost) {
                tell(one);
                told++;
            }
        } finally {
            tenants.giveBackLost(lost.subList(told, lost.size()));
        }
    }

    private void tell(LostCommits lost) {
        Txid first = lost.first();
        Txid last = lost.last();
        try {
            client.tell(
                    LOST,
                    new Lost(
                            registration.worker(),
                            lost.key().tenant().name(),
                            lost.key().lineage().ulid(),
                            lost.session(),
                            first == null ? null : first.toString(),
                            last == null ? null : last.toString(),
                            lost.bytes(),
                            lost.reason()),
                    heartbeatMax());
        } catch (ControlException.Denied unwanted) {
            log.atWarn()
                    .addKeyValue("tenant", lost.key().tenant())
                    .addKeyValue("reason", unwanted.getMessage())
                    .log("the controller did not take the report of lost commits");
        }
    }

    /// A heartbeat that is not answered leaves time for another one within the lease.
    private Duration heartbeatMax() {
        Duration half = leaseLength.dividedBy(2);
        return half.compareTo(config.answerMax()) < 0 ? half : config.answerMax();
    }

    private Heartbeat message() {
        var durable = commits.durable();
        return new Heartbeat(
                registration.worker(),
                registration.session(),
                durable.part(),
                durable.number(),
                tenants.residents(),
                tenants.assigned(),
                lease.wanted(),
                tokenGensSeen);
    }

    private void take(TokenGen newer) {
        tenants.find(new TenantId(newer.tenant()))
                .ifPresent(tenant -> tenant.tokenGen(newer.gen()));
    }

    /// Somebody says that this session is over: no lease from here on, and a look at the log, which
    /// ends the process if it is true.
    private void suspect() {
        lease.end();
        SelfCheck found = lease.check().join();
        if (!suspected) {
            suspected = true;
            log.atWarn()
                    .addKeyValue("session", registration.session())
                    .addKeyValue("found", found)
                    .log("session was called closed");
        }
    }

    private Duration failed(ControlException failure) {
        failures++;
        long now = tasks.nanos();
        if (!warned || now - warnedAt > REPEATED_WARNING.toNanos()) {
            warned = true;
            warnedAt = now;
            log.atWarn()
                    .addKeyValue("failures", failures)
                    .addKeyValue("reason", failure.getMessage())
                    .log("controller did not answer");
        }
        long most =
                Math.min(
                        config.retryMax().toNanos(),
                        config.retryMin().toNanos() << Math.min(failures - 1, 20));
        return Duration.ofNanos(most / 2 + random.nextLong(most / 2 + 1));
    }

    private void recovered() {
        if (failures > 0) {
            log.atDebug().addKeyValue("failures", failures).log("controller answered again");
            failures = 0;
        }
    }

    /// Tells the controller of a release that it did not ask for. If it does not hear of it, it
    /// finds out when the lease ends, or asks.
    ///
    /// @param max how long to try
    public void released(Release release, Duration max) {
        long until = tasks.nanos() + max.toNanos();
        while (true) {
            Duration left = Duration.ofNanos(until - tasks.nanos());
            if (!left.isPositive()) {
                log.atWarn()
                        .addKeyValue("tenant", release.tenant())
                        .log("release was not reported");
                return;
            }
            try {
                client.tell(
                        RELEASED,
                        release,
                        left.compareTo(config.answerMax()) < 0 ? left : config.answerMax());
                return;
            } catch (ControlException.Silent silent) {
                tasks.sleep(config.retryMin());
            } catch (ControlException.Denied denied) {
                log.atWarn()
                        .addKeyValue("tenant", release.tenant())
                        .addKeyValue("reason", denied.getMessage())
                        .log("release was not wanted");
                return;
            }
        }
    }

    /// Sends nothing more.
    @Override
    public void close() {
        closed = true;
        rest.lock();
        try {
            rest.signalAll();
        } finally {
            rest.unlock();
        }
        client.close();
    }
}
