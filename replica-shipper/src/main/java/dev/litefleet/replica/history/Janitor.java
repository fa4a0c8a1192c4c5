package dev.litefleet.replica.history;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.history.HistoryIndex.Range;
import dev.litefleet.replica.history.Retention.Coverage;
import dev.litefleet.replica.history.Retention.Need;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.FenceObject;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.SlotObject;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.Erased;
import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiPredicate;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Deletes what [Retention] says nobody needs, in two passes: a run writes plans, a later one
/// deletes what is in them and, decided again with what is known by then, still not needed. Fences
/// are never deleted (G1), nor anything of a part that may still be written (G2).
///
/// It may be stopped between any two requests, and two may run at once: plans are put-if-absent,
/// everything else may be repeated. What the store refuses to delete is reported, and tried once in
/// a later run. Blocks only in the store and in [Tasks].
///
/// A run costs one LIST for each 1,000 objects of `tenants/` and of the old parts of logs, one for
/// each worker and each young part, two GETs for each segment that goes, one whole GET for each
/// derived file that covers such a segment, and a LIST for each lineage with something to delete.
/// An idle tenant costs the LIST of its objects: 500 idle tenants about one request.
public final class Janitor {
    /// @param exact the fleet's exact window: how long segments stay
    /// @param objectsMax most objects that one run plans to delete
    public record Config(Duration exact, int objectsMax) {
        public static final Config DEFAULT = new Config(HistoryWindows.DEFAULT.exact(), 1_000_000);

        public Config {
            if (exact.compareTo(HistoryWindows.MIN) < 0 || objectsMax < 1) {
                throw new IllegalArgumentException(
                        "bad janitor settings: exact %s, %d objects".formatted(exact, objectsMax));
            }
        }
    }

    /// What the catalog knows, asked whenever it is needed, and after the store was listed: what is
    /// listed and not known was made by nobody who is known now.
    ///
    /// @param lastDeletion until when sessions held tenants that were deleted, if bytes of one may
    ///   be left
    public record Facts(
            Function<LogName, LogState> logs,
            Function<TenantKey, LineageState> lineages,
            Optional<Instant> lastDeletion) {
        /// Of a fleet that deletes no tenants.
        public Facts(Function<LogName, LogState> logs, Function<TenantKey, LineageState> lineages) {
            this(logs, lineages, Optional.empty());
        }
    }

    /// Segments that are looked at together.
    private static final int TOGETHER = 256;

    private static final int WIDTH = 8;

    /// Lineages whose listing is remembered.
    private static final int LINEAGES_MAX = 1_000;

    /// Most segments that are read to find out whether a blob is named.
    private static final int BLOB_READS_MAX = 2_000;

    /// How much later than its body a segment may seem to have been written: clocks of stores that
    /// count whole seconds.
    private static final Duration BLOB_SLACK = Duration.ofMinutes(1);

    /// How long a run needs the object that tells it the time.
    private static final Duration NOW_MAX = Duration.ofHours(1);

    /// A slot this old in a part that may be written says that nobody writes there: the next slot
    /// would have ended the part.
    private static final Duration IDLE = Duration.ofHours(2);

    /// How much later than its session said a segment may seem to have been written.
    private static final Duration DELETED_SLACK = Duration.ofHours(1);

    /// Larger objects in a slot are no fences.
    private static final int FENCE_BYTES_MAX = 512;

    /// A session of three months has fewer parts.
    private static final int FENCES_READ_MAX = 2_500;

    private static final String BLOBS = "blobs/";
    private static final String TENANTS = "tenants/";
    private static final String PROBES = "probe/";
    private static final Pattern LINEAGE_KEY = Pattern.compile("(tenants/([^/]+)/([^/]+)/).+");
    private static final Pattern SLOT_KEY =
            Pattern.compile("([0-9A-Z]{26})/([0-9a-f]{4})/([0-7][0-9a-f]{15})\\.zip");
    private static final Pattern BLOB_KEY = Pattern.compile("([0-9A-Z]{26})/blobs/.+");

    private final ObjectStore store;
    private final Config config;
    private final Facts facts;
    private final Path tmp;
    private final Tasks tasks;
    private final String run;
    private final Instant now;

    private final List<String> problems = new ArrayList<>();
    private final Map<TenantKey, Optional<Coverage>> coverages =
            new LinkedHashMap<>(64, 0.75f, true) {
                @Override
                protected boolean removeEldestEntry(
                        Map.Entry<TenantKey, Optional<Coverage>> eldest) {
                    return size() > LINEAGES_MAX;
                }
            };
    private final Map<String, Long> verified = new HashMap<>(); // key to node id
    private final Set<String> damaged = new HashSet<>();
    private final PlanWriter plans = new PlanWriter();
    private final List<OpenPart> toEnd = new ArrayList<>();
    private Erased erased = Erased.NOTHING;
    private int copied;
    private long kept;
    private long held;

    private Janitor(
            ObjectStore store,
            Config config,
            Facts facts,
            Path tmp,
            Tasks tasks,
            String run,
            Instant now) {
        this.store = store;
        this.config = config;
        this.facts = facts;
        this.tmp = tmp;
        this.tasks = tasks;
        this.run = run;
        this.now = now;
    }

    /// One run: the plans of earlier runs are carried out, then new ones are written.
    ///
    /// @param known until when `facts` are certainly complete: the last time at which the caller
    ///   knew that nobody else rules the fleet. A process may stand still for days between that and
    ///   any later line; by this time it takes nothing for old that is so only since then
    /// @param tmp folder for temporary files
    /// @throws dev.litefleet.replica.objects.StoreException if the store does not answer or refuses
    ///   everything; run again later
    public static JanitorReport run(
            ObjectStore store,
            Config config,
            Facts facts,
            Instant known,
            Path tmp,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random) {
        String run = SessionId.create(clock, random).ulid();
        Instant looked = now(store, run, clock);
        Instant now = known.isBefore(looked) ? known : looked;
        return new Janitor(store, config, facts, tmp, tasks, run, now).run();
    }

    /// The earlier of our clock and the store's: a clock that runs ahead deletes nothing early.
    private static Instant now(ObjectStore store, String run, InstantSource clock) {
        String key = JanitorPlan.PREFIX + run + ".now";
        store.putIfAbsent(key, ObjectBody.of(new byte[] {'\n'}));
        Instant theirs =
                store.head(key)
                        .map(ListedObject::modified)
                        .orElseThrow(() ->
                                new StoreException.Unavailable(
                                        "head " + key, "another janitor was faster", null));
        store.erase(key, key::equals);
        Instant ours = clock.instant();
        return theirs.isBefore(ours) ? theirs : ours;
    }

    private JanitorReport run() {
        carryOutEarlierPlans();
        int uploads = store.abortUploads("", now.minus(Retention.YOUNG_MAX));
        planLogs();
        planLineages();
        planProbes();
        plans.flush();
        return new JanitorReport(
                erased,
                plans.planned,
                copied,
                uploads,
                kept,
                held,
                plans.isFull(),
                toEnd,
                problems);
    }

    // The second pass

    private void carryOutEarlierPlans() {
        for (ListedObject object : store.listAll(JanitorPlan.PREFIX).toList()) {
            String key = object.key();
            Optional<String> writer = JanitorPlan.run(key);
            if (writer.isPresent() && writer.get().compareTo(run) < 0) {
                JanitorPlan.read(store, key).ifPresent(this::carryOut);
                store.erase(key, key::equals);
            } else if (key.endsWith(".now") && isLeftOver(object)) {
                store.erase(key, key::equals); // Its run was stopped.
            }
        }
        coverages.clear(); // They may show files that are gone now.
    }

    /// The run that wrote it is over, and not just beginning beside this one.
    private boolean isLeftOver(ListedObject object) {
        return object.modified().isBefore(now.minus(NOW_MAX));
    }

    private void carryOut(JanitorPlan plan) {
        plan.folders().forEach(this::carryOut);
        var good = Set.copyOf(plan.verified());
        plan.logs().forEach(part -> carryOut(part, good));
    }

    private void carryOut(JanitorPlan.Folder folder) {
        List<ListedObject> objects = store.listAll(folder.prefix()).toList();
        var planned = new HashSet<String>();
        folder.keys().forEach(key -> planned.add(folder.prefix() + key));
        var which = new HashSet<String>();
        for (ListedObject object : expired(folder.prefix(), objects)) {
            if (planned.contains(object.key())) {
                which.add(object.key());
            }
        }
        lineage(folder.prefix()).ifPresent(tenant -> keepUnread(tenant, objects, which));
        erase(folder.prefix(), which);
    }

    /// Index objects go for larger ones only when those can be read.
    private void keepUnread(TenantKey tenant, List<ListedObject> objects, Set<String> which) {
        List<Range> ranges = Retention.ranges(tenant, objects);
        List<Range> going =
                HistoryDays.covered(ranges).stream()
                        .filter(range -> which.contains(range.key()))
                        .toList();
        for (Range range : ranges) {
            List<Range> over =
                    which.contains(range.key())
                            ? List.of()
                            : going.stream()
                                    .filter(one ->
                                            one.max().compareTo(range.min()) >= 0
                                                    && one.min().compareTo(range.max()) <= 0)
                                    .toList();
            if (!over.isEmpty()) {
                try {
                    HistoryIndex.read(store, range);
                } catch (ReplicaException broken) {
                    problem(String.valueOf(broken.getMessage()));
                    over.forEach(one -> which.remove(one.key()));
                }
            }
        }
    }

    private void carryOut(JanitorPlan.LogPart part, Set<String> good) {
        var log = new LogName(part.worker(), new SessionId(part.session()));
        if (!mayGo(log, part.part())) {
            return;
        }
        long fence = part.fence() > 0 && isFence(log, part.part(), part.fence()) ? part.fence() : 0;
        var planned = new TreeMap<Long, JanitorPlan.SlotKeys>();
        part.slots().forEach(slot -> planned.put(slot.number(), slot));
        var gone = new HashSet<String>();
        var stays = new HashSet<Long>();
        List<Long> numbers = List.copyOf(planned.keySet());
        for (int from = 0; from < numbers.size(); from += TOGETHER) {
            List<Long> some = numbers.subList(from, Math.min(from + TOGETHER, numbers.size()));
            for (Found found : read(log, part.part(), some, stays)) {
                boolean isVoid = fence > 0 && found.slot().number() > fence;
                if (isVoid || unneeded(found, (file, _) -> good.contains(file.key()))) {
                    gone.add(found.slot().key(log));
                } else {
                    stays.add(found.slot().number());
                }
            }
        }
        if (!erase(partPrefix(log, part.part()), gone)) {
            return;
        }
        // After the segments: one that names a body which is gone looks damaged.
        Set<String> blobs = new HashSet<>(orphans(log, part.orphans()));
        planned.values().stream()
                .filter(slot -> !stays.contains(slot.number()))
                .forEach(slot -> blobs.addAll(slot.blobs()));
        erase(log.prefix() + BLOBS, blobs);
    }

    /// @return whether all of it is gone
    private boolean erase(String prefix, Set<String> which) {
        if (which.isEmpty()) {
            return true;
        }
        Erased some = store.erase(prefix, which::contains);
        erased = erased.plus(some);
        if (some.refused() > 0) {
            problem("the store refuses to delete " + some.refused() + ": " + some.refusal());
        }
        return some.refused() == 0;
    }

    // Lineages and what else lies in folders

    private void planLineages() {
        var group = new ArrayList<ListedObject>();
        String prefix = "";
        for (ListedObject object : (Iterable<ListedObject>) store.listAll(TENANTS)::iterator) {
            if (plans.isFull()) {
                return;
            }
            Matcher key = LINEAGE_KEY.matcher(object.key());
            String folder = key.matches() ? key.group(1) : "";
            if (!folder.equals(prefix)) {
                planFolder(prefix, group);
                group.clear();
                prefix = folder;
            }
            if (!folder.isEmpty()) {
                group.add(object);
            }
        }
        planFolder(prefix, group);
    }

    private void planProbes() {
        planFolder(PROBES, store.listAll(PROBES).toList());
    }

    private void planFolder(String prefix, List<ListedObject> objects) {
        if (!prefix.isEmpty()) {
            List<ListedObject> expired = expired(prefix, objects);
            held += heldOf(prefix, objects, expired.size());
            plans.add(prefix, expired);
        }
    }

    /// What nobody needs of a folder, as one listing showed it.
    private List<ListedObject> expired(String prefix, List<ListedObject> objects) {
        if (prefix.equals(PROBES)) {
            return objects.stream().filter(object -> Retention.isOld(object, now)).toList();
        }
        Optional<TenantKey> tenant = lineage(prefix);
        return tenant.map(key -> Retention.expired(key, objects, facts.lineages().apply(key), now))
                .orElse(List.of());
    }

    /// How many objects would go if there were no holds.
    private long heldOf(String prefix, List<ListedObject> objects, int expired) {
        return lineage(prefix)
                .map(key ->
                        facts.lineages().apply(key) instanceof LineageState.Named named
                                        && !named.holds().isEmpty()
                                ? Retention.expired(key, objects, named.withoutHolds(), now).size()
                                        - expired
                                : 0)
                .orElse(0);
    }

    /// Whether nothing is left of a log but the fences of its parts, which are never deleted. A
    /// LIST, and a GET for each of them.
    ///
    /// @return false also if one of them cannot be read
    /// @throws dev.litefleet.replica.objects.StoreException if the store does not answer
    public static boolean isTrimmed(ObjectStore store, LogName log) {
        List<ListedObject> objects =
                store.listAll(log.prefix()).limit(FENCES_READ_MAX + 1L).toList();
        if (objects.size() > FENCES_READ_MAX) {
            return false;
        }
        String folder = "log/" + log.worker() + "/";
        for (ListedObject object : objects) {
            Matcher key = SLOT_KEY.matcher(object.key().substring(folder.length()));
            if (!key.matches() || object.size() > FENCE_BYTES_MAX) {
                return false;
            }
            var slot = new Slot(Integer.parseInt(key.group(2), 16), number(object));
            try {
                if (!(SegmentReader.read(store, log, slot).orElse(null) instanceof FenceObject)) {
                    return false;
                }
            } catch (ReplicaException _) {
                return false;
            }
        }
        return true;
    }

    /// Nothing for folders that no lineage of ours can have.
    private static Optional<TenantKey> lineage(String prefix) {
        Matcher key = LINEAGE_KEY.matcher(prefix + "x");
        try {
            return key.matches()
                    ? Optional.of(
                            new TenantKey(new TenantId(key.group(2)), new Lineage(key.group(3))))
                    : Optional.empty();
        } catch (IllegalArgumentException stranger) {
            return Optional.empty();
        }
    }

    // Logs

    private void planLogs() {
        for (String worker : store.folders("log/")) {
            if (!plans.isFull()) {
                new LogWalk(worker).walk();
            }
        }
    }

    /// Lists a worker's logs once, in order, and leaves out what is too young: sessions and parts
    /// and slots lie in the order of their time.
    private final class LogWalk {
        private final String prefix;
        private final String worker;
        private final List<ListedObject> group = new ArrayList<>(); // old slots of one part
        private final List<ListedObject> idle = new ArrayList<>(); // younger ones, maybe deleted
        private final List<ListedObject> blobs = new ArrayList<>(); // old ones of one session
        private @Nullable LogName log;
        private int part;
        private boolean slotsLeft; // whether the session has segments, seen or left out

        LogWalk(String worker) {
            this.worker = worker;
            this.prefix = "log/" + worker + "/";
        }

        void walk() {
            String after = "";
            ListPage page;
            do {
                page = store.list(prefix, after, ObjectStore.LIST_MAX);
                for (ListedObject object : page.objects()) {
                    String further = take(object);
                    after = further == null ? object.key() : further;
                }
            } while (page.more() && !plans.isFull());
            endSession();
        }

        /// @return null, or where to go on if nothing of interest follows until there
        private @Nullable String take(ListedObject object) {
            String name = object.key().substring(prefix.length());
            Matcher slot = SLOT_KEY.matcher(name);
            Matcher blob = BLOB_KEY.matcher(name);
            if (slot.matches()) {
                Optional<LogName> of = logName(slot.group(1));
                return of.isEmpty()
                        ? null
                        : slot(of.get(), Integer.parseInt(slot.group(2), 16), object);
            }
            if (blob.matches()) {
                logName(blob.group(1)).ifPresent(of -> blob(of, object));
            }
            return null;
        }

        private Optional<LogName> logName(String session) {
            try {
                return Optional.of(new LogName(worker, new SessionId(session)));
            } catch (IllegalArgumentException stranger) {
                return Optional.empty();
            }
        }

        private @Nullable String slot(LogName of, int number, ListedObject object) {
            if (!of.equals(log) || number != part) {
                endPart();
                if (!of.equals(log)) {
                    endSession();
                    log = of;
                }
                part = number;
            }
            boolean fence = object.size() <= FENCE_BYTES_MAX;
            slotsLeft |= !fence;
            // Fences too are taken while they are old: they say what above them is void.
            if (object.modified().isBefore(now.minus(config.exact()))) {
                group.add(object);
                return null;
            }
            if (!fence && mayHoldDeleted(object) && isOpen(of, number)) {
                idle.add(object);
                return null;
            }
            // What follows in this part is younger still.
            return partPrefix(of, number) + "~";
        }

        private void blob(LogName of, ListedObject object) {
            if (!of.equals(log)) {
                endPart();
                endSession();
                log = of;
            }
            endPart();
            if (Retention.isOld(object, now)) {
                blobs.add(object);
            }
        }

        private void endPart() {
            if (log != null && !group.isEmpty()) {
                planPart(log, part, List.copyOf(group));
            }
            if (log != null) {
                idle.addAll(0, group.stream().filter(it -> mayHoldDeleted(it)).toList());
                if (!idle.isEmpty() && isOpen(log, part) && holdsDeleted(log, part, idle)) {
                    toEnd.add(new OpenPart(log, part));
                }
            }
            group.clear();
            idle.clear();
        }

        private void endSession() {
            endPart();
            if (log != null && !blobs.isEmpty()) {
                planOrphans(log, List.copyOf(blobs), slotsLeft);
            }
            blobs.clear();
            slotsLeft = false;
            log = null;
        }
    }

    private boolean mayGo(LogName log, int part) {
        return switch (facts.logs().apply(log)) {
            case LogState.Closed() -> true;
            case LogState.Open(int open) -> part < open;
            case LogState.Unknown() -> false;
        };
    }

    /// Whether a segment was written before somebody was deleted, in a part that is idle if it is
    /// open (P8).
    private boolean mayHoldDeleted(ListedObject segment) {
        return segment.modified().isBefore(now.minus(IDLE))
                && facts.lastDeletion()
                        .filter(last -> segment.modified().isBefore(last.plus(DELETED_SLACK)))
                        .isPresent();
    }

    /// Whether `part` is the one that the log's session may be writing.
    private boolean isOpen(LogName log, int part) {
        return facts.logs().apply(log).equals(new LogState.Open(part));
    }

    /// Whether any of the segments has an entry that nobody names. Costs a GET for each up to the
    /// first that has.
    private boolean holdsDeleted(LogName log, int part, List<ListedObject> segments) {
        var named = new HashSet<TenantKey>();
        for (int from = 0; from < segments.size(); from += TOGETHER) {
            List<Long> some =
                    segments.subList(from, Math.min(from + TOGETHER, segments.size())).stream()
                            .map(object -> number(object))
                            .toList();
            for (Found found : read(log, part, some, new HashSet<>())) {
                for (Entry entry : found.entries()) {
                    if (named.add(entry.tenant())
                            && facts.lineages().apply(entry.tenant())
                                    instanceof LineageState.Unnamed) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    /// @param objects old slots of one part, ascending
    private void planPart(LogName log, int part, List<ListedObject> objects) {
        boolean fenceAlone = objects.size() == 1 && objects.getFirst().size() <= FENCE_BYTES_MAX;
        if (fenceAlone) {
            return;
        }
        if (!mayGo(log, part)) {
            if (facts.logs().apply(log) instanceof LogState.Open) {
                // Nobody has to do anything: an idle writer ends its part with its next commit, and
                // one that holds what was deleted is asked to (`toEnd`).
                kept += objects.size();
            }
            return;
        }
        long fence = 0;
        for (int from = 0; from < objects.size() && !plans.isFull(); from += TOGETHER) {
            var numbers = new ArrayList<Long>();
            objects.subList(from, Math.min(from + TOGETHER, objects.size()))
                    .forEach(object -> numbers.add(number(object)));
            fence = planSlots(log, part, numbers, fence);
        }
    }

    private static long number(ListedObject object) {
        String key = object.key();
        return Long.parseLong(key.substring(key.length() - 20, key.length() - 4), 16);
    }

    private long planSlots(LogName log, int part, List<Long> numbers, long fenceBefore) {
        long fence = fenceBefore;
        var below = new ArrayList<Found>();
        var gone = new ArrayList<JanitorPlan.SlotKeys>();
        for (Found found : read(log, part, numbers, new HashSet<>())) {
            if (found.object() instanceof FenceObject) {
                fence = fence == 0 ? found.slot().number() : fence;
            } else if (fence > 0) {
                gone.add(found.keys()); // Void: nobody ever reads it.
            } else {
                below.add(found);
            }
        }
        copyHeld(below);
        for (Found found : below) {
            if (unneeded(found, this::verify)) {
                gone.add(found.keys());
            } else {
                kept++;
            }
        }
        if (!gone.isEmpty()) {
            plans.add(
                    new JanitorPlan.LogPart(
                            log.worker(), log.session().ulid(), part, fence, gone, List.of()));
        }
        return fence;
    }

    /// What a slot holds.
    private record Found(Slot slot, LogName log, SlotObject object) {
        /// None of a fence.
        List<Entry> entries() {
            return switch (object) {
                case SegmentReader segment -> segment.entries();
                case FenceObject _ -> List.of();
            };
        }

        JanitorPlan.SlotKeys keys() {
            var blobs = new ArrayList<String>();
            for (Entry entry : entries()) {
                Entry.Blob blob = entry.blob();
                if (blob != null) {
                    blobs.add(blob.key());
                }
            }
            return new JanitorPlan.SlotKeys(slot.number(), blobs);
        }
    }

    /// Those of the slots that are still there, ascending. One that cannot be read is reported, and
    /// stays.
    ///
    /// @param broken is given the numbers of those
    private List<Found> read(LogName log, int part, List<Long> numbers, Set<Long> broken) {
        var found = new ConcurrentHashMap<Integer, Found>();
        var unreadable = new ConcurrentHashMap<Long, String>();
        Parallel.run(
                tasks,
                "janitor-read",
                WIDTH,
                numbers.size(),
                i -> {
                    var slot = new Slot(part, numbers.get(i));
                    try {
                        SegmentReader.read(store, log, slot)
                                .ifPresent(object -> found.put(i, new Found(slot, log, object)));
                    } catch (ReplicaException damage) {
                        unreadable.put(slot.number(), String.valueOf(damage.getMessage()));
                    }
                });
        new TreeMap<>(unreadable).values().forEach(this::problem);
        broken.addAll(unreadable.keySet());
        return List.copyOf(new TreeMap<>(found).values());
    }

    private boolean isFence(LogName log, int part, long number) {
        return read(log, part, List.of(number), new HashSet<>()).stream()
                .anyMatch(found -> found.object() instanceof FenceObject);
    }

    // What entries need

    private void copyHeld(List<Found> segments) {
        var held = new LinkedHashMap<TenantKey, List<Located>>();
        for (Found found : segments) {
            if (found.object() instanceof SegmentReader segment) {
                for (Entry entry : segment.entries()) {
                    if (need(entry) instanceof Need.Held) {
                        held.computeIfAbsent(entry.tenant(), _ -> new ArrayList<>())
                                .add(
                                        Located.in(
                                                segment,
                                                new LogRef(found.log(), found.slot()),
                                                entry));
                    }
                }
            }
        }
        held.forEach((tenant, entries) -> {
            try {
                copied += HeldCopies.copy(store, tenant, entries, tmp);
            } catch (ReplicaException damage) {
                problem(String.valueOf(damage.getMessage()));
            }
            coverages.remove(tenant);
        });
    }

    /// @param good whether a derived file is known to have what is in the entry
    private boolean unneeded(Found found, BiPredicate<DerivedFile, Entry> good) {
        if (found.object() instanceof FenceObject) {
            return false;
        }
        for (Entry entry : found.entries()) {
            boolean unneeded =
                    switch (need(entry)) {
                        case Need.None() -> true;
                        case Need.Covered(var by) ->
                                by.stream().anyMatch(file -> good.test(file, entry));
                        case Need.InWindow(), Need.Held() -> false;
                        case Need.Uncovered() -> {
                            problem(
                                    "no derived file has %s of %s, which stays in %s"
                                            .formatted(
                                                    entry.max(),
                                                    entry.tenant(),
                                                    found.slot().key(found.log())));
                            yield false;
                        }
                    };
            if (!unneeded) {
                return false;
            }
        }
        return true;
    }

    private Need need(Entry entry) {
        Optional<Coverage> coverage = coverages.get(entry.tenant());
        if (coverage == null) {
            coverage = coverage(entry.tenant());
            coverages.put(entry.tenant(), coverage);
        }
        return Retention.need(entry, coverage, config.exact(), now);
    }

    private Optional<Coverage> coverage(TenantKey tenant) {
        List<ListedObject> objects = store.listAll(tenant.prefix()).toList();
        LineageState state = facts.lineages().apply(tenant);
        return Retention.coverage(
                tenant, objects, state, HeldCopies.of(store, tenant, objects), now);
    }

    /// Reads a derived file whole: what is about to be the only copy of a commit must be good.
    private boolean verify(DerivedFile file, Entry entry) {
        if (damaged.contains(file.key())) {
            return false;
        }
        Long sum = verified.get(file.key());
        if (sum == null) {
            Optional<InputStream> in = store.open(file.key(), 0);
            if (in.isEmpty()) {
                return false; // Deleted since it was listed.
            }
            try {
                sum = verify(file, in.get());
            } catch (ReplicaException broken) {
                problem(String.valueOf(broken.getMessage()));
                damaged.add(file.key());
                return false;
            }
            verified.put(file.key(), sum);
        }
        // 0: of another writer, who says nothing.
        if (file.max().equals(entry.max()) && sum != 0 && sum != entry.checksumAfter()) {
            problem("derived file is of another database than its log: " + file.key());
            return false;
        }
        plans.rely(file.key());
        return true;
    }

    /// @return the database checksum after the file
    private static long verify(DerivedFile file, InputStream in) {
        try (var ltx = new LtxReader(file.key(), in)) {
            while (ltx.next()) {
                // Reading is verifying.
            }
            if (!ltx.header().min().equals(file.min()) || !ltx.header().max().equals(file.max())) {
                throw new Corrupt(file.key(), 16, "file is not what its name says");
            }
            return ltx.header().nodeId();
        }
    }

    // Blobs

    /// Bodies of a closed session that no segment names: their segments never came to be, or have
    /// gone without them.
    private void planOrphans(LogName log, List<ListedObject> blobs, boolean slotsLeft) {
        if (!(facts.logs().apply(log) instanceof LogState.Closed)) {
            return;
        }
        Set<String> named = new HashSet<>();
        if (slotsLeft) {
            Optional<Set<String>> names = namesSince(log, blobs);
            if (names.isEmpty()) {
                return; // Too much to read; when the log has gone they are found without.
            }
            named = names.get();
        }
        var orphans = new ArrayList<String>();
        for (ListedObject blob : blobs) {
            if (!named.contains(blob.key())) {
                orphans.add(blob.key());
            }
        }
        if (!orphans.isEmpty()) {
            plans.add(
                    new JanitorPlan.LogPart(
                            log.worker(), log.session().ulid(), 1, 0, List.of(), orphans));
        }
    }

    /// Those that are orphans still.
    private Set<String> orphans(LogName log, List<String> planned) {
        if (planned.isEmpty() || !(facts.logs().apply(log) instanceof LogState.Closed)) {
            return Set.of();
        }
        var wanted = Set.copyOf(planned);
        List<ListedObject> blobs =
                store.listAll(log.prefix() + BLOBS)
                        .filter(blob -> wanted.contains(blob.key()) && Retention.isOld(blob, now))
                        .toList();
        Optional<Set<String>> names = blobs.isEmpty() ? Optional.empty() : namesSince(log, blobs);
        var orphans = new HashSet<String>();
        names.ifPresent(named ->
                blobs.stream()
                        .map(ListedObject::key)
                        .filter(key -> !named.contains(key))
                        .forEach(orphans::add));
        return orphans;
    }

    /// The bodies that segments name which were written after the oldest of `blobs`: a body is
    /// complete before the segment that names it is attempted.
    private Optional<Set<String>> namesSince(LogName log, List<ListedObject> blobs) {
        Instant oldest =
                blobs.stream().map(ListedObject::modified).min(Instant::compareTo).orElseThrow();
        var byPart = new TreeMap<Integer, List<Long>>();
        int count = 0;
        for (ListedObject object : (Iterable<ListedObject>) store.listAll(log.prefix())::iterator) {
            Matcher slot =
                    SLOT_KEY.matcher(
                            object.key().substring(("log/" + log.worker() + "/").length()));
            if (slot.matches() && !object.modified().isBefore(oldest.minus(BLOB_SLACK))) {
                if (++count > BLOB_READS_MAX) {
                    return Optional.empty();
                }
                byPart.computeIfAbsent(Integer.parseInt(slot.group(2), 16), _ -> new ArrayList<>())
                        .add(number(object));
            }
        }
        var names = new HashSet<String>();
        int read = 0;
        for (var part : byPart.entrySet()) {
            for (Found found : read(log, part.getKey(), part.getValue(), new HashSet<>())) {
                read++;
                names.addAll(found.keys().blobs());
            }
        }
        return read == count ? Optional.of(names) : Optional.empty();
    }

    private static String partPrefix(LogName log, int part) {
        String key = Slot.firstOf(part).key(log);
        return key.substring(0, key.lastIndexOf('/') + 1);
    }

    private void problem(String text) {
        if (problems.size() < JanitorReport.PROBLEMS_MAX && !problems.contains(text)) {
            problems.add(text);
        }
    }

    /// Collects what goes and writes it down in plans of bounded size.
    private final class PlanWriter {
        private final List<JanitorPlan.Folder> folders = new ArrayList<>();
        private final List<JanitorPlan.LogPart> logs = new ArrayList<>();
        private final Set<String> relied = new HashSet<>();
        private int keys;
        private int number;
        private long planned;

        boolean isFull() {
            return planned >= config.objectsMax() || number > 0xfffe;
        }

        void add(String prefix, List<ListedObject> expired) {
            for (int from = 0; from < expired.size(); from += JanitorPlan.KEYS_MAX) {
                List<String> some =
                        expired
                                .subList(
                                        from, Math.min(from + JanitorPlan.KEYS_MAX, expired.size()))
                                .stream()
                                .map(object -> object.key().substring(prefix.length()))
                                .toList();
                folders.add(new JanitorPlan.Folder(prefix, some));
                counted(some.size());
            }
        }

        void add(JanitorPlan.LogPart part) {
            logs.add(part);
            counted(part.slots().size() + part.orphans().size());
        }

        void rely(String file) {
            relied.add(file);
        }

        private void counted(int more) {
            keys += more;
            planned += more;
            if (keys >= JanitorPlan.KEYS_MAX) {
                flush();
            }
        }

        void flush() {
            if (keys > 0) {
                new JanitorPlan(JanitorPlan.FORMAT, folders, logs, List.copyOf(relied))
                        .write(store, JanitorPlan.key(run, number++));
            }
            folders.clear();
            logs.clear();
            relied.clear();
            keys = 0;
        }
    }
}
