package dev.litefleet.controller;

import dev.litefleet.controller.operation.Route;
import dev.litefleet.replica.TenantId;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.testing.SimWire;
import java.io.IOException;
import java.io.UncheckedIOException;
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
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One run: controllers, workers, tenants whose clients come back and back, and the misfortunes
/// that the seed has for them; then everything heals, and everybody must come to work again.
final class SimFleet implements AutoCloseable {
    static final Duration HEARTBEAT = ControllerConfig.HEARTBEAT;

    /// Longer than any request is on its way.
    static final Duration SETTLED = Duration.ofSeconds(150);

    private static final Duration RECOVERS_WITHIN = Duration.ofMinutes(3);
    private static final Duration INSISTS = Duration.ofMinutes(10);
    private static final Duration MISFORTUNE_MAX = Duration.ofSeconds(10);
    private static final Duration TRIM_EVERY = Duration.ofSeconds(3);

    private final @Nullable FleetMutant mutant;
    private final Path folder;
    final SimTasks world;
    final FleetJudge judge;
    final SimWire wire;
    private final RandomGenerator random;
    private final SimObjectStore store;
    private final int rateMax;
    private final boolean retold;
    private final boolean lockedFolders;
    private final int epochSlotsMax;
    private final Duration trouble;
    private final List<TenantId> tenants;
    private final List<SimController> controllers = new ArrayList<>(); // running
    private final List<SimWorker> workers = new ArrayList<>(); // running
    private final Map<String, String> dead = new HashMap<>(); // last session of each worker
    private final Set<SimTasks.Node> slept = new HashSet<>();
    private boolean controllerSlept;
    private boolean healed;
    private boolean rightTime;
    private @Nullable SimWorker reader;
    private @Nullable SimWorker freezing; // at its next heartbeat
    private int starts;

    /// @param mutant what is wrong in this fleet, or null
    /// @param rateMax how much faster or slower than the world's monotonic clocks may run, per
    ///   mille
    /// @param retold whether failovers go by [WrongSteps], done right if there is no mutant
    SimFleet(
            SimTasks world,
            Path folder,
            @Nullable FleetMutant mutant,
            int rateMax,
            boolean retold) {
        this.retold = retold;
        this.world = world;
        this.folder = folder;
        this.mutant = mutant;
        this.rateMax = rateMax;
        random = world.fork();
        store = new SimObjectStore(world, random.nextInt(3) * 6, (_, _) -> {});
        store.longPages();
        judge = new FleetJudge(world, store.objects());
        store.onCreated((key, _) -> judge.created(key));
        wire = new SimWire(world, random.nextInt(3) * 8);
        lockedFolders = random.nextBoolean();
        epochSlotsMax = random.nextInt(3) == 0 ? 25 : 10_000;
        trouble = Duration.ofSeconds(20 + random.nextInt(20));
        tenants =
                IntStream.range(0, 2 + random.nextInt(2))
                        .mapToObj(number -> new TenantId("agent-" + number))
                        .toList();
    }

    boolean is(FleetMutant one) {
        return mutant == one;
    }

    /// Whether [WrongSteps] take the place of production's failover.
    boolean retold() {
        return retold;
    }

    /// Whether a controller that starts again on its folder proves by that that it was dead.
    boolean locksItsFolder() {
        return lockedFolders;
    }

    int epochSlotsMax() {
        return epochSlotsMax;
    }

    List<SimController> controllers() {
        return List.copyOf(controllers);
    }

    /// The process that listens at a worker's address now.
    Optional<SimWorker> at(String address) {
        return workers.stream().filter(worker -> worker.address().equals(address)).findAny();
    }

    /// Whether a machine slept whose monotonic clock the session's lease relies on.
    boolean slept(SimWorker worker) {
        return controllerSlept || slept.contains(worker.process.node());
    }

    /// Whether nobody writes through this session any more.
    boolean onlyReads(SimWorker worker) {
        return worker == reader;
    }

    /// The worker is about to send a heartbeat.
    void heartbeat(SimWorker worker) {
        if (worker == freezing) {
            worker.process.node().pause(); // With the question sent and no answer heard.
        }
    }

    // Life and death.

    private SimProcess process(String name) {
        String full = name + "-" + ++starts;
        SimTasks.Node node = world.node(full);
        node.setRate(rateMax == 0 ? 0 : random.nextInt(2 * rateMax + 1) - rateMax);
        if (!rightTime && random.nextInt(4) == 0) {
            node.setClock(Duration.ofMinutes(random.nextInt(2880) - 1440));
        }
        try {
            return new SimProcess(
                    node, store.link(), world.fork(), Files.createDirectory(folder.resolve(full)));
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private SimController beginController(String name) {
        var controller = new SimController(this, name, process(name));
        controllers.add(controller);
        controller.start();
        return controller;
    }

    private SimWorker beginWorker(String name) {
        String previous = random.nextBoolean() ? dead.get(name) : null;
        var worker = new SimWorker(this, name, process(name), previous);
        workers.add(worker);
        worker.start();
        return worker;
    }

    void exit(SimController controller) {
        controller.node().kill();
        if (controllers.remove(controller)) {
            later(2000, () -> beginController(controller.name()));
        }
    }

    void exit(SimWorker worker) {
        worker.process.node().kill();
        if (workers.remove(worker)) {
            dead.put(worker.worker, worker.id());
            later(3000, () -> beginWorker(worker.worker));
        }
    }

    private void later(int millis, Runnable action) {
        Duration time = Duration.ofMillis(200 + random.nextInt(millis));
        world.node("supervisor")
                .start(
                        "later",
                        () -> {
                            world.sleep(time);
                            action.run();
                        });
    }

    // The story.

    /// All kinds of misfortune.
    void tell() {
        beginController("c-0");
        beginController("c-1");
        if (random.nextInt(3) == 0) {
            beginController("c-2");
        }
        beginWorker("w-0");
        beginWorker("w-1");
        beginWorker("w-2");
        clients();
        world.node("janitor").start("trim", this::trim);
        long until = world.nanos() + trouble.toNanos();
        while (world.nanos() < until) {
            world.sleep(Duration.ofMillis(random.nextInt(2500)));
            misfortune();
        }
        heal();
        recover();
    }

    /// A tenant is deleted in the middle of it, and then nothing of it is left. How long after its
    /// last session the store must be looked at again is a matter of wall clocks (G6), so these go
    /// right.
    void tellOfDeletion() {
        rightTime = true;
        TenantId doomed = tenants.getFirst();
        SimTasks.Node operator = world.node("operator");
        operator.start(
                "delete",
                () -> {
                    world.sleep(Duration.ofSeconds(10));
                    insist(operator, controller -> controller.delete(doomed));
                });
        tell();
        insist(operator, controller -> controller.erased(doomed));
        String folderOfIt = "tenants/" + doomed + "/";
        List<String> left =
                store.objects().keys().stream().filter(key -> key.startsWith(folderOfIt)).toList();
        if (!left.isEmpty()) {
            throw new AssertionError("P8: left after the receipt: " + left);
        }
    }

    /// A controller that is cut off from its successor, and that nothing makes commit: it goes on
    /// answering the one worker that it knows, while the successor gives that worker's tenants to
    /// another one.
    void tellOfUsurper() {
        store.calm();
        wire.calm();
        SimController old = beginController("c-0");
        reader = beginWorker("w-0");
        SimTasks.Node operator = world.node("operator");
        for (TenantId tenant : tenants) {
            insist(operator, controller -> controller.provision(tenant));
            insist(operator, controller -> controller.route(tenant));
        }
        world.sleep(Duration.ofSeconds(10));
        SimController successor = beginController("c-1");
        wire.cut(old.node(), successor.node());
        wire.cut(reader.process.node(), successor.node());
        SimWorker heir = beginWorker("w-1");
        wire.cut(heir.process.node(), old.node());
        for (TenantId tenant : tenants) {
            world.node("client")
                    .start(
                            "client-" + tenant,
                            () -> {
                                while (!successor.route(tenant)) {
                                    world.sleep(Duration.ofMillis(100));
                                }
                            });
        }
        world.sleep(Duration.ofSeconds(40));
        if (tenants.stream().allMatch(tenant -> judge.lastAcked(tenant) == 0)) {
            throw new AssertionError("the successor gave nobody anything");
        }
    }

    /// A worker that reads is cut off from its controller again and again, or stands still with a
    /// heartbeat on its way, while its tenants are asked for elsewhere.
    void tellOfSilence() {
        store.calm();
        wire.calm();
        SimController controller = beginController("c-0");
        beginWorker("w-0");
        beginWorker("w-1");
        SimTasks.Node operator = world.node("operator");
        for (TenantId tenant : tenants) {
            insist(operator, one -> one.provision(tenant));
        }
        for (int round = 0; round < 4; round++) {
            for (TenantId tenant : tenants) {
                insist(operator, one -> one.route(tenant));
            }
            world.sleep(Duration.ofMillis(5000 + random.nextInt(2000)));
            if (workers.isEmpty()) {
                continue; // Both have just died of what is wrong here.
            }
            SimWorker silent = workers.get(random.nextInt(workers.size()));
            reader = silent;
            world.sleep(Duration.ofSeconds(1));
            boolean frozen = random.nextBoolean();
            if (frozen) {
                freezing = silent;
            } else {
                wire.cut(controller.node(), silent.process.node());
            }
            for (int ask = 0; ask < 60; ask++) {
                for (TenantId tenant : tenants) {
                    operator.start("ask", () -> controller.route(tenant));
                }
                world.sleep(Duration.ofMillis(100));
            }
            freezing = null;
            silent.process.node().resume();
            world.sleep(Duration.ofSeconds(3));
            wire.calm();
            reader = null;
        }
    }

    /// Tenants go to and fro, over a network that is late and repeats itself.
    void tellOfMoves() {
        store.calm();
        wire.calm();
        beginController("c-0");
        beginWorker("w-0");
        SimTasks.Node operator = world.node("operator");
        for (TenantId tenant : tenants) {
            insist(operator, one -> one.provision(tenant));
        }
        wire.faults(40);
        for (int round = 0; round < 25; round++) {
            for (TenantId tenant : tenants) {
                SimController one = controllers.getFirst();
                wire.ask(
                        operator,
                        one.node(),
                        () -> random.nextBoolean() ? one.move(tenant) : one.route(tenant));
            }
            world.sleep(Duration.ofMillis(random.nextInt(800)));
        }
    }

    /// Again and again, of whoever serves.
    private void insist(SimTasks.Node from, Predicate<SimController> wish) {
        long deadline = world.nanos() + INSISTS.toNanos();
        while (true) {
            if (world.nanos() > deadline) {
                throw new AssertionError("liveness: nobody did what was asked");
            }
            for (SimController controller : controllers()) {
                if (controller.serving()
                        && wire.ask(from, controller.node(), () -> wish.test(controller))
                                .orElse(false)) {
                    return;
                }
            }
            world.sleep(Duration.ofMillis(500));
        }
    }

    private void clients() {
        for (TenantId tenant : tenants) {
            SimTasks.Node client = world.node("client-" + tenant);
            client.start(
                    "client",
                    () -> {
                        insist(client, controller -> controller.provision(tenant));
                        while (true) {
                            List<SimController> all = controllers();
                            if (!all.isEmpty()) {
                                SimController one = all.get(random.nextInt(all.size()));
                                if (!healed && random.nextInt(12) == 0) {
                                    wire.ask(client, one.node(), () -> one.move(tenant));
                                } else {
                                    visit(client, one, tenant);
                                }
                            }
                            world.sleep(Duration.ofMillis(300 + random.nextInt(1700)));
                        }
                    });
        }
    }

    /// As a gateway does it: asks for the way, goes it, and says so if the tenant is not there, as
    /// when the word of its release was lost.
    private void visit(SimTasks.Node client, SimController controller, TenantId tenant) {
        Optional<Route> way = wire.ask(client, controller.node(), () -> controller.way(tenant));
        if (way.isEmpty()) {
            return;
        }
        boolean refused =
                at(way.get().address())
                        .flatMap(worker ->
                                wire.ask(
                                        client,
                                        worker.process.node(),
                                        () -> worker.serves(tenant, way.get())))
                        .equals(Optional.of(false));
        if (refused) {
            wire.ask(client, controller.node(), () -> controller.routeAgain(tenant, way.get()));
        }
    }

    private void misfortune() {
        switch (random.nextInt(16)) {
            case 0, 1 -> kill(true);
            case 2, 3 -> kill(false);
            case 4, 5, 6 -> {
                SimProcess process = somebody(random.nextBoolean());
                during(process.node()::pause, process.node()::resume);
            }
            case 7 -> {
                boolean controller = random.nextInt(3) == 0;
                SimProcess process = somebody(controller);
                slept.add(process.node());
                controllerSlept |= controller;
                during(process.node()::suspend, process.node()::resume);
            }
            case 8, 9 -> {
                SimProcess process = somebody(random.nextBoolean());
                during(() -> process.store().cut(true), () -> process.store().cut(false));
            }
            case 10, 11 -> {
                SimTasks.Node one = somebody(true).node();
                SimTasks.Node other = somebody(random.nextInt(3) == 0).node();
                if (one != other) {
                    during(() -> wire.cut(one, other), () -> wire.join(one, other));
                }
            }
            case 12 -> split();
            case 13 -> {
                if (!rightTime) {
                    somebody(random.nextBoolean())
                            .node()
                            .setClock(Duration.ofMinutes(random.nextInt(2880) - 1440));
                }
            }
            case 14 -> {
                if (random.nextBoolean() && !controllers.isEmpty()) {
                    controllers.get(random.nextInt(controllers.size())).stop();
                } else if (!workers.isEmpty()) {
                    workers.get(random.nextInt(workers.size())).stop();
                }
            }
            default -> during(() -> store.down(true), () -> store.down(false));
        }
    }

    private void kill(boolean controller) {
        if (controller && !controllers.isEmpty()) {
            exit(controllers.get(random.nextInt(controllers.size())));
        } else if (!controller && !workers.isEmpty()) {
            exit(workers.get(random.nextInt(workers.size())));
        }
    }

    private SimProcess somebody(boolean controller) {
        List<SimProcess> all =
                controller
                        ? controllers.stream().map(SimController::process).toList()
                        : workers.stream().map(worker -> worker.process).toList();
        return all.isEmpty() ? process("nobody") : all.get(random.nextInt(all.size()));
    }

    /// Two sides that do not hear of each other, both with a way to the store.
    private void split() {
        var left = new ArrayList<SimTasks.Node>();
        var right = new ArrayList<SimTasks.Node>();
        workers.forEach(one -> (random.nextBoolean() ? left : right).add(one.process.node()));
        boolean side = random.nextBoolean();
        for (SimController one : controllers) {
            side = !side;
            (side ? left : right).add(one.node());
        }
        during(
                () -> left.forEach(one -> right.forEach(other -> wire.cut(one, other))),
                () -> left.forEach(one -> right.forEach(other -> wire.join(one, other))));
    }

    private void during(Runnable begin, Runnable end) {
        Duration time = Duration.ofMillis(random.nextLong(MISFORTUNE_MAX.toMillis()));
        begin.run();
        world.node("fate")
                .start(
                        "end",
                        () -> {
                            world.sleep(time);
                            end.run();
                        });
    }

    /// A janitor in a hurry: what G3 lets go of a live log goes at once.
    private void trim() {
        while (true) {
            world.sleep(TRIM_EVERY);
            for (SimWorker worker : List.copyOf(workers)) {
                judge.trim(worker.name).forEach(store.objects()::delete);
            }
        }
    }

    private void heal() {
        healed = true;
        world.sleep(MISFORTUNE_MAX);
        wire.calm();
        store.calm();
    }

    /// Every tenant is written again, and one controller serves: the newest.
    private void recover() {
        var before = new HashMap<TenantId, Long>();
        tenants.forEach(tenant -> before.put(tenant, judge.lastAcked(tenant)));
        long deadline = world.nanos() + RECOVERS_WITHIN.toNanos();
        while (before.entrySet().stream()
                        .anyMatch(one ->
                                !judge.isDeleted(one.getKey())
                                        && judge.lastAcked(one.getKey()) <= one.getValue())
                || serving() != 1) {
            if (world.nanos() > deadline) {
                throw new AssertionError(
                        "liveness: %d controllers serve, written before: %s; %s; workers %s"
                                .formatted(serving(), before, judge, workers));
            }
            world.sleep(Duration.ofMillis(500));
        }
    }

    private long serving() {
        return controllers.stream().filter(SimController::serving).count();
    }

    /// Files that somebody has still open.
    static List<String> filesOpen(Path below) {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            return all.map(SimFleet::target)
                    .filter(target -> target.startsWith(below.toString()))
                    .toList();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException closed) {
            return "";
        }
    }

    @Override
    public void close() {
        judge.close();
    }
}
