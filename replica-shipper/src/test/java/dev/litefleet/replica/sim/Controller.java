package dev.litefleet.replica.sim;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Drain;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LogRef;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.PageDb;
import dev.litefleet.testing.SimTasks;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A controller process: stands by, claims an epoch, settles its predecessors, and rules until its
/// own log ends (C1 to C4). Its catalog is the database of `_catalog` in its own commit log; fence,
/// recovery, hydration, drain and log are those of production, the decisions between them are told
/// again here, because those of production sit on SQLite and HTTP.
final class Controller {
    enum Standing {
        LIVE,
        CLOSED,
        UNKNOWN
    }

    /// The answer to a heartbeat.
    record Beat(long epoch, Standing standing) {}

    /// A lease as this controller knows it.
    private static final class Grant {
        private boolean registered;
        private boolean ended;
        private long at;
        private Slot durable = new Slot(1, 0);
    }

    private record Acknowledged(String session, long number) {}

    private static final Duration STANDBY = Duration.ofSeconds(1);
    private static final int DRAIN_AFTER = 8;

    private final Fleet fleet;
    private final String name;
    private final Process process;

    // Of the epoch that it rules in; 0 while it does not.
    private long epoch;
    private @Nullable LogName log;
    private @Nullable CommitLog commits;
    private boolean serving;
    private boolean ended;
    private long servingSince;
    private long lookedAt; // when it last knew that it was the controller
    private PageDb db = PageDb.empty(Names.catalog());
    private Catalog catalog = new Catalog();
    private final Tasks.Guard changing;
    private boolean busy; // guarded by changing
    private final List<IndexPoint> points = new ArrayList<>();
    private final Map<String, Grant> grants = new HashMap<>();
    private final Set<String> failovers = new HashSet<>();
    private final Map<String, Acknowledged> acknowledged = new HashMap<>();

    Controller(Fleet fleet, String name, Process process) {
        this.fleet = fleet;
        this.name = name;
        this.process = process;
        this.changing = process.node.guard();
    }

    String name() {
        return name;
    }

    Process process() {
        return process;
    }

    SimTasks.Node node() {
        return process.node;
    }

    void start() {
        node().start("main", this::run);
    }

    private void run() {
        try {
            long newest = standBy();
            if (claim(newest + 1)) {
                rule();
            }
        } catch (RuntimeException failure) {
            if (!Process.isFault(failure)) {
                throw failure;
            }
        }
        ended = true;
        fleet.exit(this);
    }

    // The chain of epochs.

    private static String key(long number, String suffix) {
        return "controller/%016x%s.json".formatted(number, suffix);
    }

    /// Until the newest epoch is vacant; returns its number.
    private long standBy() {
        long silentSince = node().nanos();
        long watched = -1;
        while (true) {
            var epochs = new TreeSet<Long>();
            var closed = new HashSet<Long>();
            process.store
                    .listAll("controller/")
                    .forEach(object -> {
                        long number = Long.parseLong(object.key().substring(11, 27), 16);
                        (object.key().contains("closed") ? closed : epochs).add(number);
                    });
            if (epochs.isEmpty() || closed.contains(epochs.last())) {
                return epochs.isEmpty() ? 0 : epochs.last();
            }
            long newest = epochs.last();
            String[] file = read(newest);
            boolean answers =
                    fleet.controllers().stream()
                            .filter(other -> other.name.equals(file[1]) && other != this)
                            .anyMatch(other ->
                                    fleet.wire
                                            .ask(node(), other.node(), other::session)
                                            .filter(session -> session.equals(file[0]))
                                            .isPresent());
            if (answers || newest != watched) {
                watched = newest;
                silentSince = node().nanos();
            } else if (node().nanos() - silentSince
                    > Process.LEASE.plus(Process.MARGIN).toNanos()) {
                return newest;
            }
            node().sleep(STANDBY);
        }
    }

    private String session() {
        return log == null ? "" : log.session().ulid();
    }

    private String[] read(long number) {
        byte[] bytes = process.store.get(key(number, "")).orElseThrow();
        return new String(bytes, StandardCharsets.US_ASCII).split(" ");
    }

    private boolean claim(long number) {
        log = new LogName(LogName.CONTROLLER, SessionId.create(node().clock(), process.random));
        String text = session() + " " + name;
        boolean ours =
                switch (put(key(number, ""), text)) {
                    case PutResult.Created() -> true;
                    case PutResult.Occupied() -> read(number)[0].equals(session());
                };
        epoch = number;
        return ours;
    }

    private PutResult put(String key, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        while (true) {
            try {
                return process.store.putIfAbsent(key, ObjectBody.of(bytes));
            } catch (Unavailable unknown) {
                node().sleep(Duration.ofMillis(200));
            }
        }
    }

    private Txid settlePredecessors() {
        Txid floor = Txid.NONE;
        for (long number = 1; number < epoch; number++) {
            Optional<byte[]> closed = process.store.get(key(number, ".closed"));
            Txid reached =
                    closed.isPresent()
                            ? Txid.parse(new String(closed.get(), StandardCharsets.US_ASCII))
                            : settle(number);
            floor = reached.compareTo(floor) > 0 ? reached : floor;
        }
        return floor;
    }

    private Txid settle(long number) {
        var predecessor = new LogName(LogName.CONTROLLER, new SessionId(read(number)[0]));
        Slot from = Fence.highestPart(process.store, predecessor);
        Fence.Closed closed = fleet.fence(process, predecessor, from, session(), epoch);
        Recovered recovered = recover(predecessor, closed);
        ReplicaException damage = recovered.failed().get(Names.catalog());
        if (damage != null) {
            throw damage;
        }
        Txid reached = LineageHistory.list(process.store, Names.catalog()).coverage();
        put(key(number, ".closed"), reached.toString());
        return reached;
    }

    private Recovered recover(LogName of, Fence.Closed closed) {
        return Recovery.recover(
                fleet.storeOfRecovery(process), of, closed, process.folder(), node());
    }

    // The catalog.

    private void rule() {
        Txid floor = process.persist(() -> true, this::settlePredecessors).orElseThrow();
        db =
                process.persist(
                                () -> true,
                                () -> process.hydrate(process.store, Names.catalog(), floor))
                        .orElseThrow();
        LogName name = log;
        if (name == null) {
            throw new IllegalStateException("no epoch");
        }
        catalog = db.txid() == 0 ? fleet.newCatalog() : Catalog.decode(db.text());
        commits =
                new CommitLog(
                        process.store,
                        name,
                        fleet.logConfig(),
                        node(),
                        node().clock(),
                        process.random,
                        this::logEnded);
        commits().open();
        fleet.judge.opens(name, Names.catalog(), db.txid(), db.checksum());
        servingSince = node().nanos();
        lookedAt = servingSince;
        catalog.sessions.values().stream()
                .filter(session -> session.state() != Catalog.State.CLOSED)
                .forEach(session -> adopt(session.id()));
        serving = true;
        node().start("leases", this::watchLeases);
        node().start("look", this::look);
        for (String tenant : catalog.tenants.keySet()) {
            node().start("tend-" + tenant, () -> tend(tenant));
        }
        while (!ended) {
            node().sleep(STANDBY);
        }
    }

    private CommitLog commits() {
        if (commits == null) {
            throw new IllegalStateException("no log");
        }
        return commits;
    }

    private void logEnded(LogEnd end) {
        LogName name = log;
        if (name != null) {
            fleet.judge.ended(name, end);
        }
        ended = true;
    }

    private void adopt(String session) {
        var grant = new Grant();
        grant.at = servingSince;
        grants.put(session, grant);
    }

    /// One change of the catalog at a time, durable before anybody sees it.
    private <T> T change(Function<Catalog, T> change) {
        changing.lock();
        try {
            while (busy) {
                changing.await();
            }
            busy = true;
        } finally {
            changing.unlock();
        }
        try {
            Catalog next = catalog.copy();
            T result = change.apply(next);
            byte[] text = next.encode();
            if (db.txid() == 0 || !Arrays.equals(text, db.text())) {
                long began = node().nanos();
                Commit commit = db.replace(text, node().clock().millis());
                fleet.judge.made(commit, db.image());
                commits().awaitDurable(commits().append(commit, true, this::durable));
                fleet.judge.acked(Names.catalog(), db.txid(), db.checksum());
                catalog = next;
                lookedAt = Math.max(lookedAt, began);
                drain();
            }
            return result;
        } finally {
            changing.lock();
            busy = false;
            changing.signalAll();
            changing.unlock();
        }
    }

    private void durable(Slot slot, Entry entry) {
        LogName name = log;
        if (name != null) {
            points.add(IndexPoint.of(new LogRef(name, slot), entry));
        }
    }

    private void drain() {
        if (points.size() < DRAIN_AFTER) {
            return;
        }
        var input = db.input(List.copyOf(points));
        points.clear();
        db.drained(input.max());
        process.persist(
                () -> !ended,
                () -> {
                    Drain.write(process.store, Names.catalog(), input, process.folder());
                    return true;
                });
        if (!ended) {
            commits().drained(Names.catalog(), input.max());
        }
    }

    /// Sees to it that it knows to be the controller while it grants leases: a fence in its log
    /// says that somebody else is, and it would meet it only with its next commit.
    private void look() {
        while (!ended && !fleet.is(Mutant.GRANTS_WITHOUT_LOOKING)) {
            long began = node().nanos();
            if (began - lookedAt > Process.LEASE.toNanos() / 2
                    && Process.unlessFault(commits()::selfCheck)
                            .equals(Optional.of(SelfCheck.ABSENT))) {
                lookedAt = Math.max(lookedAt, began);
            }
            node().sleep(Process.LEASE.dividedBy(4));
        }
    }

    private boolean mayGrant() {
        return fleet.is(Mutant.GRANTS_WITHOUT_LOOKING)
                || node().nanos() - lookedAt < Process.LEASE.toNanos();
    }

    // What workers say.

    @Nullable Beat register(String worker, String session) {
        if (!serving || ended || !mayGrant()) {
            return null;
        }
        Optional<Standing> standing =
                Process.unlessFault(() -> change(next -> registered(next, worker, session)));
        if (standing.isEmpty() || ended || !mayGrant()) {
            return null;
        }
        if (standing.get() == Standing.LIVE) {
            Grant grant = grants.computeIfAbsent(session, _ -> new Grant());
            if (grant.ended) {
                return new Beat(epoch, Standing.CLOSED);
            }
            grant.registered = true;
            grant.at = node().nanos();
        }
        return new Beat(epoch, standing.get());
    }

    private static Standing registered(Catalog next, String worker, String session) {
        Catalog.Session row =
                next.sessions.computeIfAbsent(
                        session, id -> new Catalog.Session(worker, id, Catalog.State.LIVE, 1));
        return row.state() == Catalog.State.LIVE ? Standing.LIVE : Standing.CLOSED;
    }

    @Nullable Beat heartbeat(String session, Slot durable) {
        if (!serving || ended || !mayGrant()) {
            return null;
        }
        Catalog.Session row = catalog.sessions.get(session);
        Grant grant = grants.get(session);
        if (row != null && row.state() != Catalog.State.LIVE || grant != null && grant.ended) {
            return new Beat(epoch, Standing.CLOSED);
        }
        if (row == null || grant == null || !grant.registered) {
            return new Beat(epoch, Standing.UNKNOWN);
        }
        grant.at = node().nanos();
        grant.durable = durable.compareTo(grant.durable) > 0 ? durable : grant.durable;
        if (durable.part() > row.part()) {
            node().start(
                            "part",
                            () ->
                                    Process.unlessFault(() ->
                                            change(next -> part(next, session, durable.part()))));
        }
        return new Beat(epoch, Standing.LIVE);
    }

    /// W9: raised, never lowered, and only of a live session.
    private static Boolean part(Catalog next, String session, int part) {
        next.sessions.computeIfPresent(
                session,
                (_, row) ->
                        row.state() == Catalog.State.LIVE && part > row.part()
                                ? row.named(part)
                                : row);
        return true;
    }

    // Failover (C2).

    private void watchLeases() {
        long lease =
                fleet.is(Mutant.FENCES_DURING_LEASE)
                        ? Process.LEASE.dividedBy(3).toNanos()
                        : Process.LEASE.toNanos();
        while (!ended) {
            long now = node().nanos();
            for (var entry : List.copyOf(grants.entrySet())) {
                Grant grant = entry.getValue();
                if (!grant.ended && now - grant.at > lease) {
                    grant.ended = true;
                    if (failovers.add(entry.getKey())) {
                        node().start(
                                        "failover",
                                        () ->
                                                process.persist(
                                                        () -> !ended,
                                                        () -> failover(entry.getKey())));
                    }
                }
            }
            node().sleep(Duration.ofMillis(250));
        }
    }

    private Boolean failover(String session) {
        Catalog.Session row =
                change(next ->
                        next.sessions.compute(
                                session,
                                (_, old) ->
                                        old == null || old.state() == Catalog.State.CLOSED
                                                ? old
                                                : old.is(Catalog.State.FENCING)));
        if (row == null || row.state() == Catalog.State.CLOSED) {
            return true;
        }
        Grant grant = grants.get(session);
        if (grant != null && !fleet.is(Mutant.FENCES_DURING_LEASE)) {
            // A predecessor that did not know yet may have granted one until a lease after ours.
            long last = Math.max(grant.at, servingSince + Process.LEASE.toNanos());
            long until = last + Process.LEASE.plus(Process.MARGIN).toNanos();
            node().sleep(Duration.ofNanos(until - node().nanos()));
        }
        var name = new LogName(row.worker(), new SessionId(session));
        Slot from =
                grant != null && grant.durable.part() == row.part() && grant.durable.number() > 0
                        ? grant.durable
                        : Slot.firstOf(row.part());
        Fence.Closed closed = fleet.fence(process, name, from, session(), epoch);
        if (fleet.is(Mutant.CLOSES_BEFORE_RECOVERY)) {
            change(next -> close(next, session, Map.of()));
        }
        Recovered recovered = recover(name, closed);
        if (!recovered.failed().isEmpty()) {
            throw recovered.failed().values().iterator().next();
        }
        change(next -> close(next, session, recovered.coverage()));
        return true;
    }

    private static Boolean close(Catalog next, String session, Map<TenantKey, Txid> coverage) {
        next.sessions.computeIfPresent(session, (_, row) -> row.is(Catalog.State.CLOSED));
        next.tenants.replaceAll((tenant, row) -> {
            if (!row.session().equals(session)) {
                return row;
            }
            Txid durable = coverage.getOrDefault(Names.tenant(tenant), Txid.NONE);
            return row.free(durable.value());
        });
        return true;
    }

    // Assignments (C1) and releases (W8).

    private void tend(String tenant) {
        while (!ended) {
            Process.unlessFault(() -> tendOnce(tenant));
            node().sleep(Duration.ofMillis(100 + process.random.nextInt(400)));
        }
    }

    private Boolean tendOnce(String tenant) {
        Catalog.Tenant row = catalog.tenants.get(tenant);
        if (!row.held()) {
            assign(tenant);
            return true;
        }
        Catalog.Session owner = catalog.sessions.get(row.session());
        if (owner == null || owner.state() != Catalog.State.LIVE) {
            return true;
        }
        Optional<Session> session = fleet.session(row.session());
        if (session.isEmpty()) {
            return true; // Its lease will tell.
        }
        var wanted = new Acknowledged(row.session(), row.number());
        Optional<Session.Reply> reply;
        if (!wanted.equals(acknowledged.get(tenant))) {
            reply = tell(session.get(), tenant, row);
            if (reply.isPresent() && reply.get().accepted()) {
                acknowledged.put(tenant, wanted);
            }
        } else if (!fleet.quiet() && process.random.nextInt(fleet.movesOneIn()) == 0) {
            reply =
                    fleet.wire.ask(
                            node(),
                            session.get().process.node,
                            () -> session.get().release(tenant, row.number(), epoch));
        } else {
            return true;
        }
        reply.flatMap(Session.Reply::released).ifPresent(this::take);
        return true;
    }

    private Optional<Session.Reply> tell(Session session, String tenant, Catalog.Tenant row) {
        return fleet.wire.ask(
                node(),
                session.process.node,
                () -> session.assign(tenant, row.number(), row.floor(), epoch));
    }

    private void assign(String tenant) {
        List<String> able =
                grants.entrySet().stream()
                        .filter(entry -> entry.getValue().registered && !entry.getValue().ended)
                        .map(Map.Entry::getKey)
                        .sorted()
                        .toList();
        if (able.isEmpty()) {
            return;
        }
        String chosen = able.get(process.random.nextInt(able.size()));
        if (fleet.is(Mutant.TELLS_BEFORE_CATALOG)) {
            Catalog.Tenant row = catalog.tenants.get(tenant);
            fleet.session(chosen).ifPresent(session -> tell(session, tenant, row.by(chosen)));
        }
        change(next -> {
            Catalog.Session session = next.sessions.get(chosen);
            if (session != null && session.state() == Catalog.State.LIVE) {
                next.tenants.computeIfPresent(
                        tenant, (_, row) -> row.held() ? row : row.by(chosen));
            }
            return true;
        });
    }

    /// A session's word that it has released a tenant.
    boolean take(Session.Release release) {
        if (!serving || ended) {
            return false;
        }
        return Process.unlessFault(() ->
                        change(next -> {
                            next.tenants.computeIfPresent(
                                    release.tenant(),
                                    (_, row) ->
                                            takes(row, release) ? row.free(release.last()) : row);
                            return true;
                        }))
                .orElse(false);
    }

    private boolean takes(Catalog.Tenant row, Session.Release release) {
        return row.session().equals(release.session())
                && (row.number() == release.number() || fleet.is(Mutant.RELEASE_WITHOUT_NUMBER));
    }
}
