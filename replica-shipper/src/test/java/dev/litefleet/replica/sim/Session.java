package dev.litefleet.replica.sim;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One process start of a worker: a commit log for all its tenants, a lease, and an ear for the
/// controllers.
final class Session {
    /// What a worker says to an assignment.
    ///
    /// @param released set if it had that assignment and has released it
    record Reply(boolean accepted, Optional<Release> released) {}

    /// W8.
    record Release(String tenant, String session, long number, long last) {}

    private static final Duration HEARTBEAT = Duration.ofSeconds(1);

    final Fleet fleet;
    final String worker;
    final Process process;
    final LogName name;
    final SessionLog log;
    private final Map<String, Resident> residents = new HashMap<>();
    private final Map<String, Long> seen = new HashMap<>(); // highest assignment number, W6
    private final Map<String, Release> releases = new HashMap<>(); // the last of each tenant
    private long epochSeen;
    private long leaseUntil;
    private boolean ended;

    Session(Fleet fleet, String worker, Process process) {
        this.fleet = fleet;
        this.worker = worker;
        this.process = process;
        name = new LogName(worker, SessionId.create(process.node.clock(), process.random));
        log = fleet.log(this);
    }

    String id() {
        return name.session().ulid();
    }

    void start() {
        process.node.start("main", this::run);
    }

    private void run() {
        if (Process.unlessFault(this::open).isEmpty()) {
            fleet.exit(this);
            return;
        }
        long next = 0;
        boolean registered = false;
        while (!ended) {
            registered = registered ? beat() : register();
            next = Math.max(next + HEARTBEAT.toNanos(), process.node.nanos());
            process.node.sleep(Duration.ofNanos(next - process.node.nanos()));
        }
    }

    private Boolean open() {
        log.open();
        return true;
    }

    private boolean register() {
        for (Controller controller : fleet.controllers()) {
            long sent = process.node.nanos();
            Optional<Controller.Beat> beat =
                    fleet.wire.ask(
                            process.node,
                            controller.node(),
                            () -> controller.register(worker, id()));
            if (beat.isPresent() && heard(beat.get(), sent)) {
                return true;
            }
        }
        return false;
    }

    /// @return whether it need not register
    private boolean beat() {
        if (fleet.is(Mutant.CHECKS_WITH_EACH_HEARTBEAT)) {
            log.selfCheck();
        }
        Slot durable = log.durable();
        for (Controller controller : fleet.controllers()) {
            long sent = process.node.nanos();
            Optional<Controller.Beat> beat =
                    fleet.wire.ask(
                            process.node,
                            controller.node(),
                            () -> controller.heartbeat(id(), durable));
            if (beat.isPresent() && beat.get().epoch() >= epochSeen) {
                heard(beat.get(), sent);
                return beat.get().standing() != Controller.Standing.UNKNOWN;
            }
        }
        return true;
    }

    /// @return whether the lease is renewed
    private boolean heard(Controller.Beat beat, long sent) {
        if (beat.epoch() < epochSeen || ended) {
            return false;
        }
        epochSeen = beat.epoch();
        switch (beat.standing()) {
            case LIVE -> leaseUntil = Math.max(leaseUntil, sent + Process.LEASE.toNanos());
            case CLOSED -> log.selfCheck(); // A resumed zombie leaves at once.
            case UNKNOWN -> {}
        }
        return beat.standing() == Controller.Standing.LIVE;
    }

    boolean leased() {
        return process.node.nanos() < leaseUntil;
    }

    boolean ended() {
        return ended;
    }

    /// Hears its log's end. Leaves a moment later, as a process does.
    void logEnded(LogEnd end) {
        fleet.judge.ended(name, end);
        ended = true;
        process.node.start(
                "exit",
                () -> {
                    process.node.sleep(Duration.ofMillis(process.random.nextInt(1500)));
                    fleet.exit(this);
                });
    }

    /// A controller's message: the tenant is yours.
    Reply assign(TenantKey key, long number, long floor, long epoch) {
        if (ended || epoch < epochSeen) {
            return new Reply(false, Optional.empty());
        }
        epochSeen = epoch;
        String tenant = key.tenant().name();
        Resident resident = residents.get(tenant);
        long highest = seen.getOrDefault(tenant, 0L);
        boolean known = number <= highest && !fleet.is(Mutant.ASSIGNMENT_WITHOUT_NUMBER);
        if (known || resident != null) {
            boolean same = resident != null && resident.number() == number;
            return new Reply(same, same ? Optional.empty() : released(tenant, number));
        }
        seen.put(tenant, Math.max(highest, number));
        var next = new Resident(this, key, number, new Txid(floor));
        residents.put(tenant, next);
        process.node.start("tenant-" + tenant, next);
        return new Reply(true, Optional.empty());
    }

    private Optional<Release> released(String tenant, long number) {
        return Optional.ofNullable(releases.get(tenant)).filter(done -> done.number() >= number);
    }

    /// A controller's message: give the tenant back.
    Reply release(String tenant, long number, long epoch) {
        if (ended || epoch < epochSeen) {
            return new Reply(false, Optional.empty());
        }
        epochSeen = epoch;
        Resident resident = residents.get(tenant);
        if (resident != null && resident.number() == number) {
            resident.release();
        }
        return new Reply(resident != null, released(tenant, number));
    }

    /// The resident has closed its database.
    void left(TenantKey tenant, long number, long last) {
        String key = tenant.tenant().name();
        var release = new Release(key, id(), number, last);
        residents.remove(key);
        releases.put(key, release);
        // Its report, besides the answers to whoever asks; copies of it may come late.
        process.node.start(
                "report",
                () -> {
                    for (Controller controller : fleet.controllers()) {
                        fleet.wire.ask(
                                process.node, controller.node(), () -> controller.take(release));
                    }
                });
    }

    @Nullable Resident resident(String tenant) {
        return residents.get(tenant);
    }

    /// The log that production code writes.
    static CommitLog commitLog(Fleet fleet, Session session, LogName name) {
        return new CommitLog(
                fleet.storeOf(session),
                name,
                fleet.logConfig(),
                session.process.node,
                session.process.node.clock(),
                session.process.random,
                session::logEnded);
    }
}
