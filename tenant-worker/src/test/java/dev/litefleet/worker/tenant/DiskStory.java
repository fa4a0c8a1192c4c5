package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageEnd;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.history.Verifier;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.testing.SimDisk;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One tenant, two workers, and what becomes of their disks: process after process dies at some
/// operation, its log is fenced and recovered, and the next one finds what the disk has kept.
final class DiskStory implements SimTasks.Story {
    /// How a process ends.
    enum Death {
        KILLED,
        POWER,
        /// Killed, and bits flip before the next one begins.
        ROT,
        /// The disk is lost with it.
        LOST
    }

    static final TenantKey TENANT =
            new TenantKey(new TenantId("acme"), new Lineage("01KAHV5W6Q4R9T8Y7ZXCVBNM00"));

    private static final Duration LIFE_MAX = Duration.ofMinutes(5);

    /// What is set, or left to the seed.
    ///
    /// @param largePages how many pages a large transaction has, 0 for none
    /// @param lives how many there are before the last one
    /// @param death at which operation that changes something the first process dies; 0: the seed
    ///   says
    /// @param kind how; null: the seed says
    record Settings(int largePages, int lives, int death, @Nullable Death kind) {
        static final Settings USUAL = new Settings(0, 4, 0, null);
    }

    final Settings settings;
    final SimTasks world;
    final @Nullable DiskMutant mutant;
    final DiskJudge judge = new DiskJudge();
    final SimObjectStore store;
    private final RandomGenerator random;
    private final Map<String, SimDisk> disks = new HashMap<>();
    private final long scanBytesMin;

    DiskStory(SimTasks world, @Nullable DiskMutant mutant, Settings settings) {
        this.world = world;
        this.mutant = mutant;
        this.settings = settings;
        this.random = world.fork();
        this.store = new SimObjectStore(world, random.nextInt(3) * 4, (_, _) -> {});
        this.scanBytesMin = random.nextBoolean() ? 0 : 64 << 20;
        store.prompt();
        if (is(DiskMutant.FORGETS_WHAT_IT_OWES)) {
            store.faults(35);
        }
    }

    boolean is(DiskMutant one) {
        return mutant == one;
    }

    long scanBytesMin() {
        return scanBytesMin;
    }

    private SimDisk disk(String worker) {
        return disks.computeIfAbsent(
                worker,
                _ -> {
                    var disk = new SimDisk(world.fork());
                    if (is(DiskMutant.NO_FORCE_BEFORE_RENAME)) {
                        disk.ignoreForce(one -> one.path().toString().endsWith(".tmp"));
                    }
                    if (is(DiskMutant.NO_FORCE_OF_FOLDER)) {
                        disk.ignoreForce(
                                one -> one.path().toString().endsWith(TENANT.lineage().ulid()));
                    }
                    return disk;
                });
    }

    @Override
    public void tell(SimTasks theWorld) {
        String worker = "w-1";
        String previous = null;
        Txid floor = Txid.NONE;
        for (int i = 1; i <= settings.lives(); i++) {
            if (random.nextInt(5) == 0) {
                worker = worker.equals("w-1") ? "w-2" : "w-1";
                judge.lossy();
            }
            boolean chosen = i == 1 && settings.death() > 0;
            int operations =
                    chosen
                            ? settings.death()
                            : 1 + random.nextInt(random.nextInt(3) == 0 ? 25 : 500);
            var life = new DiskLife(this, worker, disk(worker), i, previous, floor);
            Death death =
                    chosen && settings.kind() != null
                            ? settings.kind()
                            : switch (random.nextInt(10)) {
                                case 0, 1, 2, 3 -> Death.KILLED;
                                case 4, 5, 6, 7 -> Death.POWER;
                                case 8 -> Death.ROT;
                                default -> Death.LOST;
                            };
            // A large transaction alone is thousands.
            life.doom(operations * (settings.largePages() > 0 ? 40 : 1), death);
            life.start();
            long deadline = world.nanos() + LIFE_MAX.toNanos();
            while (!life.isOver() && world.nanos() < deadline) {
                world.sleep(Duration.ofMillis(200));
            }
            life.die(death);
            if (!life.hasOpened()) {
                judge.passedOver();
            }
            if (death == Death.LOST) {
                disks.remove(worker);
            }
            floor = recover(life, i);
            previous = life.name.session().ulid();
        }
        store.calm();
        last(worker, previous, floor);
    }

    /// What a controller does about a process that has died.
    private Txid recover(DiskLife life, int number) {
        SimTasks.Node node = world.node("controller-" + number);
        Path tmp = new SimDisk(world.fork()).root();
        Fence.Closed closed =
                persist(() ->
                        Fence.close(
                                store.link(),
                                life.name,
                                Slot.FIRST,
                                "controller",
                                number,
                                node,
                                world.fork()));
        persist(() -> {
            var recovered = Recovery.recover(store, life.name, closed, tmp, node);
            if (!recovered.failed().isEmpty()) {
                throw recovered.failed().values().iterator().next();
            }
            return recovered;
        });
        return persist(() -> {
            LineageHistory history = LineageHistory.list(store, TENANT);
            long checksum =
                    LineageEnd.of(store, history)
                            .map(end -> end.position().checksum())
                            .orElse(DatabaseChecksum.EMPTY);
            judge.recovered(history.coverage(), checksum);
            return history.coverage();
        });
    }

    private <T> T persist(Supplier<T> attempt) {
        for (int failures = 0; ; failures++) {
            try {
                return attempt.get();
            } catch (StoreException | ReplicaException failed) {
                if (failures == 100) {
                    throw failed;
                }
                world.sleep(Duration.ofSeconds(1));
            }
        }
    }

    /// Everything is well again: the tenant can be written, leaves nothing behind, and its history
    /// is whole.
    private void last(String worker, @Nullable String previous, Txid floor) {
        var life = new DiskLife(this, worker, disk(worker), settings.lives() + 1, previous, floor);
        life.comesToRest();
        life.start();
        long deadline = world.nanos() + LIFE_MAX.toNanos();
        while (!life.isOver()) {
            DiskJudge.require(
                    world.nanos() < deadline, "liveness: the last session does not rest: %s", life);
            world.sleep(Duration.ofMillis(200));
        }
        Txid end = new Txid(judge.made());
        SimTasks.Node node = world.node("reader");
        LineageHistory history = LineageHistory.list(store, TENANT).requireCoverage(end);
        Path file = new SimDisk(world.fork()).root().resolve("db");
        Hydrated hydrated =
                Hydrator.hydrate(
                        store,
                        RestorePlan.latest(history),
                        file,
                        Hydrator.Limits.DEFAULT,
                        node,
                        Progress.NONE);
        judge.recovered(hydrated.position().txid(), hydrated.position().checksum());
        var report =
                Verifier.verify(
                        store,
                        new Verifier.Scope(TENANT, List.of(), end, true),
                        node,
                        Progress.NONE);
        DiskJudge.require(report.problems().isEmpty(), "verify: %s", report.problems());
    }

    static List<Path> list(Path folder) {
        try (var all = Files.list(folder)) {
            return all.toList();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }
}
