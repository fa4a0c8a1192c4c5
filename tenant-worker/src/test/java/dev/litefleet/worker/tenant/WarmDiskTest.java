package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.column;
import static dev.litefleet.worker.tenant.TestSession.get;
import static dev.litefleet.worker.tenant.TestSession.run;
import static dev.litefleet.worker.tenant.TestSession.send;
import static dev.litefleet.worker.tenant.TestSession.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.history.Verifier;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A process is killed, its disk stays, and a new session begins on it.
///
/// Real SQLite, the worker's own classes, one store. "Killed" is a copy of the disk, taken at some
/// moment, after which nothing of the old session reaches the store any more.
final class WarmDiskTest {
    private static final String OTHER_SESSION = "01KAHV5W6Q4R9T8Y7ZXCVBNM77";
    private static final long ALWAYS = 0;
    private static final long USUAL = 64 << 20;

    @TempDir private Path folder;
    private final MemoryObjectStore store = new MemoryObjectStore();
    private final List<TestSession> sessions = new ArrayList<>();
    private final List<FlakyObjectStore> ways = new ArrayList<>();

    @AfterEach
    void close() {
        ways.forEach(way -> way.down(false));
        sessions.forEach(TestSession::close);
    }

    /// A session, its way to the store, and what it told its clients.
    private final class Life {
        final Path disk;
        final FlakyObjectStore way = new FlakyObjectStore(store);
        final CountingObjectStore counted = new CountingObjectStore(way);
        final TestSession session;
        final Tenant tenant;
        private int rows;
        private volatile int acknowledged; // rows of which a client was told
        private volatile int atDeath = -1;
        private final CountDownLatch dead = new CountDownLatch(1);

        Life(Path disk, long scanBytesMin, TenantConfig config, Assignment assignment) {
            this.disk = disk;
            ways.add(way);
            session =
                    new TestSession(
                            disk,
                            counted,
                            ShippingConfig.DEFAULT,
                            config,
                            InstantSource.system(),
                            scanBytesMin);
            sessions.add(session);
            counted.reset();
            tenant = assignment.to(session);
        }

        String id() {
            return session.name.session().ulid();
        }

        /// A row, and by a trigger pages that change elsewhere.
        CompletableFuture<Answer> insert(SplittableRandom random) {
            rows++;
            return send(
                    tenant,
                    null,
                    "insert into log values (%d, randomblob(%d))"
                            .formatted(
                                    rows, random.nextInt(1, random.nextInt(4) == 0 ? 9000 : 60)));
        }

        /// @return whether the answer came before the process died
        boolean acknowledged(CompletableFuture<Answer> answer) {
            while (dead.getCount() > 0) {
                if (answer.isDone()) {
                    boolean told = answer.handle((_, failure) -> failure == null).join();
                    acknowledged = told ? rows : acknowledged;
                    return told;
                }
                Thread.onSpinWait();
                Thread.yield();
            }
            return false;
        }

        ShippedDatabase database() {
            return ((TenantState.Active) tenant.state()).open().database();
        }

        void checkpoint() {
            var open = ((TenantState.Active) tenant.state()).open();
            open.checkpointer().request();
            await().until(() ->
                    dead.getCount() == 0
                            || (!open.database().undrained() && open.database().walBytes() == 0));
        }

        /// The disk as it is now is all that is left.
        void kill(Path image) {
            if (dead.getCount() > 0) {
                atDeath = acknowledged;
                way.down(true);
                DiskImage.copy(disk, image);
                dead.countDown();
            }
        }

        void killAtPut(int number, boolean applied, Path image) {
            var puts = new int[1];
            java.util.function.Consumer<String> hook =
                    key -> {
                        synchronized (puts) {
                            if (++puts[0] == number) {
                                kill(image);
                            }
                        }
                        if (dead.getCount() == 0) {
                            throw new Unavailable("put " + key, "dead", new IOException("dead"));
                        }
                    };
            if (applied) {
                way.afterPut(hook);
            } else {
                way.beforePut(hook);
            }
        }

        /// What a controller does about it.
        ///
        /// @return where the tenant's history ends
        Txid failover() {
            var closed = session.fence(store);
            way.beforePut(_ -> {});
            way.afterPut(_ -> {});
            way.down(false); // Meets the fence.
            Recovery.recover(store, session.name, closed, folder.resolve("tmp"), session.tasks);
            return coverage();
        }
    }

    private interface Assignment {
        Tenant to(TestSession session);
    }

    private Txid coverage() {
        return LineageHistory.list(store, TestSession.key("acme")).coverage();
    }

    private Life first(Durability durability) {
        return first(durability, TenantConfig.DEFAULT);
    }

    private Life first(Durability durability, TenantConfig config) {
        var life =
                new Life(
                        folder.resolve("first"),
                        USUAL,
                        config,
                        session -> session.assign("acme", durability));
        makeTables(life.tenant);
        return life;
    }

    private static void makeTables(Tenant tenant) {
        sql(tenant, "create table log(id integer primary key, v)");
        sql(tenant, "create table pad(k integer primary key, v)");
        sql(
                tenant,
                "insert into pad select value, zeroblob(900) from json_each('[1,2,3,4,5,6,7]')");
        sql(
                tenant,
                "create trigger churn after insert on log begin update pad set v = randomblob(900)"
                        + " where k = new.id % 7; end");
    }

    private static final int BEFORE = 4; // commits that make the tables

    private Life next(Path image, long scanBytesMin, Txid floor, @Nullable String previous) {
        return new Life(
                image,
                scanBytesMin,
                TenantConfig.DEFAULT,
                session -> session.assignAfter("acme", Durability.SYNC, 2, floor, previous));
    }

    /// @return how many rows, which are the first ones
    private static int prefix(Tenant tenant) {
        List<String> found =
                column(tenant, "select count(*) || ' ' || ifnull(max(id), 0) from log");
        String[] numbers = found.getFirst().split(" ");
        assertThat(numbers[0]).as("rows without a gap").isEqualTo(numbers[1]);
        return Integer.parseInt(numbers[0]);
    }

    private static boolean hasTables(Tenant tenant) {
        return column(tenant, "select count(*) from sqlite_schema where name = 'churn'")
                .contains("1");
    }

    /// The history that a life wrote is whole, and what it leads to is what was served.
    private void verify(Life life, int rows) {
        Txid last = get(life.session.tenants.release(life.tenant.id(), 2)).last();
        var report =
                Verifier.verify(
                        store,
                        new Verifier.Scope(TestSession.key("acme"), List.of(), last, true),
                        life.session.tasks,
                        dev.litefleet.replica.history.Progress.NONE);
        assertThat(report.problems()).isEmpty();
        assertThat(report.last()).isEqualTo(last);
        var elsewhere =
                new Life(
                        folder.resolve("elsewhere"),
                        USUAL,
                        TenantConfig.DEFAULT,
                        session -> session.assign("acme", Durability.SYNC, 3, last));
        assertThat(prefix(elsewhere.tenant)).isEqualTo(rows);
        assertThat(column(elsewhere.tenant, "pragma quick_check")).containsExactly("ok");
    }

    /// The one property: whatever happened when, nothing acknowledged is lost, what is served is a
    /// beginning of what was executed, and the history says the same.
    @Seeds(100)
    void killedAtAnyMomentLosesNothingThatWasAcknowledged(long seed) {
        var random = new SplittableRandom(seed);
        Durability durability = random.nextInt(3) == 0 ? Durability.SYNC : Durability.ASYNC;
        Life life = first(durability);
        Path image = folder.resolve("image");
        Path synced = folder.resolve("synced");
        int steps = random.nextInt(1, 14);
        if (random.nextInt(3) == 0) {
            life.killAtPut(random.nextInt(1, 10), random.nextBoolean(), image);
        }
        boolean silent = false;
        DiskImage.copy(life.disk, synced);
        for (int i = 0; i < steps && life.dead.getCount() > 0; i++) {
            if (!silent && random.nextInt(5) == 0) {
                life.checkpoint();
                DiskImage.copy(life.disk, synced.resolveSibling("synced" + i));
                synced = synced.resolveSibling("synced" + i);
            }
            if (durability == Durability.ASYNC && random.nextInt(6) == 0) {
                silent = true;
                life.way.down(true); // What follows is ahead.
            }
            life.acknowledged(life.insert(random));
        }
        life.kill(image);
        boolean power = random.nextInt(3) == 0;
        Path files = Path.of("tenants/acme/" + TestSession.LINEAGE);
        if (power) {
            DiskImage.lose(
                    image.resolve(files).resolve("db-wal"),
                    synced.resolve(files).resolve("db-wal"),
                    random);
        }
        Txid floor = life.failover();
        long scanBytesMin = random.nextBoolean() ? ALWAYS : USUAL;
        boolean flipped = random.nextInt(8) == 0;
        if (flipped) {
            DiskImage.flip(image.resolve(files).resolve("db"), random);
        }

        Life after = next(image, scanBytesMin, floor, life.id());
        boolean lossy = durability == Durability.ASYNC && (power || flipped);
        if (lossy && floor.value() < BEFORE && !hasTables(after.tenant)) {
            assertThat(column(after.tenant, "pragma quick_check")).containsExactly("ok");
            return;
        }
        int rows = prefix(after.tenant);

        int durable = (int) Math.max(0, floor.value() - BEFORE);
        assertThat(rows).as("durable rows").isGreaterThanOrEqualTo(durable);
        if (!lossy) {
            assertThat(rows).as("acknowledged rows").isGreaterThanOrEqualTo(life.atDeath);
        }
        assertThat(rows).as("executed rows").isLessThanOrEqualTo(life.rows);
        assertThat(column(after.tenant, "pragma quick_check")).containsExactly("ok");
        after.rows = rows;
        assertThat(after.acknowledged(after.insert(random))).isTrue();
        verify(after, rows + 1);
    }

    @Test
    void warmFileIsReusedWhenItProvablyEqualsTheHistory() {
        var random = new SplittableRandom(1);
        Life life = first(Durability.SYNC);
        sql(
                life.tenant,
                "insert into pad select 100 + value, randomblob(90000) from"
                        + " json_each('[1,2,3,4,5]')");
        life.checkpoint();
        for (int i = 0; i < 3; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), ALWAYS, floor, life.id());

        assertThat(prefix(after.tenant)).isEqualTo(3);
        // Headers and indexes, no pages: the database has 450 KB that do not compress.
        assertThat(after.counted.bytesRead()).isBetween(100L, 40_000L);
        assertThat(after.counted.count(CountingObjectStore.Verb.GET)).isLessThanOrEqualTo(4);
        after.rows = 3;
        assertThat(after.acknowledged(after.insert(random))).isTrue();
        verify(after, 4);
    }

    /// The session has put its name on the files by then, and is not the one before it.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void aheadFramesAreShippedAlthoughTheStoreFailedMeanwhile(int read) {
        var random = new SplittableRandom(read);
        Life life = first(Durability.ASYNC);
        life.acknowledged(life.insert(random));
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 5; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());
        var reads = new AtomicInteger();
        after.way.beforeRead(key -> {
            if (key.endsWith(".ltx") && reads.incrementAndGet() == read) {
                throw new Unavailable("get " + key, "503 SlowDown", null);
            }
        });
        await().atMost(Duration.ofSeconds(20))
                .until(() ->
                        send(after.tenant, null, "select 1")
                                .handle((_, failure) -> failure == null)
                                .join());

        assertThat(reads).hasValueGreaterThanOrEqualTo(2);
        assertThat(run(after.tenant, null, "select count(*) from log").seen())
                .isEqualTo(new Txid(BEFORE + 6));
        assertThat(prefix(after.tenant)).isEqualTo(6);
    }

    @Test
    void cleanlyClosedFileIsReusedWhateverItsSize() {
        TenantConfig d = TenantConfig.DEFAULT;
        Life life = first(Durability.SYNC);
        sql(
                life.tenant,
                "insert into pad select 100 + value, randomblob(90000) from"
                        + " json_each('[1,2,3,4,5]')");
        await().until(life.tenant::hibernate);
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());

        assertThat(prefix(after.tenant)).isZero();
        assertThat(after.counted.bytesRead()).isBetween(100L, 1000L);
        after.acknowledged(after.insert(new SplittableRandom(1)));
        verify(after, 1);
    }

    @Test
    void aheadFramesAreShippedOnceAndTheirTxidsFollowTheHistory() {
        var random = new SplittableRandom(2);
        Life life = first(Durability.ASYNC);
        life.acknowledged(life.insert(random));
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 5; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();
        assertThat(floor).isEqualTo(new Txid(BEFORE + 1));

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());

        assertThat(run(after.tenant, null, "select count(*) from log").seen())
                .isEqualTo(new Txid(BEFORE + 6));
        assertThat(coverage()).as("shipped, not drained").isEqualTo(floor);
        verify(after, 6);
        assertThat(coverage()).isEqualTo(new Txid(BEFORE + 6));
    }

    /// The store was put back to an older copy, and another session went on from there: what lies
    /// below the frames has the same TXIDs and is something else.
    @Test
    void aheadFramesAboveAnotherHistoryAreKeptAside() {
        var random = new SplittableRandom(11);
        Life life = first(Durability.ASYNC);
        life.acknowledged(life.insert(random));
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 3; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();
        for (var object : store.list("tenants/acme/", "", 1000).objects()) {
            store.delete(object.key());
        }
        var rival =
                new Life(
                        folder.resolve("rival"),
                        USUAL,
                        TenantConfig.DEFAULT,
                        session -> session.assign("acme", Durability.SYNC));
        makeTables(rival.tenant);
        // As long as the other one, page for page.
        rival.acknowledged(rival.insert(new SplittableRandom(11)));
        assertThat(get(rival.session.tenants.release(rival.tenant.id(), 1)).last())
                .isEqualTo(floor);

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());

        assertThat(prefix(after.tenant)).isEqualTo(rival.rows);
        assertThat(folder.resolve("image/quarantine/acme/" + life.id())).exists();
        verify(after, rival.rows);
    }

    /// The second session dies while it still reads what lies below them, before it has opened
    /// anything: it was the last one that could have written the tenant, and has to say so.
    @Test
    void aheadFramesSurviveADeathInTheHydrationBelowThem() {
        var random = new SplittableRandom(10);
        Life life = first(Durability.ASYNC);
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 5; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();
        Life second = next(folder.resolve("image"), USUAL, floor, life.id());
        Path db = folder.resolve("image/tenants/acme/" + TestSession.LINEAGE + "/db");
        assertThat(db).exists();
        second.way.beforeRead(key -> {
            if (!Files.exists(db)) {
                second.kill(folder.resolve("image2"));
                throw new Unavailable("get " + key, "dead", new IOException("dead"));
            }
        });
        assertThat(send(second.tenant, null, "select 1")).failsWithin(Duration.ofSeconds(20));
        assertThat(second.dead.getCount()).as("died in the hydration").isZero();
        second.way.beforeRead(_ -> {});
        Txid still = second.failover();
        assertThat(still).isEqualTo(floor);

        Life third = next(folder.resolve("image2"), USUAL, still, second.id());

        assertThat(prefix(third.tenant)).isEqualTo(5);
        verify(third, 5);
    }

    /// Between two sessions that both die before they have drained anything.
    @Test
    void aheadFramesSurviveASecondDeath() {
        var random = new SplittableRandom(3);
        Life life = first(Durability.ASYNC);
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 5; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();
        Life second =
                new Life(
                        folder.resolve("image"),
                        USUAL,
                        TenantConfig.DEFAULT,
                        session ->
                                session.assignAfter("acme", Durability.ASYNC, 2, floor, life.id()));
        second.way.beforePut(key -> {
            throw new Unavailable("put " + key, "dead", new IOException("dead"));
        });
        assertThat(prefix(second.tenant)).isEqualTo(5);
        second.kill(folder.resolve("image2"));
        Txid still = second.failover();
        assertThat(still).isEqualTo(floor);

        Life third = next(folder.resolve("image2"), USUAL, still, second.id());

        assertThat(prefix(third.tenant)).isEqualTo(5);
        verify(third, 5);
    }

    @Test
    void releaseOfATenantThatNobodyOpenedShipsWhatWasLeft() {
        var random = new SplittableRandom(9);
        Life life = first(Durability.ASYNC);
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 3; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());

        verify(after, 3);
        assertThat(coverage()).isEqualTo(new Txid(BEFORE + 3));
    }

    @Test
    void framesOfATenantThatWasElsewhereMeanwhileAreKeptAsideAndReported() {
        var random = new SplittableRandom(4);
        Life life = first(Durability.ASYNC);
        life.acknowledged(life.insert(random));
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        for (int i = 0; i < 5; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), ALWAYS, floor, OTHER_SESSION);

        assertThat(prefix(after.tenant)).isEqualTo(1);
        Path kept = folder.resolve("image/quarantine/acme/" + life.id());
        assertThat(kept.resolve("db-wal")).isNotEmptyFile();
        assertThat(kept.resolve("lost.json"))
                .content()
                .contains("\"first\": \"" + floor.next() + "\"")
                .contains("\"last\": \"" + new Txid(floor.value() + 5) + "\"");
        assertThat(after.session.tenants.takeLost())
                .singleElement()
                .satisfies(lost -> {
                    assertThat(lost.first()).isEqualTo(floor.next());
                    assertThat(lost.last()).isEqualTo(new Txid(floor.value() + 5));
                });
        verify(after, 1);
    }

    @Test
    void walOfWhichEverythingIsInTheStoreIsNoLoss() {
        Life life = first(Durability.SYNC);
        life.acknowledged(life.insert(new SplittableRandom(5)));
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), ALWAYS, floor, OTHER_SESSION);

        assertThat(prefix(after.tenant)).isEqualTo(1);
        assertThat(folder.resolve("image/quarantine")).doesNotExist();
        assertThat(after.session.tenants.takeLost()).isEmpty();
    }

    @Test
    void historyBelowTheFloorIsNotMadeGoodByLocalFiles() {
        Life life = first(Durability.SYNC);
        life.acknowledged(life.insert(new SplittableRandom(6)));
        life.kill(folder.resolve("image"));
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), ALWAYS, floor.next(), life.id());

        assertThat(send(after.tenant, null, "select 1"))
                .failsWithin(Duration.ofSeconds(20))
                .withThrowableThat()
                .withCauseInstanceOf(HistoryIncomplete.class);
    }

    @Test
    void frameThatWasChangedIsNeitherServedNorShipped() throws IOException {
        var random = new SplittableRandom(7);
        Life life = first(Durability.ASYNC);
        get(life.database().gate(life.database().announced()));
        life.checkpoint();
        life.way.down(true);
        for (int i = 0; i < 3; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Path wal = folder.resolve("image/tenants/acme/" + TestSession.LINEAGE + "/db-wal");
        byte[] bytes = Files.readAllBytes(wal);
        bytes[32 + 24 + 100] ^= 1;
        Files.write(wal, bytes);
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), ALWAYS, floor, life.id());

        assertThat(prefix(after.tenant)).isZero();
        verify(after, 0);
    }

    /// A stranger who checkpoints lets SQLite begin the WAL anew below commits nobody shipped.
    @Test
    void walBehindCommitsThatAStrangerCheckpointedIsNotShipped() throws Exception {
        var random = new SplittableRandom(9);
        Life life = first(Durability.ASYNC);
        get(life.database().gate(life.database().announced()));
        life.checkpoint();
        life.acknowledged(life.insert(random));
        get(life.database().gate(life.database().announced()));
        life.checkpoint();
        life.way.down(true);
        for (int i = 0; i < 3; i++) {
            life.acknowledged(life.insert(random));
        }
        life.kill(folder.resolve("image"));
        Path files = folder.resolve("image/tenants/acme/" + TestSession.LINEAGE);
        byte[] wal = Files.readAllBytes(files.resolve("db-wal"));
        // In the image, which no session of this process has open.
        try (var stranger =
                java.sql.DriverManager.getConnection("jdbc:sqlite:" + files.resolve("db"))) {
            stranger.createStatement().execute("pragma wal_checkpoint(full)");
        }
        Files.write(files.resolve("db-wal"), wal);
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());

        assertThat(prefix(after.tenant)).isEqualTo(1);
        assertThat(folder.resolve("image/quarantine/acme/" + life.id())).exists();
        verify(after, 1);
    }

    @Test
    void foreignFilesOfTheSameShapeAreNotTaken() throws IOException {
        var random = new SplittableRandom(8);
        Life life = first(Durability.ASYNC);
        get(life.database().gate(life.database().announced()));
        life.way.down(true);
        life.acknowledged(life.insert(random));
        life.kill(folder.resolve("image"));
        // Another WAL with as many commits, as an older backup of the disk would have.
        var other =
                new Life(
                        folder.resolve("other"),
                        USUAL,
                        TenantConfig.DEFAULT,
                        session -> session.assign("globex", Durability.SYNC));
        for (int i = 0; i < BEFORE + 1; i++) {
            sql(other.tenant, "create table t" + i + "(x)");
        }
        DiskImage.copy(other.disk, folder.resolve("otherimage"));
        Path lineage = Path.of(TestSession.LINEAGE.ulid());
        Files.copy(
                folder.resolve("otherimage/tenants/globex").resolve(lineage).resolve("db-wal"),
                folder.resolve("image/tenants/acme").resolve(lineage).resolve("db-wal"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        Txid floor = life.failover();

        Life after = next(folder.resolve("image"), USUAL, floor, life.id());

        assertThat(prefix(after.tenant)).isZero();
        assertThat(folder.resolve("image/quarantine/acme/" + life.id())).exists();
        verify(after, 0);
    }
}
