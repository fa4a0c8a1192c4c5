package dev.litefleet.controller.operation;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.RetentionConfig;
import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.Deletion;
import dev.litefleet.controller.catalog.Erasure;
import dev.litefleet.controller.catalog.HoldRow;
import dev.litefleet.controller.catalog.SessionRow;
import dev.litefleet.controller.catalog.SessionState;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.catalog.TenantState;
import dev.litefleet.controller.lease.ControllerChain;
import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.Failover;
import dev.litefleet.controller.lease.Leases;
import dev.litefleet.controller.operation.FleetException.NoWorkers;
import dev.litefleet.controller.operation.FleetException.TenantDeleted;
import dev.litefleet.controller.operation.FleetException.TenantNotFound;
import dev.litefleet.controller.testing.TestLog;
import dev.litefleet.controller.testing.TestWorker;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import dev.litefleet.testing.TestClock;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.AssignmentReply;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Assignment, release and failover with real workers in this process: each has its own commit log
/// and real databases in one store, so what is asserted is what a client would see.
final class FleetTest {
    private static final Duration LEASE = Duration.ofMillis(300);
    private static final Duration MARGIN = Duration.ofMillis(50);
    private static final Duration ROUTE_MAX = Duration.ofSeconds(10);
    private static final TenantId ACME = new TenantId("acme");

    private final TestClock clock = new TestClock();
    private final FlakyObjectStore store = new FlakyObjectStore(MemoryObjectStore.likeS3(clock));
    private final SplittableRandom random = new SplittableRandom(11);
    private final Tasks tasks = new ThreadTasks();
    private final Link link = new Link();
    private final List<TestWorker> workers = new ArrayList<>();
    private final Set<TestWorker> beating = ConcurrentHashMap.newKeySet();

    @TempDir Path folder;
    private CommitLog log;
    private Catalog catalog;
    private Leases leases;
    private Failover failover;
    private Assign assign;
    private Unassign unassign;
    private Delete delete;
    private Erase erase;
    private JanitorRounds janitor;

    /// Carries messages to workers, loses some on demand, and remembers all, to deliver them again.
    private final class Link implements WorkerLink {
        final Map<String, TestWorker> reachable = new ConcurrentHashMap<>();
        final List<Assignment> assignments = new CopyOnWriteArrayList<>();
        final List<ReleaseRequest> releases = new CopyOnWriteArrayList<>();
        volatile boolean losesReleases;

        @Override
        public AssignmentReply assign(String address, Assignment assignment) {
            assignments.add(assignment);
            return at(address).assign(assignment);
        }

        @Override
        public Optional<Release> release(String address, ReleaseRequest request) {
            releases.add(request);
            Optional<Release> release = at(address).release(request);
            if (losesReleases) {
                throw new Unreachable("answer lost");
            }
            return release;
        }

        private TestWorker at(String address) {
            TestWorker worker = reachable.get(address);
            if (worker == null) {
                throw new Unreachable("nobody at " + address);
            }
            return worker;
        }
    }

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @BeforeEach
    void open() {
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
        leases = new Leases(LEASE, MARGIN, tasks);
        assign = new Assign(catalog, leases, link, tasks, epoch::number, ROUTE_MAX);
        unassign = new Unassign(catalog, leases, link, tasks, epoch::number);
        erase = new Erase(catalog, store, tasks, clock, Duration.ofMinutes(15), Duration.ofDays(9));
        delete =
                new Delete(catalog, unassign, erase, tasks, assign::forget, Duration.ofMillis(500));
        janitor =
                new JanitorRounds(
                        catalog,
                        chain,
                        store,
                        HistoryWindows.DEFAULT,
                        Duration.ofDays(1),
                        folder,
                        tasks,
                        clock,
                        random.split(),
                        part -> leases.endPart(part.log().session(), part.part()));
        failover =
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

    /// Heartbeats of all living workers, until the leases are closed.
    private void beat() {
        while (catalog != null) {
            beating.forEach(this::beat);
            tasks.sleep(Duration.ofMillis(50));
        }
    }

    private void beat(TestWorker worker) {
        Heartbeat heartbeat = worker.heartbeat();
        leases.heartbeat(heartbeat, true);
        leases.partToEnd(heartbeat).ifPresent(worker::endPart);
        leases.partToName(worker.session())
                .ifPresent(part -> {
                    catalog.raisePart(worker.session(), part).join();
                    leases.named(worker.session(), part);
                });
    }

    @AfterEach
    void close() {
        beating.clear();
        leases.close();
        workers.forEach(TestWorker::close);
        catalog.close();
        log.close(Duration.ofSeconds(5));
        catalog = null;
    }

    // Failover

    @Test
    void acknowledgedRowsSurviveTheirWorkerAndComeBackOnTheNextRoute() {
        TestWorker first = worker("w-1");
        var acknowledged = new HashMap<TenantId, String>();
        for (int i = 0; i < 20; i++) {
            var tenant = provision("t-" + i);
            assertThat(assign.run(tenant).address()).isEqualTo(first.address());
            assertThat(first.write(tenant, "a")).isTrue();
            assertThat(first.write(tenant, "b" + i)).isTrue();
            acknowledged.put(tenant, "a b" + i);
        }
        TestWorker second = worker("w-2");

        kill(first);
        awaitClosed(first);

        acknowledged.forEach((tenant, rows) -> {
            Route route = assign.run(tenant);
            assertThat(route.session()).isEqualTo(second.session().ulid());
            assertThat(route.number()).isEqualTo(2);
            assertThat(second.rows(tenant)).isEqualTo(rows);
            assertThat(second.write(tenant, "c")).isTrue();
        });
        assertThat(state(first)).isEqualTo(SessionState.CLOSED);
    }

    /// The old worker is paused, not dead: it never hears of its end, and must not acknowledge.
    @Test
    void zombieAcknowledgesNothingAfterItsSuccessorWasAssigned() {
        TestWorker zombie = worker("w-1");
        provision("acme");
        assign.run(ACME);
        assertThat(zombie.write(ACME, "kept")).isTrue();
        TestWorker second = worker("w-2");
        beating.remove(zombie);
        awaitClosed(zombie);
        assign.run(ACME);

        assertThat(zombie.write(ACME, "lost")).isFalse();

        assertThat(zombie.ended().join()).isInstanceOf(LogEnd.Fenced.class);
        assertThat(second.rows(ACME)).isEqualTo("kept");
    }

    @Test
    void nobodyIsAssignedBeforeRecoveryHasEnded() throws Exception {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        first.write(ACME, "kept");
        TestWorker second = worker("w-2");
        store.beforePut(key -> {
            if (key.startsWith("tenants/acme/")) {
                throw new Unavailable("PUT " + key, "held by the test", null);
            }
        });
        kill(first);
        await().until(() -> state(first) == SessionState.FENCING);
        var route =
                CompletableFuture.supplyAsync(
                        () -> assign.run(ACME), task -> Thread.startVirtualThread(task));

        await().during(Duration.ofMillis(300)).until(() -> !route.isDone() && !second.has(ACME));
        assertThat(tenant(ACME).session()).isEqualTo(first.session().ulid());
        store.beforePut(_ -> {});

        assertThat(route.get(10, SECONDS).session()).isEqualTo(second.session().ulid());
        assertThat(second.rows(ACME)).isEqualTo("kept");
    }

    /// Each holds pages in memory.
    @Test
    void recoveriesThatRunAtOnceAreBounded() throws Exception {
        int count = 10;
        var dead = new ArrayList<TestWorker>();
        for (int i = 0; i < count; i++) {
            TestWorker worker = worker("w-" + i);
            dead.add(worker);
            TenantId tenant = provision("t-" + i);
            assertThat(assign.run(tenant).session()).isEqualTo(worker.session().ulid());
            assertThat(worker.write(tenant, "a")).isTrue();
        }
        var recovering = ConcurrentHashMap.<String>newKeySet();
        var go = new CountDownLatch(1);
        store.beforePut(key -> {
            if (key.startsWith("tenants/t-")) {
                recovering.add(key.split("/")[1]);
                uninterruptibly(go);
            }
        });

        dead.forEach(this::kill);

        await().until(() -> dead.stream().allMatch(this::isFenced));
        await().during(Duration.ofMillis(200))
                .until(() -> recovering.size() == Failover.RECOVERING_MAX);
        go.countDown();
        dead.forEach(this::awaitClosed);
        assertThat(recovering).hasSize(count);
    }

    private static void uninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException stopped) {
            throw new IllegalStateException(stopped);
        }
    }

    /// Its first slot is as small as a fence.
    private boolean isFenced(TestWorker worker) {
        return store.calm()
                .listAll(worker.log().prefix())
                .anyMatch(object -> object.size() <= 512 && !object.key().endsWith("1.zip"));
    }

    /// Its disk may hold what the store does not.
    @Test
    void tenantsGoBackToTheWorkerThatHadThemThoughAnotherIsEmptier() {
        TestWorker first = worker("w-1");
        for (int i = 0; i < 3; i++) {
            TenantId tenant = provision("t-" + i);
            assign.run(tenant);
            assertThat(first.write(tenant, "a")).isTrue();
        }
        kill(first);
        awaitClosed(first);
        TestWorker other = worker("w-2");
        TestWorker again = worker("w-1");

        for (int i = 0; i < 3; i++) {
            assertThat(assign.run(new TenantId("t-" + i)).session())
                    .isEqualTo(again.session().ulid());
        }

        assertThat(assign.run(provision("new")).session()).isEqualTo(other.session().ulid());
        assertThat(again.rows(new TenantId("t-2"))).isEqualTo("a");
    }

    /// Nobody waits for a worker that is away.
    @Test
    void tenantsOfAWorkerThatIsAwayGoToAnother() {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        assertThat(first.write(ACME, "a")).isTrue();
        kill(first);
        awaitClosed(first);
        TestWorker other = worker("w-2");

        assertThat(assign.run(ACME).session()).isEqualTo(other.session().ulid());
        worker("w-1");

        assertThat(assign.run(ACME).session()).isEqualTo(other.session().ulid());
        assertThat(other.rows(ACME)).isEqualTo("a");
    }

    /// A lease that nobody waits for any more.
    @Test
    void restartedWorkerThatProvesItsPredecessorDeadTakesOverAtOnce() {
        leases = new Leases(Duration.ofDays(1), MARGIN, tasks);
        assign = new Assign(catalog, leases, link, tasks, () -> 1, ROUTE_MAX);
        var patient =
                new Failover(catalog, leases, store, epoch(1), folder, tasks, random, _ -> {});
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        first.write(ACME, "kept");
        link.reachable.clear();
        beating.clear();
        TestWorker again = worker("w-1b");

        patient.start(first.session(), true);
        awaitClosed(first);

        assertThat(assign.run(ACME).session()).isEqualTo(again.session().ulid());
        assertThat(again.rows(ACME)).isEqualTo("kept");
    }

    /// C2: plain reads of the old worker may still be served, so nobody else may write yet.
    @Test
    void nothingIsFencedBeforeTheLeaseHasCertainlyEnded() {
        leases = new Leases(Duration.ofDays(1), MARGIN, tasks);
        var patient =
                new Failover(
                        catalog, leases, store, epoch(1), folder, tasks, random.split(), _ -> {});
        assign = new Assign(catalog, leases, link, tasks, () -> 1, ROUTE_MAX);
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        leases.heartbeat(first.heartbeat(), true);

        patient.start(first.session(), false);

        await().until(() -> state(first) == SessionState.FENCING);
        await().during(Duration.ofMillis(200)).until(() -> first.write(ACME, "r" + tasks.nanos()));
        patient.start(first.session(), true);
        awaitClosed(first);
        assertThat(first.write(ACME, "lost")).isFalse();
    }

    @Test
    void failoverMayBeRepeatedAndDoneByTwoAtOnce() throws Exception {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        first.write(ACME, "kept");
        beating.remove(first);
        var other = new Failover(catalog, leases, store, epoch(2), folder, tasks, random, _ -> {});

        other.start(first.session(), true);
        failover.start(first.session(), true);
        awaitClosed(first);
        failover.start(first.session(), true);

        TestWorker second = worker("w-2");
        assign.run(ACME);
        assertThat(second.rows(ACME)).isEqualTo("kept");
    }

    /// Late, repeated and reordered messages: every message ever sent is delivered again at random
    /// moments, while tenants move by release, by death and by resurrection.
    @Seeds(12)
    void lateAndRepeatedMessagesAreHarmless(long seed) {
        var chance = new SplittableRandom(seed);
        var acknowledged = new TreeSet<String>();
        provision("acme");
        worker("w-0");
        for (int step = 1; step <= 25; step++) {
            switch (chance.nextInt(4)) {
                case 0 -> {
                    if (beating.size() < 3) {
                        worker("w-" + step);
                    }
                }
                case 1 -> {
                    TenantRow row = tenant(ACME);
                    if (row.session() != null) {
                        unassign.run(ACME, row.session(), row.assignment(), Duration.ofSeconds(5));
                    }
                }
                case 2 -> {
                    if (beating.size() > 1) {
                        TestWorker victim = beating.iterator().next();
                        beating.remove(victim);
                        failover.start(victim.session(), true);
                        awaitClosed(victim);
                    }
                }
                default -> replay(chance);
            }
            assign.run(ACME);
            for (TestWorker worker : workers) {
                String row = "s%03d-%s".formatted(step, worker.address().substring(7));
                if (worker.write(ACME, row)) {
                    acknowledged.add(row);
                }
            }
        }
        Route route = assign.run(ACME);
        TestWorker owner = link.reachable.get(route.address());

        var rows = new TreeSet<>(List.of(owner.rows(ACME).split(" ")));

        assertThat(rows).containsAll(acknowledged);
        assertThat(workers.stream().filter(worker -> worker.write(ACME, "last")).toList())
                .containsExactly(owner);
    }

    private void replay(SplittableRandom chance) {
        for (int i = 0; i < 3; i++) {
            if (!link.assignments.isEmpty()) {
                Assignment copy = link.assignments.get(chance.nextInt(link.assignments.size()));
                workers.forEach(worker -> worker.assign(copy));
            }
            if (!link.releases.isEmpty()) {
                ReleaseRequest copy = link.releases.get(chance.nextInt(link.releases.size()));
                workers.forEach(worker -> worker.release(copy).ifPresent(unassign::take));
            }
        }
    }

    // Assignment

    @Test
    void tenantsSpreadOverTheWorkers() {
        TestWorker first = worker("w-1");
        TestWorker second = worker("w-2");
        int[] count = new int[2];

        for (int i = 0; i < 10; i++) {
            Route route = assign.run(provision("t-" + i));
            count[route.address().equals(first.address()) ? 0 : 1]++;
        }

        assertThat(count).containsExactly(5, 5);
        assertThat(second.has(new TenantId("t-1"))).isTrue();
    }

    @Test
    void unknownAndDeletedTenantsHaveNoRoute() {
        worker("w-1");
        provision("acme");
        delete.run(ACME);

        assertThatThrownBy(() -> assign.run(ACME)).isInstanceOf(TenantDeleted.class);
        assertThatThrownBy(() -> assign.run(new TenantId("nobody")))
                .isInstanceOf(TenantNotFound.class);
    }

    @Test
    void routeWaitsForAWorkerButNotForEver() {
        provision("acme");
        var hasty = new Assign(catalog, leases, link, tasks, () -> 1, Duration.ofMillis(50));
        assertThatThrownBy(() -> hasty.run(ACME))
                .isInstanceOf(NoWorkers.class)
                .hasMessageContaining("0 workers");
        var waiting =
                CompletableFuture.supplyAsync(
                        () -> assign.run(ACME), task -> Thread.startVirtualThread(task));

        TestWorker first = worker("w-1");

        assertThat(waiting.join().session()).isEqualTo(first.session().ulid());
    }

    @Test
    void acknowledgedAssignmentIsNotSentAgain() {
        worker("w-1");
        provision("acme");
        Route route = assign.run(ACME);

        assertThat(assign.run(ACME)).isEqualTo(route);
        assertThat(link.assignments).hasSize(1);
        assign.doubt(ACME, route);
        assertThat(assign.run(ACME)).isEqualTo(route);
        assertThat(link.assignments).hasSize(2);
    }

    /// The worker gave the tenant back and nobody heard of it.
    @Test
    void lostReportOfAReleaseDoesNotStrandTheTenant() {
        TestWorker first = worker("w-1");
        provision("acme");
        Route route = assign.run(ACME);
        first.write(ACME, "kept");
        first.release(ACME);
        TestWorker second = worker("w-2");

        assign.doubt(ACME, route);
        Route next = assign.run(ACME);

        assertThat(next.number()).isEqualTo(2);
        assertThat(next.session()).isEqualTo(second.session().ulid());
        assertThat(second.rows(ACME)).isEqualTo("kept");
    }

    // Deletion

    @Test
    void deletedTenantIsReleased() {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);

        assertThat(delete.run(ACME)).isEqualTo(new Deletion.Done(TestClock.START, true));

        assertThat(first.has(ACME)).isFalse();
        assertThat(tenant(ACME).state()).isEqualTo(TenantState.DELETED);
        assertThat(delete.run(ACME)).isEqualTo(new Deletion.Done(TestClock.START, true));
    }

    @Test
    void deletionGoesOnBehindAnUnreachableWorker() {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        link.reachable.remove(first.address());

        assertThat(delete.run(ACME)).isEqualTo(new Deletion.Done(TestClock.START, false));
        link.reachable.put(first.address(), first);

        await().until(() -> tenant(ACME).session() == null);
        assertThat(first.has(ACME)).isFalse();
    }

    /// The worker that had the tenant is cut off and still alive.
    @Test
    void zombieCannotBringADeletedTenantBack() {
        TestWorker zombie = worker("w-1");
        provision("acme");
        assign.run(ACME);
        assertThat(zombie.write(ACME, "kept")).isTrue();
        Lineage lineage = tenant(ACME).lineage();
        kill(zombie);
        delete.run(ACME);
        awaitClosed(zombie);

        assertThat(zombie.write(ACME, "lost")).isFalse();
        assertThat(catalog.erasure(ACME).join().orElseThrow().receipt()).isNull();
        clock.advance(Duration.ofMinutes(15));
        assertThat(erase.erase(ACME)).isTrue();

        Erasure erasure = catalog.erasure(ACME).join().orElseThrow();
        assertThat(erasure.receipt()).isNotNull();
        assertThat(erasure.receipt().emptyAt()).isEqualTo(clock.instant());
        assertThat(erasure.erasedBy()).isEqualTo(erasure.unheldAt().plus(Duration.ofDays(9)));
        assertThat(store.listAll("tenants/acme/")).isEmpty();
        assertThatThrownBy(() -> assign.run(ACME)).isInstanceOf(TenantDeleted.class);
        // A request that was signed in time and still came late, or a second recovery's.
        String late = new TenantKey(ACME, lineage).prefix() + "0001/late";
        store.putIfAbsent(late, ObjectBody.of(new byte[200]));
        clock.advance(Duration.ofHours(25));
        janitor.round();
        clock.advance(Duration.ofHours(25));
        janitor.round();
        assertThat(store.get(late)).isEmpty();
        // By then its commits have gone from the shared log too, but not those of the catalog.
        clock.advance(Duration.ofDays(8));
        janitor.round();
        clock.advance(Duration.ofHours(25));
        janitor.round();
        LogName log = catalog.session(zombie.session()).join().orElseThrow().log();
        assertThat(store.listAll(log.prefix())).allMatch(object -> object.size() <= 512);
        assertThat(store.listAll(this.log.name().prefix())).isNotEmpty();
        assertThat(catalog.tenant(ACME).join()).isPresent();
    }

    /// The janitor asks the catalog whether a log is closed, so its row stays as long as anything
    /// of the log does.
    @Test
    void closedSessionIsForgottenWhenNothingButFencesIsLeftOfItsLog() {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        assertThat(first.write(ACME, "a")).isTrue();
        kill(first);
        awaitClosed(first);
        clock.advance(Duration.ofDays(31));
        janitor.round(); // Plans the segments, and deletes nothing yet.
        assertThat(catalog.session(first.session()).join()).isPresent();
        LogName log = catalog.session(first.session()).join().orElseThrow().log();

        clock.advance(Duration.ofHours(25));
        janitor.round();

        assertThat(catalog.session(first.session()).join()).isEmpty();
        assertThat(store.listAll(log.prefix()))
                .isNotEmpty()
                .allMatch(object -> object.size() <= 512);
        assertThat(tenant(ACME).state()).isEqualTo(TenantState.HIBERNATED);
    }

    /// P8: nothing else would ever end the part of a worker that is idle.
    @Test
    void deletedTenantOnAnIdleWorkerIsErasedByThen() {
        TestWorker idle = worker("w-1");
        TenantId other = provision("other");
        provision("acme");
        for (TenantId tenant : List.of(other, ACME)) {
            assign.run(tenant);
            assertThat(idle.write(tenant, "a")).isTrue();
        }
        idle.trim(1, 0); // Drains.
        delete.run(ACME);
        clock.advance(Duration.ofMinutes(15));
        assertThat(erase.erase(ACME)).isTrue();
        Instant by = tenant(ACME).deletedAt().plus(RetentionConfig.DEFAULT.segments());
        clock.advance(Duration.ofHours(6));
        janitor.round();
        await().until(() -> idle.heartbeat().part() == 2);
        await().until(() -> catalog.session(idle.session()).join().orElseThrow().part() == 2);
        assertThat(mentions(idle, ACME)).isPositive();

        for (int day = 1; day < 10; day++) {
            clock.advance(Duration.ofDays(1));
            janitor.round();
        }

        assertThat(clock.instant()).isBefore(by);
        assertThat(mentions(idle, ACME)).isZero();
        assertThat(idle.write(other, "b")).isTrue();
        assertThat(idle.rows(other)).isEqualTo("a b");
    }

    @Test
    void idleWorkerWithoutADeletedTenantIsLeftInPeace() {
        TestWorker idle = worker("w-1");
        TenantId other = provision("other");
        assign.run(other);
        assertThat(idle.write(other, "a")).isTrue();
        idle.trim(1, 0);
        provision("acme");
        delete.run(ACME);
        clock.advance(Duration.ofHours(6));
        long before = store.listAll(idle.log().prefix()).count();

        for (int day = 1; day < 10; day++) {
            clock.advance(Duration.ofDays(1));
            janitor.round();
            assertThat(leases.partToEnd(idle.heartbeat())).isEmpty();
        }

        assertThat(store.listAll(idle.log().prefix())).hasSize((int) before);
    }

    /// Segments of a worker's log that name a tenant.
    private long mentions(TestWorker worker, TenantId tenant) {
        return store.listAll(worker.log().prefix())
                .map(object -> store.get(object.key()).orElseThrow())
                .filter(bytes -> new String(bytes, ISO_8859_1).contains(tenant + "/"))
                .count();
    }

    /// The first pass is at once, the receipt only when no old request can arrive any more.
    @Test
    void receiptWaitsForWhatWasSignedBefore() {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        first.write(ACME, "a");
        delete.run(ACME);
        await().until(() -> store.listAll("tenants/acme/").findAny().isEmpty());

        clock.advance(Duration.ofMinutes(14));

        assertThat(catalog.erasure(ACME).join().orElseThrow().receipt()).isNull();
        assertThat(catalog.unerased().join()).containsExactly(ACME);
    }

    @Test
    void heldTenantIsNotDeleted() {
        provision("acme");
        var hold =
                new HoldRow(
                        "inc-482",
                        new HeldRange(new Txid(1), HeldRange.OPEN),
                        "INC-482",
                        clock.instant(),
                        clock.instant().plus(Duration.ofDays(30)));
        catalog.hold(ACME, hold).join();

        assertThat(delete.run(ACME)).isEqualTo(new Deletion.Held(List.of(hold)));
        assertThat(tenant(ACME).state()).isEqualTo(TenantState.HIBERNATED);

        clock.advance(Duration.ofDays(30));
        assertThat(delete.run(ACME)).isInstanceOf(Deletion.Done.class);
    }

    @Test
    void lostAnswerToAReleaseIsFoundOut() {
        TestWorker first = worker("w-1");
        provision("acme");
        assign.run(ACME);
        link.losesReleases = true;

        assertThat(delete.run(ACME)).isInstanceOf(Deletion.Done.class);
        link.losesReleases = false;

        await().until(() -> tenant(ACME).session() == null);
        assertThat(first.has(ACME)).isFalse();
    }

    private Supplier<Epoch> epoch(long number) {
        var epoch = new Epoch(number, SessionId.create(clock, random));
        return () -> epoch;
    }

    private TestWorker worker(String name) {
        var worker =
                new TestWorker(
                        name, "http://" + name + ":1", store, folder, tasks, clock, random.split());
        workers.add(worker);
        link.reachable.put(worker.address(), worker);
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

    private void kill(TestWorker worker) {
        beating.remove(worker);
        link.reachable.remove(worker.address());
    }

    private void awaitClosed(TestWorker worker) {
        await().pollInterval(Duration.ofMillis(5))
                .until(() -> state(worker) == SessionState.CLOSED);
    }

    private SessionState state(TestWorker worker) {
        return catalog.session(worker.session()).join().orElseThrow().state();
    }

    private TenantId provision(String name) {
        var tenant = new TenantId(name);
        var lineage = new Lineage(SessionId.create(clock, random).ulid());
        catalog.provision(tenant, TenantSpec.DEFAULT, false, lineage).join();
        return tenant;
    }

    private TenantRow tenant(TenantId id) {
        return catalog.tenant(id).join().orElseThrow();
    }
}
