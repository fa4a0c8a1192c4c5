package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.ReplicaException.TooLarge;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A database put together from derived files must be, page for page, what the commits made it; and
/// nothing that is damaged may become a database.
final class HydratorTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    /// Every end of a derived file is restored and compared with the pages of the commits and with
    /// what SQL saw, under all page sizes, with and without snapshots in between.
    @Seeds(20)
    void everyDerivedFileEndsAtAnExactState(long seed) throws IOException {
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            var life = new DrainedLife(history, store, folder);
            var random = new SplittableRandom(seed);
            for (int i = 0; i < 8; i++) {
                life.live(1 + random.nextInt(6));
                life.drain();
                if (random.nextInt(4) == 0) {
                    Snapshotter.write(store, life.listed(), folder);
                }
            }
            List<DerivedFile> files = life.listed().files();

            for (DerivedFile file : files) {
                Hydrated hydrated = hydrate(files, file.max());

                assertThat(Files.readAllBytes(target())).isEqualTo(life.images().get(file.max()));
                assertThat(hydrated.position().txid()).isEqualTo(file.max());
            }
            assertThat(RoughHistory.content(target())).isEqualTo(history.content());
            assertThat(life.listed().coverage()).isEqualTo(history.position().txid());
            assertThat(hydrate(files, files.getLast().max()).position())
                    .isEqualTo(history.position());
        }
    }

    @Test
    void nothingIsLeftOfAFailedHydration() throws IOException {
        DrainedLife life = life(6);
        var flaky = new FlakyObjectStore(store);
        flaky.failNext(request -> new StoreException.Denied(request, "403", null));

        assertThatThrownBy(() -> hydrate(flaky, RestorePlan.latest(life.listed())))
                .isInstanceOf(StoreException.Denied.class);

        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .noneMatch(name -> name.contains("hydrat"));
        }
    }

    /// One bit of one object is wrong: the hydration must fail and name the object, wherever the
    /// bit is, unless it is in a page that a newer file replaces.
    @Seeds(60)
    void damageIsFoundAndNamed(long seed) throws IOException {
        DrainedLife life = life(6);
        var random = new SplittableRandom(seed);
        List<DerivedFile> files = life.listed().files();
        String key = files.get(random.nextInt(files.size())).key();
        byte[] bytes = store.get(key).orElseThrow();
        bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        store.damage(key, bytes);

        try {
            hydrate(store, RestorePlan.latest(life.listed()));
        } catch (Corrupt damaged) {
            assertThat(damaged.key()).isEqualTo(key);
            assertThat(target()).doesNotExist();
            return;
        } catch (dev.litefleet.replica.ReplicaException.UnsupportedFormat flags) {
            assertThat(flags).hasMessageContaining(key);
            return;
        }
        assertThat(Files.readAllBytes(target())).isEqualTo(life.images().lastEntry().getValue());
    }

    /// Drains, merges of both kinds over them, and a snapshot. Whichever object of the plan is
    /// damaged for good, the same state is made of what else covers it, as long as anything does;
    /// else the error names it. Dropped objects are no different.
    @Seeds(4)
    void damagedFileIsGoneAroundWhereOthersCoverIt(long seed) throws IOException {
        DrainedLife life = merged(seed);
        byte[] image = life.images().lastEntry().getValue();
        var random = new SplittableRandom(seed);
        int around = 0;
        for (RestorePlan plan = RestorePlan.latest(life.listed()); ; around++) {
            // The snapshot, then the merge that takes its place, then whatever it may be.
            int step = around < 2 ? 0 : random.nextInt(plan.steps().size());
            String key = key(plan.steps().get(step));
            Optional<RestorePlan> other = plan.without(key);
            byte[] bytes = store.get(key).orElseThrow();
            switch ((int) (around + seed) % 3) {
                case 0 -> store.delete(key);
                case 1 -> {
                    bytes[bytes.length / 2] ^= 4;
                    store.damage(key, bytes);
                }
                default -> store.damage(key, Arrays.copyOf(bytes, (int) seed * 30));
            }
            if (other.isEmpty()) {
                store.delete(key); // A bit may have been one that a newer page replaces.
                RestorePlan last = plan;
                assertThatThrownBy(() -> hydrate(store, last)).isInstanceOf(Corrupt.class);
                break;
            }

            hydrate(store, plan);

            assertThat(Files.readAllBytes(target())).isEqualTo(image);
            Files.delete(target());
            plan = other.get();
        }
        assertThat(around).isGreaterThan(1);
        assertThat(target()).doesNotExist();
    }

    @Seeds(10)
    void bitThatFlipsOnItsWayIsReadAgain(long seed) throws IOException {
        DrainedLife life = life(6);
        var flaky = new FlakyObjectStore(store);
        flaky.flipBitAfter((int) seed % 6);

        hydrate(flaky, RestorePlan.latest(life.listed()));

        assertThat(flaky.hasFlipped()).isTrue();
        assertThat(Files.readAllBytes(target())).isEqualTo(life.images().lastEntry().getValue());
    }

    /// The race with merges and the janitor: between the listing and the n-th read, everything the
    /// listing showed is replaced by files that cover it.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 20})
    void objectsThatGoMeanwhileAreLookedForOnceMore(int read) throws IOException {
        DrainedLife life = life(20);
        RestorePlan before = RestorePlan.latest(life.listed());
        var reads = new AtomicInteger();
        var racing = new FlakyObjectStore(store);
        racing.beforeRead(_ -> {
            if (reads.incrementAndGet() == read) {
                Snapshotter.write(store, life.listed(), folder);
                before.files().forEach(file -> store.delete(file.key()));
            }
        });

        Hydrated hydrated =
                Hydrator.hydrate(
                        racing,
                        before,
                        () -> RestorePlan.latest(life.listed()),
                        target(),
                        Hydrator.Limits.DEFAULT,
                        new ThreadTasks(),
                        Progress.NONE);

        assertThat(hydrated.position()).isEqualTo(life.history().position());
        assertThat(Files.readAllBytes(target())).isEqualTo(life.images().lastEntry().getValue());
    }

    /// And when nothing covers them any more: the state is said to be gone, not another one given.
    @Test
    void stateThatWentMeanwhileIsNotReplacedByAnother() {
        DrainedLife life = life(6);
        Txid early = life.listed().files().get(2).max();
        RestorePlan plan = RestorePlan.of(life.tenant(), life.listed().files(), early, List.of());
        Snapshotter.write(store, life.listed(), folder);
        plan.files().forEach(file -> store.delete(file.key()));

        assertThatThrownBy(() ->
                        Hydrator.hydrate(
                                store,
                                plan,
                                () ->
                                        RestorePlan.of(
                                                life.tenant(),
                                                life.listed().files(),
                                                early,
                                                List.of()),
                                target(),
                                Hydrator.Limits.DEFAULT,
                                new ThreadTasks(),
                                Progress.NONE))
                .isInstanceOf(PointNotFound.class);
        assertThat(target()).doesNotExist();
    }

    private DrainedLife merged(long seed) {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, seed, 4096, true)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(18, 2);
            Merges.write(
                    store,
                    DrainedLife.TENANT,
                    (long) history.databasePages() * history.pageSize(),
                    Instant.ofEpochMilli(history.millis()),
                    folder);
            Snapshotter.write(store, life.listed(), folder);
            life.drains(3, 2);
            return life;
        }
    }

    private static String key(RestorePlan.Step step) {
        return ((RestorePlan.Step.ApplyFile) step).file().key();
    }

    @Test
    void databaseOverTheLimitIsRefusedBeforeItIsRead() {
        DrainedLife life = life(3);
        var limits = new Hydrator.Limits(1024, 1 << 20, 2);

        assertThatThrownBy(() ->
                        Hydrator.hydrate(
                                store,
                                RestorePlan.latest(life.listed()),
                                target(),
                                limits,
                                new ThreadTasks(),
                                Progress.NONE))
                .isInstanceOf(TooLarge.class)
                .hasMessageContaining("databaseBytesMax");
        assertThat(target()).doesNotExist();
    }

    /// The bill of a wake-up: one request per small file, and nothing else.
    @Test
    void smallFilesCostOneRequestEach() {
        DrainedLife life = life(5);
        RestorePlan plan = RestorePlan.latest(life.listed());
        var counting = new CountingObjectStore(store);

        hydrate(counting, plan);

        assertThat(counting.total()).isEqualTo(5);
    }

    @Test
    void progressEndsAtItsTotal() {
        DrainedLife life = life(5);
        long[] last = new long[2];

        Hydrator.hydrate(
                store,
                RestorePlan.latest(life.listed()),
                target(),
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                (done, total) -> {
                    assertThat(done).isGreaterThanOrEqualTo(last[0]).isLessThanOrEqualTo(total);
                    last[0] = done;
                    last[1] = total;
                });

        assertThat(last[0]).isPositive().isEqualTo(last[1]);
    }

    private DrainedLife life(int files) {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, 7, 4096, true)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(files, 4);
            return life;
        }
    }

    private Path target() {
        return folder.resolve("restored.db");
    }

    private Hydrated hydrate(List<DerivedFile> files, Txid txid) {
        return hydrate(store, RestorePlan.of(DrainedLife.TENANT, files, txid, List.of()));
    }

    private Hydrated hydrate(dev.litefleet.replica.objects.ObjectStore from, RestorePlan plan) {
        return Hydrator.hydrate(
                from, plan, target(), Hydrator.Limits.DEFAULT, new ThreadTasks(), Progress.NONE);
    }
}
