package dev.litefleet.controller.operation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.catalog.Begun;
import dev.litefleet.controller.catalog.Cancellation;
import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.IdempotencyKey;
import dev.litefleet.controller.catalog.OperationDetail;
import dev.litefleet.controller.catalog.OperationKind;
import dev.litefleet.controller.catalog.OperationRow;
import dev.litefleet.controller.catalog.OperationState;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.Failover;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.controller.operation.FleetException.TenantDeleted;
import dev.litefleet.controller.testing.TestLog;
import dev.litefleet.controller.testing.TestWorker;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.TestClock;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Fork, import and restore in place with a real catalog and real workers in this process: what is
/// asserted is what a client would read afterwards.
final class CopiesTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final TenantId COPY = new TenantId("copy");
    private static final Duration LONG = Duration.ofSeconds(30);

    private final FlakyObjectStore store = new FlakyObjectStore();
    private final TestClock clock = new TestClock();
    private final SplittableRandom random = new SplittableRandom(5);
    private final Tasks tasks = new ThreadTasks();
    private final Map<String, TestWorker> reachable = new ConcurrentHashMap<>();
    private final List<TestWorker> workers = new ArrayList<>();
    private final Set<TestWorker> beating = ConcurrentHashMap.newKeySet();
    private final AtomicInteger pulls = new AtomicInteger();

    @TempDir Path folder;
    private CommitLog log;
    private volatile Catalog catalog;
    private Leases leases;
    private Assign assign;
    private Copies copies;
    private Operations operations;

    private final WorkerLink link =
            new WorkerLink() {
                @Override
                public AssignmentReply assign(String address, Assignment assignment) {
                    return at(address).assign(assignment);
                }

                @Override
                public Optional<Release> release(String address, ReleaseRequest request) {
                    return at(address).release(request);
                }

                private TestWorker at(String address) {
                    TestWorker worker = reachable.get(address);
                    if (worker == null) {
                        throw new Unreachable("nobody at " + address);
                    }
                    return worker;
                }
            };

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @BeforeEach
    void open() throws IOException {
        var chain = new ControllerChain(store, folder, tasks, clock, random.split());
        Epoch epoch = chain.claim(0, "http://127.0.0.1:1", Optional.empty()).orElseThrow();
        var end = new CompletableFuture<LogEnd>();
        log = TestLog.open(store, epoch.log(), tasks, clock, random.split(), end::complete);
        catalog =
                Catalog.open(
                        chain.catalog(),
                        new Catalog.Beginning(
                                folder.resolve("catalog"),
                                Txid.NONE,
                                new Shipping(
                                        log, store, folder, tasks, clock, ShippingConfig.DEFAULT),
                                end));
        leases = new Leases(Duration.ofMillis(300), Duration.ofMillis(50), tasks);
        assign = new Assign(catalog, leases, link, tasks, epoch::number, Duration.ofSeconds(20));
        var unassign = new Unassign(catalog, leases, link, tasks, epoch::number);
        copies =
                new Copies(
                        catalog,
                        store,
                        unassign,
                        assign::forget,
                        FileCheck::run,
                        Files.createDirectories(folder.resolve("operations")),
                        tasks,
                        clock);
        operations = new Operations(catalog, copies, tasks);
        var failover =
                new Failover(
                        catalog,
                        leases,
                        store,
                        () -> epoch,
                        folder,
                        tasks,
                        random.split(),
                        assign::forget);
        tasks.start("beats", this::beat);
        tasks.start(
                "leases",
                () -> {
                    List<SessionId> lapsed = leases.awaitLapsed();
                    while (!lapsed.isEmpty()) {
                        lapsed.forEach(session -> failover.start(session, false));
                        lapsed = leases.awaitLapsed();
                    }
                });
    }

    private void beat() {
        while (catalog != null) {
            beating.forEach(worker -> leases.heartbeat(worker.heartbeat(), true));
            tasks.sleep(Duration.ofMillis(50));
        }
    }

    @AfterEach
    void close() {
        beating.clear();
        leases.close();
        workers.forEach(TestWorker::close);
        Catalog open = catalog;
        catalog = null;
        open.close();
        log.close(Duration.ofSeconds(5));
    }

    // Fork

    @Test
    void forkOfATenantThatIsBeingWrittenIsItsLastDurableCommit() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, row(0));
        var written = new AtomicInteger(1);
        var stop = new AtomicBoolean();
        var writing = new CompletableFuture<Void>();
        // A fork reads the whole tail: a writer without a limit could outrun it for ever.
        var allowed = new AtomicInteger();
        tasks.start(
                "writer",
                () -> {
                    while (!stop.get()) {
                        if (written.get() < allowed.get()) {
                            worker.write(ACME, row(written.get()));
                            written.incrementAndGet();
                        } else {
                            LockSupport.parkNanos(1_000_000);
                        }
                    }
                    writing.complete(null);
                });

        for (int i = 0; i < 5; i++) {
            int before = written.get();
            allowed.set(before + 500);
            var copy = new TenantId("copy-" + i);
            OperationRow done = fork(copy, Point.LATEST);
            int after = written.get();

            // The table is commit 1, every row one more.
            int rows = Math.toIntExact(done.detail().sourceTxid()) - 1;
            assertThat(rows).isBetween(before, after + 1);
            assertThat(rowsOf(copy, worker)).isEqualTo(rows(rows));
            assertThat(tenant(copy).txidFloor().value()).isEqualTo(rows + 1L);
        }
        stop.set(true);
        writing.join();
        assertThat(worker.rows(ACME)).isEqualTo(rows(written.get()));
    }

    /// Points in derived files, between them, and in the tail of a living log.
    @Test
    void everyCommitCanBeForkedAndGoesOnFromThere() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        for (int i = 0; i < 9; i++) {
            assign.run(ACME);
            worker.write(ACME, row(i));
            if (i % 4 == 2) {
                released(worker, ACME);
            }
        }

        for (long txid = 2; txid <= 10; txid++) {
            var copy = new TenantId("copy-" + txid);
            OperationRow done = fork(copy, new Point.At(new Txid(txid)));

            assertThat(done.detail().outcome().txid()).isEqualTo(txid);
            assertThat(rowsOf(copy, worker)).isEqualTo(rows(Math.toIntExact(txid) - 1));
            worker.write(copy, "z");
            Release release = released(worker, copy);
            assertThat(Txid.parse(release.lastTxid()).value()).isEqualTo(txid + 1);
            assertThatThrownBy(() -> copies.find(copy, new Point.At(new Txid(1))))
                    .isInstanceOf(PointNotFound.class);
        }
        assertThat(worker.rows(ACME)).isEqualTo(rows(9));
    }

    @Test
    void nothingIsForkedFromATombstone() {
        provision(ACME);
        catalog.tombstone(ACME).join();

        assertThatThrownBy(() -> copies.find(ACME, Point.LATEST)).isInstanceOf(TenantDeleted.class);
    }

    @Test
    void quotaOfTheForkMustHoldTheDatabase() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, "a");
        var small =
                new TenantSpec(
                        TenantSpec.DEFAULT.durability(),
                        Map.of(),
                        new dev.litefleet.worker.control.Quotas(4096, 0, 0));

        OperationRow failed = settled(begin(fork(COPY, found(Point.LATEST), small)));

        assertThat(failed.detail().failure().code()).isEqualTo("QUOTA_TOO_SMALL");
        assertThat(catalog.tenant(COPY).join()).isEmpty();
    }

    // Restore in place

    @Test
    void restoreBeginsALineageOneAboveTheLastAndEveryTxidKeepsItsState() throws IOException {
        TestWorker worker = worker("w-1");
        provision(ACME);
        var states = new TreeMap<Long, String>();
        assign.run(ACME);
        for (int i = 0; i < 5; i++) {
            worker.write(ACME, row(i));
            states.put(i + 2L, rows(i + 1));
        }
        Lineage before = tenant(ACME).lineage();

        OperationRow first = restore(new Txid(3));
        states.put(7L, states.get(3L));
        assertThat(first.detail().outcome().txid()).isEqualTo(7);
        assertThat(rowsOf(ACME, worker)).isEqualTo(states.get(3L));
        worker.write(ACME, "z");
        states.put(8L, states.get(3L) + " z");
        OperationRow undone = restore(new Txid(6));
        states.put(9L, states.get(6L));

        assertThat(undone.detail().outcome().bookmark()).matches("before-restore-20\\d\\d.*");
        assertThat(rowsOf(ACME, worker)).isEqualTo(states.get(6L));
        assertThat(tenant(ACME).lineage()).isNotEqualTo(before);
        for (Map.Entry<Long, String> state : states.entrySet()) {
            assertThat(pulled(new Point.At(new Txid(state.getKey()))))
                    .as("state %d", state.getKey())
                    .isEqualTo(state.getValue());
        }
    }

    /// Its requests wait meanwhile, and nobody is assigned what is about to end.
    @Test
    void nobodyIsAssignedATenantThatIsBeingRestored() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, "a");
        worker.write(ACME, "b");
        var held = new AtomicBoolean(true);
        var reached = new CompletableFuture<Void>();
        store.beforePut(key -> {
            if (key.startsWith("tenants/acme/") && key.contains("/0009/")) {
                reached.complete(null);
                while (held.get()) {
                    LockSupport.parkNanos(1_000_000);
                }
            }
        });
        OperationRow restore = begin(restoreTo(new Txid(2)));
        reached.join();
        var route =
                CompletableFuture.supplyAsync(() -> assign.run(ACME), Thread::startVirtualThread);

        await().until(() -> !worker.has(ACME) && tenant(ACME).session() == null && !route.isDone());
        held.set(false);

        assertThat(settled(restore).state()).isEqualTo(OperationState.SUCCEEDED);
        route.join();
        assertThat(worker.rows(ACME)).isEqualTo("a");
    }

    /// The old owner is paused, not dead: it is fenced first, and what it does later is in no
    /// history.
    @Test
    void zombieOfTheOldLineageCannotHarmTheNew() throws IOException {
        TestWorker zombie = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        zombie.write(ACME, "a");
        zombie.write(ACME, "b");
        TenantKey old = new TenantKey(ACME, tenant(ACME).lineage());
        reachable.remove(zombie.address());
        beating.remove(zombie);
        OperationRow restore = begin(restoreTo(new Txid(2)));
        TestWorker next = worker("w-2");

        assertThat(settled(restore).state()).isEqualTo(OperationState.SUCCEEDED);
        boolean acknowledged = zombie.write(ACME, "late");
        // A PUT that it sent long ago arrives now: a file beyond the end of the old lineage.
        byte[] file =
                store.get(LineageHistory.list(store, old).files().getFirst().key()).orElseThrow();
        store.putIfAbsent(
                old.prefix() + "0001/0000000000000004-0000000000000004.ltx",
                dev.litefleet.replica.objects.ObjectBody.of(file));

        assertThat(acknowledged).isFalse();
        assertThat(rowsOf(ACME, next)).isEqualTo("a");
        assertThat(pulled(new Point.At(new Txid(3)))).isEqualTo("a b");
        assertThat(pulled(new Point.At(new Txid(4)))).isEqualTo("a");
        next.write(ACME, "c");
        assertThat(pulled(Point.LATEST)).isEqualTo("a c");
    }

    // Cancelling

    /// Cancelled while it writes its snapshot: what it would have committed next is void, whatever
    /// its thread still does, and the tenant is anybody's at once.
    @Test
    void cancelledOperationChangesNothing() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, "a");
        worker.write(ACME, "b");
        Lineage lineage = tenant(ACME).lineage();
        for (String where : List.of("tenants/acme/", "tenants/copy/")) {
            var held = new AtomicBoolean(true);
            var reached = new CompletableFuture<Void>();
            store.beforePut(key -> {
                if (key.startsWith(where) && key.contains("/0009/")) {
                    reached.complete(null);
                    while (held.get()) {
                        LockSupport.parkNanos(1_000_000);
                    }
                }
            });
            OperationRow begun =
                    begin(
                            where.contains("copy")
                                    ? fork(COPY, found(Point.LATEST), TenantSpec.DEFAULT)
                                    : restoreTo(new Txid(2)));
            reached.join();

            var cancelled = (Cancellation.Done) operations.cancel(begun.id());

            assertThat(cancelled.operation().state()).isEqualTo(OperationState.FAILED);
            assertThat(settled(begun).detail().failure().code()).isEqualTo("CANCELLED");
            assertThat(rowsOf(ACME, worker)).isEqualTo("a b");
            held.set(false);
            await().until(() -> operations.working() == 0);
            assertThat(catalog.tenant(COPY).join()).isEmpty();
            assertThat(tenant(ACME).lineage()).isEqualTo(lineage);
            assertThat(settled(begun).detail().failure().code()).isEqualTo("CANCELLED");
            assertThat(operations.cancel(begun.id())).isInstanceOf(Cancellation.Finished.class);
            assertThat(copies.folder()).isEmptyDirectory();
            store.beforePut(_ -> {});
        }

        fork(COPY, Point.LATEST);
        assertThat(rowsOf(COPY, worker)).isEqualTo("a b");
        assertThat(operations.cancel("op_none")).isInstanceOf(Cancellation.NotFound.class);
    }

    // Crashes

    /// One failing write at every step: the tenant is as it was, and the same again succeeds.
    @Test
    void operationThatBreaksOffChangesNothingAndCanBeRepeated() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, "a");
        worker.write(ACME, "b");
        Lineage lineage = tenant(ACME).lineage();
        for (String where : List.of("tenants/acme/", "tenants/copy/")) {
            store.beforePut(key -> {
                if (key.startsWith(where) && key.contains("/0009/")) {
                    throw new Unavailable("PUT " + key, "held by the test", null);
                }
            });

            OperationRow failed =
                    settled(
                            begin(
                                    where.contains("copy")
                                            ? fork(COPY, found(Point.LATEST), TenantSpec.DEFAULT)
                                            : restoreTo(new Txid(2))));

            assertThat(failed.state()).isEqualTo(OperationState.FAILED);
            assertThat(failed.detail().failure().code()).isEqualTo("STORE_UNAVAILABLE");
            assertThat(catalog.tenant(COPY).join()).isEmpty();
            assertThat(tenant(ACME).lineage()).isEqualTo(lineage);
            assertThat(rowsOf(ACME, worker)).isEqualTo("a b");
        }
        store.beforePut(_ -> {});

        fork(COPY, Point.LATEST);
        restore(new Txid(2));

        assertThat(rowsOf(COPY, worker)).isEqualTo("a b");
        assertThat(rowsOf(ACME, worker)).isEqualTo("a");
    }

    /// The controller died after it had written the operation down, before or after the snapshot.
    @Test
    void successorTakesUpWhatItsPredecessorLeft() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, "a");
        worker.write(ACME, "b");
        OperationRow fork = fork(COPY, found(new Point.At(new Txid(2))), TenantSpec.DEFAULT);
        OperationRow restore = restoreTo(new Txid(2));
        OperationRow upload =
                operation(
                        OperationKind.IMPORT,
                        new TenantId("upload"),
                        OperationDetail.imported(lineage(), TenantSpec.DEFAULT));
        for (OperationRow operation : List.of(fork, restore, upload)) {
            catalog.begin(operation, Optional.empty(), 0).join();
        }
        // It came as far as the last commit of one of them.
        var key = new TenantKey(COPY, new Lineage(fork.detail().lineage()));
        store.beforePut(name -> {
            if (name.startsWith(key.prefix())) {
                throw new Unavailable("PUT " + name, "held by the test", null);
            }
        });
        assertThatThrownBy(() -> copies.fork(fork, Progress.NONE)).isInstanceOf(Unavailable.class);
        store.beforePut(_ -> {});

        operations.resume();

        assertThat(settled(fork).state()).isEqualTo(OperationState.SUCCEEDED);
        assertThat(settled(restore).state()).isEqualTo(OperationState.SUCCEEDED);
        assertThat(settled(upload).detail().failure().code()).isEqualTo("OPERATION_INTERRUPTED");
        assertThat(rowsOf(COPY, worker)).isEqualTo("a");
        assertThat(rowsOf(ACME, worker)).isEqualTo("a");
        assertThat(copies.folder()).isEmptyDirectory();
        // Once more, as after a lost answer to the last commit.
        copies.fork(fork, Progress.NONE);
        assertThat(tenant(COPY).lineage()).isEqualTo(key.lineage());
    }

    // What may not begin

    @Test
    void sameKeyIsTheSameOperationAndOneTenantHasOneAtATime() {
        TestWorker worker = worker("w-1");
        provision(ACME);
        assign.run(ACME);
        worker.write(ACME, "a");
        OperationRow fork = fork(COPY, found(Point.LATEST), TenantSpec.DEFAULT);
        var key = Optional.of(new IdempotencyKey("k", "hash"));

        assertThat(catalog.begin(fork, key, 0).join()).isEqualTo(new Begun.Started(fork));
        assertThat(
                        catalog.begin(fork(COPY, found(Point.LATEST), TenantSpec.DEFAULT), key, 0)
                                .join())
                .isEqualTo(new Begun.Again(fork));
        assertThat(catalog.begin(fork, Optional.of(new IdempotencyKey("k", "other")), 0).join())
                .isEqualTo(new Begun.KeyReused());
        assertThat(
                        catalog.begin(
                                        fork(COPY, found(Point.LATEST), TenantSpec.DEFAULT),
                                        Optional.empty(),
                                        0)
                                .join())
                .isEqualTo(new Begun.Busy(fork.id()));
        clock.advance(Duration.ofHours(25));
        assertThat(catalog.begin(fork, key, 0).join()).isEqualTo(new Begun.Busy(fork.id()));
        assertThat(catalog.begin(restoreTo(new Txid(1)), Optional.empty(), 7).join())
                .isEqualTo(new Begun.Stale(1));
        assertThat(
                        catalog.begin(
                                        fork(ACME, found(Point.LATEST), TenantSpec.DEFAULT),
                                        Optional.empty(),
                                        0)
                                .join())
                .isEqualTo(new Begun.Exists());
    }

    // Import

    @Test
    void importedDatabaseIsServedAsItWas() throws IOException {
        TestWorker worker = worker("w-1");
        Path file = copies.folder().resolve("upload");
        database(
                file,
                "create table log(line text primary key); insert into log values ('a'), ('b')");

        OperationRow done = imported(file);

        assertThat(done.state()).as("%s", done).isEqualTo(OperationState.SUCCEEDED);
        assertThat(done.detail().outcome().txid()).isEqualTo(1);
        assertThat(rowsOf(COPY, worker)).isEqualTo("a b");
        worker.write(COPY, "c");
        released(worker, COPY);
        assertThat(copies.find(COPY, Point.LATEST).latest()).isEqualTo(new Txid(2));
    }

    /// What the process of its own found is what the client hears.
    @Test
    void importedFileIsHeldAgainstTheRulesBeforeAnythingIsMade() throws IOException {
        Path file = copies.folder().resolve("upload");
        Files.writeString(file, "not a database".repeat(100));

        OperationRow failed = imported(file);

        assertThat(failed.detail().failure().code()).isEqualTo("NOT_A_DATABASE");
        assertThat(catalog.tenant(COPY).join()).isEmpty();
        assertThat(copies.folder()).isEmptyDirectory();
        assertThat(store.list("tenants/copy/", "", 1).objects()).isEmpty();
    }

    private OperationRow imported(Path file) throws IOException {
        OperationRow operation =
                operation(
                        OperationKind.IMPORT,
                        COPY,
                        OperationDetail.imported(lineage(), TenantSpec.DEFAULT));
        Files.move(file, copies.file(operation));
        return settled(begin(operation));
    }

    private static void database(Path file, String sql) {
        Sqlite.create(file, 4096);
        try (var watchdog = new Watchdog(System::nanoTime);
                var connection =
                        Sqlite.database(file, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.READ_WRITE)) {
            connection.exec(sql);
        }
    }

    // Shorthand

    private Copies.Found found(Point point) {
        return copies.find(ACME, point);
    }

    private OperationRow fork(TenantId copy, Point point) {
        OperationRow done = settled(begin(fork(copy, found(point), TenantSpec.DEFAULT)));
        assertThat(done.state()).as("%s", done).isEqualTo(OperationState.SUCCEEDED);
        return done;
    }

    private OperationRow fork(TenantId copy, Copies.Found source, TenantSpec spec) {
        return operation(
                OperationKind.FORK,
                copy,
                OperationDetail.fork(
                        lineage(), source.tenant().id(), source.plan().target(), spec));
    }

    private OperationRow restore(Txid txid) {
        OperationRow done = settled(begin(restoreTo(txid)));
        assertThat(done.state()).as("%s", done).isEqualTo(OperationState.SUCCEEDED);
        return done;
    }

    private OperationRow restoreTo(Txid txid) {
        return operation(
                OperationKind.RESTORE, ACME, OperationDetail.restore(lineage(), ACME, txid));
    }

    private OperationRow operation(OperationKind kind, TenantId target, OperationDetail detail) {
        return new OperationRow(
                "op_" + SessionId.create(clock, random).ulid(),
                kind,
                target,
                OperationState.RUNNING,
                "begin",
                detail,
                clock.instant(),
                null);
    }

    private OperationRow begin(OperationRow operation) {
        assertThat(operations.begin(operation, Optional.empty(), 0))
                .isEqualTo(new Begun.Started(operation));
        return operation;
    }

    private OperationRow settled(OperationRow operation) {
        OperationRow row = operations.settled(operation.id(), LONG).orElseThrow();
        assertThat(row.finishedAt()).as("%s", row).isNotNull();
        return row;
    }

    private String rowsOf(TenantId tenant, TestWorker worker) {
        assertThat(assign.run(tenant).address()).isEqualTo(worker.address());
        return worker.rows(tenant);
    }

    private Release released(TestWorker worker, TenantId tenant) {
        Release release = worker.release(tenant).orElseThrow();
        assertThat(
                        catalog.released(
                                        tenant,
                                        worker.session(),
                                        release.number(),
                                        new Lineage(release.lineage()),
                                        Txid.parse(release.lastTxid()))
                                .join())
                .isTrue();
        assign.forget(tenant);
        return release;
    }

    /// The rows as a copy at that point has them.
    private String pulled(Point point) throws IOException {
        Path file = folder.resolve("pull-" + pulls.incrementAndGet());
        Hydrator.hydrate(
                store, found(point).plan(), file, Hydrator.Limits.DEFAULT, tasks, Progress.NONE);
        try (var watchdog = new Watchdog(System::nanoTime);
                var connection =
                        Sqlite.database(file, SqliteLimits.DEFAULT, watchdog)
                                .connect(OpenMode.IMMUTABLE)) {
            return connection.queryText(
                    "select coalesce(group_concat(line, ' '), '') from"
                            + " (select line from log order by line)");
        }
    }

    private static String row(int index) {
        return "r%05d".formatted(index);
    }

    private static String rows(int count) {
        return IntStream.range(0, count).mapToObj(CopiesTest::row).collect(Collectors.joining(" "));
    }

    private TestWorker worker(String name) {
        var worker =
                new TestWorker(
                        name, "http://" + name + ":1", store, folder, tasks, clock, random.split());
        workers.add(worker);
        reachable.put(worker.address(), worker);
        catalog.register(
                        new SessionRow(
                                worker.session(),
                                name,
                                worker.address(),
                                1,
                                SessionState.LIVE,
                                clock.instant()),
                        1000)
                .join();
        leases.register(worker.registration(null));
        beating.add(worker);
        return worker;
    }

    private void provision(TenantId tenant) {
        catalog.provision(tenant, TenantSpec.DEFAULT, false, lineage()).join();
    }

    private Lineage lineage() {
        return new Lineage(SessionId.create(clock, random).ulid());
    }

    private TenantRow tenant(TenantId id) {
        return catalog.tenant(id).join().orElseThrow();
    }
}
