package dev.litefleet.controller;

import dev.litefleet.controller.catalog.Waiting;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Epochs;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Lease;
import dev.litefleet.worker.control.Registered;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One process start of a worker. Its log, lease and epochs are those of production; the
/// conversation is told again here, because production's sits on HTTP.
final class SimWorker {
    /// An answer to a release request.
    ///
    /// @param release nothing if that assignment is not held
    record Released(Optional<Release> release) {}

    /// An answer to a registration.
    ///
    /// @param registered nothing if the session is closed
    record Entry(Optional<Registered> registered) {}

    private static final Duration RELEASE_LOOK = Duration.ofMillis(200);
    private static final int PART_SLOTS = 6;

    final SimFleet fleet;
    final String worker;
    final SimProcess process;
    final LogName name;
    final CommitLog log;
    final Lease lease;
    private final Epochs epochs = new Epochs();
    private final @Nullable String previous;
    private final Map<String, SimTenant> residents = new HashMap<>();
    private final Map<String, Long> seen = new HashMap<>(); // highest assignment number, W6
    private final Map<String, Release> releases = new HashMap<>(); // the last of each tenant
    private boolean registered;
    private boolean stopping;
    private boolean ended;
    private Duration leaseLength = Duration.ZERO;
    private int whom;

    /// @param previous session whose process is dead, if that is known
    SimWorker(SimFleet fleet, String worker, SimProcess process, @Nullable String previous) {
        this.fleet = fleet;
        this.worker = worker;
        this.process = process;
        this.previous = previous;
        name = new LogName(worker, SessionId.create(process.node().clock(), process.random()));
        log =
                new CommitLog(
                        process.store(),
                        name,
                        CommitLogConfig.DEFAULT.withParts(Duration.ofSeconds(15), PART_SLOTS),
                        process.node(),
                        process.node().clock(),
                        process.random(),
                        this::logEnded);
        lease = new Lease(process.node(), log::selfCheck);
    }

    String id() {
        return name.session().ulid();
    }

    String address() {
        return "http://" + worker + ":1";
    }

    boolean ended() {
        return ended;
    }

    @Override
    public String toString() {
        return name
                + (registered ? " registered" : "")
                + (stopping ? " stopping" : "")
                + (ended ? " ended" : "")
                + " with "
                + residents.values();
    }

    void start() {
        process.node().start("main", this::run);
    }

    private void run() {
        boolean open =
                SimProcess.unlessFault(
                                () -> {
                                    log.open();
                                    return true;
                                })
                        .isPresent();
        if (!open) {
            fleet.exit(this);
            return;
        }
        while (!ended) {
            Duration pause = registered ? heartbeat() : register();
            process.node().sleep(pause);
        }
    }

    private Duration failed() {
        whom++;
        return Duration.ofMillis(100 + process.random().nextInt(400));
    }

    private Optional<SimController> controller() {
        List<SimController> all = fleet.controllers();
        return all.isEmpty() ? Optional.empty() : Optional.of(all.get(whom % all.size()));
    }

    private Duration register() {
        var message =
                new Registration(
                        worker, id(), address(), log.durable().part(), previous, 100, "simulated");
        Optional<Entry> answer =
                controller()
                        .flatMap(one ->
                                fleet.wire.ask(
                                        process.node(), one.node(), () -> one.register(message)));
        if (answer.isEmpty()) {
            return failed();
        }
        Optional<Registered> entry = answer.get().registered();
        if (entry.isEmpty()) {
            suspect();
            return failed();
        }
        if (!epochs.accept(entry.get().epoch())) {
            return failed();
        }
        leaseLength = Duration.ofMillis(entry.get().leaseMillis());
        registered = true;
        return Duration.ZERO;
    }

    private Duration heartbeat() {
        Slot durable = log.durable();
        var message =
                new Heartbeat(
                        worker,
                        id(),
                        durable.part(),
                        durable.number(),
                        residents.size(),
                        residents.size(),
                        lease.wanted(),
                        0);
        long sent = process.node().nanos();
        fleet.heartbeat(this);
        Optional<HeartbeatReply> answer =
                controller()
                        .flatMap(one ->
                                fleet.wire.ask(
                                        process.node(), one.node(), () -> one.heartbeat(message)));
        if (answer.isEmpty() || ended) {
            grantMyself();
            return failed();
        }
        HeartbeatReply reply = answer.get();
        if (!epochs.accept(reply.epoch())) {
            return failed();
        }
        switch (reply.status()) {
            case HeartbeatReply.LIVE -> {
                if (reply.leased()) {
                    boolean late = fleet.is(FleetMutant.LEASE_FROM_ANSWER);
                    lease.renewed(late ? process.node().nanos() : sent, leaseLength);
                }
            }
            case HeartbeatReply.CLOSED -> suspect();
            default -> {
                registered = false;
                return Duration.ZERO;
            }
        }
        return SimFleet.HEARTBEAT.minusNanos(process.node().nanos() - sent);
    }

    private void grantMyself() {
        if (fleet.is(FleetMutant.GRANTS_ITSELF) && log.selfCheck() == SelfCheck.ABSENT) {
            lease.renewed(process.node().nanos(), leaseLength);
        }
    }

    private void suspect() {
        lease.end();
        Waiting.await(process.node(), lease.check());
    }

    /// Hears its log's end. Leaves a moment later, as a process does.
    private void logEnded(LogEnd end) {
        if (end instanceof LogEnd.Fatal(var answer)) {
            throw new AssertionError("log of " + name + " failed: " + answer);
        }
        fleet.judge.ended(name);
        ended = true;
        lease.end();
        process.node()
                .start(
                        "exit",
                        () -> {
                            process.node().sleep(Duration.ofMillis(process.random().nextInt(1500)));
                            fleet.exit(this);
                        });
    }

    /// A controller's message: the tenant is yours.
    AssignmentReply assign(Assignment message) {
        if (ended || !epochs.accept(message.epoch())) {
            return AssignmentReply.refused("old epoch");
        }
        if (!message.session().equals(id())) {
            return AssignmentReply.refused("another session is meant");
        }
        String tenant = message.tenant();
        SimTenant resident = residents.get(tenant);
        if (resident != null && resident.number() == message.number()) {
            return resident.releasing()
                    ? AssignmentReply.refused("is being released")
                    : AssignmentReply.taken();
        }
        long highest = seen.getOrDefault(tenant, 0L);
        if (message.number() <= highest && !fleet.is(FleetMutant.ASSIGNMENT_WITHOUT_NUMBER)) {
            fleet.judge.freed(new TenantId(tenant), id(), message.number());
            return AssignmentReply.gone("number was seen");
        }
        if (resident != null || stopping) {
            return AssignmentReply.refused("not now");
        }
        seen.put(tenant, Math.max(highest, message.number()));
        var key = new TenantKey(new TenantId(tenant), new Lineage(message.lineage()));
        var next = new SimTenant(this, key, message.number(), Txid.parse(message.txidFloor()));
        fleet.judge.taken(key, id(), message.number());
        residents.put(tenant, next);
        process.node().start("tenant-" + tenant, next);
        return AssignmentReply.taken();
    }

    /// Whether a request that came this way finds the tenant.
    boolean serves(TenantId tenant, Route way) {
        SimTenant resident = residents.get(tenant.name());
        return !ended
                && way.session().equals(id())
                && resident != null
                && resident.number() == way.number();
    }

    /// A controller's message: give the tenant back. Nothing is said while that is under way.
    @Nullable Released release(ReleaseRequest message) {
        if (ended || !epochs.accept(message.epoch()) || !message.session().equals(id())) {
            return null;
        }
        SimTenant resident = residents.get(message.tenant());
        if (resident != null && resident.number() == message.number()) {
            resident.release();
            process.node().sleep(RELEASE_LOOK);
        }
        Release done = releases.get(message.tenant());
        if (done != null && done.number() == message.number()) {
            return new Released(Optional.of(done));
        }
        return residents.get(message.tenant()) == resident
                        && resident != null
                        && resident.number() == message.number()
                ? null
                : new Released(Optional.empty());
    }

    /// The tenant's database is closed.
    void left(SimTenant tenant, long last) {
        String id = tenant.key().tenant().name();
        var release =
                new Release(
                        id,
                        id(),
                        tenant.number(),
                        tenant.key().lineage().ulid(),
                        new Txid(last).toString());
        residents.remove(id);
        releases.put(id, release);
        fleet.judge.freed(tenant.key().tenant(), id(), tenant.number());
        // Its report, besides the answers to whoever asks; copies of it may come late.
        process.node()
                .start(
                        "report",
                        () ->
                                controller()
                                        .ifPresent(one ->
                                                fleet.wire.ask(
                                                        process.node(),
                                                        one.node(),
                                                        () -> one.released(release))));
    }

    /// Gives everything back and leaves, as after SIGTERM.
    void stop() {
        stopping = true;
        process.node()
                .start(
                        "stop",
                        () -> {
                            residents.values().forEach(SimTenant::release);
                            for (int look = 0; look < 20 && !residents.isEmpty(); look++) {
                                process.node().sleep(RELEASE_LOOK);
                            }
                            ended = true;
                            fleet.exit(this);
                        });
    }
}
