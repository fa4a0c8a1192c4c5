package dev.litefleet.replica.history;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryIndex.Range;
import dev.litefleet.replica.history.LoggedFleet.Resident;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.Erased;
import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.TailRead;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import dev.litefleet.testing.TestClock;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the janitor takes is needed by nobody, and what nobody needs it takes in the end: real
/// histories of real databases, logs of several sessions in parts of three slots, over weeks of the
/// store's clock.
final class JanitorTest {
    private static final HistoryWindows WINDOWS =
            new HistoryWindows(Duration.ofDays(2), Duration.ofDays(6));
    private static final Janitor.Config CONFIG = new Janitor.Config(WINDOWS.exact(), 100_000);

    @TempDir private Path folder;

    private final TestClock clock = new TestClock();
    private final MemoryObjectStore store = MemoryObjectStore.likeS3(clock);
    private final Tasks tasks = new ThreadTasks();
    private final SplittableRandom chance = new SplittableRandom(5);

    /// A worker's tenants and what a catalog would know of them.
    private final class Life implements AutoCloseable {
        final LoggedFleet fleet;
        final SplittableRandom random;
        final Set<LogName> closed = new HashSet<>();
        final Map<TenantKey, List<HeldRange>> holds = new HashMap<>();
        final Map<TenantKey, NavigableMap<Txid, Instant>> commits = new HashMap<>();
        final Map<TenantKey, NavigableMap<Txid, Instant>> drains = new HashMap<>();
        final Set<TenantKey> unnamed = new HashSet<>();
        Optional<Instant> lastDeletion = Optional.empty();
        int sessions;

        Life(int tenants, long seed) {
            this(seed, new LoggedFleet(store, folder, tenants, seed));
        }

        Life(long seed, LoggedFleet fleet) {
            this.random = new SplittableRandom(seed);
            this.fleet = fleet;
        }

        void delete(TenantKey tenant) {
            unnamed.add(tenant);
            lastDeletion = Optional.of(clock.instant());
        }

        Janitor.Facts facts() {
            return new Janitor.Facts(
                    log ->
                            closed.contains(log)
                                    ? new LogState.Closed()
                                    : log.equals(fleet.name())
                                            ? new LogState.Open(fleet.log().durable().part())
                                            : new LogState.Unknown(),
                    tenant ->
                            unnamed.contains(tenant)
                                    ? new LineageState.Unnamed()
                                    : new LineageState.Named(
                                            WINDOWS,
                                            holds.getOrDefault(tenant, List.of()),
                                            Optional.empty()),
                    lastDeletion);
        }

        /// A day, or what chance makes of one.
        void day() {
            for (int i = 0; i < 3; i++) {
                for (Resident resident : fleet.residents()) {
                    if (random.nextInt(3) > 0) {
                        live(resident, 1 + random.nextInt(2));
                    }
                }
                fleet.flush();
                clock.advance(Duration.ofHours(1 + random.nextInt(6)));
                for (Resident resident : fleet.residents()) {
                    if (resident.owes() && random.nextInt(3) > 0) {
                        drain(resident);
                    }
                }
                clock.advance(Duration.ofHours(3));
            }
            if (random.nextInt(3) == 0) {
                fleet.residents().forEach(this::snapshot);
            }
            fleet.residents().forEach(resident -> HistoryDays.merge(store, resident.tenant()));
            if (random.nextInt(4) == 0) {
                restart();
            }
        }

        void live(Resident resident, int count) {
            resident.live(count);
            for (Txid txid : resident.images().keySet()) {
                commits.computeIfAbsent(resident.tenant(), _ -> new TreeMap<>())
                        .putIfAbsent(txid, clock.instant());
            }
        }

        void drain(Resident resident) {
            Txid max = resident.history().position().txid();
            resident.drain();
            drains.computeIfAbsent(resident.tenant(), _ -> new TreeMap<>())
                    .put(max, clock.instant());
        }

        void snapshot(Resident resident) {
            LineageHistory history = LineageHistory.list(store, resident.tenant());
            if (!history.files().isEmpty()) {
                Snapshotter.write(store, history, folder);
            }
        }

        void restart() {
            closed.add(fleet.name());
            for (Resident resident : fleet.residents()) {
                if (resident.owes()) {
                    drains.computeIfAbsent(resident.tenant(), _ -> new TreeMap<>())
                            .put(resident.history().position().txid(), clock.instant());
                }
            }
            fleet.restart(
                    new LogName(
                            "w-1",
                            new SessionId(
                                    "01J000000000000000000000B" + (char) ('A' + sessions++))));
        }

        JanitorReport clean() {
            return JanitorTest.this.clean(store, facts());
        }

        /// Every state that a window or a hold promises is there, byte for byte.
        void check() throws IOException {
            Instant now = clock.instant();
            for (Resident resident : fleet.residents()) {
                TenantKey tenant = resident.tenant();
                for (var commit : commits.getOrDefault(tenant, new TreeMap<>()).entrySet()) {
                    Txid txid = commit.getKey();
                    boolean exact = !commit.getValue().isBefore(now.minus(WINDOWS.exact()));
                    boolean held =
                            holds.getOrDefault(tenant, List.of()).stream()
                                    .anyMatch(hold ->
                                            hold.from().compareTo(txid) <= 0
                                                    && hold.to().compareTo(txid) >= 0);
                    if (exact || held) {
                        restore(resident, txid);
                    }
                }
                Instant start = now.minus(WINDOWS.merged());
                for (var drain : drains.getOrDefault(tenant, new TreeMap<>()).entrySet()) {
                    if (!drain.getValue().isBefore(start)) {
                        restore(resident, drain.getKey());
                    }
                }
                if (!unnamed.contains(tenant)) {
                    verify(resident);
                }
            }
        }

        /// What retention took is not reported as lost.
        void verify(Resident resident) {
            TenantKey tenant = resident.tenant();
            List<IndexPoint> tail =
                    Timeline.tail(store, fleet.name(), tasks).getOrDefault(tenant, List.of());
            NavigableMap<Txid, Instant> drained = drains.getOrDefault(tenant, new TreeMap<>());
            Txid floor = drained.isEmpty() ? Txid.NONE : drained.lastKey();
            var scope = new Verifier.Scope(tenant, tail, floor, true);
            assertThat(Verifier.verify(store, scope, tasks, Progress.NONE).problems())
                    .as("seed of %s, holds %s", tenant, holds.get(tenant))
                    .isEmpty();
        }

        void restore(Resident resident, Txid txid) throws IOException {
            Path target = folder.resolve("restored.db");
            List<DerivedFile> files = LineageHistory.list(store, resident.tenant()).files();
            Hydrator.hydrate(
                    store,
                    RestorePlan.of(resident.tenant(), files, txid, points(resident)),
                    target,
                    Hydrator.Limits.DEFAULT,
                    tasks,
                    Progress.NONE);
            assertThat(Files.readAllBytes(target))
                    .as("%s at %s", resident.tenant(), txid)
                    .isEqualTo(resident.images().get(txid));
        }

        List<IndexPoint> points(Resident resident) {
            var points =
                    new ArrayList<>(
                            HistoryIndex.points(
                                    store,
                                    resident.tenant(),
                                    new Txid(1),
                                    new Txid(Long.MAX_VALUE)));
            for (SegmentReader segment : LogTail.undrained(store, fleet.name(), tasks).segments()) {
                for (Entry entry : segment.entries()) {
                    if (entry.tenant().equals(resident.tenant())) {
                        points.add(IndexPoint.of(new LogRef(fleet.name(), segment.slot()), entry));
                    }
                }
            }
            return points;
        }

        @Override
        public void close() {
            fleet.close();
        }
    }

    private JanitorReport clean(ObjectStore where, Janitor.Facts facts) {
        clock.advance(Duration.ofMinutes(1)); // A later run has a later id.
        return clean(where, CONFIG, facts);
    }

    private JanitorReport clean(ObjectStore where, Janitor.Config config, Janitor.Facts facts) {
        return Janitor.run(
                where, config, facts, clock.instant(), folder, tasks, clock, chance.split());
    }

    /// A controller that stood still for days between its proof and its run knows nothing of what
    /// was said meanwhile; two of them are both passes.
    @Test
    void whatBecameOldSinceTheFactsWereKnownStays() {
        try (var life = old(1, 1)) {
            Instant known = clock.instant();
            TenantKey tenant = life.fleet.residents().getFirst().tenant();
            var stale = new Janitor.Facts(life.facts().logs(), _ -> new LineageState.Unnamed());
            List<String> before = store.listAll(tenant.prefix()).map(ListedObject::key).toList();
            assertThat(before).isNotEmpty();
            life.live(life.fleet.residents().getFirst(), 1);
            life.fleet.flush();
            life.drain(life.fleet.residents().getFirst());
            Set<String> later = new HashSet<>(store.keys());
            later.removeIf(key -> !key.startsWith(tenant.prefix()) || before.contains(key));
            assertThat(later).isNotEmpty();
            clock.advance(Duration.ofDays(30));

            for (int run = 0; run < 3; run++) {
                clock.advance(Duration.ofMinutes(1));
                Janitor.run(store, CONFIG, stale, known, folder, tasks, clock, chance.split());
            }

            assertThat(store.keys()).containsAll(later);
            clock.advance(Duration.ofMinutes(1));
            clean(store, stale);
            clean(store, stale);
            assertThat(store.keys()).doesNotContainAnyElementsOf(later);
        }
    }

    @Seeds(3)
    void whatAWindowOrAHoldNeedsStaysAndTheRestGoes(long seed) throws IOException {
        try (var life = new Life(2, seed)) {
            TenantKey tenant = life.fleet.residents().getFirst().tenant();
            for (int day = 1; day <= 16; day++) {
                life.day();
                if (day == 4) {
                    life.holds.put(tenant, List.of(recent(life, tenant)));
                }
                JanitorReport report = life.clean();
                assertThat(report.problems()).isEmpty();
                life.fleet.residents().forEach(life::verify);
                if (day % 4 == 0) {
                    life.check();
                }
            }
            assertThat(store.keys()).anyMatch(key -> key.endsWith(".zip") && held(key));

            life.holds.clear();
            life.fleet.residents().stream().filter(Resident::owes).forEach(life::drain);
            life.fleet.residents().forEach(life::snapshot);
            life.restart();
            clock.advance(Duration.ofDays(8));
            for (int run = 0; run < 3; run++) {
                life.clean();
                clock.advance(Duration.ofDays(1));
            }

            for (Resident resident : life.fleet.residents()) {
                life.restore(resident, resident.images().lastKey());
                assertThat(LineageHistory.list(store, resident.tenant()).files()).hasSize(1);
            }
            assertThat(store.keys()).noneMatch(JanitorTest::held);
            for (LogName log : life.closed) {
                // A fence for each part, and nothing else.
                assertThat(store.listAll(log.prefix()))
                        .isNotEmpty()
                        .allMatch(object -> object.size() <= 512);
            }
            assertThat(store.keys()).noneMatch(key -> key.startsWith("janitor/"));
        }
    }

    private static boolean held(String key) {
        return key.contains("/history/") && !key.endsWith(".json.gz");
    }

    /// A few commits that are exact now, from the middle of a drain if there is such a one.
    private HeldRange recent(Life life, TenantKey tenant) {
        Instant start = clock.instant().minus(WINDOWS.exact());
        List<Txid> exact =
                life.commits.get(tenant).entrySet().stream()
                        .filter(commit -> !commit.getValue().isBefore(start))
                        .map(Map.Entry::getKey)
                        .toList();
        return new HeldRange(exact.get(1), exact.get(exact.size() / 2));
    }

    /// The process dies at its n-th request that changes something, for every n; the next run goes
    /// on with what it finds.
    @Seeds(2)
    void stoppedBetweenAnyTwoRequestsItLosesNothing(long seed) throws IOException {
        try (var life = new Life(2, seed)) {
            TenantKey tenant = life.fleet.residents().getFirst().tenant();
            int stops = 0;
            for (int day = 1; day <= 12; day++) {
                life.day();
                if (day == 3) {
                    life.holds.put(tenant, List.of(recent(life, tenant)));
                }
                for (int n = 1; ; n += 3) {
                    var dying = new Dying(store, n);
                    try {
                        clean(dying, life.facts());
                        break;
                    } catch (Dying.Died died) {
                        stops++;
                        clock.advance(Duration.ofMinutes(1));
                    }
                }
            }

            life.check();
            assertThat(stops).isGreaterThan(12);
        }
    }

    /// The object that tells a run the time is not taken for one that a stopped run has left.
    @Test
    void anotherRunLeavesTheClockOfThisOneAlone() {
        try (var life = old(1, 1)) {
            var runs = new ArrayList<JanitorReport>();

            // Its first request is the one that writes that object.
            runs.add(clean(new Dying(store, 2, () -> runs.add(life.clean())), life.facts()));

            assertThat(runs).hasSize(2);
            clock.advance(Duration.ofHours(2));
            store.putIfAbsent(
                    "janitor/01J000000000000000000000AA.now", ObjectBody.of(new byte[] {'\n'}));
            clock.advance(Duration.ofHours(2));
            life.clean();
            assertThat(store.keys()).noneMatch(key -> key.endsWith(".now"));
        }
    }

    @Test
    void nothingGoesInTheRunThatFoundIt() {
        try (var life = old(1, 1)) {
            Set<String> before = Set.copyOf(store.keys());

            JanitorReport first = life.clean();

            assertThat(first.planned()).isPositive();
            assertThat(first.erased()).isEqualTo(Erased.NOTHING);
            assertThat(store.keys()).containsAll(before);
            JanitorReport second = life.clean();
            assertThat(second.erased().objects()).isEqualTo(first.planned());
            assertThat(second.planned()).isZero();
        }
    }

    @Test
    void whatIsNeededAgainWhenItIsToGoStays() {
        try (var life = old(1, 2)) {
            Resident resident = life.fleet.residents().getFirst();
            life.clean();
            Set<String> before = Set.copyOf(store.keys());
            life.holds.put(resident.tenant(), List.of(new HeldRange(new Txid(1), HeldRange.OPEN)));

            JanitorReport second = life.clean();

            // The empty segment that opened the log is needed by nobody.
            assertThat(second.erased().objects()).isEqualTo(1);
            assertThat(before)
                    .allMatch(key ->
                            store.head(key).isPresent()
                                    || key.startsWith("janitor/")
                                    || key.endsWith("0000000000000001.zip"));
        }
    }

    @Test
    void segmentsStayUntilAGoodFileHasTheirEntries() {
        try (var life = old(1, 3)) {
            TenantKey tenant = life.fleet.residents().getFirst().tenant();
            for (DerivedFile file : LineageHistory.list(store, tenant).files()) {
                byte[] bytes = store.get(file.key()).orElseThrow();
                bytes[bytes.length - 1] ^= 1;
                damage(file.key(), bytes);
            }
            long segments = segments(life);

            JanitorReport report = life.clean();
            life.clean();

            assertThat(report.kept()).isPositive();
            assertThat(report.problems()).anyMatch(problem -> problem.contains(tenant.prefix()));
            assertThat(segments(life)).isEqualTo(segments);
        }
    }

    /// As [MemoryObjectStore#damage], with the object's own time.
    private void damage(String key, byte[] bytes) {
        Instant now = clock.instant();
        clock.set(store.head(key).orElseThrow().modified());
        store.damage(key, bytes);
        clock.set(now);
    }

    @Test
    void segmentsStayWhileNoFileHasTheirEntries() {
        try (var life = old(2, 4)) {
            TenantKey tenant = life.fleet.residents().getFirst().tenant();
            LineageHistory.list(store, tenant).files().forEach(file -> store.delete(file.key()));
            long segments = segments(life);

            JanitorReport report = life.clean();
            life.clean();

            assertThat(report.problems()).anyMatch(problem -> problem.contains("no derived file"));
            assertThat(segments(life)).isPositive();
            assertThat(segments).isGreaterThanOrEqualTo(segments(life));
            // Gone with its tenant, they are needed by nobody.
            life.unnamed.add(tenant);
            life.clean();
            life.clean();
            assertThat(segments(life)).isZero();
        }
    }

    /// The window begins in the middle of a day, whose one index object stays whole; a hold that
    /// ends in the same day leaves files before the window, and a hole between the two.
    @Test
    void holdThatEndsInTheFirstDayOfTheWindowLeavesNoLoss() throws IOException {
        try (var life = new Life(1, 3)) {
            Resident resident = life.fleet.residents().getFirst();
            TenantKey tenant = resident.tenant();
            var ends = new ArrayList<Txid>();
            for (int drain = 1; drain <= 6; drain++) {
                life.live(resident, 2);
                life.fleet.flush();
                life.drain(resident);
                ends.add(resident.history().position().txid());
                if (drain == 4) {
                    life.snapshot(resident);
                }
                clock.advance(Duration.ofMinutes(5));
            }
            clock.advance(Duration.ofDays(1));
            life.live(resident, 1);
            life.fleet.flush();
            life.drain(resident);
            // As HistoryDays does once the next day has a commit; these commits are all of one day.
            HistoryIndex.write(
                    store, tenant, HistoryIndex.points(store, tenant, new Txid(1), ends.get(5)));
            life.restart();
            life.holds.put(tenant, List.of(new HeldRange(new Txid(1), ends.get(1))));
            clock.advance(Duration.ofDays(10));

            life.clean();
            life.clean();

            List<Range> index = HistoryIndex.list(store, tenant);
            assertThat(index)
                    .anyMatch(range ->
                            range.min().equals(new Txid(1)) && range.max().equals(ends.get(5)));
            assertThat(store.keys())
                    .contains(DerivedFile.key(tenant, 1, ends.get(0).next(), ends.get(1)))
                    .doesNotContain(DerivedFile.key(tenant, 1, ends.get(2).next(), ends.get(3)))
                    .contains(DerivedFile.key(tenant, 1, ends.get(3).next(), ends.get(4)));
            life.check();

            // One that the window needs is a loss.
            store.delete(DerivedFile.key(tenant, 1, ends.get(4).next(), ends.get(5)));
            var scope = new Verifier.Scope(tenant, List.of(), Txid.NONE, false);
            assertThat(Verifier.verify(store, scope, tasks, Progress.NONE).problems()).isNotEmpty();
        }
    }

    /// Every idle worker has such a part; an operator can do nothing about it.
    @Test
    void partThatMayStillBeWrittenIsLeftAloneAndIsNoProblem() {
        try (var life = new Life(1, 5)) {
            life.day();
            life.fleet.residents().stream().filter(Resident::owes).forEach(life::drain);
            clock.advance(Duration.ofDays(30));
            int part = life.fleet.log().durable().part();
            String open = life.fleet.name().prefix() + "%04x/".formatted(part);
            List<ListedObject> before = store.listAll(open).toList();

            JanitorReport report = life.clean();
            life.clean();

            assertThat(before).isNotEmpty();
            assertThat(store.listAll(open).toList()).isEqualTo(before);
            assertThat(report.kept()).isEqualTo(before.size());
            assertThat(report.problems()).isEmpty();
        }
    }

    /// P8: an idle worker's part is never over by itself. What a deleted tenant has in it goes when
    /// the worker has been asked to end it.
    @Test
    void partOfAnIdleWorkerThatHoldsADeletedTenantIsToEnd() throws IOException {
        var config = CommitLogConfig.DEFAULT.withLinger(Duration.ofMinutes(10));
        try (var life = new Life(9, new LoggedFleet(store, folder, 2, 9, config))) {
            life.fleet.residents().forEach(resident -> life.live(resident, 3));
            life.fleet.flush();
            life.fleet.residents().forEach(life::drain);
            clock.advance(Duration.ofHours(3));
            var counted = new CountingObjectStore(store);
            assertThat(clean(counted, life.facts()).toEnd()).isEmpty();
            assertThat(counted.count(Verb.GET)).isZero();

            TenantKey deleted = life.fleet.residents().getFirst().tenant();
            life.delete(deleted);
            var open = new OpenPart(life.fleet.name(), 1);
            assertThat(life.clean().toEnd()).containsExactly(open);
            assertThat(life.clean().toEnd()).containsExactly(open);
            life.fleet.log().endPart(1);
            await().until(() -> life.fleet.log().durable().part() == 2);
            assertThat(life.clean().toEnd()).isEmpty();
            assertThat(entriesOf(life, deleted)).isPositive();
            clock.advance(Duration.ofDays(7));
            life.clean();
            life.clean();

            assertThat(entriesOf(life, deleted)).isZero();
            life.check();
        }
    }

    /// Neither the part that is busy nor one that holds nobody's bytes is disturbed or read.
    @Test
    void partWithoutADeletedTenantIsLeftAlone() {
        try (var life = new Life(2, 9)) {
            life.day();
            life.delete(LoggedFleet.tenant(17));
            clock.advance(Duration.ofMinutes(10));
            life.live(life.fleet.residents().getFirst(), 1);
            life.fleet.flush();
            life.delete(life.fleet.residents().getFirst().tenant());
            var counted = new CountingObjectStore(store);

            assertThat(clean(counted, life.facts()).toEnd()).isEmpty();
            assertThat(counted.count(Verb.GET)).isZero();

            life.unnamed.clear();
            clock.advance(Duration.ofHours(3));
            assertThat(life.clean().toEnd()).isEmpty();
        }
    }

    private int entriesOf(Life life, TenantKey tenant) {
        return LogTail.read(store, life.fleet.name(), Slot.FIRST, tasks).segments().stream()
                .mapToInt(segment ->
                        (int)
                                segment.entries().stream()
                                        .filter(entry -> entry.tenant().equals(tenant))
                                        .count())
                .sum();
    }

    /// A drain that took days, as after an outage: its last points need its first entries.
    @Test
    void drainThatReachesIntoTheWindowKeepsItsFirstEntries() throws IOException {
        try (var life = new Life(1, 11)) {
            Resident resident = life.fleet.residents().getFirst();
            for (int day = 0; day < 5; day++) {
                life.live(resident, 2);
                life.fleet.flush();
                clock.advance(Duration.ofDays(1));
            }
            life.restart();

            life.clean();
            life.clean();
            life.check();
            clock.advance(Duration.ofDays(3));
            life.clean();
            life.clean();

            assertThat(segments(life)).isZero();
        }
    }

    @Test
    void indexObjectsGoForALargerOneThatCanBeRead() {
        try (var life = new Life(1, 12)) {
            Resident resident = life.fleet.residents().getFirst();
            for (int drain = 0; drain < 3; drain++) {
                life.live(resident, 2);
                life.fleet.flush();
                life.drain(resident);
            }
            TenantKey tenant = resident.tenant();
            Txid last = resident.images().lastKey();
            List<IndexPoint> points = HistoryIndex.points(store, tenant, new Txid(1), last);
            HistoryIndex.write(store, tenant, points);
            String large = tenant.prefix() + "history/" + new Txid(1) + "-" + last + ".json.gz";
            byte[] good = store.get(large).orElseThrow();
            clock.advance(Duration.ofHours(25));
            byte[] bad = good.clone();
            bad[bad.length / 2] ^= 1;
            damage(large, bad);

            life.clean();
            assertThat(life.clean().problems()).anyMatch(problem -> problem.contains(large));
            assertThat(HistoryIndex.list(store, tenant)).hasSize(4);
            damage(large, good);
            life.clean();
            life.clean();

            assertThat(HistoryIndex.list(store, tenant)).hasSize(1);
            assertThat(HistoryIndex.points(store, tenant, new Txid(1), last)).isEqualTo(points);
        }
    }

    @Test
    void planOfARunThatBeganLaterIsLeftToALaterRun() {
        try (var life = old(1, 13)) {
            life.clean();
            clock.advance(Duration.ofDays(-1));
            long segments = segments(life);
            clock.advance(Duration.ofMinutes(-2));

            assertThat(life.clean().erased()).isEqualTo(Erased.NOTHING);

            assertThat(segments(life)).isEqualTo(segments);
        }
    }

    @Test
    void fenceStaysWhateverAPlanSays() {
        try (var life = old(1, 14)) {
            LogName log = life.closed.iterator().next();
            ListedObject fence = store.listAll(log.prefix()).toList().getLast();
            assertThat(fence.size()).isLessThanOrEqualTo(512);
            String key = fence.key();
            var slot =
                    new JanitorPlan.SlotKeys(
                            Long.parseLong(key.substring(key.length() - 20, key.length() - 4), 16),
                            List.of());
            int part = Integer.parseInt(key.substring(key.length() - 25, key.length() - 21), 16);
            new JanitorPlan(
                            JanitorPlan.FORMAT,
                            List.of(),
                            List.of(
                                    new JanitorPlan.LogPart(
                                            log.worker(),
                                            log.session().ulid(),
                                            part,
                                            0,
                                            List.of(slot),
                                            List.of())),
                            List.of())
                    .write(store, JanitorPlan.key("01J0000000000000000000000A", 0));

            life.clean();

            assertThat(store.head(key)).isPresent();
        }
    }

    @Test
    void logOfAStrangerIsLeftAlone() {
        try (var life = old(1, 6)) {
            life.closed.clear();
            Set<String> before = keys("log/");

            life.clean();
            life.clean();

            assertThat(keys("log/")).isEqualTo(before);
        }
    }

    @Test
    void lineageThatNobodyNamesGoesAfterADay() {
        Instant start = clock.instant();
        String fresh = lineageAt(start);
        store.putIfAbsent("tenants/x/" + fresh + "/0009/a", body());
        store.putIfAbsent("tenants/x/" + fresh + "/history/b.json.gz", body());
        store.putIfAbsent("tenants/somebody/else", body());
        store.putIfAbsent("tenants/y/" + fresh + "/x", body()); // Named: strangers stay.
        Janitor.Facts facts =
                new Janitor.Facts(
                        _ -> new LogState.Unknown(),
                        key ->
                                key.tenant().name().equals("y")
                                        ? new LineageState.Named(
                                                WINDOWS, List.of(), Optional.empty())
                                        : new LineageState.Unnamed());

        clock.advance(Duration.ofHours(23));
        assertThat(clean(store, facts).planned()).isZero();
        clock.advance(Duration.ofHours(2));
        assertThat(clean(store, facts).planned()).isEqualTo(2);
        assertThat(clean(store, facts).erased().objects()).isEqualTo(2);

        assertThat(store.keys())
                .containsExactly("tenants/somebody/else", "tenants/y/" + fresh + "/x");
    }

    /// In a directory files have the time of their commits, so only its name tells a lineage's age.
    @Test
    void newLineageOfOldCommitsIsYoung() {
        String fresh = lineageAt(clock.instant());
        Instant now = clock.instant();
        clock.set(now.minus(Duration.ofDays(40)));
        store.putIfAbsent("tenants/x/" + fresh + "/0009/a", body());
        clock.set(now);

        assertThat(
                        clean(
                                        store,
                                        new Janitor.Facts(
                                                _ -> new LogState.Unknown(),
                                                _ -> new LineageState.Unnamed()))
                                .planned())
                .isZero();
    }

    @Test
    void lockedObjectsAreReportedAndTheOthersGo() {
        try (var life = old(1, 7)) {
            life.clean();
            String locked =
                    store.keys().stream()
                            .filter(key -> key.startsWith("log/") && size(key) > 512)
                            .findFirst()
                            .orElseThrow();
            store.lock(locked);
            var counted = new CountingObjectStore(store);

            JanitorReport report = clean(counted, life.facts());

            assertThat(report.problems()).anyMatch(problem -> problem.contains(locked));
            assertThat(report.erased().refused()).isEqualTo(1);
            assertThat(report.erased().objects()).isPositive();
            long deletes = counted.count(Verb.DELETE);
            // What is refused is tried once a run, for ever, and holds nothing up.
            counted.reset();
            JanitorReport next = clean(counted, life.facts());
            assertThat(next.erased().refused()).isEqualTo(1);
            assertThat(counted.count(Verb.DELETE)).isLessThanOrEqualTo(4).isLessThan(deletes);
            assertThat(segments(life)).isEqualTo(1);
        }
    }

    /// A controller whose clock runs ahead would otherwise forget a week's history in a day.
    @Test
    void clockThatRunsAheadDeletesNothingEarly() {
        try (var life = new Life(1, 8)) {
            life.day();
            life.restart();
            var ahead = new TestClock(clock.instant().plus(Duration.ofDays(400)));

            for (int run = 0; run < 2; run++) {
                ahead.advance(Duration.ofMinutes(1));
                JanitorReport report =
                        Janitor.run(
                                store,
                                CONFIG,
                                life.facts(),
                                ahead.instant(),
                                folder,
                                tasks,
                                ahead,
                                chance.split());

                assertThat(report.planned()).isZero();
            }
        }
    }

    @Test
    void blobThatNoSlotNamesGoesAndOthersStay() {
        try (var life = new Life(1, 9)) {
            life.day();
            life.restart();
            LogName log = life.closed.iterator().next();
            String orphan = log.prefix() + "blobs/01J0000000000000000000000Z.ltx";
            store.putIfAbsent(orphan, body());
            String ofTheLiving =
                    life.fleet.name().prefix() + "blobs/01J00000000000000000000000.ltx";
            store.putIfAbsent(ofTheLiving, body());

            clock.advance(Duration.ofHours(23));
            assertThat(life.clean().planned()).isZero();
            clock.advance(Duration.ofHours(2));
            assertThat(life.clean().planned()).isEqualTo(1);
            life.clean();

            assertThat(store.get(orphan)).isEmpty();
            assertThat(store.get(ofTheLiving)).isPresent();
        }
    }

    /// Two requests for a thousand idle tenants, whatever their number of runs.
    @Test
    void idleTenantsCostTheirListing() {
        for (int i = 0; i < 990; i++) {
            store.putIfAbsent(
                    "tenants/t-%d/01J00000000000000000000000/0001/%016x-%016x.ltx"
                            .formatted(i, 1, 1),
                    ObjectBody.of(new byte[200]));
        }
        clock.advance(Duration.ofDays(100));
        var counted = new CountingObjectStore(store);

        JanitorReport report =
                clean(
                        counted,
                        new Janitor.Facts(
                                _ -> new LogState.Unknown(),
                                _ -> new LineageState.Named(WINDOWS, List.of(), Optional.empty())));

        assertThat(report.planned()).isZero();
        assertThat(counted.count(Verb.GET)).isZero();
        // Workers, tenants, probes, plans, and the erasure of the object that tells the time.
        assertThat(counted.count(Verb.LIST)).isEqualTo(5);
        assertThat(counted.count(Verb.PUT)).isEqualTo(1);
    }

    @Test
    void limitOfARunIsKeptAndTheNextGoesOn() {
        try (var life = old(1, 10)) {
            var config = new Janitor.Config(WINDOWS.exact(), 1);
            long before = segments(life);
            assertThat(before).isGreaterThan(1);

            JanitorReport first = clean(store, config, life.facts());
            assertThat(first.more()).isTrue();
            for (int run = 0; run < 40 && segments(life) > 0; run++) {
                clock.advance(Duration.ofMinutes(1));
                clean(store, config, life.facts());
            }

            assertThat(segments(life)).isZero();
        }
    }

    @Test
    void planOfANewerVersionStopsTheRun() {
        store.putIfAbsent(
                "janitor/01J0000000000000000000000A/0000.json",
                ObjectBody.of(
                        "{\"format\":2,\"folders\":[],\"logs\":[],\"verified\":[]}"
                                .getBytes(UTF_8)));

        assertThatThrownBy(() ->
                        clean(
                                store,
                                new Janitor.Facts(
                                        _ -> new LogState.Unknown(),
                                        _ -> new LineageState.Unnamed())))
                .hasMessageContaining("janitor plan of format 2");
    }

    /// A session that was closed long ago, everything drained.
    private Life old(int tenants, long seed) {
        var life = new Life(tenants, seed);
        life.day();
        life.day();
        life.fleet.residents().stream().filter(Resident::owes).forEach(life::drain);
        life.restart();
        clock.advance(Duration.ofDays(30));
        return life;
    }

    private long segments(Life life) {
        return life.closed.stream()
                .flatMap(log -> store.listAll(log.prefix()))
                .filter(object -> object.size() > 512)
                .count();
    }

    private long size(String key) {
        return store.head(key).orElseThrow().size();
    }

    private Set<String> keys(String prefix) {
        var keys = new HashSet<String>();
        store.listAll(prefix).forEach(object -> keys.add(object.key()));
        return keys;
    }

    private static ObjectBody body() {
        return ObjectBody.of("body".getBytes(UTF_8));
    }

    private static String lineageAt(Instant time) {
        return new Lineage(SessionId.create(new TestClock(time), new SplittableRandom(1)).ulid())
                .ulid();
    }

    /// A store whose client dies at a request that changes something: before it or after it.
    private static final class Dying implements ObjectStore {
        static final class Died extends RuntimeException {}

        private final ObjectStore store;
        private final Runnable then;
        private int left;

        Dying(ObjectStore store, int left) {
            this(
                    store,
                    left,
                    () -> {
                        throw new Died();
                    });
        }

        /// @param then what happens instead of its death
        Dying(ObjectStore store, int left, Runnable then) {
            this.store = store;
            this.left = left;
            this.then = then;
        }

        private void step() {
            if (--left == 0) {
                then.run();
            }
        }

        @Override
        public PutResult putIfAbsent(String key, ObjectBody body) {
            step();
            PutResult result = store.putIfAbsent(key, body);
            step();
            return result;
        }

        @Override
        public Optional<byte[]> get(String key) {
            return store.get(key);
        }

        @Override
        public Optional<byte[]> getRange(String key, long offset, int length) {
            return store.getRange(key, offset, length);
        }

        @Override
        public Optional<TailRead> getTail(String key, int length) {
            return store.getTail(key, length);
        }

        @Override
        public Optional<InputStream> open(String key, long offset) {
            return store.open(key, offset);
        }

        @Override
        public Optional<ListedObject> head(String key) {
            return store.head(key);
        }

        @Override
        public ListPage list(String prefix, String startAfter, int limit) {
            return store.list(prefix, startAfter, limit);
        }

        @Override
        public List<String> folders(String prefix) {
            return store.folders(prefix);
        }

        @Override
        public void delete(String key) {
            step();
            store.delete(key);
            step();
        }

        @Override
        public void close() {}
    }
}
