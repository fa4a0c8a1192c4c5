package dev.litefleet.replica.sim;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Drain;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.Janitor;
import dev.litefleet.replica.history.JanitorReport;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LineageStart;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.history.LogRef;
import dev.litefleet.replica.history.LogState;
import dev.litefleet.replica.history.MergeSchedule;
import dev.litefleet.replica.history.Merges;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.history.RestorePlan;
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
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
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

        private Grant(long at) {
            this.at = at;
        }
    }

    private record Acknowledged(String session, long number) {}

    private static final Duration STANDBY = Duration.ofSeconds(1);
    private static final int DRAIN_AFTER = 8;
    private static final Duration CLEAN_EVERY = Duration.ofHours(3);
    private static final Duration SETTLED = SimObjectStore.EXPIRY;

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
    private final Set<String> tended = new HashSet<>();
    private final Set<String> copying = new HashSet<>();
    private final Set<String> emptied = new HashSet<>(); // tombstones
    private final Set<SessionId> closedControllers = new HashSet<>();
    private final MergeSchedule merges = new MergeSchedule();
    private Instant cleaned = Instant.MIN;

    Controller(Fleet fleet, String name, Process process) {
        this.fleet = fleet;
        this.name = name;
        this.process = process;
        this.changing = process.node.guard();
    }

    String name() {
        return name;
    }

    @Override
    public String toString() {
        return name + " of epoch " + epoch + (serving ? " serving" : "") + (ended ? " ended" : "");
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
                    case PutResult.Occupied() ->
                            read(number)[0].equals(session())
                                    || fleet.is(Mutant.EPOCH_WITHOUT_CONDITION);
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
            closedControllers.add(new SessionId(read(number)[0]));
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
                fleet.storeOfRecovery(process),
                of,
                closed,
                process.folder(),
                node(),
                tenant -> fleet.is(Mutant.RECOVERS_THE_DELETED) || isWanted(tenant));
    }

    private boolean isWanted(TenantKey tenant) {
        Catalog.Tenant row = catalog.tenants.get(tenant.tenant().name());
        return row == null || row.life() != Catalog.Life.DELETED;
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
        process.store.onSend(this::sends);
        node().start("erase", this::eraseAll);
        if (fleet.ages()) {
            node().start("janitor", this::cleanAlways);
            if (process.random.nextInt(3) == 0) {
                node().start("janitor", this::cleanAlways);
            }
            node().start("users", this::users);
        }
        while (!ended) {
            for (String tenant : catalog.tenants.keySet()) {
                if (tended.add(tenant)) {
                    node().start("tend-" + tenant, () -> tend(tenant));
                }
            }
            for (Catalog.Copy copy : catalog.copies.values()) {
                if (copying.add(copy.lineage())) {
                    node().start("copy", () -> process.persist(() -> !ended, () -> copy(copy)));
                }
            }
            node().sleep(STANDBY);
        }
    }

    /// P8: whoever knows the receipt writes nothing there any more.
    private void sends(String key) {
        String[] path = key.split("/");
        Catalog.Tenant row = path[0].equals("tenants") ? catalog.tenants.get(path[1]) : null;
        if (row != null && row.receipt() > 0) {
            fleet.world.fail(new Judge.Broken("P8: " + name + " writes " + key + ", it is erased"));
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
        grants.put(session, new Grant(servingSince));
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
        Optional<Long> bytes =
                process.persist(
                        () -> !ended,
                        () -> Drain.write(process.store, Names.catalog(), input, process.folder()));
        if (bytes.isEmpty() || ended) {
            return;
        }
        commits().drained(Names.catalog(), input.max());
        merges.drained(bytes.get(), input.lastMillis());
        long databaseBytes = (long) input.commit() * PageDb.PAGE;
        Instant now = node().clock().instant();
        if (merges.filesDue(databaseBytes, now)) {
            Process.unlessFault(() -> {
                MergeSchedule.Look look = merges.look();
                Merges.Done done =
                        Merges.write(
                                process.store,
                                Names.catalog(),
                                databaseBytes,
                                now,
                                process.folder());
                merges.done(look, done.standing());
                return true;
            });
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
        if (standing.isEmpty() || ended) {
            return null;
        }
        if (standing.get() == Standing.LIVE) {
            // Also if nothing may be granted now: whoever is in the catalog must lapse.
            Grant grant = grants.computeIfAbsent(session, _ -> new Grant(node().nanos()));
            if (!mayGrant()) {
                return null;
            }
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
        fleet.aboutToFence(name);
        Fence.Closed closed = fleet.fence(process, name, from, session(), epoch);
        if (fleet.is(Mutant.CLOSES_BEFORE_RECOVERY)) {
            change(next -> close(next, session, Map.of()));
        }
        Recovered recovered = recover(name, closed);
        recovered
                .failed()
                .forEach((key, failure) -> {
                    // Of a lineage that was over long ago the files may be gone.
                    Catalog.Tenant owner = catalog.tenants.get(key.tenant().name());
                    if (owner != null
                            && isWanted(key)
                            && owner.lineage().equals(key.lineage().ulid())) {
                        throw failure;
                    }
                });
        change(next -> close(next, session, recovered.coverage()));
        return true;
    }

    private Boolean close(Catalog next, String session, Map<TenantKey, Txid> coverage) {
        next.sessions.computeIfPresent(session, (_, row) -> row.is(Catalog.State.CLOSED));
        next.tenants.replaceAll((tenant, row) -> {
            if (!row.session().equals(session)) {
                return row;
            }
            Txid durable = coverage.getOrDefault(next.key(tenant), Txid.NONE);
            return row.free(durable.value(), node().clock().millis());
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
            if (row.active()) {
                assign(tenant);
            }
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
        } else if (!row.active()
                || (!fleet.quiet() && process.random.nextInt(fleet.movesOneIn()) == 0)) {
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
                () ->
                        session.assign(
                                Names.tenant(tenant, row.lineage()),
                                row.number(),
                                row.floor(),
                                epoch));
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
                        tenant, (_, row) -> row.held() || !row.active() ? row : row.by(chosen));
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
                                            takes(row, release)
                                                    ? row.free(
                                                            release.last(), node().clock().millis())
                                                    : row);
                            return true;
                        }))
                .orElse(false);
    }

    private boolean takes(Catalog.Tenant row, Session.Release release) {
        return row.session().equals(release.session())
                && (row.number() == release.number() || fleet.is(Mutant.RELEASE_WITHOUT_NUMBER));
    }

    // The janitor, as production's rounds run it.

    private void cleanAlways() {
        while (!ended) {
            node().sleep(Duration.ofMillis(500 + process.random.nextInt(1000)));
            Instant now = node().clock().instant();
            if (cleaned.isBefore(now.minus(CLEAN_EVERY)) || cleaned.isAfter(now)) {
                cleaned = now;
                Process.unlessFault(this::clean);
            }
        }
    }

    /// Once, now.
    JanitorReport clean() {
        Instant known = node().clock().instant();
        // Durable before anything is deleted: whoever has a successor stops here.
        change(next -> {
            next.cleanings++;
            return true;
        });
        fleet.aboutToClean(this);
        return fleet.clean(process, new Janitor.Facts(this::logState, this::lineageState), known);
    }

    long epoch() {
        return epoch;
    }

    boolean serves() {
        return serving && !ended;
    }

    Catalog catalog() {
        return catalog;
    }

    private LogState logState(LogName of) {
        if (of.worker().equals(LogName.CONTROLLER)) {
            return closedControllers.contains(of.session())
                    ? new LogState.Closed()
                    : new LogState.Unknown();
        }
        Catalog.Session row = catalog.sessions.get(of.session().ulid());
        if (row == null) {
            return new LogState.Unknown();
        }
        return row.state() == Catalog.State.CLOSED
                ? new LogState.Closed()
                : new LogState.Open(row.part());
    }

    private LineageState lineageState(TenantKey key) {
        return key.equals(Names.catalog())
                ? new LineageState.Named(fleet.windows(), List.of(), Optional.empty())
                : catalog.lineage(key, fleet.windows());
    }

    // Erasures (G6).

    private void eraseAll() {
        while (!ended) {
            node().sleep(STANDBY);
            for (var tombstone : List.copyOf(catalog.tenants.entrySet())) {
                Catalog.Tenant row = tombstone.getValue();
                if (row.unheld() > 0 && row.receipt() == 0) {
                    Process.unlessFault(() -> erase(tombstone.getKey(), row));
                }
            }
        }
    }

    private Boolean erase(String tenant, Catalog.Tenant row) {
        if (!emptied.contains(tenant)) {
            empty(tenant);
            emptied.add(tenant);
        }
        if (!fleet.is(Mutant.ERASES_ONCE)) {
            Instant last = Instant.ofEpochMilli(row.unheld()).plus(SETTLED);
            if (node().clock().instant().isBefore(last)) {
                return true;
            }
            empty(tenant);
            if (node().clock().instant().isBefore(last)) {
                return true;
            }
        }
        return change(next -> {
            next.tenants.computeIfPresent(tenant, (_, old) -> old.erased(node().clock().millis()));
            return true;
        });
    }

    private void empty(String tenant) {
        String folder = "tenants/" + tenant + "/";
        do {
            process.store.erase(folder, _ -> true);
        } while (!ended && !process.store.list(folder, "", 1).objects().isEmpty());
    }

    // Forks and restores in place.

    private @Nullable Boolean copy(Catalog.Copy copy) {
        Catalog.Tenant target = catalog.tenants.get(copy.target());
        if (!catalog.copies.containsKey(copy.lineage())) {
            return true;
        }
        if (target != null && target.held()) {
            return null; // Until it is released.
        }
        var of = new Txid(copy.txid());
        Txid first = of;
        if (copy.inPlace() && target != null) {
            first =
                    LineageHistory.list(process.store, catalog.key(copy.target()))
                            .requireCoverage(new Txid(target.floor()))
                            .coverage()
                            .next();
        }
        Optional<LineageStart.Image> image = image(copy, of);
        if (image.isPresent()) {
            fleet.judge.begins(copy.to(), first.value(), copy.from(), of.value());
            LineageStart.write(
                    process.store,
                    copy.to(),
                    first,
                    node().clock().instant(),
                    image.get(),
                    process.folder());
        }
        // A large one takes its time.
        node().sleep(Duration.ofMillis(process.random.nextInt(6000)));
        long floor = first.value();
        return change(next -> {
            if (next.copies.remove(copy.lineage()) != null) {
                switchTo(next, copy, floor, image.isPresent());
            }
            return true;
        });
    }

    private void switchTo(Catalog next, Catalog.Copy copy, long floor, boolean made) {
        Catalog.Tenant old = next.tenants.get(copy.target());
        if (old == null && made) {
            next.tenants.put(copy.target(), Catalog.Tenant.fresh(copy.lineage(), floor));
        } else if (old != null && made) {
            long at = node().clock().millis();
            next.end(new Catalog.Ended(copy.target(), old.lineage(), at));
            next.tenants.put(copy.target(), old.in(copy.lineage(), floor));
        } else if (old != null) {
            next.tenants.put(copy.target(), old.is(Catalog.Life.ACTIVE));
        }
    }

    /// The state as a file; nothing if only its neighbours are left.
    private Optional<LineageStart.Image> image(Catalog.Copy copy, Txid of) {
        TenantKey source = copy.from();
        LineageHistory history = LineageHistory.list(process.store, source);
        RestorePlan plan;
        try {
            plan =
                    RestorePlan.of(
                            source,
                            history.files(),
                            of,
                            HistoryIndex.points(process.store, source, new Txid(1), of));
        } catch (ReplicaException.PointNotFound | ReplicaException.PointNotExact _) {
            return Optional.empty();
        }
        Path file = process.file();
        try {
            Hydrated state =
                    Hydrator.hydrate(
                            process.store,
                            plan,
                            file,
                            Hydrator.Limits.DEFAULT,
                            node(),
                            Progress.NONE);
            fleet.judge.restored(source, of, Files.readAllBytes(file));
            return Optional.of(new LineageStart.Image(file, state.pageSize(), state.pages()));
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    // What people ask of a controller.

    private void users() {
        while (!ended && !fleet.isHealed()) {
            node().sleep(Duration.ofMillis(process.random.nextInt(fleet.usersEveryMillis())));
            List<String> active =
                    catalog.tenants.entrySet().stream()
                            .filter(tenant -> tenant.getValue().active())
                            .map(Map.Entry::getKey)
                            .toList();
            if (!active.isEmpty() && !fleet.isHealed()) {
                String tenant = active.get(process.random.nextInt(active.size()));
                Process.unlessFault(() -> ask(tenant, active.size()));
            }
        }
    }

    private Boolean ask(String tenant, int tenants) {
        return switch (process.random.nextInt(12) % fleet.wishes()) {
            case 0, 1 -> tenants > 2 ? delete(tenant) : provision();
            case 2 -> tenants < 5 ? provision() : false;
            case 3, 4, 5, 6 -> hold(tenant);
            case 7, 8 -> release();
            case 9 -> tenants < 5 ? begin(tenant, fleet.newName()) : false;
            case 10 -> begin(tenant, tenant);
            default -> false;
        };
    }

    private Boolean hold(String tenant) {
        long latest = fleet.judge.lastAcked(catalog.key(tenant));
        if (latest < 2 || catalog.holds.size() > 3) {
            return false;
        }
        long from = Math.max(1, latest - process.random.nextInt(30));
        boolean open = process.random.nextInt(4) == 0;
        long to = open ? Long.MAX_VALUE : from + process.random.nextInt(12);
        var hold = new Catalog.Hold(tenant, "h-" + fleet.newName(), from, to);
        boolean set =
                change(next -> {
                    Catalog.Tenant row = next.tenants.get(tenant);
                    boolean active = row != null && row.active();
                    if (active) {
                        next.holds.put(hold.name(), hold);
                    }
                    return active;
                });
        if (set) {
            fleet.judge.holds(new TenantId(tenant), hold.name(), from, to);
        }
        return set;
    }

    private Boolean release() {
        Optional<Catalog.Hold> some = catalog.holds.values().stream().findFirst();
        some.ifPresent(hold -> {
            fleet.judge.releases(new TenantId(hold.tenant()), hold.name());
            change(next -> next.holds.remove(hold.name()) != null);
        });
        return some.isPresent();
    }

    /// All holds.
    Boolean releaseAll() {
        catalog.holds
                .values()
                .forEach(hold -> fleet.judge.releases(new TenantId(hold.tenant()), hold.name()));
        return change(next -> {
            next.holds.clear();
            return true;
        });
    }

    private Boolean delete(String tenant) {
        return change(next -> {
            Catalog.Tenant row = next.tenants.get(tenant);
            boolean held =
                    next.holds.values().stream().anyMatch(one -> one.tenant().equals(tenant));
            if (row == null || !row.active() || held) {
                return false;
            }
            Catalog.Tenant gone = row.is(Catalog.Life.DELETED);
            long now = node().clock().millis();
            next.tenants.put(tenant, row.held() ? gone : gone.free(0, now));
            return true;
        });
    }

    private Boolean provision() {
        return change(next -> {
            next.tenants.putIfAbsent(fleet.newName(), Catalog.Tenant.fresh(ulid(), 0));
            return true;
        });
    }

    private String ulid() {
        return SessionId.create(node().clock(), process.random).ulid();
    }

    /// A fork, or a restore in place.
    private Boolean begin(String source, String target) {
        TenantKey from = catalog.key(source);
        long latest = fleet.judge.lastAcked(from);
        if (latest == 0) {
            return false;
        }
        long txid = latest - process.random.nextInt((int) Math.min(20, latest));
        var copy =
                new Catalog.Copy(target, ulid(), source, from.lineage().ulid(), Math.max(1, txid));
        return change(next -> {
            Catalog.Tenant row = next.tenants.get(source);
            boolean fits =
                    row != null && row.active() && row.lineage().equals(copy.sourceLineage());
            if (fits) {
                next.copies.put(copy.lineage(), copy);
                if (copy.inPlace()) {
                    next.tenants.put(target, row.is(Catalog.Life.MOVING));
                }
            }
            return fits;
        });
    }
}
