package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A tenant whose history was restored in place, more than once: every TXID is one state, whichever
/// lineage holds it.
final class HistoryTest {
    private static final Lineage SECOND = new Lineage("01J00000000000000000000002");
    private static final Lineage THIRD = new Lineage("01J00000000000000000000003");
    private static final Instant NOW =
            Instant.ofEpochMilli(RoughHistory.EPOCH_MILLIS).plusSeconds(1_000_000);

    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();
    private final List<LineageSpan> spans = new ArrayList<>();
    private final TreeMap<Txid, byte[]> states = new TreeMap<>();
    private final TreeMap<Txid, Instant> times = new TreeMap<>();

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @Seeds(6)
    void txidNamesOneStateOverAllLineages(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        try (var rough = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            live(rough, 5 + random.nextInt(6));
            Txid first = restore(SECOND, new Txid(1 + random.nextInt(states.size())), 10);
            Txid second = restore(THIRD, new Txid(1 + random.nextInt(states.size())), 20);

            for (Txid txid : states.keySet()) {
                assertThat(pulled(new Point.At(txid))).isEqualTo(states.get(txid));
                int before = Math.toIntExact(second.value() - txid.value());
                assertThat(target(new Point.Before(before))).isEqualTo(txid);
                assertThat(target(new Point.AtTime(times.get(txid))))
                        .isEqualTo(lastNotAfter(times.get(txid)));
            }
            assertThat(second).isEqualTo(first.next());
            assertThat(target(new Point.Latest())).isEqualTo(second);
            // Between two lineages the last state of the older one stands.
            assertThat(target(new Point.AtTime(times.get(first).minusMillis(1))))
                    .isEqualTo(new Txid(first.value() - 1));
            for (Point outside :
                    new Point[] {
                        new Point.At(second.next()),
                        new Point.At(Txid.NONE),
                        new Point.Before(Math.toIntExact(second.value())),
                        new Point.AtTime(times.firstEntry().getValue().minusMillis(1))
                    }) {
                assertThatThrownBy(() -> plan(outside))
                        .isInstanceOfSatisfying(
                                PointNotFound.class,
                                refused -> {
                                    assertThat(refused.requested()).isEqualTo(outside);
                                    assertThat(refused.last()).isEqualTo(second);
                                });
            }
        }
    }

    /// A late file of the old lineage's dead owner is in its folder, but not in the history.
    @Test
    void whatAnEndedLineageHoldsBeyondItsEndIsNotRead() throws IOException {
        try (var rough = RoughHistory.seeded(folder, DrainedLife.TENANT, 3)) {
            var life = live(rough, 4);
            restore(SECOND, new Txid(2), 10);
            byte[] restored = states.get(new Txid(5));
            life.live(1);
            life.drain();

            assertThat(pulled(new Point.At(new Txid(5)))).isEqualTo(restored);
            assertThat(target(new Point.AtTime(times.get(new Txid(5)).minusMillis(1))))
                    .isEqualTo(new Txid(4));
        }
    }

    /// Retention has removed the snapshot that the second lineage began with: when it began nobody
    /// knows, so what was current between the lineages' known states cannot be told.
    @Test
    void timeBetweenLineagesIsNotGuessed() throws IOException {
        try (var rough = RoughHistory.seeded(folder, DrainedLife.TENANT, 4)) {
            live(rough, 4);
            restore(SECOND, new Txid(2), 10);
            Path image = hydrated(plan(new Point.Latest()));
            var key = new TenantKey(DrainedLife.TENANT.tenant(), SECOND);
            LineageStart.write(
                    store,
                    key,
                    new Txid(9),
                    times.get(new Txid(5)).plusSeconds(60),
                    new LineageStart.Image(image, rough.pageSize(), pages(image, rough)),
                    folder);
            store.delete(DerivedFile.key(key, 9, new Txid(1), new Txid(5)));
            var between = new Point.AtTime(times.get(new Txid(5)).plusSeconds(30));

            assertThatThrownBy(() -> plan(between))
                    .isInstanceOfSatisfying(
                            PointNotExact.class,
                            refused -> {
                                assertThat(refused.before()).contains(new Txid(4));
                                assertThat(refused.after()).contains(new Txid(9));
                            });
            Instant early = times.firstEntry().getValue();
            assertThat(target(new Point.AtTime(early))).isEqualTo(lastNotAfter(early));
        }
    }

    /// The listing's times are those of the copy; the files' own are what counts.
    @Test
    void timesOfAReplicaWithoutIndexAreTheFilesOwn() throws IOException {
        try (var rough = RoughHistory.seeded(folder, DrainedLife.TENANT, 5)) {
            live(rough, 9);
            HistoryIndex.list(store, DrainedLife.TENANT)
                    .forEach(range -> store.delete(range.key()));

            times.forEach((txid, time) -> {
                assertThat(target(new Point.AtTime(time))).isEqualTo(lastNotAfter(time));
                assertThat(target(new Point.AtTime(time.plusMillis(999_999))))
                        .isEqualTo(lastNotAfter(time.plusMillis(999_999)));
            });
            assertThatThrownBy(() ->
                            plan(new Point.AtTime(times.firstEntry().getValue().minusMillis(1))))
                    .isInstanceOf(PointNotFound.class);
        }
    }

    /// Writing it again, after a crash or with an unknown outcome, changes nothing.
    @Test
    void startOfALineageIsAFunctionOfItsState() throws IOException {
        try (var rough = RoughHistory.seeded(folder, DrainedLife.TENANT, 6)) {
            live(rough, 3);
            restore(SECOND, new Txid(2), 10);
            String key =
                    DerivedFile.key(
                            new TenantKey(DrainedLife.TENANT.tenant(), SECOND),
                            9,
                            new Txid(1),
                            new Txid(4));
            byte[] once = store.get(key).orElseThrow();
            store.delete(key);
            spans.removeLast();
            spans.set(0, new LineageSpan(DrainedLife.TENANT.lineage(), new Txid(1), null));

            restore(SECOND, new Txid(2), 10);

            assertThat(store.get(key)).contains(once);
        }
    }

    private DrainedLife live(RoughHistory rough, int commits) {
        var life = new DrainedLife(rough, store, folder);
        for (int i = 0; i < commits; i++) {
            life.live(1);
            life.drain();
            times.put(rough.position().txid(), Instant.ofEpochMilli(rough.millis()));
        }
        states.putAll(life.images());
        spans.add(new LineageSpan(rough.tenant().lineage(), new Txid(1), null));
        return life;
    }

    /// What a restore in place leaves behind.
    private Txid restore(Lineage fresh, Txid to, int secondsLater) throws IOException {
        RestorePlan plan = plan(new Point.At(to));
        Path image = folder.resolve("restored-" + fresh);
        Hydrated state =
                Hydrator.hydrate(
                        store,
                        plan,
                        image,
                        Hydrator.Limits.DEFAULT,
                        new ThreadTasks(),
                        Progress.NONE);
        LineageSpan old = spans.removeLast();
        Txid last = history(List.of(old)).current().latest();
        Txid next = last.next();
        Instant time = times.lastEntry().getValue().plusSeconds(secondsLater);
        if (times.containsKey(next)) {
            time = times.get(next);
        }
        LineageStart.write(
                store,
                new TenantKey(DrainedLife.TENANT.tenant(), fresh),
                next,
                time,
                new LineageStart.Image(image, state.pageSize(), state.pages()),
                folder);
        spans.add(new LineageSpan(old.lineage(), old.first(), last));
        spans.add(new LineageSpan(fresh, next, null));
        states.put(next, states.get(to));
        times.put(next, time);
        return next;
    }

    private static int pages(Path image, RoughHistory rough) throws IOException {
        return Math.toIntExact(Files.size(image) / rough.pageSize());
    }

    private Txid lastNotAfter(Instant time) {
        return times.entrySet().stream()
                .filter(entry -> !entry.getValue().isAfter(time))
                .reduce((_, b) -> b)
                .orElseThrow()
                .getKey();
    }

    private History history(List<LineageSpan> lineages) {
        return History.read(store, DrainedLife.TENANT.tenant(), lineages, List.of(), Txid.NONE);
    }

    private RestorePlan plan(Point point) {
        return history(spans).plan(point, NOW);
    }

    private Txid target(Point point) {
        return plan(point).target();
    }

    private byte[] pulled(Point point) throws IOException {
        return Files.readAllBytes(hydrated(plan(point)));
    }

    private Path hydrated(RestorePlan plan) throws IOException {
        Path target = Files.createTempDirectory(folder, "pulled").resolve("db");
        Hydrator.hydrate(
                store, plan, target, Hydrator.Limits.DEFAULT, new ThreadTasks(), Progress.NONE);
        return target;
    }
}
