package dev.litefleet.replica.sim;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.DerivedFile;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageHistory;
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
import dev.litefleet.replica.ltx.LtxWriter;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.PageDb;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.testing.SimWire;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One run: workers, controllers, tenants, and the misfortunes that the seed has for them; then
/// everything heals, everybody must come to work again, then to rest, and the history is read back.
final class Fleet implements SimTasks.Story {
    static final long LAG_BYTES_MAX = 64 << 10;

    private static final Duration RECOVERS_WITHIN = Duration.ofMinutes(3);
    private static final Duration RESTS_WITHIN = Duration.ofMinutes(5);

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
    private final List<Session> sessions = new ArrayList<>(); // running
    private final Map<String, Session> known = new HashMap<>(); // ever, by id
    private final List<Controller> controllers = new ArrayList<>(); // running
    private final Set<SimTasks.Node> slept = new HashSet<>();
    private final Map<String, PageDb> disks = new HashMap<>(); // what stays left behind
    private boolean controllerSlept;
    private boolean crashing;
    private boolean usurped;
    private @Nullable Session reader;
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
        store = new SimObjectStore(world, random.nextInt(4) * 8, (_, _) -> {});
        store.mangle(random.nextInt(3) * 4);
        judge = new Judge(world, store.objects());
        store.onCreated(judge::created);
        wire = new SimWire(world, random.nextInt(3) * 10);
        workers = 2 + random.nextInt(2);
        tenants = 2 + random.nextInt(2);
        movesOneIn = random.nextInt(3) == 0 ? 1000 : 5 + random.nextInt(40);
        drainAfter = 1 + random.nextInt(8);
        trouble = Duration.ofSeconds(30 + random.nextInt(60));
        parts = random.nextBoolean();
    }

    boolean is(Mutant one) {
        return mutant == one;
    }

    boolean quiet() {
        return quiet;
    }

    int movesOneIn() {
        return usurped ? Integer.MAX_VALUE : movesOneIn;
    }

    /// Whether nobody writes through this session any more.
    boolean onlyReads(Session session) {
        return session == reader;
    }

    /// Durable commits after which a tenant is drained.
    int drainAfter() {
        return crashing ? 1 : drainAfter;
    }

    CommitLogConfig logConfig() {
        return parts
                ? CommitLogConfig.DEFAULT.withParts(Duration.ofSeconds(20), 12)
                : CommitLogConfig.DEFAULT;
    }

    Catalog newCatalog() {
        var catalog = new Catalog();
        for (int i = 0; i < tenants; i++) {
            catalog.tenants.put("agent-" + i, new Catalog.Tenant("", 0, 0));
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
        var session = new Session(this, worker, process);
        sessions.add(session);
        known.put(session.id(), session);
        session.start();
    }

    void exit(Controller controller) {
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
        var controller = new Controller(this, name, process);
        controllers.add(controller);
        controller.start();
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
        }
        heal();
        recover();
        rest();
        readBack();
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
        world.sleep(Duration.ofSeconds(40)); // The last misfortune ends.
        wire.calm();
        store.calm();
    }

    /// Everybody must be writable again.
    private void recover() {
        var before = new HashMap<TenantKey, Long>();
        for (String name : newCatalog().tenants.keySet()) {
            before.put(Names.tenant(name), judge.lastAcked(Names.tenant(name)));
        }
        long deadline = world.nanos() + RECOVERS_WITHIN.toNanos();
        while (before.entrySet().stream()
                .anyMatch(tenant -> judge.lastAcked(tenant.getKey()) <= tenant.getValue())) {
            if (world.nanos() > deadline) {
                throw new AssertionError("liveness: not everybody writes again: " + before);
            }
            world.sleep(Duration.ofMillis(500));
        }
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
        judge.replay(Names.catalog());
        for (String name : newCatalog().tenants.keySet()) {
            TenantKey tenant = Names.tenant(name);
            judge.replay(tenant);
            LineageHistory history = LineageHistory.list(reader.store, tenant);
            List<Long> txids = List.copyOf(judge.history(tenant).keySet());
            if (txids.isEmpty()) {
                continue;
            }
            long last = txids.getLast();
            if (history.coverage().value() != last) {
                throw new AssertionError(
                        "I1: derived files of %s end at %s, not at %d"
                                .formatted(tenant, history.coverage(), last));
            }
            List<IndexPoint> points =
                    HistoryIndex.points(reader.store, tenant, new Txid(1), new Txid(last));
            restore(reader, history, points, last);
            for (int i = 0; i < 3; i++) {
                restore(reader, history, points, txids.get(random.nextInt(txids.size())));
            }
        }
    }

    private void restore(Process reader, LineageHistory history, List<IndexPoint> points, long txid)
            throws IOException {
        TenantKey tenant = history.tenant();
        Path file = folder.resolve("restored.db");
        Hydrator.hydrate(
                reader.store,
                RestorePlan.of(tenant, history.files(), new Txid(txid), points),
                file,
                Hydrator.Limits.DEFAULT,
                reader.node,
                Progress.NONE);
        judge.restored(tenant, new Txid(txid), Files.readAllBytes(file));
    }
}
