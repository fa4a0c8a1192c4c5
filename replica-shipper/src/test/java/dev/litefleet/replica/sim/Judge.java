package dev.litefleet.replica.sim;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
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
import java.util.ArrayList;
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

        private Broken(String words) {
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
    private static final Pattern DERIVED =
            Pattern.compile("tenants/([^/]+)/([^/]+)/000[0-9]/[0-9a-f]{16}-([0-9a-f]{16})\\.ltx");

    private final SimTasks world;
    private final MemoryObjectStore objects;
    private final Map<LogName, Chain> chains = new LinkedHashMap<>();
    private final Map<TenantKey, TreeMap<Long, Long>> history = new HashMap<>();
    private final Map<State, byte[]> images = new HashMap<>();
    private final Map<TenantKey, Long> acked = new HashMap<>();
    private final Map<TenantKey, Set<LogName>> open = new HashMap<>();
    private final Set<State> denied = new HashSet<>();
    private long acks;
    private long reads;
    private long segments;

    Judge(SimTasks world, MemoryObjectStore objects) {
        this.world = world;
        this.objects = objects;
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

    /// Somebody committed locally.
    void made(Commit commit, byte[] image) {
        images.put(
                new State(commit.tenant(), commit.txid().value(), commit.checksumAfter()), image);
    }

    /// An object is there.
    void created(String key) {
        Matcher slot = SLOT.matcher(key);
        Matcher derived = DERIVED.matcher(key);
        if (slot.matches()) {
            var log = new LogName(slot.group(1), new SessionId(slot.group(2)));
            advance(chains.computeIfAbsent(log, Chain::new));
        } else if (derived.matches()) {
            derived(key);
        }
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
                    segment.entries().forEach(entry -> durable(chain, entry));
                    chain.next = chain.next.next();
                }
                case FenceObject fence when fence.endsPart() ->
                        chain.next = Slot.firstOf(fence.next());
                case FenceObject fence -> chain.fence = fence;
            }
        }
    }

    /// P3: every entry continues its tenant's one history.
    private void durable(Chain chain, Entry entry) {
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
        states.put(entry.max().value(), entry.checksumAfter());
    }

    private TreeMap<Long, Long> states(TenantKey tenant) {
        return history.computeIfAbsent(tenant, _ -> new TreeMap<>());
    }

    /// W7: a derived file holds what is durable and nothing else.
    private void derived(String key) {
        byte[] bytes = objects.get(key).orElseThrow();
        LtxHeader header = LtxHeader.parse(key, bytes);
        String[] path = key.split("/");
        TenantKey tenant = Names.tenant(path[1]);
        Long sum = states(tenant).get(header.max().value());
        if (sum == null || sum != header.nodeId()) {
            broken("W7: %s holds a state that is not in the history", key);
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
            throw new IllegalStateException("no image of " + tenant + " " + txid);
        }
        return image;
    }

    /// Puts a tenant's every state together from log entries alone, in the order of their TXIDs,
    /// and compares it with what its owner had: a reader that shares neither plan nor hydration
    /// with the one in production.
    void replay(TenantKey tenant) {
        var entries = new TreeMap<Long, List<byte[]>>();
        for (Chain chain : chains.values()) {
            for (Slot at = Slot.FIRST; at.compareTo(chain.next) < 0; ) {
                SlotObject object = SegmentReader.read(objects, chain.log, at).orElse(null);
                switch (object) {
                    case null -> at = at.next();
                    case FenceObject fence -> at = Slot.firstOf(fence.next());
                    case SegmentReader segment -> {
                        segment.entries().stream()
                                .filter(entry -> entry.tenant().equals(tenant))
                                .forEach(entry ->
                                        entries.put(entry.max().value(), body(segment, entry)));
                        at = at.next();
                    }
                }
            }
        }
        byte[] image = new byte[0];
        for (var state : states(tenant).entrySet()) {
            List<byte[]> body = entries.get(state.getKey());
            if (body == null) {
                broken("P4: no entry of %s %d", tenant, state.getKey());
                return;
            }
            image = applied(image, body);
            if (!Arrays.equals(image, image(tenant, state.getKey()))) {
                broken("P4: %s is not what it was at %d", tenant, state.getKey());
            }
        }
    }

    /// Size first, then page numbers and pages in turns.
    private static List<byte[]> body(SegmentReader segment, Entry entry) {
        var pages = new ArrayList<byte[]>();
        pages.add(number(entry.commit()));
        try (InputStream in = segment.ltx(entry);
                var ltx = new LtxReader(segment.toString(), in)) {
            while (ltx.next()) {
                pages.add(number(ltx.pgno()));
                pages.add(ltx.page().clone());
            }
        } catch (IOException | ReplicaException failed) {
            throw new IllegalStateException(failed);
        }
        return pages;
    }

    private static byte[] number(int value) {
        return new byte[] {(byte) (value >> 8), (byte) value};
    }

    private static int number(byte[] bytes) {
        return (bytes[0] & 255) << 8 | bytes[1] & 255;
    }

    private static byte[] applied(byte[] image, List<byte[]> body) {
        byte[] next = Arrays.copyOf(image, number(body.getFirst()) * PageDb.PAGE);
        for (int i = 1; i < body.size(); i += 2) {
            int at = (number(body.get(i)) - 1) * PageDb.PAGE;
            System.arraycopy(body.get(i + 1), 0, next, at, PageDb.PAGE);
        }
        return next;
    }

    /// A restore by the production code gave this.
    void restored(TenantKey tenant, Txid txid, byte[] image) {
        if (!Arrays.equals(image, image(tenant, txid.value()))) {
            broken("P4: restore of %s at %s differs", tenant, txid);
        }
    }
}
