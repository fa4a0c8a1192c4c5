package dev.litefleet.replica.sim;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.DerivedFile;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.Janitor;
import dev.litefleet.replica.history.JanitorReport;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.history.LogState;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.LyingStore;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.WrongFence;
import dev.litefleet.replica.log.WrongLog;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.ltx.LtxWriter;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.PageDb;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.testing.SimWire;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One run: workers, controllers, tenants, and the misfortunes that the seed has for them; then
/// everything heals, everybody must come to work again, then to rest, and the history is read back.
final class Fleet implements SimTasks.Story {
    static final long LAG_BYTES_MAX = 64 << 10;

    /// Larger bodies become blobs, in the runs that have any: those of a few pages.
    private static final int BLOB_BYTES = 600;

    private static final int LATE_JANITORS = 2;
    private static final int LEAP_MINUTES_MAX = 24 * 60;
    private static final Duration RECOVERS_WITHIN = Duration.ofMinutes(3);
    private static final Duration RESTS_WITHIN = Duration.ofMinutes(5);

    /// Work in which a process is killed at a write of it: before that has left, or when its answer
    /// has come.
    enum Work {
        /// The janitor's plans and deletions, and those of erasures.
        CLEANING,
        /// Files that replace others.
        MERGE,
        BLOB,
        /// A part of a body, other parts of which have been sent or are to be.
        UPLOAD
    }

    private final @Nullable Mutant mutant;
    private final boolean simplestWriter;
    final SimTasks world;
    final Judge judge;
    final SimWire wire;
    private final RandomGenerator random;
    private final SimObjectStore store;
    private final Path folder;
    private final int workers;
    private final int tenants;
    private final int movesOneIn;
    private final int drainAfter;
    private final Duration trouble;
    private final boolean parts;
    private final boolean blobs;
    private final boolean ages;
    private final boolean drifts;
    private final HistoryWindows windows;
    private final List<Session> sessions = new ArrayList<>(); // running
    private final Map<String, Session> known = new HashMap<>(); // ever, by id
    private final List<Controller> controllers = new ArrayList<>(); // running
    private final Set<SimTasks.Node> slept = new HashSet<>();
    private final Map<String, PageDb> disks = new HashMap<>(); // what stays left behind
    private boolean controllerSlept;
    private int names;
    private boolean crashing;
    private boolean usurped;
    private boolean late;
    private boolean erasing;
    private final List<Controller> stopped = new ArrayList<>(); // when they were about to clean
    private @Nullable Session reader;
    private @Nullable Work trap; // whoever does this next dies
    private int trapAfter; // so many writes of it
    private final Map<Work, Integer> deaths = new EnumMap<>(Work.class);
    private boolean healed;
    private boolean quiet;

    /// @param mutant what is wrong in this fleet, or null
    /// @param simplestWriter whether sessions write with [WrongLog], done right
    Fleet(SimTasks world, Path folder, @Nullable Mutant mutant, boolean simplestWriter) {
        this.world = world;
        this.simplestWriter = simplestWriter;
        this.folder = folder;
        this.mutant = mutant;
        random = world.fork();
        int storeFaults = random.nextInt(4) * 8;
        store =
                new SimObjectStore(
                        world, is(Mutant.REBATCHES_ON_RETRY) ? 24 : storeFaults, (_, _) -> {});
        store.mangle(random.nextInt(3) * 4);
        store.longPages();
        store.inParts();
        if (is(Mutant.JANITOR_COMPLETES_UPLOADS)) {
            store.completeWhatIsLeft();
        }
        int merged = 1 + random.nextInt(2);
        windows = new HistoryWindows(HistoryWindows.MIN, Duration.ofDays(merged));
        judge = new Judge(world, store.objects(), windows);
        store.onCreated(judge::created);
        store.onDeleted(judge::deleted);
        boolean restless =
                is(Mutant.RELEASE_WITHOUT_NUMBER) || is(Mutant.ASSIGNMENT_WITHOUT_NUMBER);
        int wireFaults = random.nextInt(3) * 10;
        wire = new SimWire(world, restless ? 20 : wireFaults);
        workers = 2 + random.nextInt(2);
        tenants = 2 + random.nextInt(2);
        int moves = random.nextInt(3) == 0 ? 1000 : 5 + random.nextInt(40);
        movesOneIn = restless ? 5 : moves;
        drainAfter = 1 + random.nextInt(8);
        trouble = Duration.ofSeconds(30 + random.nextInt(60));
        parts = random.nextBoolean();
        blobs = random.nextInt(3) == 0 || is(Mutant.JANITOR_DELETES_BODIES_FIRST);
        boolean days = random.nextInt(3) == 0;
        ages = mutant == null ? days : mutant.takesDays();
        drifts = random.nextBoolean();
    }

    /// How often a process was killed in the middle of what.
    Map<Work, Integer> deaths() {
        return deaths;
    }

    boolean is(Mutant one) {
        return mutant == one;
    }

    boolean quiet() {
        return quiet;
    }

    /// Whether days pass: then there are janitors, and people who fork, hold and delete.
    boolean ages() {
        return late || erasing || ages && !usurped && !crashing;
    }

    /// How soon people want something again, at most.
    int usersEveryMillis() {
        return erasing ? 1000 : 4000;
    }

    /// How many of the things that one may want they want.
    int wishes() {
        return erasing ? 3 : 12;
    }

    boolean isHealed() {
        return healed;
    }

    HistoryWindows windows() {
        return windows;
    }

    String newName() {
        return "agent-" + (tenants + names++);
    }

    int movesOneIn() {
        return usurped ? Integer.MAX_VALUE : movesOneIn;
    }

    /// Whether nobody writes through this session any more.
    boolean onlyReads(Session session) {
        return session == reader;
    }

    /// Durable commits after which a tenant is drained.
    int drainAfter(TenantKey tenant) {
        if (erasing) {
            return tenant.equals(Names.tenant("agent-0")) ? Integer.MAX_VALUE : 1;
        }
        return crashing ? 1 : drainAfter;
    }

    CommitLogConfig logConfig() {
        CommitLogConfig config =
                parts
                        ? CommitLogConfig.DEFAULT.withParts(Duration.ofSeconds(20), 12)
                        : CommitLogConfig.DEFAULT;
        return blobs ? config.withBlobBytes(BLOB_BYTES) : config;
    }

    Catalog newCatalog() {
        var catalog = new Catalog();
        for (int i = 0; i < tenants; i++) {
            catalog.tenants.put("agent-" + i, Catalog.Tenant.fresh(Names.LINEAGE, 0));
        }
        return catalog;
    }

    List<Controller> controllers() {
        return List.copyOf(controllers);
    }

    /// The running session with this id.
    Optional<Session> session(String id) {
        return Optional.ofNullable(known.get(id)).filter(one -> !one.process.node.dead());
    }

    /// Whether a machine slept whose monotonic clock the session's lease relies on.
    boolean slept(Session session) {
        return controllerSlept || slept.contains(session.process.node);
    }

    /// A process is about to write, or has been answered.
    private void writes(Process process, SimObjectStore.Verb verb, String key) {
        Work work = trap;
        if (work != null && !process.node.dead() && isOf(work, verb, key) && trapAfter-- <= 0) {
            trap = null;
            deaths.merge(work, 1, Integer::sum);
            kill(process);
            world.yield();
        }
    }

    private static boolean isOf(Work work, SimObjectStore.Verb verb, String key) {
        return switch (work) {
            case CLEANING -> verb == SimObjectStore.Verb.DELETE || key.startsWith("janitor/");
            case MERGE -> key.matches("tenants/.*/000[239]/.*");
            case BLOB -> key.contains("/blobs/");
            case UPLOAD -> verb == SimObjectStore.Verb.PART;
        };
    }

    // Where mutants take somebody's place.

    SessionLog log(Session session) {
        WrongLog.How how =
                switch (mutant) {
                    case ACKS_OUT_OF_ORDER -> WrongLog.How.ACKS_OUT_OF_ORDER;
                    case REBATCHES_ON_RETRY -> WrongLog.How.REBATCHES_ON_RETRY;
                    case null, default -> null;
                };
        if (how == null && !simplestWriter) {
            return SessionLog.of(Session.commitLog(this, session, session.name));
        }
        return SessionLog.of(
                new WrongLog(
                        how == null ? WrongLog.How.RIGHT : how,
                        session.process.store,
                        session.name,
                        session.process.node,
                        session.process.random,
                        session::logEnded));
    }

    ObjectStore storeOf(Session session) {
        LyingStore.Lie lie =
                switch (mutant) {
                    case TIMEOUT_MEANS_APPLIED -> LyingStore.Lie.TIMEOUT_MEANS_APPLIED;
                    case NOT_FOUND_MEANS_NOT_APPLIED -> LyingStore.Lie.NOT_FOUND_MEANS_NOT_APPLIED;
                    case OCCUPIED_MEANS_SOMEONE_ELSE -> LyingStore.Lie.OCCUPIED_MEANS_SOMEONE_ELSE;
                    case null, default -> null;
                };
        return lie == null
                ? session.process.store
                : new LyingStore(lie, session.process.store, world.fork());
    }

    ObjectStore storeOfRecovery(Process process) {
        return is(Mutant.COVERAGE_IS_HIGHEST_TXID)
                ? new LyingStore(
                        LyingStore.Lie.COVERAGE_IS_HIGHEST_TXID, process.store, world.fork())
                : process.store;
    }

    Fence.Closed fence(Process process, LogName log, Slot from, String by, long epoch) {
        WrongFence.How how =
                switch (mutant) {
                    case FENCE_AFTER_LAST_LISTED -> WrongFence.How.AFTER_LAST_LISTED;
                    case FENCE_WALKS_PAST_FENCES -> WrongFence.How.PAST_FENCES;
                    case FENCE_ADVANCES_ON_TIMEOUT -> WrongFence.How.ADVANCES_ON_TIMEOUT;
                    case null, default -> null;
                };
        SimTasks.Node node = process.node;
        Fence.Closed closed =
                how == null
                        ? Fence.close(process.store, log, from, by, epoch, node, process.random)
                        : WrongFence.close(
                                how, process.store, log, from, by, epoch, node, process.random);
        judge.fenced(log, closed);
        return closed;
    }

    /// The database that a session goes on with.
    PageDb opened(Session session, TenantKey tenant, PageDb hydrated) {
        PageDb left = disks.get(session.worker + tenant);
        return is(Mutant.TXID_FROM_LOCAL_FILE) && left != null ? left : hydrated;
    }

    void closed(Session session, TenantKey tenant, PageDb db) {
        disks.put(session.worker + tenant, db);
    }

    /// Writes a derived file of a database as it is, durable or not.
    void premature(Session session, PageDb db, int level) {
        if (db.txid() == 0) {
            return;
        }
        var first = new Txid(1);
        var last = new Txid(db.txid());
        byte[] image = db.image();
        int pages = image.length / PageDb.PAGE;
        var header = LtxHeader.derived(PageDb.PAGE, pages, first, last, db.millis(), db.checksum());
        var file = new ByteArrayOutputStream();
        try (var ltx = new LtxWriter(file, header, 0)) {
            for (int pgno = 1; pgno <= pages; pgno++) {
                ltx.page(pgno, image, (pgno - 1) * PageDb.PAGE);
            }
            ltx.finish();
        }
        String key = DerivedFile.key(db.tenant(), level, first, last);
        byte[] bytes = file.toByteArray();
        Process.unlessFault(() -> session.process.store.putIfAbsent(key, ObjectBody.of(bytes)));
    }

    /// Before a controller fences a worker's log.
    void aboutToFence(LogName log) {
        Session session = known.get(log.session().ulid());
        if (session != null && !session.process.node.dead() && !slept(session)) {
            judge.fences(log, session.leased());
        }
    }

    /// When a controller has proved that it rules, before its janitor looks around.
    void aboutToClean(Controller controller) {
        if (late && stopped.size() < LATE_JANITORS && !stopped.contains(controller)) {
            stopped.add(controller);
            controller.node().suspend();
            controller.node().sleep(Duration.ofMillis(1));
        }
    }

    /// One run of the janitor.
    JanitorReport clean(Process process, Janitor.Facts facts, Instant known) {
        LyingStore.Lie lie =
                switch (mutant) {
                    case JANITOR_IGNORES_THE_WINDOW -> LyingStore.Lie.SNAPSHOTS_ARE_OLD;
                    case JANITOR_DELETES_BODIES_FIRST -> LyingStore.Lie.BODIES_GO_FIRST;
                    case null, default -> null;
                };
        ObjectStore from =
                lie == null ? process.store : new LyingStore(lie, process.store, world.fork());
        JanitorReport report =
                Janitor.run(
                        from,
                        new Janitor.Config(windows.exact(), 100_000),
                        is(Mutant.JANITOR_IGNORES_HOLDS) || is(Mutant.JANITOR_TRIMS_LIVE_PARTS)
                                ? wrong(facts)
                                : facts,
                        is(Mutant.JANITOR_TRUSTS_ITS_CLOCK) ? Instant.MAX : known,
                        process.folder(),
                        process.node,
                        process.node.clock(),
                        process.random);
        if (is(Mutant.JANITOR_DELETES_FENCES)) {
            delete(process, "log/", object -> object.size() <= 512);
        }
        if (is(Mutant.JANITOR_GOES_BY_AGE)) {
            Instant start = world.clock().instant().minus(windows.exact());
            delete(
                    process,
                    "log/",
                    object ->
                            object.size() > 512
                                    && object.modified().isBefore(start)
                                    && judge.isClosed(object.key()));
        }
        return report;
    }

    private static void delete(Process process, String prefix, Predicate<ListedObject> which) {
        process.store
                .listAll(prefix)
                .filter(which)
                .toList()
                .forEach(object -> process.store.delete(object.key()));
    }

    private Janitor.Facts wrong(Janitor.Facts facts) {
        return new Janitor.Facts(
                log ->
                        is(Mutant.JANITOR_TRIMS_LIVE_PARTS)
                                ? new LogState.Closed()
                                : facts.logs().apply(log),
                tenant ->
                        facts.lineages().apply(tenant) instanceof LineageState.Named named
                                        && is(Mutant.JANITOR_IGNORES_HOLDS)
                                ? new LineageState.Named(named.windows(), List.of(), named.ended())
                                : facts.lineages().apply(tenant));
    }

    /// A tenant's files have been merged.
    void merged(TenantKey tenant, int objects, long bytes, long databaseBytes) {
        judge.bounded(tenant, objects, bytes, databaseBytes);
    }

    /// Merges the newest drain and one before it, whatever lies between.
    void mergeOverGap(Session session, TenantKey tenant) {
        List<DerivedFile> drains =
                LineageHistory.list(session.process.store, tenant).files().stream()
                        .filter(file -> file.level() == DerivedFile.LEVEL_DRAIN)
                        .toList();
        if (drains.size() < 3) {
            return;
        }
        DerivedFile first = drains.get(drains.size() - 3);
        byte[] last = session.process.store.get(drains.getLast().key()).orElseThrow();
        var pages = new TreeMap<Integer, byte[]>();
        take(session.process.store.get(first.key()).orElseThrow(), pages);
        take(last, pages);
        LtxHeader end = LtxHeader.parse(drains.getLast().key(), last);
        var file = new ByteArrayOutputStream();
        var header =
                LtxHeader.derived(
                        PageDb.PAGE,
                        end.commit(),
                        first.min(),
                        end.max(),
                        end.timestampMillis(),
                        end.nodeId());
        try (var ltx = new LtxWriter(file, header, end.commit())) {
            pages.headMap(end.commit(), true).forEach((pgno, page) -> ltx.page(pgno, page, 0));
            ltx.finish();
        }
        session.process.store.putIfAbsent(
                DerivedFile.key(tenant, 2, first.min(), end.max()),
                ObjectBody.of(file.toByteArray()));
    }

    private static void take(byte[] file, Map<Integer, byte[]> pages) {
        try (var ltx = new LtxReader("drain", new ByteArrayInputStream(file))) {
            while (ltx.next()) {
                pages.put(ltx.pgno(), ltx.page().clone());
            }
        }
    }

    // Life and death.

    void exit(Session session) {
        session.process.node.kill();
        if (sessions.remove(session)) {
            world.node("supervisor")
                    .start(
                            "restart",
                            () -> {
                                world.sleep(Duration.ofMillis(200 + random.nextInt(3000)));
                                begin(session.worker);
                            });
        }
    }

    private void begin(String worker) {
        var process = new Process(world, store, folder, worker + "-" + known.size());
        if (!healed && random.nextInt(4) == 0) {
            process.node.setClock(Duration.ofMinutes(random.nextInt(2880) - 1440));
        }
        drift(process);
        process.store.onWrite((verb, key) -> writes(process, verb, key));
        var session = new Session(this, worker, process);
        sessions.add(session);
        known.put(session.id(), session);
        session.start();
    }

    void exit(Controller controller) {
        if (stopped.contains(controller)) {
            return; // It knows that it is over, and takes its time.
        }
        controller.node().kill();
        if (controllers.remove(controller)) {
            world.node("supervisor")
                    .start(
                            "restart",
                            () -> {
                                world.sleep(Duration.ofMillis(200 + random.nextInt(2000)));
                                beginController(controller.name());
                            });
        }
    }

    private void beginController(String name) {
        var process = new Process(world, store, folder, name + "-" + world.steps());
        drift(process);
        process.store.onWrite((verb, key) -> writes(process, verb, key));
        var controller = new Controller(this, name, process);
        controllers.add(controller);
        controller.start();
    }

    /// Of any two clocks one goes at most 10 % faster.
    private void drift(Process process) {
        if (drifts) {
            process.node.setRate(random.nextInt(95) - 46);
        }
    }

    // The story.

    @Override
    public void tell(SimTasks ignored) throws IOException {
        beginController("c-0");
        beginController("c-1");
        for (int i = 0; i < workers; i++) {
            begin("w-" + i);
        }
        long until = world.nanos() + trouble.toNanos();
        while (world.nanos() < until) {
            world.sleep(Duration.ofMillis(random.nextInt(4000)));
            misfortune();
            if (ages() && random.nextInt(4) == 0) {
                world.leap(Duration.ofMinutes(random.nextInt(LEAP_MINUTES_MAX)));
            }
        }
        heal();
        recover();
        rest();
        readBack();
        if (ages()) {
            afterlife();
        }
    }

    /// As [#tell], but every commit is drained by itself, the store is at its worst, and the only
    /// misfortune is that workers die: derived files come out of order, and some never do.
    void tellOfCrashes() throws IOException {
        crashing = true;
        store.faults(40);
        tell(world);
    }

    /// A controller that is cut off from its successor, and that nothing makes commit: it goes on
    /// answering the one worker that it knows, while the successor gives that worker's tenants to
    /// another one.
    void tellOfUsurper() {
        usurped = true;
        store.calm();
        wire.calm();
        beginController("c-0");
        world.sleep(Duration.ofSeconds(5));
        begin("w-0");
        world.sleep(Duration.ofSeconds(15));
        Controller old = controllers.getFirst();
        reader = sessions.getFirst();
        beginController("c-1");
        SimTasks.Node successor = controllers.getLast().node();
        wire.cut(old.node(), successor);
        wire.cut(reader.process.node, successor);
        begin("w-1");
        wire.cut(sessions.getLast().process.node, old.node());
        world.sleep(Duration.ofSeconds(60));
        boolean taken =
                newCatalog().tenants.keySet().stream()
                        .anyMatch(name ->
                                sessions.stream()
                                        .anyMatch(one ->
                                                one != reader && one.resident(name) != null));
        if (!taken) {
            throw new AssertionError("the successor gave nobody anything");
        }
    }

    /// Tenants come and go all the time, over a store at its worst: when they are erased, puts of
    /// theirs are still on their way, and because one tenant is never drained, logs have all of
    /// them still when their sessions die.
    void tellOfErasures() throws IOException {
        erasing = true;
        store.faults(40);
        wire.calm();
        beginController("c-0");
        begin("w-0");
        begin("w-1");
        world.sleep(Duration.ofSeconds(40));
        for (int i = 0; i < 4; i++) {
            world.leap(SimObjectStore.EXPIRY.plusMinutes(1));
            world.sleep(Duration.ofSeconds(4));
            List.copyOf(sessions).stream()
                    .skip(random.nextInt(2))
                    .findFirst()
                    .ifPresent(this::exit);
            world.sleep(Duration.ofSeconds(12));
        }
        heal();
        recover();
        rest();
        readBack();
    }

    /// Two controllers stand still, one after the other, when they have just proved that they may
    /// clean; days later, when a third one has made tenants that they do not know, they go on.
    void tellOfLateJanitors() throws IOException {
        late = true;
        store.calm();
        wire.calm();
        beginController("c-0");
        world.sleep(Duration.ofSeconds(3));
        begin("w-0");
        for (int i = 1; i <= LATE_JANITORS; i++) {
            while (stopped.size() < i) {
                world.leap(Duration.ofHours(1));
                world.sleep(Duration.ofSeconds(1));
            }
            beginController("c-" + i);
            world.sleep(Duration.ofSeconds(20));
        }
        for (int i = 0; i < 8; i++) {
            world.leap(Duration.ofHours(7));
            world.sleep(Duration.ofSeconds(5));
        }
        for (Controller one : stopped) {
            one.node().resume();
            world.sleep(Duration.ofSeconds(10));
        }
        healed = true;
        recover();
        quiet = true;
        world.sleep(Duration.ofSeconds(30));
        readBack();
    }

    private void misfortune() {
        if (crashing) {
            List.copyOf(sessions).stream()
                    .skip(random.nextInt(workers))
                    .findFirst()
                    .ifPresent(this::exit);
            return;
        }
        Process process = somebody();
        Duration time = Duration.ofMillis(random.nextInt(20_000));
        if (random.nextInt(4) == 0) {
            trap = Work.values()[random.nextInt(Work.values().length)];
            trapAfter = random.nextInt(12);
        }
        switch (random.nextInt(14)) {
            case 0, 1 -> during(time, process.node::pause, process.node::resume);
            case 2 -> {
                slept.add(process.node);
                controllerSlept |= controllers.stream().anyMatch(one -> one.process() == process);
                during(time, process.node::suspend, process.node::resume);
            }
            case 3, 4 -> kill(process);
            case 5, 6 ->
                    during(time, () -> process.store.cut(true), () -> process.store.cut(false));
            case 7, 8, 9 -> {
                SimTasks.Node other = somebody().node;
                if (other != process.node) {
                    during(
                            time,
                            () -> wire.cut(process.node, other),
                            () -> wire.join(process.node, other));
                }
            }
            case 10 -> {
                if (!controllers.isEmpty()) {
                    Controller one = controllers.get(random.nextInt(controllers.size()));
                    during(time, one.node()::pause, one.node()::resume);
                }
            }
            case 11, 12 -> split(time.multipliedBy(2));
            default -> during(time.dividedBy(4), () -> store.down(true), () -> store.down(false));
        }
    }

    /// Two sides that do not hear of each other, both with a way to the store.
    private void split(Duration time) {
        var left = new ArrayList<SimTasks.Node>();
        var right = new ArrayList<SimTasks.Node>();
        sessions.forEach(one -> (random.nextBoolean() ? left : right).add(one.process.node));
        boolean side = random.nextBoolean();
        for (Controller one : controllers) {
            side = !side;
            (side ? left : right).add(one.node());
        }
        during(
                time,
                () -> left.forEach(one -> right.forEach(other -> wire.cut(one, other))),
                () -> left.forEach(one -> right.forEach(other -> wire.join(one, other))));
    }

    private Process somebody() {
        var all = new ArrayList<Process>();
        sessions.forEach(session -> all.add(session.process));
        controllers.forEach(controller -> all.add(controller.process()));
        return all.isEmpty()
                ? new Process(world, store, folder, "nobody")
                : all.get(random.nextInt(all.size()));
    }

    private void kill(Process process) {
        List.copyOf(sessions).stream().filter(one -> one.process == process).forEach(this::exit);
        List.copyOf(controllers).stream()
                .filter(one -> one.process() == process)
                .forEach(this::exit);
    }

    private void during(Duration time, Runnable begin, Runnable end) {
        begin.run();
        world.node("fate")
                .start(
                        "end",
                        () -> {
                            world.sleep(time);
                            end.run();
                        });
    }

    private void heal() {
        healed = true;
        trap = null;
        world.sleep(Duration.ofSeconds(40)); // The last misfortune ends.
        wire.calm();
        store.calm();
    }

    /// Everybody must be writable again, and every deletion ends with a receipt.
    private void recover() {
        var before = new HashMap<TenantKey, Long>();
        judge.lineages().forEach(tenant -> before.put(tenant, judge.lastAcked(tenant)));
        long deadline = world.nanos() + RECOVERS_WITHIN.toNanos();
        while (!recovered(before)) {
            if (ages()) {
                world.leap(Duration.ofMinutes(1)); // Receipts take a quarter of an hour.
            }
            if (world.nanos() > deadline) {
                throw new AssertionError(
                        "liveness: not everybody writes again: %s; %s; %s"
                                .formatted(
                                        before,
                                        controllers,
                                        controller()
                                                .map(one ->
                                                        new String(
                                                                one.catalog().encode(), UTF_8))));
            }
            world.sleep(Duration.ofMillis(500));
        }
    }

    private boolean recovered(Map<TenantKey, Long> before) {
        Optional<Catalog> catalog = controller().map(Controller::catalog);
        return catalog.isPresent()
                && catalog.get().tenants.entrySet().stream()
                        .allMatch(tenant -> {
                            TenantKey key = catalog.get().key(tenant.getKey());
                            return switch (tenant.getValue().life()) {
                                case ACTIVE -> judge.lastAcked(key) > before.getOrDefault(key, 0L);
                                case DELETED -> tenant.getValue().receipt() > 0;
                                case MOVING -> false;
                            };
                        });
    }

    /// The one that rules.
    private Optional<Controller> controller() {
        return controllers.stream()
                .filter(one -> one.serves() && !one.node().dead())
                .max(Comparator.comparingLong(Controller::epoch));
    }

    /// P6: everybody comes to rest, and then asks for nothing.
    private void rest() {
        quiet = true;
        long deadline = world.nanos() + RESTS_WITHIN.toNanos();
        while (true) {
            world.sleep(Duration.ofSeconds(40));
            var counts = new HashMap<Session, Integer>();
            sessions.forEach(session -> counts.put(session, session.process.store.count()));
            world.sleep(Duration.ofSeconds(60));
            Optional<Session> restless =
                    sessions.stream()
                            .filter(one -> counts.getOrDefault(one, 0) != one.process.store.count())
                            .findAny();
            if (restless.isEmpty()) {
                return;
            }
            if (world.nanos() > deadline) {
                throw new AssertionError(
                        "P6: an idle session makes requests: "
                                + restless.get().id()
                                + " "
                                + restless.get().process.store.lastRequest());
            }
        }
    }

    private void readBack() throws IOException {
        var reader = new Process(world, store, folder, "reader");
        for (TenantKey tenant : judge.lineages()) {
            for (int attempt = 1; !readBack(reader, tenant, attempt == 5); attempt++) {
                world.sleep(Duration.ofSeconds(1)); // The janitor is at it.
            }
        }
        for (Session session : sessions) {
            if (session.process.diskBytes() > 0) {
                throw new AssertionError("P7: idle " + session.id() + " has temporary files");
            }
        }
    }

    /// @return false if something vanished while it was read
    private boolean readBack(Process reader, TenantKey tenant, boolean must) throws IOException {
        try {
            readBack(reader, tenant);
            return true;
        } catch (ReplicaException vanished) {
            if (must) {
                throw vanished;
            }
            return false;
        }
    }

    private void readBack(Process reader, TenantKey tenant) throws IOException {
        List<Long> needed = judge.readBack(tenant);
        LineageHistory history = LineageHistory.list(reader.store, tenant);
        long last = history.coverage().value();
        if (!needed.isEmpty() && !tenant.equals(Names.catalog()) && last < needed.getLast()) {
            throw new AssertionError(
                    "I1: derived files of %s end at %s, not at %d"
                            .formatted(tenant, last, needed.getLast()));
        }
        List<IndexPoint> points =
                HistoryIndex.points(reader.store, tenant, new Txid(1), new Txid(Long.MAX_VALUE));
        for (int i = 0; i < Math.min(4, needed.size()); i++) {
            long txid = i == 0 ? needed.getLast() : needed.get(random.nextInt(needed.size()));
            if (txid <= last) {
                restore(reader, history, points, txid);
            }
        }
    }

    private void restore(Process reader, LineageHistory history, List<IndexPoint> points, long txid)
            throws IOException {
        TenantKey tenant = history.tenant();
        Path file = reader.file();
        Hydrator.hydrate(
                reader.store,
                RestorePlan.of(tenant, history.files(), new Txid(txid), points),
                file,
                Hydrator.Limits.DEFAULT,
                reader.node,
                Progress.NONE);
        judge.restored(tenant, new Txid(txid), Files.readAllBytes(file));
    }

    /// When all logs are closed and all windows over, two runs of the janitor leave no byte of the
    /// deleted, and of old logs nothing but fences.
    private void afterlife() throws IOException {
        List.copyOf(sessions).forEach(this::exit);
        var begun = Set.copyOf(sessions);
        long deadline = world.nanos() + RECOVERS_WITHIN.toNanos();
        while (!isSettled()) {
            if (world.nanos() > deadline) {
                throw new AssertionError("liveness: not every session is closed, of " + begun);
            }
            world.sleep(Duration.ofSeconds(1));
        }
        ruling(Controller::releaseAll);
        world.leap(windows.merged().multipliedBy(2).plusDays(1));
        for (int run = 0; run < 3; run++) {
            world.leap(Duration.ofDays(1));
            List<String> problems = ruling(Controller::clean).problems();
            if (!problems.isEmpty()) {
                throw new AssertionError("janitor: " + problems);
            }
        }
        judge.leavesNothing();
        store.oldestUpload()
                .filter(began -> began.isBefore(world.clock().instant().minus(Duration.ofDays(3))))
                .ifPresent(began -> {
                    throw new AssertionError("an upload of " + began + " is still there");
                });
        readBack();
    }

    /// What the controller does, as one of its own actors.
    private <T> T ruling(Function<Controller, T> deed) {
        Controller controller = controller().orElseThrow();
        var done = new AtomicReference<T>();
        controller
                .node()
                .start(
                        "deed",
                        () ->
                                controller
                                        .process()
                                        .persist(controller::serves, () -> deed.apply(controller))
                                        .ifPresent(done::set));
        long deadline = world.nanos() + RECOVERS_WITHIN.toNanos();
        while (done.get() == null) {
            if (world.nanos() > deadline) {
                throw new AssertionError("liveness: " + controller + " does not do it");
            }
            world.sleep(Duration.ofSeconds(1));
        }
        return done.get();
    }

    /// Whether every session that ever was is closed but those that were just begun.
    private boolean isSettled() {
        Optional<Catalog> catalog = controller().map(Controller::catalog);
        return catalog.isPresent()
                && catalog.get().sessions.values().stream()
                        .allMatch(row ->
                                row.state() == Catalog.State.CLOSED
                                        || sessions.stream()
                                                .anyMatch(one -> one.id().equals(row.id())));
    }
}
