package dev.litefleet.controller;

import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.FenceObject;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.SlotObject;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.worker.control.Assignment;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConnection;

/// Knows everything that happens and holds it against the rules, at once. What is durable it reads
/// from the store itself, slot after slot of every log; the catalog too: it puts the pages of each
/// durable commit together and asks SQLite what the controllers have promised by it.
final class FleetJudge implements AutoCloseable {
    /// Breaking of a rule.
    static final class Broken extends AssertionError {
        private static final long serialVersionUID = 1;

        private Broken(String words) {
            super(words);
        }
    }

    /// How far the slots of a log are there without a gap.
    private static final class Chain {
        private final LogName log;
        private final Map<TenantKey, Long> last = new HashMap<>(); // TXID of each tenant
        private final TreeMap<Slot, List<Entry>> segments = new TreeMap<>(); // not trimmed
        private Slot next = Slot.FIRST;
        private @Nullable FenceObject fence;

        private Chain(LogName log) {
            this.log = log;
        }
    }

    /// A tenant as the durable catalog has it.
    private record Held(@Nullable String session, long number, String state) {}

    /// A worker's session as the durable catalog has it.
    private record Seat(int part, String state) {
        private int rank() {
            return switch (state) {
                case "live" -> 0;
                case "fencing" -> 1;
                default -> 2;
            };
        }
    }

    private static final Pattern SLOT = Pattern.compile("log/([^/]+)/([^/]+)/[0-9a-f]{4}/.*\\.zip");
    private static final Pattern EPOCH =
            Pattern.compile("controller/([0-9a-f]{16})(\\.closed)?\\.json");

    private final SimTasks world;
    private final MemoryObjectStore objects;
    private final Map<LogName, Chain> chains = new LinkedHashMap<>();
    private final Map<TenantKey, TreeMap<Long, Long>> history = new HashMap<>();
    private final Map<TenantKey, Set<Long>> made = new HashMap<>(); // checksums
    private final Map<TenantKey, Long> acked = new HashMap<>();
    private final Map<TenantKey, Set<LogName>> open = new HashMap<>();
    private final TreeMap<Long, LogName> epochs = new TreeMap<>();
    private final Set<Long> closedEpochs = new HashSet<>();
    private final Set<String> freed = new HashSet<>();
    private final SQLiteConnection sqlite;
    private byte[] catalog = new byte[0];
    private Map<String, Held> tenants = Map.of();
    private Map<String, Seat> sessions = Map.of();
    private long newestCommitted; // epoch
    private long acks;
    private long reads;
    private long commits;

    FleetJudge(SimTasks world, MemoryObjectStore objects) {
        this.world = world;
        this.objects = objects;
        try {
            sqlite =
                    DriverManager.getConnection("jdbc:sqlite::memory:")
                            .unwrap(SQLiteConnection.class);
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    private void broken(String words, Object... parts) {
        world.fail(new Broken(words.formatted(parts)));
    }

    /// The catalog, for people.
    @Override
    public String toString() {
        return "tenants " + tenants + ", sessions " + sessions;
    }

    long acks() {
        return acks;
    }

    long reads() {
        return reads;
    }

    /// Of the catalog.
    long commits() {
        return commits;
    }

    /// Somebody committed locally.
    void made(TenantKey tenant, long txid, long checksum) {
        made.computeIfAbsent(tenant, _ -> new HashSet<>()).add(checksum ^ txid);
    }

    /// An object is there.
    void created(String key) {
        Matcher slot = SLOT.matcher(key);
        Matcher epoch = EPOCH.matcher(key);
        if (slot.matches()) {
            var log = new LogName(slot.group(1), new SessionId(slot.group(2)));
            advance(chains.computeIfAbsent(log, Chain::new));
        } else if (epoch.matches()) {
            long number = Long.parseLong(epoch.group(1), 16);
            String file = new String(objects.get(key).orElseThrow(), StandardCharsets.UTF_8);
            if (epoch.group(2) == null) {
                var session = new SessionId(member(file, "session"));
                epochs.put(number, new LogName(LogName.CONTROLLER, session));
            } else {
                epochClosed(number, file);
            }
        }
    }

    /// A member of a JSON object without objects in it.
    static String member(String json, String name) {
        Matcher member = Pattern.compile("\"" + name + "\": ?\"?([^\",}]*)\"?").matcher(json);
        if (!member.find()) {
            throw new IllegalStateException("no " + name + " in " + json);
        }
        return member.group(1);
    }

    private void advance(Chain chain) {
        while (chain.fence == null) {
            SlotObject object = SegmentReader.read(objects, chain.log, chain.next).orElse(null);
            switch (object) {
                case null -> {
                    return;
                }
                case SegmentReader segment -> {
                    chain.segments.put(chain.next, segment.entries());
                    segment.entries().forEach(entry -> durable(chain, segment, entry));
                    chain.next = chain.next.next();
                }
                case FenceObject fence when fence.endsPart() ->
                        chain.next = Slot.firstOf(fence.next());
                case FenceObject fence -> chain.fence = fence;
            }
        }
    }

    /// P3: every entry continues its tenant's one history.
    private void durable(Chain chain, SegmentReader segment, Entry entry) {
        TreeMap<Long, Long> states = states(entry.tenant());
        long last = states.isEmpty() ? 0 : states.lastKey();
        long sum = states.isEmpty() ? DatabaseChecksum.EMPTY : states.lastEntry().getValue();
        if (entry.min().value() != last + 1 || entry.checksumBefore() != sum) {
            broken(
                    "P3: %s-%s of %s in %s %s does not continue %d",
                    entry.min(), entry.max(), entry.tenant(), chain.log, chain.next, last);
            return;
        }
        states.put(entry.max().value(), entry.checksumAfter());
        chain.last.put(entry.tenant(), entry.max().value());
        if (entry.tenant().tenant().equals(TenantId.CATALOG)) {
            onlyOneCommits(chain.log);
            commits++;
            catalog = applied(catalog, segment, entry);
            look();
        } else if (!made.getOrDefault(entry.tenant(), Set.of())
                .contains(entry.checksumAfter() ^ entry.max().value())) {
            broken("P3: nobody ever made %s of %s", entry.max(), entry.tenant());
        }
    }

    private TreeMap<Long, Long> states(TenantKey tenant) {
        return history.computeIfAbsent(tenant, _ -> new TreeMap<>());
    }

    /// C3: whose log takes a commit of the catalog is the only one whose log can.
    private void onlyOneCommits(LogName log) {
        long number =
                epochs.entrySet().stream()
                        .filter(epoch -> epoch.getValue().equals(log))
                        .mapToLong(Map.Entry::getKey)
                        .findAny()
                        .orElse(0);
        if (number == 0 || number < newestCommitted) {
            broken("C3: epoch %d commits after epoch %d", number, newestCommitted);
        }
        newestCommitted = Math.max(number, newestCommitted);
        epochs.headMap(number)
                .forEach((earlier, theirs) -> {
                    if (closed(theirs).isEmpty()) {
                        broken("C3: epoch %d commits, %d still can", number, earlier);
                    }
                });
    }

    private static byte[] applied(byte[] image, SegmentReader segment, Entry entry) {
        byte[] next = Arrays.copyOf(image, entry.commit() * entry.pageSize());
        try (InputStream in = segment.ltx(entry);
                var ltx = new LtxReader(segment.toString(), in)) {
            while (ltx.next()) {
                System.arraycopy(
                        ltx.page(), 0, next, (ltx.pgno() - 1) * entry.pageSize(), entry.pageSize());
            }
        } catch (IOException failed) {
            throw new IllegalStateException(failed);
        }
        return next;
    }

    // The durable catalog.

    private void look() {
        var nowTenants = new HashMap<String, Held>();
        var nowSessions = new HashMap<String, Seat>();
        try {
            byte[] image = catalog.clone();
            image[18] = 1; // Memory has no WAL.
            image[19] = 1;
            sqlite.deserialize("main", image);
            if (number("select count(*) from sqlite_schema where name = 'tenants'") == 0) {
                return;
            }
            try (var query = sqlite.createStatement();
                    ResultSet rows =
                            query.executeQuery(
                                    "select id, session, assignment, state from tenants")) {
                while (rows.next()) {
                    nowTenants.put(
                            rows.getString(1),
                            new Held(rows.getString(2), rows.getLong(3), rows.getString(4)));
                }
            }
            try (var query = sqlite.createStatement();
                    ResultSet rows = query.executeQuery("select id, part, state from sessions")) {
                while (rows.next()) {
                    nowSessions.put(rows.getString(1), new Seat(rows.getInt(2), rows.getString(3)));
                }
            }
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
        sessions.forEach((id, before) -> compare(id, before, nowSessions.get(id)));
        tenants.forEach((id, before) -> compare(id, before, nowTenants.get(id)));
        tenants = nowTenants;
        sessions = nowSessions;
    }

    private long number(String sql) throws SQLException {
        try (var query = sqlite.createStatement();
                ResultSet rows = query.executeQuery(sql)) {
            return rows.getLong(1);
        }
    }

    private void compare(String id, Seat before, @Nullable Seat now) {
        if (now == null || now.rank() < before.rank()) {
            broken("C2: session %s is %s after %s", id, now, before);
            return;
        }
        if (now.part() < before.part() || (before.rank() > 0 && now.part() != before.part())) {
            broken("W9: part of %s session %s becomes %d", before, id, now.part());
        }
        if (now.rank() == 2 && before.rank() < 2 && !recovered(id, null)) {
            broken("C2: session %s is closed before its log is fenced and recovered", id);
        }
    }

    private void compare(String id, Held before, @Nullable Held now) {
        if (now == null || now.number() < before.number()) {
            broken("C1: %s of tenant %s becomes %s", before, id, now);
            return;
        }
        boolean same =
                now.number() == before.number() && Objects.equals(now.session(), before.session());
        if (before.session() != null
                && !same
                && !freed.contains(id + before.session() + before.number())
                && !recovered(before.session(), new TenantId(id))) {
            broken("C1: %s of tenant %s ends, becomes %s", before, id, now);
        }
    }

    /// Whether a worker's log is fenced, and all that is in it in derived files.
    ///
    /// @param only look at this tenant, or at all
    private boolean recovered(String session, @Nullable TenantId only) {
        Optional<Chain> chain =
                chains.values().stream()
                        .filter(one -> one.log.session().ulid().equals(session))
                        .findAny();
        return chain.isPresent() && chain.get().fence != null && covered(chain.get(), only);
    }

    private boolean covered(Chain chain, @Nullable TenantId only) {
        return chain.last.entrySet().stream()
                .filter(last -> only == null || last.getKey().tenant().equals(only))
                .filter(last -> !isDeleted(last.getKey().tenant()))
                .allMatch(last ->
                        LineageHistory.list(objects, last.getKey()).coverage().value()
                                >= last.getValue());
    }

    /// C3: a closed epoch is fenced and recovered, and so is every one before it.
    private void epochClosed(long number, String file) {
        closedEpochs.add(number);
        Chain chain = chains.get(epochs.get(number));
        var said =
                new Slot(
                        Integer.parseInt(member(file, "part")),
                        Long.parseLong(member(file, "slot")));
        if (chain == null || chain.fence == null || !chain.next.equals(said)) {
            broken("C3: epoch %d is called closed at %s, its log is not", number, said);
            return;
        }
        if (!covered(chain, null)) {
            broken("C3: epoch %d is called closed before its recovery", number);
        }
        for (long earlier : epochs.headMap(number).keySet()) {
            if (!closedEpochs.contains(earlier)) {
                broken("C3: epoch %d is called closed, %d before it is not", number, earlier);
            }
        }
        long reached = Long.parseLong(member(file, "catalog_txid"), 16);
        chain.last.values().stream()
                .filter(last -> reached < last)
                .forEach(last ->
                        broken("C3: closed epoch %d reaches %d, not %d", number, reached, last));
    }

    // What controllers say.

    /// An assignment is on its way to a worker.
    void assigns(Assignment message) {
        Held held = tenants.get(message.tenant());
        if (held == null
                || held.number() < message.number()
                || (held.number() == message.number()
                        && held.session() != null
                        && !held.session().equals(message.session()))) {
            broken("C1: %s is said, the catalog says %s", message, held);
        }
    }

    /// A client was told the way to a tenant.
    void routed(TenantId tenant, String session, long number) {
        Held held = tenants.get(tenant.name());
        if (held == null || held.number() < number) {
            broken("P1: a route to %s %s %d, the catalog says %s", tenant, session, number, held);
        }
    }

    /// A worker was told that its session is in the catalog.
    void registered(String session) {
        if (!sessions.containsKey(session)) {
            broken("P1: session %s is registered and not in the catalog", session);
        }
    }

    /// A client was told that there is such a tenant.
    void provisioned(TenantId tenant) {
        if (!tenants.containsKey(tenant.name())) {
            broken("P1: tenant %s is made and not in the catalog", tenant);
        }
    }

    /// A client was told that the tenant is deleted.
    void deleted(TenantId tenant) {
        if (!isDeleted(tenant)) {
            broken("P1: tenant %s is deleted and not in the catalog", tenant);
        }
    }

    /// Whether the durable catalog has a tombstone of it.
    boolean isDeleted(TenantId tenant) {
        Held held = tenants.get(tenant.name());
        return held != null && held.state().equals("deleted");
    }

    /// Takes what a janitor may delete of a live session's log: segments before the part that the
    /// durable catalog names, of which everything is in derived files.
    ///
    /// @return their keys
    List<String> trim(LogName log) {
        Chain chain = chains.get(log);
        Seat seat = sessions.get(log.session().ulid());
        if (chain == null || seat == null || seat.rank() > 0) {
            return List.of();
        }
        var keys = new ArrayList<String>();
        chain.segments
                .headMap(Slot.firstOf(seat.part()))
                .entrySet()
                .removeIf(segment ->
                        segment.getValue().stream().allMatch(this::drained)
                                && keys.add(segment.getKey().key(log)));
        return keys;
    }

    private boolean drained(Entry entry) {
        return LineageHistory.list(objects, entry.tenant()).coverage().compareTo(entry.max()) >= 0;
    }

    // What workers do.

    /// The session has closed the tenant, or says that it never opened it and never will.
    void freed(TenantId tenant, String session, long number) {
        freed.add(tenant.name() + session + number);
    }

    /// C1: the session takes an assignment.
    void taken(TenantKey tenant, String session, long number) {
        if (freed.contains(tenant.tenant().name() + session + number)) {
            broken("W6: %s takes %d of %s, which it has given back", session, number, tenant);
        }
    }

    /// P1: a write is acknowledged.
    void acked(TenantKey tenant, long txid, long checksum) {
        acks++;
        shows(tenant, txid, checksum, "ack");
        acked.merge(tenant, txid, Math::max);
    }

    private void shows(TenantKey tenant, long txid, long checksum, String what) {
        Long sum = txid == 0 ? Long.valueOf(checksum) : states(tenant).get(txid);
        if (sum == null || sum != checksum) {
            broken("P1: %s of %s shows %d, which is not durable", what, tenant, txid);
        }
    }

    /// The last commit that somebody was told is durable.
    long lastAcked(TenantKey tenant) {
        return acked.getOrDefault(tenant, 0L);
    }

    /// I4: a plain read shows all that was acknowledged before it.
    ///
    /// @param before what [#lastAcked] was when it began
    void read(TenantKey tenant, long txid, long checksum, long before) {
        reads++;
        shows(tenant, txid, checksum, "read");
        if (txid < before) {
            broken("I4: read of %s shows %d after %d was acknowledged", tenant, txid, before);
        }
    }

    /// I1, I3 and C4: a session serves the tenant from this state on.
    void opens(LogName log, TenantKey tenant, long txid, long checksum) {
        Set<LogName> holders = open.computeIfAbsent(tenant, _ -> new HashSet<>());
        holders.removeIf(other -> closed(other).isPresent());
        if (closed(log).isPresent()) {
            return; // A zombie; whatever it does is void.
        }
        if (!holders.isEmpty()) {
            broken("I3: %s and %s have %s, neither is fenced", holders, log, tenant);
        }
        holders.add(log);
        TreeMap<Long, Long> states = states(tenant);
        long last = states.isEmpty() ? 0 : states.lastKey();
        if (txid != last || (last > 0 && states.get(last) != checksum)) {
            broken("I1: %s opens %s at %d, its history ends at %d", log, tenant, txid, last);
        }
    }

    /// The session does not serve the tenant any more.
    void shuts(LogName log, TenantKey tenant) {
        open.computeIfAbsent(tenant, _ -> new HashSet<>()).remove(log);
    }

    /// W5: a log ends by a fence only if there is one.
    void ended(LogName log) {
        if (closed(log).isEmpty()) {
            broken("W5: %s thinks it is fenced", log);
        }
    }

    private Optional<FenceObject> closed(LogName log) {
        Chain chain = chains.get(log);
        return chain == null ? Optional.empty() : Optional.ofNullable(chain.fence);
    }

    /// Of all lineages of a tenant; the last TXID that is acknowledged.
    long lastAcked(TenantId tenant) {
        return acked.entrySet().stream()
                .filter(one -> one.getKey().tenant().equals(tenant))
                .mapToLong(Map.Entry::getValue)
                .max()
                .orElse(0);
    }

    @Override
    public void close() {
        try {
            sqlite.close();
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }
}
