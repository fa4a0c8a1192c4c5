package dev.litefleet.worker.tenant;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.replica.Position;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.testing.SimDisk;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import dev.litefleet.worker.WorkerFolders;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// One process of a worker, from the lock on its folder to its death, with one tenant. What it does
/// when something fails is what [Tenant] does; all else is the production code itself, but for the
/// engine.
final class DiskLife {
    private static final int STEPS_MAX = 120;
    private static final int PAGES_MAX = 12;

    final LogName name;
    private final DiskStory story;
    private final DiskJudge judge;
    private final SimDisk disk;
    private final SimTasks.Node node;
    private final SimObjectStore.Link way;
    private final RandomGenerator random;
    private final TenantAssignment assignment;
    private final Path folder;
    private Txid floor;
    private CommitLog log;
    private Shipping shipping;
    private Quarantine quarantine;
    private LocalFiles files;
    private WarmDisk warm;
    private @Nullable LocalDatabase known; // closed by this session
    private @Nullable ShippedDatabase database;
    private @Nullable WalModel engine;
    private byte @Nullable [] certain; // position.json as it must survive
    private final List<byte @Nullable []> possible = new ArrayList<>(); // the same since then
    private @Nullable RuntimeException failure; // of a drain
    private boolean draining;
    private boolean rests;
    private DiskStory.Death doom = DiskStory.Death.KILLED;
    private boolean over;
    private boolean dead;
    private boolean owesDrains;
    private boolean opened;
    private boolean cut;
    private int fullFrom = -1; // step at which the disk is full
    private String problem = "none";

    DiskLife(
            DiskStory story,
            String worker,
            SimDisk disk,
            int number,
            @Nullable String previous,
            Txid floor) {
        this.story = story;
        this.judge = story.judge;
        this.disk = disk;
        this.node = story.world.node(worker + "-" + number);
        this.way = story.store.link();
        this.random = story.world.fork();
        this.name = new LogName(worker, SessionId.create(node.clock(), random));
        this.folder = disk.root().resolve(worker);
        this.floor = floor;
        this.assignment =
                new TenantAssignment(
                        DiskStory.TENANT,
                        number,
                        floor,
                        Durability.ASYNC,
                        Quota.DEFAULT,
                        0,
                        previous);
    }

    /// It ends at that operation, if it comes so far.
    void doom(int operations, DiskStory.Death death) {
        doom = death;
        var done = new int[2];
        disk.watch(operation -> {
            if (operation.kind() == SimDisk.Kind.FORCE && certain != null) {
                possible.add(disk.content(tenantFolder().resolve("position.json")));
            }
            if (!dead && operation.kind().changes() && ++done[0] == operations) {
                die(death);
                story.world.sleep(Duration.ofDays(1)); // Its thread stays here for ever.
            }
        });
        int fault = random.nextInt(6);
        if (story.is(DiskMutant.IGNORES_FAILED_FORCE)) {
            fault = 1;
        } else if (story.is(DiskMutant.FORGETS_WHAT_IT_OWES)) {
            fault = 0;
        }
        switch (fault) {
            case 0 -> {
                int at = random.nextInt(400);
                disk.fail(_ -> failed(done[1]++ == at));
            }
            case 1 -> {
                int at = random.nextInt(15);
                disk.fail(one -> one.kind() == SimDisk.Kind.FORCE && failed(done[1]++ == at));
            }
            case 2 -> fullFrom = random.nextInt(STEPS_MAX);
            default -> {}
        }
        disk.writeShort(random.nextBoolean());
    }

    private boolean failed(boolean isFailed) {
        if (isFailed) {
            judge.faulty();
        }
        return isFailed;
    }

    /// It writes once more, gives the tenant back, and ends.
    void comesToRest() {
        rests = true;
    }

    void start() {
        node.start("main", this::run);
    }

    boolean isOver() {
        return over;
    }

    /// Whether it has had the tenant's database open.
    boolean hasOpened() {
        return opened;
    }

    @Override
    public String toString() {
        return name + ": " + problem;
    }

    /// What happens to the process, and to its disk.
    void die(DiskStory.Death death) {
        if (dead) {
            return;
        }
        dead = true;
        over = true;
        if (quarantine != null) {
            judge.quarantined(quarantine.takeReports());
        }
        node.kill();
        disk.watch(_ -> {});
        disk.calm();
        Path position = tenantFolder().resolve("position.json");
        byte[] visible = disk.content(position);
        switch (death) {
            case KILLED -> disk.processEnds();
            case POWER -> {
                disk.powerFails();
                judge.lossy();
                requirePosition(visible, disk.content(position));
            }
            case ROT -> {
                disk.processEnds();
                judge.lossy();
                for (String file : List.of("db", "db-wal", "sums", "position.json")) {
                    if (random.nextInt(3) == 0) {
                        disk.flipBit(tenantFolder().resolve(file));
                    }
                }
            }
            case LOST -> {
                disk.processEnds();
                judge.lossy();
            }
        }
    }

    /// "When this returns, the new one is there after any crash", unless the whole folder is gone.
    private void requirePosition(byte @Nullable [] visible, byte @Nullable [] found) {
        boolean gone = disk.content(tenantFolder().resolve("db")) == null && found == null;
        if (certain != null && !gone) {
            DiskJudge.require(
                    Arrays.equals(found, certain)
                            || Arrays.equals(found, visible)
                            || possible.stream().anyMatch(one -> Arrays.equals(found, one)),
                    "position.json is neither the old nor the new one after a loss of power: %s",
                    found == null ? "none" : new String(found, UTF_8));
        }
    }

    private Path tenantFolder() {
        return folder.resolve("tenants")
                .resolve(DiskStory.TENANT.tenant().name())
                .resolve(DiskStory.TENANT.lineage().ulid());
    }

    private void run() {
        try {
            begin();
            work();
        } catch (LogEnded | StoreException | UncheckedIOException exit) {
            problem = exit.toString();
        }
        over = true;
    }

    private void begin() {
        Path tmp = folder.resolve("tmp");
        try {
            Files.createDirectories(tmp);
            if (!story.is(DiskMutant.LEAVES_SPOOLS)) {
                var _ = WorkerFolders.take(folder);
            }
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
        log =
                new CommitLog(
                        way,
                        name,
                        CommitLogConfig.DEFAULT.withLinger(Duration.ofMillis(200)),
                        node,
                        node.clock(),
                        story.world.fork(),
                        _ -> {});
        log.open();
        shipping = new Shipping(log, way, tmp, node, node.clock(), ShippingConfig.DEFAULT);
        quarantine = new Quarantine(folder.resolve("quarantine"), 64 << 20);
        files = new LocalFiles(folder, quarantine, shipping.config().captureBytesMax());
        warm = new WarmDisk(files, shipping, story.scanBytesMin());
    }

    private void work() {
        int steps = rests ? 20 : 20 + random.nextInt(STEPS_MAX);
        for (int step = 0; step < steps; step++) {
            if (fullFrom >= 0 && step >= fullFrom) {
                disk.capacity(
                        step < fullFrom + 15 ? disk.used() + random.nextInt(3000) : Long.MAX_VALUE);
                judge.faulty();
            }
            ShippedDatabase open = database;
            if (open == null) {
                if (!open()) {
                    node.sleep(Duration.ofMillis(500));
                }
            } else if (failure != null) {
                broken(open, failure);
            } else {
                step(open);
            }
        }
        if (rests) {
            rest();
        }
    }

    private void step(ShippedDatabase open) {
        switch (random.nextInt(16)) {
            case 0, 1, 2, 3, 4 -> commit(open, true);
            case 5, 6, 7, 8 -> commit(open, false);
            case 9 -> startDrain(open);
            case 10 -> checkpoint(open);
            case 11 -> {
                if (random.nextInt(3) == 0) {
                    hibernate(open);
                }
            }
            case 12 -> {
                cut = !rests && !cut && random.nextInt(3) == 0;
                way.cut(cut);
            }
            case 13 -> read(open);
            default -> node.sleep(Duration.ofMillis(random.nextInt(400)));
        }
    }

    /// As [Tenant] opens one.
    private boolean open() {
        LocalDatabase from = known;
        try {
            LocalDatabase local = from == null ? fetch() : from;
            var model =
                    new WalModel(
                            local.db(),
                            local.pageSize(),
                            story.is(DiskMutant.IGNORES_FAILED_FORCE),
                            random);
            ShippedDatabase shipped = ShippedDatabase.open(local, shipping, model);
            if (local.wal() != null) {
                shipAhead(shipped);
            }
            files.settled(DiskStory.TENANT.tenant());
            judge.quarantined(quarantine.takeReports());
            judge.opened(local, shipped.announced(), model.checksum());
            certain();
            engine = model;
            database = shipped;
            opened = true;
            known = null;
            return true;
        } catch (SqlFailure | Corrupt lostFile) {
            problem = lostFile.toString();
            known = null; // The cache is only a cache.
            return false;
        } catch (LogEnded over) {
            throw over;
        } catch (StoreException | ReplicaException | UncheckedIOException failed) {
            problem = failed.toString();
            if (!(failed instanceof StoreException)) {
                known = null;
            }
            return false;
        }
    }

    private LocalDatabase fetch() {
        certain = null;
        Path wal = tenantFolder().resolve("db-wal");
        byte[] old = disk.content(wal);
        if (story.is(DiskMutant.TRUSTS_POSITION_FILE)) {
            Optional<LocalDatabase> trusted = trusted();
            if (trusted.isPresent()) {
                return trusted.get();
            }
        }
        if (story.is(DiskMutant.SHIPS_TORN_FRAMES) && old != null) {
            disk.put(wal, summedAnew(old));
        }
        if (owesDrains) {
            payFromTheLog();
        }
        LocalDatabase local;
        if (files.hasLeft(DiskStory.TENANT.tenant())) {
            local = warm.open(assignment, floor);
            if (story.is(DiskMutant.SETTLES_BEFORE_OPENING)) {
                files.settled(DiskStory.TENANT.tenant());
            }
        } else {
            files.delete(DiskStory.TENANT);
            local =
                    LocalDatabase.hydrate(
                            files.of(DiskStory.TENANT), DiskStory.TENANT, floor, shipping);
        }
        if (story.is(DiskMutant.KEEPS_OLD_WAL) && old != null && disk.content(wal) == null) {
            disk.put(wal, old);
        }
        return local;
    }

    private Optional<LocalDatabase> trusted() {
        Path here = tenantFolder();
        try {
            Optional<DatabaseChecksum> sums = DatabaseChecksum.load(here.resolve("sums"));
            return LocalPosition.read(here.resolve("position.json"))
                    .filter(_ -> sums.isPresent() && Files.exists(here.resolve("db")))
                    .map(position ->
                            new LocalDatabase(
                                    here,
                                    DiskStory.TENANT,
                                    new Position(position.drained(), sums.get().value()),
                                    sums.get().pageSize(),
                                    0,
                                    true));
        } catch (Corrupt torn) {
            return Optional.empty();
        }
    }

    /// A WAL of which every frame is made valid.
    private byte[] summedAnew(byte[] wal) {
        if (wal.length < 32) {
            return wal;
        }
        int frame = 24 + ByteBuffer.wrap(wal).getInt(8);
        int count = (wal.length - 32) / frame;
        if (count < 1) {
            return wal;
        }
        byte[] anew = Arrays.copyOf(wal, 32 + count * frame);
        ByteBuffer fields = ByteBuffer.wrap(anew);
        int a = fields.getInt(24);
        int b = fields.getInt(28);
        int last = -1;
        for (int i = 0; i < count; i++) {
            int at = 32 + i * frame;
            if (fields.getInt(at) <= 0) {
                break;
            }
            fields.putLong(at + 8, fields.getLong(16));
            for (int from = at; from < at + frame; from += 8) {
                if (from == at + 8 || from == at + 16) {
                    continue;
                }
                a += fields.getInt(from) + b;
                b += fields.getInt(from + 4) + a;
            }
            fields.putInt(at + 16, a).putInt(at + 20, b);
            last = fields.getInt(at + 4) != 0 ? at + frame : last;
        }
        return last < 0 ? wal : Arrays.copyOf(anew, last);
    }

    private void shipAhead(ShippedDatabase shipped) {
        try {
            shipped.captureAhead();
        } catch (RuntimeException unshippable) {
            payUp(shipped);
            keep(shipped, "commits of an earlier session could not be shipped");
            shipped.close();
            floor = shipped.durable();
            throw unshippable;
        }
    }

    private void commit(ShippedDatabase open, boolean sync) {
        WalModel model = model();
        boolean large = !rests && story.settings.largePages() > 0 && random.nextInt(3) == 0;
        int size = model.size() + (model.size() < PAGES_MAX && random.nextInt(3) == 0 ? 1 : 0);
        size = model.size() > 4 && random.nextInt(10) == 0 ? model.size() - 2 : size;
        size = large ? Math.max(size, story.settings.largePages()) : Math.max(size, 2);
        try {
            model.commit(large ? 2 * size : random.nextInt(3), size, judge::begun);
        } catch (SqlFailure refused) {
            judge.refusals++;
            if (OpenTenant.losesFile(refused)) {
                broken(open, refused);
            }
            return;
        }
        judge.made(model.checksum());
        try {
            Txid txid = open.capture(sync, RequestContext.anonymous());
            DiskJudge.require(
                    txid.value() == judge.made(), "captured %s of %d", txid, judge.made());
            if (large && random.nextBoolean()) {
                die(doom); // Its body is in a file.
                story.world.sleep(Duration.ofDays(1));
            }
            if (!sync) {
                judge.told(txid.value());
            } else if (story.is(DiskMutant.ACKS_WHAT_IS_LOCAL)) {
                judge.acked(txid.value());
            } else {
                open.gate(txid)
                        .whenComplete((_, failed) -> {
                            if (failed == null && !dead) {
                                judge.acked(txid.value());
                            }
                        });
            }
        } catch (ReplicaException | UncheckedIOException unshippable) {
            broken(open, unshippable);
        }
    }

    private void read(ShippedDatabase open) {
        WalModel model = model();
        int pgno = 1 + random.nextInt(model.size());
        try {
            DiskJudge.require(model.reads(pgno), "page %d reads as it never was", pgno);
        } catch (SqlFailure failed) {
            if (OpenTenant.losesFile(failed)) {
                broken(open, failed);
            }
        }
    }

    private WalModel model() {
        if (engine == null) {
            throw new IllegalStateException("nothing is open");
        }
        return engine;
    }

    private void startDrain(ShippedDatabase open) {
        if (draining) {
            return;
        }
        draining = true;
        node.start(
                "drain",
                () -> {
                    try {
                        drain(open);
                    } catch (StoreException | LogEnded later) {
                        // It is asked again.
                    } catch (ReplicaException | UncheckedIOException broken) {
                        failure = broken;
                    }
                    draining = false;
                });
    }

    private void drain(ShippedDatabase open) {
        open.drain();
        certain();
    }

    /// What `position.json` says now it says after any crash.
    private void certain() {
        certain = disk.content(tenantFolder().resolve("position.json"));
        possible.clear();
    }

    /// Until everything is durable and drained, or a drain has failed.
    ///
    /// @return whether it is
    private boolean settle(ShippedDatabase open) {
        for (int look = 0; look < 60; look++) {
            if (!draining && !open.undrained()) {
                return failure == null;
            }
            if (failure != null || cut) {
                return false;
            }
            log.flush();
            startDrain(open);
            node.sleep(Duration.ofMillis(250));
        }
        return false;
    }

    private void checkpoint(ShippedDatabase open) {
        if (!settle(open)) {
            return;
        }
        try {
            open.checkpoint();
        } catch (SqlFailure failed) {
            if (OpenTenant.losesFile(failed)) {
                broken(open, failed);
            }
        } catch (ReplicaException failed) {
            broken(open, failed);
        } catch (UncheckedIOException failed) {
            problem = failed.toString(); // Put off.
        }
    }

    private void hibernate(ShippedDatabase open) {
        if (!settle(open)) {
            return;
        }
        database = null;
        engine = null;
        floor = open.durable();
        try {
            DiskJudge.require(
                    open.checkpoint() == ShippedDatabase.Checkpoint.COMPLETE,
                    "nobody uses it, but it is not checkpointed");
            LocalDatabase local = open.hibernate();
            certain();
            known = local.exists() ? local : null;
        } catch (SqlFailure | ReplicaException | UncheckedIOException failed) {
            problem = failed.toString();
        }
    }

    private void broken(ShippedDatabase open, RuntimeException cause) {
        problem = cause.toString();
        open.stop("the tenant had to stop");
        while (draining) {
            node.sleep(Duration.ofMillis(50));
        }
        payUp(open);
        keep(open, "the tenant had to stop: " + cause.getMessage());
        open.close();
        floor = open.durable();
        failure = null;
        certain = null;
        database = null;
        engine = null;
    }

    private void payUp(ShippedDatabase open) {
        open.awaitResolved();
        try {
            open.drain();
            return;
        } catch (RuntimeException lacking) {
            problem = lacking.toString();
        }
        try {
            payFromTheLog();
        } catch (ReplicaException | StoreException | UncheckedIOException lacking) {
            owesDrains = !story.is(DiskMutant.FORGETS_WHAT_IT_OWES);
        }
    }

    private void payFromTheLog() {
        var paid = Recovery.payOne(way, name, DiskStory.TENANT, shipping.tmp(), node);
        for (ReplicaException failed : paid.failed().values()) {
            throw failed;
        }
        Txid covered = paid.coverage().get(DiskStory.TENANT);
        if (covered != null) {
            log.drained(DiskStory.TENANT, covered);
        }
        owesDrains = false;
    }

    private void keep(ShippedDatabase open, String reason) {
        try {
            open.quarantine(quarantine, reason);
        } catch (UncheckedIOException failed) {
            problem = failed.toString();
            judge.lossy(); // It says so in the log, and that is all it can.
        }
    }

    /// As a tenant is released: it is written once more, and leaves nothing.
    private void rest() {
        way.cut(false);
        while (database == null) {
            open();
            node.sleep(Duration.ofMillis(200));
        }
        ShippedDatabase open = database;
        commit(open, true);
        while (!settle(open)) {
            node.sleep(Duration.ofMillis(200));
        }
        DiskJudge.require(
                open.durable().value() == judge.made(), "not everything is durable: %s", open);
        open.close();
        database = null;
        files.delete(DiskStory.TENANT);
        for (String empty : List.of("tmp", "tenants")) {
            List<Path> left = DiskStory.list(folder.resolve(empty));
            DiskJudge.require(left.isEmpty(), "P7: left in %s: %s", empty, left);
        }
    }
}
