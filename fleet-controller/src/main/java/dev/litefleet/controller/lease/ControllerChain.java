package dev.litefleet.controller.lease;

import dev.litefleet.replica.FormatNumber;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.worker.control.Wire;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The chain of controllers in `controller/`: who is the newest, how the next one takes over, and
/// how each leaves (commit-log.md, C3).
///
/// Only the put-if-absent of an epoch and the fence in a predecessor's log decide anything. Asking
/// the predecessor, waiting for it and proving it dead spare a living one; if all of that is wrong,
/// the living one meets our fence and stops.
public final class ControllerChain {
    private static final Logger log = LoggerFactory.getLogger(ControllerChain.class);

    private static final Pattern KEY =
            Pattern.compile("controller/([0-7][0-9a-f]{15})(\\.closed)?\\.json");
    private static final Duration ASK_EVERY = Duration.ofMillis(500);
    private static final Duration RESEND_AFTER = Duration.ofMillis(200);
    private static final Duration RESEND_MAX = Duration.ofSeconds(30);

    /// An epoch that is ours.
    ///
    /// @param number from 1
    public record Epoch(long number, SessionId session) {
        public LogName log() {
            return new LogName(LogName.CONTROLLER, session);
        }
    }

    /// What asking the newest epoch led to.
    public sealed interface Verdict {
        /// Its controller is alive.
        record Running(String address) implements Verdict {}

        /// The epoch after `newest` may be claimed; 0 if there has been none.
        record Vacant(long newest) implements Verdict {}
    }

    private record Listed(long newest, Set<Long> closed) {}

    private final ObjectStore store;
    private final FleetFile fleet;
    private final Path tmp;
    private final Tasks tasks;
    private final InstantSource clock;
    private final RandomGenerator random;

    /// @param tmp folder for temporary files of a recovery
    public ControllerChain(
            ObjectStore store, Path tmp, Tasks tasks, InstantSource clock, RandomGenerator random) {
        this.store = store;
        this.tmp = tmp;
        this.tasks = tasks;
        this.clock = clock;
        this.random = random;
        this.fleet = FleetFile.open(store, clock, random);
    }

    /// The catalog of the fleet that owns this store.
    public TenantKey catalog() {
        return new TenantKey(TenantId.CATALOG, fleet.catalog());
    }

    /// Finds out whether the newest controller is alive: its epoch is closed, or its process is
    /// provably dead, or it is asked until it answers or has been silent for `patience`.
    ///
    /// @param node id of the data directory that this process holds locked
    /// @param whoami asks an address for its session; empty for no answer. Must not take longer
    ///   than a fraction of `patience`
    public Verdict ask(
            Optional<String> node, Duration patience, Function<String, Optional<String>> whoami) {
        Listed listed = list();
        if (listed.newest() == 0 || listed.closed().contains(listed.newest())) {
            return new Verdict.Vacant(listed.newest());
        }
        EpochFile epoch = read(listed.newest());
        if (node.isPresent() && node.get().equals(epoch.node())) {
            // Its process held the lock that we hold now.
            return new Verdict.Vacant(listed.newest());
        }
        long deadline = tasks.nanos() + patience.toNanos();
        while (true) {
            Optional<String> session = whoami.apply(epoch.address());
            if (session.isPresent() && session.get().equals(epoch.session())) {
                return new Verdict.Running(epoch.address());
            }
            long left = deadline - tasks.nanos();
            if (left <= 0) {
                return new Verdict.Vacant(listed.newest());
            }
            tasks.sleep(Duration.ofNanos(Math.min(left, ASK_EVERY.toNanos())));
        }
    }

    /// Claims the epoch after `newest`.
    ///
    /// @param address of our internal port, already answering
    /// @return nothing if somebody else has it: ask again
    public Optional<Epoch> claim(long newest, String address, Optional<String> node) {
        var session = SessionId.create(clock, random);
        long number = Math.addExact(newest, 1);
        var file =
                new EpochFile(
                        EpochFile.FORMAT,
                        session.ulid(),
                        address,
                        clock.instant().toString(),
                        node.orElse(null));
        boolean ours =
                switch (put(EpochFile.key(number), Wire.write(file))) {
                    case PutResult.Created() -> true;
                    // Ours if the answer to an earlier attempt was lost.
                    case PutResult.Occupied() -> read(number).session().equals(session.ulid());
                };
        return ours ? Optional.of(new Epoch(number, session)) : Optional.empty();
    }

    /// Fences and recovers the logs of all earlier controllers that nobody has closed yet, oldest
    /// first: a predecessor may have died half-way through the same. May be repeated, and done by
    /// two controllers at once.
    ///
    /// @return how far the catalog's history must reach
    public Txid settlePredecessors(Epoch ours) {
        Set<Long> closed = list().closed();
        Txid floor = Txid.NONE;
        for (long number = 1; number < ours.number(); number++) {
            Txid reached =
                    closed.contains(number)
                            ? reached(number, ours.number() - 1)
                            : settle(number, read(number).log(), ours);
            if (reached.compareTo(floor) > 0) {
                floor = reached;
            }
        }
        return floor;
    }

    /// Only the last one's number matters when all are closed, so only that is read.
    private Txid reached(long number, long last) {
        if (number != last) {
            return Txid.NONE;
        }
        String key = EpochFile.closedKey(number);
        byte[] bytes = store.get(key).orElseThrow(() -> missing(key));
        FormatNumber.check(key, "closed controller epoch", bytes, ClosedFile.FORMAT);
        return Txid.parse(Wire.read(bytes, ClosedFile.class).catalogTxid());
    }

    /// Marks our own epoch closed, so that a successor need not wait. Only after our log's last
    /// commit: the log is fenced and recovered exactly as a successor would do it, so whatever this
    /// process got wrong about its own end costs time, never a commit.
    ///
    /// @param durable what our log said was the end of its durable prefix
    public void leave(Epoch ours, Slot durable) {
        settle(ours.number(), ours.log(), durable, ours);
    }

    private Txid settle(long number, LogName name, Epoch by) {
        return settle(number, name, Fence.highestPart(store, name), by);
    }

    private Txid settle(long number, LogName name, Slot from, Epoch by) {
        long began = tasks.nanos();
        Fence.Closed closed =
                Fence.close(store, name, from, by.session().ulid(), by.number(), tasks, random);
        Recovered recovered = Recovery.recover(store, name, closed, tmp, tasks);
        ReplicaException damage = recovered.failed().get(catalog());
        if (damage != null) {
            // Nothing may be built on a catalog that lacks what was promised.
            throw damage;
        }
        Txid reached = LineageHistory.list(store, catalog()).coverage();
        var file =
                new ClosedFile(
                        ClosedFile.FORMAT,
                        name.session().ulid(),
                        by.session().ulid(),
                        closed.slot().part(),
                        closed.slot().number(),
                        reached.toString(),
                        clock.instant().toString());
        // Occupied: somebody else did the same work.
        put(EpochFile.closedKey(number), Wire.write(file));
        log.atInfo()
                .addKeyValue("epoch", number)
                .addKeyValue("txid", reached)
                .addKeyValue("objects", recovered.segments())
                .addKeyValue("took", Duration.ofNanos(tasks.nanos() - began))
                .log("controller epoch closed");
        return reached;
    }

    /// Controllers whose logs are fenced and recovered. One LIST, and a GET for each.
    public Set<SessionId> closedSessions() {
        var sessions = new HashSet<SessionId>();
        for (long number : list().closed()) {
            store.get(EpochFile.closedKey(number))
                    .map(bytes -> Wire.read(bytes, ClosedFile.class))
                    .ifPresent(closed -> sessions.add(new SessionId(closed.session())));
        }
        return sessions;
    }

    /// The same bytes until the store has answered.
    private PutResult put(String key, byte[] bytes) {
        long deadline = tasks.nanos() + RESEND_MAX.toNanos();
        while (true) {
            try {
                return store.putIfAbsent(key, ObjectBody.of(bytes));
            } catch (Unavailable unknown) {
                if (deadline - tasks.nanos() <= 0) {
                    throw unknown;
                }
                long pause = RESEND_AFTER.toNanos();
                tasks.sleep(Duration.ofNanos(pause / 2 + random.nextLong(pause)));
            }
        }
    }

    private EpochFile read(long number) {
        String key = EpochFile.key(number);
        byte[] bytes = store.get(key).orElseThrow(() -> missing(key));
        FormatNumber.check(key, "controller epoch", bytes, EpochFile.FORMAT);
        return Wire.read(bytes, EpochFile.class);
    }

    private static InconsistentStore missing(String key) {
        return new InconsistentStore(key, "object of the controller chain is gone");
    }

    private Listed list() {
        var closed = new HashSet<Long>();
        OptionalLong newest =
                store.listAll(EpochFile.PREFIX)
                        .map(object -> KEY.matcher(object.key()))
                        .filter(Matcher::matches)
                        .mapToLong(key -> {
                            long number = HexFormat.fromHexDigitsToLong(key.group(1));
                            if (key.group(2) != null) {
                                closed.add(number);
                            }
                            return number;
                        })
                        .max();
        return new Listed(newest.orElse(0), closed);
    }
}
