package dev.litefleet.replica.sim;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.FenceObject;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.SlotObject;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.PageDb;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Knows everything that happens and holds it against the promises, at once: after every object
/// that the store creates, every answer that leaves, and every tenant that is opened. What is
/// durable it reads from the store itself, slot after slot of every log, without asking any writer.
final class Judge {
    /// Breaking of a promise.
    static final class Broken extends AssertionError {
        private static final long serialVersionUID = 1;

        Broken(String words) {
            super(words);
        }
    }

    private record State(TenantKey tenant, long txid, long checksum) {}

    /// How far the slots of a log are there without a gap.
    private static final class Chain {
        private final LogName log;
        private Slot next = Slot.FIRST;
        private @Nullable FenceObject fence;

        private Chain(LogName log) {
            this.log = log;
        }
    }

    private static final Pattern SLOT = Pattern.compile("log/([^/]+)/([^/]+)/[0-9a-f]{4}/.*\\.zip");
    private static final Pattern OF_TENANT = Pattern.compile("tenants/([^/]+)/([^/]+)/(.+)");

    /// A deleted tenant.
    private static final class Grave {
        private @Nullable Instant unheld; // since when no session has it
        private @Nullable Instant receipt;
    }

    private final SimTasks world;
    private final MemoryObjectStore objects;
    private final HistoryWindows windows;
    private final Map<LogName, Chain> chains = new LinkedHashMap<>();
    private final Map<TenantKey, TreeMap<Long, Long>> history = new HashMap<>();
    private final Map<State, byte[]> images = new HashMap<>();
    private final Map<TenantKey, Long> acked = new HashMap<>();
    private final Map<TenantKey, Set<LogName>> open = new HashMap<>();
    private final Set<State> denied = new HashSet<>();
    private final Map<TenantKey, Shelf> shelves = new LinkedHashMap<>();
    private final Set<String> fences = new HashSet<>(); // keys
    private final Map<String, Grave> graves = new HashMap<>(); // by tenant
    private final Set<String> late = new HashSet<>(); // what was sent of the unheld
    private long deletions;
    private long acks;
    private long reads;
    private long segments;

    /// @param windows the fleet's
    Judge(SimTasks world, MemoryObjectStore objects, HistoryWindows windows) {
        this.world = world;
        this.objects = objects;
        this.windows = windows;
    }

    private Instant now() {
        return world.clock().instant();
    }

    private void broken(String words, Object... parts) {
        world.fail(new Broken(words.formatted(parts)));
    }

    long acks() {
        return acks;
    }

    long reads() {
        return reads;
    }

    long segments() {
        return segments;
    }

    /// Objects deleted.
    long deletions() {
        return deletions;
    }

    /// Somebody committed locally.
    void made(Commit commit, byte[] image) {
        images.put(
                new State(commit.tenant(), commit.txid().value(), commit.checksumAfter()), image);
    }

    /// An object is there.
    ///
    /// @param signed when its put was sent
    void created(String key, Instant signed) {
        Matcher slot = SLOT.matcher(key);
        Matcher ours = OF_TENANT.matcher(key);
        if (slot.matches()) {
            var log = new LogName(slot.group(1), new SessionId(slot.group(2)));
            advance(chains.computeIfAbsent(log, Chain::new));
        } else if (ours.matches()) {
            var tenant = new TenantKey(new TenantId(ours.group(1)), new Lineage(ours.group(2)));
            comesBack(tenant, key, signed);
            if (ours.group(3).endsWith(".ltx") && ours.group(3).startsWith("000")) {
                derived(tenant, key);
            }
            shelf(tenant).created(key, now());
        }
    }

    /// P5, G1, G2, G3: an object is gone; whoever deleted it may be dead by now.
    void deleted(String key) {
        deletions++;
        Matcher slot = SLOT.matcher(key);
        Matcher ours = OF_TENANT.matcher(key);
        if (fences.contains(key)) {
            broken("G1: fence %s was deleted", key);
        }
        if (slot.matches()) {
            Chain chain = chains.get(new LogName(slot.group(1), new SessionId(slot.group(2))));
            int part = Integer.parseInt(key.split("/")[3], 16);
            if (chain != null && chain.fence == null && chain.next.part() <= part) {
                broken("G2: %s was deleted, its part is open", key);
            }
        }
        for (Shelf shelf : List.copyOf(shelves.values())) {
            if (shelf.isBody(key)) {
                broken("G3: body %s was deleted before the segment that names it", key);
            }
            if (shelf.deleted(key)) {
                shelf.lost(now(), windows)
                        .ifPresent(state ->
                                broken("P5: %d is needed, %s is gone; %s", state, key, shelf));
            }
        }
    }

    private Shelf shelf(TenantKey tenant) {
        return shelves.computeIfAbsent(tenant, key -> new Shelf(key, objects));
    }

    private void advance(Chain chain) {
        while (chain.fence == null) {
            SlotObject object = SegmentReader.read(objects, chain.log, chain.next).orElse(null);
            switch (object) {
                case null -> {
                    return;
                }
                case SegmentReader segment -> {
                    segments++;
                    segment.entries().forEach(entry -> durable(chain, segment, entry));
                    chain.next = chain.next.next();
                }
                case FenceObject fence -> {
                    fences.add(chain.next.key(chain.log));
                    if (fence.endsPart()) {
                        chain.next = Slot.firstOf(fence.next());
                    } else {
                        chain.fence = fence;
                    }
                }
            }
        }
    }

    /// P3: every entry continues its tenant's one history. P4: applied to the state before, it
    /// makes the one that its owner had.
    private void durable(Chain chain, SegmentReader segment, Entry entry) {
        TreeMap<Long, Long> states = states(entry.tenant());
        long last = states.isEmpty() ? 0 : states.lastKey();
        long sum = states.isEmpty() ? DatabaseChecksum.EMPTY : states.lastEntry().getValue();
        if (entry.min().value() != last + 1 || entry.checksumBefore() != sum) {
            broken(
                    "P3: %s-%s of %s in %s %s does not continue %d",
                    entry.min(), entry.max(), entry.tenant(), chain.log, chain.next, last);
        }
        var state = new State(entry.tenant(), entry.max().value(), entry.checksumAfter());
        if (!images.containsKey(state)) {
            broken("P3: nobody ever made %s", state);
        }
        if (denied.contains(state)) {
            broken("P1: %s is durable, its client was told that it failed", state);
        }
        Shelf shelf = shelf(entry.tenant());
        Grave grave = graves.get(entry.tenant().tenant().name());
        if (shelf.hasEnded() || (grave != null && grave.unheld != null)) {
            broken("P3: %s is written after its lineage has ended", state);
        }
        byte[] before = last == 0 ? new byte[0] : image(entry.tenant(), last);
        states.put(entry.max().value(), entry.checksumAfter());
        shelf.durable(chain.log, chain.next, entry, now());
        byte[] image = images.get(state);
        if (image != null && !Arrays.equals(image, applied(before, segment, entry))) {
            broken("P4: entry %s of %s does not make what it was", entry.max(), entry.tenant());
        } else if (image != null && entry.tenant().equals(Names.catalog())) {
            certain(image);
        }
    }

    private TreeMap<Long, Long> states(TenantKey tenant) {
        return history.computeIfAbsent(tenant, _ -> new TreeMap<>());
    }

    /// W7: a derived file holds what is durable and nothing else, all of it, page by page.
    private void derived(TenantKey tenant, String key) {
        byte[] bytes = objects.get(key).orElseThrow();
        try (var ltx = new LtxReader(key, bytes)) {
            LtxHeader header = ltx.header();
            Long sum = states(tenant).get(header.max().value());
            if (sum == null || sum != header.nodeId()) {
                broken("W7: %s holds a state that is not in the history", key);
                return;
            }
            byte[] image = image(tenant, header.max().value());
            byte[] before = before(tenant, header.min().value());
            if (header.commit() * PageDb.PAGE != image.length) {
                broken("W7: %s makes a database of another size", key);
            }
            var pages = new HashSet<Integer>();
            while (ltx.next()) {
                pages.add(ltx.pgno());
                if (!same(ltx.page(), 0, image, ltx.pgno())) {
                    broken("W7: page %d of %s is not what it was", ltx.pgno(), key);
                }
            }
            for (int pgno = 1; before != null && pgno * PageDb.PAGE <= image.length; pgno++) {
                boolean kept =
                        pgno * PageDb.PAGE <= before.length
                                && same(before, (pgno - 1) * PageDb.PAGE, image, pgno);
                if (!kept && !pages.contains(pgno)) {
                    broken("W7: %s lacks page %d", key, pgno);
                }
            }
        }
    }

    private static boolean same(byte[] page, int at, byte[] image, int pgno) {
        int from = (pgno - 1) * PageDb.PAGE;
        return Arrays.equals(page, at, at + PageDb.PAGE, image, from, from + PageDb.PAGE);
    }

    /// The database before `min`, or null if nobody ever saw that state by itself.
    private byte @Nullable [] before(TenantKey tenant, long min) {
        if (min == 1) {
            return new byte[0];
        }
        return states(tenant).containsKey(min - 1) ? image(tenant, min - 1) : null;
    }

    // Lineages and tenants that begin and end.

    /// A fork or a restore is about to write the first state of a lineage.
    void begins(TenantKey tenant, long txid, TenantKey source, long of) {
        Long sum = states(source).get(of);
        if (sum == null) {
            broken("P4: %s has a state %d that nobody made", source, of);
            return;
        }
        states(tenant).put(txid, sum);
        images.put(new State(tenant, txid, sum), image(source, of));
        shelf(tenant).begins(txid, now());
    }

    /// The tenant is one whose history is kept.
    void names(TenantKey tenant) {
        shelf(tenant).named();
    }

    /// A hold is set, and it was said so.
    void holds(TenantId tenant, String name, long from, long to) {
        of(tenant).forEach(shelf -> shelf.hold(name, from, to, now(), windows));
    }

    /// A hold is about to be released.
    void releases(TenantId tenant, String name) {
        of(tenant).forEach(shelf -> shelf.release(name));
    }

    private List<Shelf> of(TenantId tenant) {
        return shelves.entrySet().stream()
                .filter(shelf -> shelf.getKey().tenant().equals(tenant))
                .map(Map.Entry::getValue)
                .toList();
    }

    /// A state of the catalog is durable, whether or not the controller knows it already.
    private void certain(byte[] image) {
        int length = (image[2] & 255) << 8 | image[3] & 255;
        var catalog = Catalog.decode(Arrays.copyOfRange(image, 4, 4 + length));
        catalog.ended
                .values()
                .forEach(over -> shelf(Names.tenant(over.tenant(), over.lineage())).ends(now()));
        shelf(Names.catalog()).named();
        catalog.tenants.forEach((name, row) -> {
            shelf(Names.tenant(name, row.lineage())).named();
            if (row.life() == Catalog.Life.DELETED) {
                Grave grave = graves.computeIfAbsent(name, _ -> new Grave());
                of(new TenantId(name)).forEach(Shelf::deletes);
                if (row.unheld() > 0 && grave.unheld == null) {
                    grave.unheld = now();
                }
                if (row.receipt() > 0 && grave.receipt == null) {
                    grave.receipt = now();
                    receipt(name);
                }
            }
        });
    }

    /// P8: the receipt says that nothing is left.
    private void receipt(String tenant) {
        objects.keys().stream()
                .filter(key -> key.startsWith("tenants/" + tenant + "/") && !late.contains(key))
                .findAny()
                .ifPresent(key -> broken("P8: %s is there, and its receipt", key));
    }

    /// P8: what was under way when the last session let go must not come back. What a process
    /// writes that stood still for long goes with the janitor; see [#leavesNothing].
    private void comesBack(TenantKey tenant, String key, Instant signed) {
        Grave grave = graves.get(tenant.tenant().name());
        if (grave == null || grave.unheld == null) {
            return;
        }
        if (signed.isAfter(grave.unheld)) {
            late.add(key);
        } else if (grave.receipt != null) {
            broken("P8: %s came back after the receipt", key);
        }
    }

    /// P8: of deleted tenants no byte is left, neither here nor in any log.
    void leavesNothing() {
        for (String tenant : graves.keySet()) {
            objects.keys().stream()
                    .filter(key -> key.startsWith("tenants/" + tenant + "/"))
                    .findAny()
                    .ifPresent(key -> broken("P8: %s is still there", key));
        }
        for (Chain chain : chains.values()) {
            objects.listAll(chain.log.prefix())
                    .filter(object -> SLOT.matcher(object.key()).matches())
                    .forEach(object -> leavesNothing(chain.log, object.key()));
        }
    }

    private void leavesNothing(LogName log, String key) {
        String[] path = key.split("[/.]");
        var slot = new Slot(Integer.parseInt(path[3], 16), Long.parseLong(path[4], 16));
        if (SegmentReader.read(objects, log, slot).orElseThrow() instanceof SegmentReader segment) {
            segment.entries().stream()
                    .filter(entry -> graves.containsKey(entry.tenant().tenant().name()))
                    .findAny()
                    .ifPresent(entry -> broken("P8: %s still has %s", key, entry.tenant()));
        }
    }

    /// A worker's log is about to be fenced.
    ///
    /// @param leased whether the worker still thinks that it may be read
    void fences(LogName log, boolean leased) {
        if (leased) {
            broken("C2: %s is fenced, and has a lease", log);
        }
    }

    /// A restore of the newest state reads so much, and nothing is to be merged.
    void bounded(TenantKey tenant, long restored, long bytes, long databaseBytes) {
        if (restored > 64 || bytes > Math.max(2 * databaseBytes, 128 << 10)) {
            broken(
                    "bound: %s needs %d objects of %d bytes for %d",
                    tenant, restored, bytes, databaseBytes);
        }
    }

    /// P1: an answer leaves that showed, or made, this state.
    void answers(TenantKey tenant, long txid, long checksum, String what) {
        Long sum = txid == 0 ? Long.valueOf(checksum) : states(tenant).get(txid);
        if (sum == null || sum != checksum) {
            broken("P1: %s of %s shows %d, which is not durable", what, tenant, txid);
        }
    }

    void acked(TenantKey tenant, long txid, long checksum) {
        acks++;
        answers(tenant, txid, checksum, "ack");
        acked.merge(tenant, txid, Math::max);
    }

    /// Somebody was told that this commit did not happen and never will.
    void denied(TenantKey tenant, long txid, long checksum) {
        if (Long.valueOf(checksum).equals(states(tenant).get(txid))) {
            broken("P1: %d of %s is durable, its client was told that it failed", txid, tenant);
        }
        denied.add(new State(tenant, txid, checksum));
    }

    /// The last commit that somebody was told is durable.
    long lastAcked(TenantKey tenant) {
        return acked.getOrDefault(tenant, 0L);
    }

    /// I4: a plain read under a lease, or a strong one, shows all that was acknowledged before it.
    ///
    /// @param before what [#lastAcked] was when it began
    void read(TenantKey tenant, long txid, long checksum, long before, String what) {
        reads++;
        answers(tenant, txid, checksum, what);
        if (txid < before) {
            broken("I4: %s of %s shows %d after %d was acknowledged", what, tenant, txid, before);
        }
    }

    /// I1 and I3: a session serves the tenant from this state on.
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
    void ended(LogName log, LogEnd end) {
        if (end instanceof LogEnd.Fenced && closed(log).isEmpty()) {
            broken("W5: %s thinks it is fenced: %s", log, end);
        }
    }

    /// C2: whoever fences a log finds the one place where it ends.
    void fenced(LogName log, Fence.Closed found) {
        Chain chain = chains.get(log);
        if (chain == null || chain.fence == null || !chain.next.equals(found.slot())) {
            broken("C2: a fencer of %s stands at %s, its log does not end there", log, found);
        }
    }

    /// Whether an object lies in a log that is closed.
    boolean isClosed(String key) {
        Matcher slot = SLOT.matcher(key);
        return slot.matches()
                && closed(new LogName(slot.group(1), new SessionId(slot.group(2)))).isPresent();
    }

    /// The fence that closed a log.
    Optional<FenceObject> closed(LogName log) {
        Chain chain = chains.get(log);
        return chain == null ? Optional.empty() : Optional.ofNullable(chain.fence);
    }

    /// Every state there must be.
    TreeMap<Long, Long> history(TenantKey tenant) {
        return states(tenant);
    }

    /// What a state looks like.
    byte[] image(TenantKey tenant, long txid) {
        long checksum = states(tenant).get(txid);
        byte[] image = images.get(new State(tenant, txid, checksum));
        if (image == null) {
            throw new Broken("no image of " + tenant + " " + txid);
        }
        return image;
    }

    private static byte[] applied(byte[] image, SegmentReader segment, Entry entry) {
        byte[] next = Arrays.copyOf(image, entry.commit() * PageDb.PAGE);
        try (InputStream in = segment.ltx(entry);
                var ltx = new LtxReader(segment.toString(), in)) {
            while (ltx.next()) {
                System.arraycopy(ltx.page(), 0, next, (ltx.pgno() - 1) * PageDb.PAGE, PageDb.PAGE);
            }
            return next;
        } catch (IOException | ReplicaException failed) {
            throw new IllegalStateException(failed);
        }
    }

    /// The lineages that are worth reading.
    List<TenantKey> lineages() {
        return shelves.entrySet().stream()
                .filter(shelf -> shelf.getValue().isNamed() && !shelf.getValue().isDeleted())
                .map(Map.Entry::getKey)
                .toList();
    }

    /// P4 and P5: puts every state together that can be, without plan or hydration of production,
    /// and compares each with what its owner had; what a window or a hold needs must be among them.
    ///
    /// @return the needed ones
    List<Long> readBack(TenantKey tenant) {
        Shelf shelf = shelf(tenant);
        Map<Long, byte[]> read = shelf.readAll();
        read.forEach((txid, image) -> {
            if (!Arrays.equals(image, image(tenant, txid))) {
                broken("P4: %s is not what it was at %d", tenant, txid);
            }
        });
        List<Long> needed = List.copyOf(shelf.needed(now(), windows));
        needed.stream()
                .filter(txid -> !read.containsKey(txid))
                .findFirst()
                .ifPresent(txid -> broken("P5: %d of %s cannot be read", txid, tenant));
        return needed;
    }

    /// A restore by the production code gave this.
    void restored(TenantKey tenant, Txid txid, byte[] image) {
        if (!Arrays.equals(image, image(tenant, txid.value()))) {
            broken("P4: restore of %s at %s differs", tenant, txid);
        }
    }
}
