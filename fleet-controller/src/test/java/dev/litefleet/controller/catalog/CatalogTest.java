package dev.litefleet.controller.catalog;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.placement.Placement.Decision;
import dev.litefleet.controller.testing.TestLog;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.Erased;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.service.Problem;
import dev.litefleet.service.PublicKeyJwk;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.TestClock;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.Quotas;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The catalog on real SQLite, shipped by the real log into a store in memory.
final class CatalogTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final TenantSpec SPEC =
            new TenantSpec(Durability.ASYNC, Map.of("team", "red"), new Quotas(1, 2, 3));

    private final FlakyObjectStore store = new FlakyObjectStore();
    private final CountingObjectStore counted = new CountingObjectStore(store);
    private final TestClock clock = new TestClock();
    private final SplittableRandom random = new SplittableRandom(7);
    private final Tasks tasks = new ThreadTasks();
    private final TenantKey key =
            new TenantKey(TenantId.CATALOG, new Lineage(SessionId.create(clock, random).ulid()));
    private final SessionId one = SessionId.create(clock, random);
    private final SessionId two = SessionId.create(clock, random);

    @TempDir Path folder;
    private int opened;
    private CommitLog log;
    private Catalog catalog;

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @BeforeEach
    void open() {
        var name = new LogName(LogName.CONTROLLER, SessionId.create(clock, random));
        var end = new CompletableFuture<LogEnd>();
        log = TestLog.open(counted, name, tasks, clock, random.split(), end::complete);
        catalog =
                Catalog.open(
                        key,
                        new Catalog.Beginning(
                                folder.resolve("catalog-" + opened++),
                                Txid.NONE,
                                new Shipping(
                                        log, counted, folder, tasks, clock, ShippingConfig.DEFAULT),
                                end));
    }

    @AfterEach
    void close() {
        store.down(false);
        store.releasePuts();
        catalog.close();
        log.close(Duration.ofSeconds(5));
    }

    // Tenants

    @Test
    void newTenantHasItsSpecAndNobody() {
        var created = (Provisioned.Created) provision(ACME, SPEC);

        TenantRow row = tenant(ACME);
        assertThat(row).isEqualTo(created.tenant());
        assertThat(row.spec()).isEqualTo(SPEC);
        assertThat(row.state()).isEqualTo(TenantState.HIBERNATED);
        assertThat(row.session()).isNull();
        assertThat(row.txidFloor()).isEqualTo(Txid.NONE);
        assertThat(row.createdAt()).isEqualTo(TestClock.START);
    }

    @Test
    void provisioningAgainChangesNothing() {
        provision(ACME, SPEC);
        TenantRow before = tenant(ACME);

        assertThat(provision(ACME, SPEC)).isEqualTo(new Provisioned.AlreadyThere(before));
        assertThat(catalog.provision(ACME, TenantSpec.DEFAULT, true, lineage()).join())
                .isEqualTo(new Provisioned.AlreadyThere(before));
    }

    @Test
    void anotherSpecReplacesTheFirst() {
        provision(ACME, SPEC);
        TenantRow before = tenant(ACME);
        var spec = new TenantSpec(Durability.SYNC, Map.of("team", "blue"), Quotas.DEFAULT);

        assertThat(provision(ACME, spec)).isEqualTo(new Provisioned.Updated(tenant(ACME), SPEC));

        assertThat(tenant(ACME).spec()).isEqualTo(spec);
        assertThat(tenant(ACME).etag()).isEqualTo(before.etag() + 1);
        assertThat(tenant(ACME).lineage()).isEqualTo(before.lineage());
        assertThat(page(Map.of("team", "red"))).isEmpty();
    }

    @Test
    void tombstoneStaysForEver() {
        provision(ACME, SPEC);

        TenantRow gone = catalog.tombstone(ACME).join().orElseThrow();
        clock.advance(Duration.ofDays(1));

        assertThat(gone.deletedAt()).isEqualTo(TestClock.START);
        assertThat(gone.tokenGen()).isEqualTo(2);
        assertThat(catalog.tombstone(ACME).join()).contains(gone);
        assertThat(provision(ACME, SPEC)).isEqualTo(new Provisioned.Deleted(ACME, TestClock.START));
        assertThat(assign(ACME, one)).isEqualTo(new Assigned.Deleted());
        assertThat(page(Map.of())).isEmpty();
        assertThat(catalog.tombstone(new TenantId("nobody")).join()).isEmpty();
    }

    // Retention

    @Test
    void holdLastsUntilItIsReleasedOrOver() {
        provision(ACME, SPEC);
        HoldRow open = hold("open", new HeldRange(new Txid(3), HeldRange.OPEN), null);
        HoldRow day =
                hold(
                        "day",
                        new HeldRange(new Txid(3), new Txid(9)),
                        clock.instant().plus(Duration.ofDays(1)));

        assertThat(catalog.hold(ACME, open).join()).isEqualTo(new Holding.Held(open, true));
        assertThat(catalog.hold(ACME, day).join()).isEqualTo(new Holding.Held(day, true));
        assertThat(catalog.hold(ACME, day).join()).isEqualTo(new Holding.Held(day, false));
        assertThat(catalog.holds(ACME).join()).containsExactly(day, open);
        assertThatThrownBy(() -> catalog.tombstone(ACME).join())
                .hasCauseInstanceOf(TenantHeld.class);
        assertThat(tenant(ACME).deletedAt()).isNull();
        clock.advance(Duration.ofDays(1));
        assertThat(catalog.holds(ACME).join()).containsExactly(open);
        assertThat(catalog.releaseHold(ACME, "day").join()).isFalse();
        assertThat(catalog.releaseHold(ACME, "open").join()).isTrue();
        assertThat(catalog.tombstone(ACME).join()).isPresent();
        assertThat(catalog.hold(ACME, hold("late", day.range(), null)).join())
                .isEqualTo(new Holding.Deleted());
        assertThat(catalog.hold(new TenantId("nobody"), open).join())
                .isEqualTo(new Holding.NotFound());
    }

    @Test
    void tenantHasSoManyHolds() {
        provision(ACME, SPEC);
        var range = new HeldRange(new Txid(1), HeldRange.OPEN);
        for (int i = 0; i < RetentionTables.HOLDS_MAX; i++) {
            catalog.hold(ACME, hold("h-" + i, range, null)).join();
        }

        assertThat(catalog.hold(ACME, hold("one-more", range, null)).join())
                .isEqualTo(new Holding.TooMany(RetentionTables.HOLDS_MAX));
        assertThat(catalog.hold(ACME, hold("h-3", range, null)).join())
                .isInstanceOf(Holding.Held.class);
    }

    private HoldRow hold(String name, HeldRange range, @Nullable Instant until) {
        return new HoldRow(name, range, "because", TestClock.START, until);
    }

    @Test
    void lineageIsNamedWhileItsTenantLives() {
        provision(ACME, SPEC);
        var range = new HeldRange(new Txid(2), new Txid(5));
        catalog.hold(ACME, hold("h", range, null)).join();
        var key = new TenantKey(ACME, tenant(ACME).lineage());
        HistoryWindows windows = HistoryWindows.DEFAULT;

        assertThat(catalog.lineage(key, windows).join())
                .isEqualTo(new LineageState.Named(windows, List.of(range), Optional.empty()));
        assertThat(catalog.lineage(new TenantKey(ACME, lineage()), windows).join())
                .isEqualTo(new LineageState.Unnamed());
        catalog.releaseHold(ACME, "h").join();
        catalog.tombstone(ACME).join();
        assertThat(catalog.lineage(key, windows).join()).isEqualTo(new LineageState.Unnamed());
    }

    /// A restore may take days; until it is done the tenant is written in the old lineage.
    @Test
    void lineageEndsWhenItsRestoreEndsNotWhenItBegan() {
        provision(ACME, SPEC);
        Lineage old = tenant(ACME).lineage();
        clock.advance(Duration.ofMillis(1));
        var operation =
                new OperationRow(
                        "op_1",
                        OperationKind.RESTORE,
                        ACME,
                        OperationState.RUNNING,
                        "begin",
                        OperationDetail.restore(lineage(), ACME, new Txid(3)),
                        clock.instant(),
                        null);
        assertThat(catalog.begin(operation, Optional.empty(), 0).join())
                .isInstanceOf(Begun.Started.class);
        clock.advance(Duration.ofDays(2));
        Instant ended = clock.instant();

        assertThat(
                        catalog.restored(
                                        operation,
                                        old,
                                        new Txid(9),
                                        new OperationDetail.Outcome(
                                                10, clock.millis(), 4096, "before-restore-1"))
                                .join())
                .isTrue();

        clock.advance(Duration.ofDays(1));
        assertThat(
                        ((LineageState.Named)
                                        catalog.lineage(
                                                        new TenantKey(ACME, old),
                                                        HistoryWindows.DEFAULT)
                                                .join())
                                .ended())
                .contains(ended);
    }

    @Test
    void lineageOfARunningOperationIsNamed() {
        Lineage fresh = lineage();
        var operation =
                new OperationRow(
                        "op_1",
                        OperationKind.IMPORT,
                        ACME,
                        OperationState.RUNNING,
                        "begin",
                        OperationDetail.imported(fresh, SPEC),
                        clock.instant(),
                        null);
        assertThat(catalog.begin(operation, Optional.empty(), 0).join())
                .isInstanceOf(Begun.Started.class);

        assertThat(catalog.lineage(new TenantKey(ACME, fresh), HistoryWindows.DEFAULT).join())
                .isInstanceOf(LineageState.Named.class);
        assertThat(catalog.lineage(new TenantKey(ACME, lineage()), HistoryWindows.DEFAULT).join())
                .isInstanceOf(LineageState.Unnamed.class);
    }

    @Test
    void tombstoneIsUnheldWhenItsSessionHasReleasedIt() {
        register(one);
        provision(ACME, SPEC);
        var held = (Assigned.To) assign(ACME, one);
        catalog.tombstone(ACME).join();
        assertThat(erasure().unheldAt()).isNull();
        clock.advance(Duration.ofMinutes(1));

        release(held, 0);

        assertThat(erasure().unheldAt()).isEqualTo(clock.instant());
        assertThat(erasure().receipt()).isNull();
        catalog.erasedSome(ACME, new Erased(2, 20, 1, 0, ""), 1).join();
        catalog.erasedSome(ACME, new Erased(1, 10, 0, 0, ""), 0).join();
        assertThat(catalog.unerased().join()).containsExactly(ACME);
        catalog.erased(ACME, clock.instant(), clock.instant().plusSeconds(9)).join();
        catalog.erased(ACME, clock.instant().plusSeconds(5), clock.instant()).join();
        assertThat(erasure().receipt())
                .isEqualTo(new Erasure.Receipt(3, 30, 1, 1, clock.instant(), clock.instant()));
        assertThat(erasure().erasedBy()).isEqualTo(clock.instant().plusSeconds(9));
        assertThat(catalog.unerased().join()).isEmpty();
    }

    @Test
    void tombstoneIsUnheldWhenItsSessionIsClosed() {
        register(one);
        provision(ACME, SPEC);
        assign(ACME, one);
        catalog.tombstone(ACME).join();
        catalog.fencing(one).join();
        clock.advance(Duration.ofMinutes(1));

        catalog.closed(one, Map.of()).join();

        assertThat(erasure().unheldAt()).isEqualTo(clock.instant());
    }

    private Erasure erasure() {
        return catalog.erasure(ACME).join().orElseThrow();
    }

    /// Restarts of the controller do not put the janitor off. What has ended is remembered for 30
    /// days, what runs as long as it runs.
    @Test
    void catalogForgetsWhatIsOver() {
        OperationRow ended = operation("op_01J00000000000000000000001", "one");
        OperationRow running = operation("op_01J00000000000000000000002", "two");
        catalog.begin(ended, Optional.of(new IdempotencyKey("k", "hash")), 0).join();
        catalog.begin(running, Optional.empty(), 0).join();
        catalog.failed(ended, new Problem(500, "X", "x", false)).join();
        catalog.cleaned("{}").join();
        clock.advance(Duration.ofDays(29));
        assertThat(catalog.prune().join()).isFalse();
        assertThat(catalog.operation(ended.id()).join()).isPresent();
        assertThat(events(ended)).hasSize(2);

        clock.advance(Duration.ofDays(2));
        Instant cleaned = catalog.lastCleaning().join();
        catalog.prune().join();

        assertThat(catalog.operation(ended.id()).join()).isEmpty();
        assertThat(events(ended)).isEmpty();
        assertThat(catalog.operation(running.id()).join()).isPresent();
        assertThat(catalog.lastCleaning().join()).isEqualTo(cleaned);
        assertThat(catalog.begin(ended, Optional.of(new IdempotencyKey("k", "other")), 0).join())
                .isInstanceOf(Begun.Started.class);
    }

    /// A repeated request must find what the first one began.
    @Test
    void operationOfAKeyThatCountsIsNotForgotten() {
        OperationRow ended = operation("op_01J00000000000000000000001", "one");
        catalog.begin(ended, Optional.empty(), 0).join();
        catalog.failed(ended, new Problem(500, "X", "x", false)).join();
        clock.advance(Duration.ofDays(31));
        OperationRow late = operation("op_01J00000000000000000000003", "one");
        catalog.begin(late, Optional.of(new IdempotencyKey("k", "hash")), 0).join();
        catalog.failed(late, new Problem(500, "X", "x", false)).join();

        catalog.prune().join();

        assertThat(catalog.operation(ended.id()).join()).isEmpty();
        assertThat(catalog.begin(late, Optional.of(new IdempotencyKey("k", "hash")), 0).join())
                .isInstanceOf(Begun.Again.class);
    }

    private OperationRow operation(String id, String target) {
        return new OperationRow(
                id,
                OperationKind.IMPORT,
                new TenantId(target),
                OperationState.RUNNING,
                "begin",
                OperationDetail.imported(lineage(), SPEC),
                clock.instant(),
                null);
    }

    @Test
    void commitsInQuarantineAreOneEventHoweverOftenTheyAreReported() {
        var lost =
                new Lost(
                        "w-1",
                        ACME.name(),
                        lineage().ulid(),
                        one.ulid(),
                        new Txid(7).toString(),
                        new Txid(9).toString(),
                        4096,
                        "the tenant was elsewhere");
        var unknown =
                new Lost("w-1", ACME.name(), lost.lineage(), one.ulid(), null, null, 32, "torn");

        for (Lost report : List.of(lost, unknown, lost)) {
            catalog.lost(report).join();
        }

        var query = new EventQuery(0, "commits_quarantined", ACME.name(), "", 100);
        assertThat(catalog.events(query).join())
                .hasSize(2)
                .allSatisfy(event -> assertThat(event.session()).isEqualTo(one.ulid()))
                .first()
                .satisfies(event ->
                        assertThat(event.detail())
                                .contains("\"first\":\"0000000000000007\"")
                                .contains("\"last\":\"0000000000000009\""));
    }

    private List<EventRow> events(OperationRow operation) {
        return catalog.events(new EventQuery(0, "", "", operation.id(), 100)).join();
    }

    /// G7: the janitor takes the tenant's own windows, cut to the fleet's.
    @Test
    void lineageIsKeptAsItsTenantAsks() {
        var fleet = new HistoryWindows(Duration.ofDays(7), Duration.ofDays(30));
        var own = new OwnWindows(Duration.ofDays(2), Duration.ofDays(90));
        provision(ACME, new TenantSpec(Durability.SYNC, Map.of(), Quotas.DEFAULT, own));
        var acme = new TenantKey(ACME, tenant(ACME).lineage());

        assertThat(tenant(ACME).spec().windows()).isEqualTo(own);
        assertThat(((LineageState.Named) catalog.lineage(acme, fleet).join()).windows())
                .isEqualTo(new HistoryWindows(Duration.ofDays(2), Duration.ofDays(90)));
        var shorter = new HistoryWindows(Duration.ofDays(1), Duration.ofDays(30));
        assertThat(((LineageState.Named) catalog.lineage(acme, shorter).join()).windows())
                .isEqualTo(new HistoryWindows(Duration.ofDays(1), Duration.ofDays(90)));
        long etag = tenant(ACME).etag();
        assertThat(catalog.change(ACME, etag + 1, SPEC).join()).isEqualTo(new Changed.Stale(etag));
        assertThat(catalog.change(ACME, etag, SPEC).join()).isInstanceOf(Changed.Done.class);
        assertThat(((LineageState.Named) catalog.lineage(acme, fleet).join()).windows())
                .isEqualTo(fleet);
    }

    @Test
    void janitorIsDueAfterItsLastRoundWhoeverRanIt() {
        register(one);
        Instant began = clock.instant();
        clock.advance(Duration.ofHours(5));
        assertThat(catalog.lastCleaning().join()).isEqualTo(began);
        catalog.cleaningBegins().join();
        clock.advance(Duration.ofMinutes(1));
        catalog.cleaned("{}").join();
        Instant ran = clock.instant();
        clock.advance(Duration.ofHours(5));

        restart();

        assertThat(catalog.lastCleaning().join()).isEqualTo(ran);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 100})
    void pagesAddUpToTheWhole(int limit) {
        for (int i = 0; i < 20; i++) {
            provision(new TenantId("t-" + i), TenantSpec.DEFAULT);
        }
        var ids = new ArrayList<String>();
        String after = "";

        do {
            TenantPage page =
                    catalog.tenants(new TenantQuery("", Map.of(), null, after, limit)).join();
            page.tenants().forEach(tenant -> ids.add(tenant.id().name()));
            after = page.next();
        } while (!after.isEmpty());

        assertThat(ids).isSorted().doesNotHaveDuplicates().hasSize(20);
    }

    @Test
    void listsByPrefixLabelsAndState() {
        register(one);
        provision(new TenantId("a1"), labelled("env", "dev", "team", "red"));
        provision(new TenantId("a2"), labelled("env", "prod", "team", "red"));
        provision(new TenantId("a-3"), labelled("env", "prod", "team", "blue"));
        provision(new TenantId("b1"), labelled("env", "prod", "team", "red"));
        assign(new TenantId("b1"), one);

        assertThat(page(Map.of("team", "red"))).containsExactly("a1", "a2", "b1");
        assertThat(page(Map.of("team", "red", "env", "prod"))).containsExactly("a2", "b1");
        assertThat(ids(new TenantQuery("a", Map.of("env", "prod"), null, "", 10)))
                .containsExactly("a-3", "a2");
        assertThat(ids(new TenantQuery("a2", Map.of(), null, "", 10))).containsExactly("a2");
        assertThat(ids(new TenantQuery("", Map.of(), TenantState.ACTIVE, "", 10)))
                .containsExactly("b1");
        catalog.tombstone(new TenantId("a1")).join();
        assertThat(ids(new TenantQuery("", Map.of(), TenantState.DELETED, "", 10)))
                .containsExactly("a1");
    }

    // Assignments

    @Test
    void everyAssignmentHasANewNumber() {
        register(one);
        register(two);
        provision(ACME, SPEC);

        var first = (Assigned.To) assign(ACME, one);
        assertThat(assign(ACME, two)).isEqualTo(first);
        release(first, 5);
        var second = (Assigned.To) assign(ACME, two);

        assertThat(first.tenant().assignment()).isEqualTo(1);
        assertThat(first.lastSession()).isNull();
        assertThat(second.tenant().assignment()).isEqualTo(2);
        assertThat(second.lastSession()).isEqualTo(one.ulid());
        assertThat(second.tenant().txidFloor()).isEqualTo(new Txid(5));
        assertThat(second.session().id()).isEqualTo(two);
    }

    /// W8: "The controller takes it only if the catalog still says (T, this session, n)."
    @Test
    void lateReleaseChangesNothing() {
        register(one);
        register(two);
        provision(ACME, SPEC);
        var first = (Assigned.To) assign(ACME, one);
        assertThat(release(first, 5)).isTrue();
        var second = (Assigned.To) assign(ACME, one);

        assertThat(release(first, 9)).isFalse();

        assertThat(tenant(ACME)).isEqualTo(second.tenant());
        assertThat(catalog.held(ACME, one.ulid(), 2).join()).contains(second);
        assertThat(catalog.held(ACME, one.ulid(), 1).join()).isEmpty();
    }

    @Test
    void releaseOfAnotherLineageChangesNothing() {
        register(one);
        provision(ACME, SPEC);
        assign(ACME, one);

        assertThat(catalog.released(ACME, one, 1, lineage(), new Txid(1)).join()).isFalse();
    }

    @Test
    void floorIsNeverLowered() {
        register(one);
        provision(ACME, SPEC);
        release((Assigned.To) assign(ACME, one), 5);
        release((Assigned.To) assign(ACME, one), 3);

        assertThat(tenant(ACME).txidFloor()).isEqualTo(new Txid(5));
    }

    @Test
    void fencingSessionIsAssignedNothing() {
        register(one);
        provision(ACME, SPEC);
        catalog.fencing(one).join();

        assertThat(assign(ACME, one)).isInstanceOf(Assigned.NoRoom.class);
    }

    @Test
    void placementSeesEveryEarlierAssignment() {
        register(one);
        register(two);
        var seen = new ArrayList<Long>();
        var answers = new ArrayList<CompletableFuture<Assigned>>();
        for (int i = 0; i < 10; i++) {
            provision(new TenantId("t" + i), SPEC);
        }

        for (int i = 0; i < 10; i++) {
            answers.add(
                    catalog.assign(
                            new TenantId("t" + i),
                            (load, _) -> {
                                seen.add(load.of(one));
                                return new Decision.Place(one.ulid());
                            }));
        }

        answers.forEach(CompletableFuture::join);
        assertThat(seen).containsExactly(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L);
        assertThat(catalog.load().join().of(one)).isEqualTo(10);
    }

    @Test
    void unknownTenantIsNotAssigned() {
        assertThat(assign(ACME, one)).isEqualTo(new Assigned.NotFound());
    }

    // Sessions

    @Test
    void closingTakesTheTenantsAndRaisesTheirFloors() {
        register(one);
        provision(ACME, SPEC);
        provision(new TenantId("idle"), SPEC);
        var held = (Assigned.To) assign(ACME, one);
        assign(new TenantId("idle"), one);
        catalog.fencing(one).join();

        long tenants =
                catalog.closed(
                                one,
                                Map.of(new TenantKey(ACME, held.tenant().lineage()), new Txid(9)))
                        .join();

        assertThat(tenants).isEqualTo(2);
        assertThat(tenant(ACME).session()).isNull();
        assertThat(tenant(ACME).txidFloor()).isEqualTo(new Txid(9));
        assertThat(tenant(new TenantId("idle")).txidFloor()).isEqualTo(Txid.NONE);
        assertThat(catalog.openSessions().join()).isEmpty();
        assertThat(catalog.load().join().of(one)).isZero();
    }

    @Test
    void closedSessionStaysClosed() {
        register(one);
        catalog.fencing(one).join();
        catalog.closed(one, Map.of()).join();

        assertThat(register(one)).isEqualTo(SessionState.CLOSED);
        assertThat(catalog.fencing(one).join()).isEmpty();
    }

    @Test
    void fencingMayBeRepeated() {
        register(one);

        SessionRow first = catalog.fencing(one).join().orElseThrow();

        assertThat(catalog.fencing(one).join()).contains(first);
        assertThat(first.state()).isEqualTo(SessionState.FENCING);
        assertThat(register(one)).isEqualTo(SessionState.FENCING);
    }

    @Test
    void partIsRaisedNeverLoweredAndOnlyWhileLive() {
        catalog.register(session(one, 3), 10).join();
        catalog.register(session(one, 2), 10).join();
        assertThat(catalog.session(one).join().orElseThrow().part()).isEqualTo(3);
        catalog.raisePart(one, 5).join();
        catalog.raisePart(one, 4).join();
        assertThat(catalog.session(one).join().orElseThrow().part()).isEqualTo(5);

        SessionRow fencing = catalog.fencing(one).join().orElseThrow();
        catalog.register(session(one, 9), 10).join();
        catalog.raisePart(one, 9).join();

        assertThat(fencing.part()).isEqualTo(5);
        assertThat(catalog.session(one).join().orElseThrow().part()).isEqualTo(5);
        assertThat(catalog.fencing(one).join().orElseThrow().part()).isEqualTo(5);
        catalog.closed(one, Map.of()).join();
        catalog.raisePart(one, 9).join();
        assertThat(catalog.session(one).join().orElseThrow().part()).isEqualTo(5);
    }

    @Test
    void raisingThePartOfAStrangerChangesNothing() {
        catalog.raisePart(one, 2).join();

        assertThat(catalog.session(one).join()).isEmpty();
    }

    // Durability

    @Test
    void answersWaitForTheStoreReadsToo() {
        provision(ACME, SPEC);
        store.holdPuts();

        var write = catalog.tombstone(ACME);
        var read = catalog.tenant(ACME);

        await().during(Duration.ofMillis(50)).until(() -> !write.isDone() && !read.isDone());
        store.releasePuts();
        assertThat(read.join().orElseThrow().state()).isEqualTo(TenantState.DELETED);
        assertThat(write.join()).isPresent();
    }

    @Test
    void provisionsShareUploads() {
        provision(ACME, SPEC);
        counted.reset();
        store.holdPuts();
        var answers = new ArrayList<CompletableFuture<Provisioned>>();
        for (int i = 0; i < 200; i++) {
            answers.add(catalog.provision(new TenantId("t" + i), SPEC, false, lineage()));
        }
        // Behind the last of them, on the catalog's thread.
        var allRan = new CompletableFuture<Void>();
        var last =
                catalog.assign(
                        ACME,
                        (_, _) -> {
                            allRan.complete(null);
                            return new Decision.NoRoom("none");
                        });
        allRan.join();

        store.releasePuts();
        last.join();
        answers.forEach(CompletableFuture::join);

        assertThat(counted.count(CountingObjectStore.Verb.PUT)).isLessThan(20);
    }

    @Test
    void fencedCatalogAnswersNobody() throws Exception {
        provision(ACME, SPEC);
        fence();

        var write = catalog.tombstone(ACME);

        assertThatThrownBy(() -> write.get(5, SECONDS)).hasCauseInstanceOf(Fenced.class);
        assertThatThrownBy(() -> catalog.tenant(ACME).get(5, SECONDS))
                .hasCauseInstanceOf(Fenced.class);
    }

    @Test
    void failedTransactionLeavesNothingBehind() {
        provision(ACME, SPEC);
        register(one);
        BiFunction<Load, Optional<String>, Decision> broken =
                (_, _) -> {
                    throw new IllegalStateException("broken placement");
                };

        assertThatThrownBy(() -> catalog.assign(ACME, broken).join())
                .hasCauseInstanceOf(IllegalStateException.class);

        assertThat(tenant(ACME).session()).isNull();
        assertThat(assign(ACME, one)).isInstanceOf(Assigned.To.class);
    }

    @Test
    void everythingIsThereAgainFromTheStoreAlone() {
        register(one);
        provision(ACME, SPEC);
        provision(new TenantId("gone"), SPEC);
        var held = (Assigned.To) assign(ACME, one);
        catalog.tombstone(new TenantId("gone")).join();
        var apiKey = new ApiKeyRow("abcd", "admin", "admin", TestClock.START);
        catalog.addApiKey(apiKey).join();
        var jwk = new PublicKeyJwk("k1", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        catalog.addJwtKeys(List.of(jwk)).join();

        restart();

        assertThat(tenant(ACME)).isEqualTo(held.tenant());
        assertThat(tenant(new TenantId("gone")).tokenGen()).isEqualTo(2);
        assertThat(catalog.load().join().of(one)).isEqualTo(1);
        assertThat(catalog.apiKeys().join()).containsExactly(apiKey);
        assertThat(catalog.jwtKeys().join()).containsExactly(jwk);
        assertThat(release(held, 4)).isTrue();
        assertThat(((Assigned.To) assign(ACME, one)).tenant().assignment()).isEqualTo(2);
    }

    /// One commit is left, the one that says so; the segments before it are not read again.
    @Test
    void cleanCloseLeavesOneSegmentToRecover() {
        for (int i = 0; i < 20; i++) {
            provision(new TenantId("t" + i), SPEC);
        }
        TenantRow before = tenant(new TenantId("t7"));

        catalog.close();
        log.close(Duration.ofSeconds(5));

        assertThat(Recovery.recover(store, log.name(), fence(), folder, tasks).segments())
                .isEqualTo(1);
        open();
        assertThat(tenant(new TenantId("t7"))).isEqualTo(before);
    }

    private Fence.Closed fence() {
        return Fence.close(
                store,
                log.name(),
                Fence.highestPart(store, log.name()),
                two.ulid(),
                2,
                tasks,
                random);
    }

    /// As after a `kill -9`: nothing is drained.
    private void restart() {
        var closed = fence();
        Recovery.recover(store, log.name(), closed, folder, tasks);
        Catalog old = catalog;
        open();
        old.close();
    }

    private Provisioned provision(TenantId id, TenantSpec spec) {
        return catalog.provision(id, spec, false, lineage()).join();
    }

    private Lineage lineage() {
        return new Lineage(SessionId.create(clock, random).ulid());
    }

    private TenantRow tenant(TenantId id) {
        return catalog.tenant(id).join().orElseThrow();
    }

    private Assigned assign(TenantId id, SessionId session) {
        return catalog.assign(id, (_, _) -> new Decision.Place(session.ulid())).join();
    }

    private boolean release(Assigned.To held, long lastTxid) {
        return catalog.released(
                        held.tenant().id(),
                        held.session().id(),
                        held.tenant().assignment(),
                        held.tenant().lineage(),
                        new Txid(lastTxid))
                .join();
    }

    private SessionState register(SessionId session) {
        return catalog.register(session(session, 1), 100).join();
    }

    private SessionRow session(SessionId id, int part) {
        return new SessionRow(
                id, "w-1", "http://127.0.0.1:1", part, SessionState.LIVE, clock.instant());
    }

    private static TenantSpec labelled(String k1, String v1, String k2, String v2) {
        return new TenantSpec(Durability.SYNC, Map.of(k1, v1, k2, v2), Quotas.DEFAULT);
    }

    private List<String> page(Map<String, String> labels) {
        return ids(new TenantQuery("", labels, null, "", 100));
    }

    private List<String> ids(TenantQuery query) {
        return catalog.tenants(query).join().tenants().stream()
                .map(tenant -> tenant.id().name())
                .toList();
    }
}
