package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Merges of real files: what they hold, that it does not matter who writes them and of what, and
/// what they cost.
final class MergesTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    /// Rough histories drained and merged as a worker does it; every end of a drain restores,
    /// within the promise.
    @Seeds(6)
    void everyDrainRestoresWithinThePromise(long seed) throws IOException {
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            var life = new DrainedLife(history, store, folder);
            var random = new SplittableRandom(seed);
            for (int drain = 0; drain < 40; drain++) {
                life.live(1 + random.nextInt(2));
                life.drain();
                merge(life);
            }
            List<DerivedFile> files = life.listed().files();
            assertThat(files).anyMatch(file -> file.level() == 2);
            for (DerivedFile drain : files) {
                if (drain.level() != 1) {
                    continue;
                }
                RestorePlan plan =
                        RestorePlan.of(DrainedLife.TENANT, files, drain.max(), List.of());
                byte[] image = life.images().get(drain.max());
                assertThat(plan.bytes()).isLessThanOrEqualTo(MergePolicy.bytesMax(image.length));
                assertThat(hydrated(plan)).isEqualTo(image);
            }
        }
    }

    /// A merge of drains, a merge of merges, and one drain of everything (as a recoverer writes it)
    /// have the same bytes where they have the same range.
    @Seeds(6)
    void bytesAreAFunctionOfTheEntries(long seed) throws IOException {
        var other = new MemoryObjectStore();
        int[] commits = new int[33];
        var random = new SplittableRandom(seed);
        for (int i = 0; i < commits.length; i++) {
            commits[i] = 1 + random.nextInt(3);
        }
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            var life = new DrainedLife(history, store, folder);
            var recovered = new DrainedLife(history, other, folder);
            for (int i = 0; i < commits.length; i++) {
                for (Commit commit : history.next(commits[i])) {
                    life.take(commit);
                    recovered.take(commit);
                }
                life.drain();
                if (i == 0) {
                    recovered.drain();
                }
            }
            recovered.drain();
            List<DerivedFile> drains = life.listed().files();
            var run = new Merge(DrainedLife.TENANT, 2, drains.subList(1, 17));
            var next = new Merge(DrainedLife.TENANT, 2, drains.subList(17, 33));
            DerivedFile first = run.write(store, folder);
            DerivedFile second = next.write(store, folder);
            var ofMerges = new Merge(DrainedLife.TENANT, 3, List.of(first, second));
            byte[] merged = object(store, ofMerges.write(store, folder).key());

            assertThat(merged)
                    .isEqualTo(object(other, recovered.listed().files().getLast().key()))
                    .isEqualTo(written(3, drains.subList(1, 33)));
            byte[] snapshot = written(9, drains);
            assertThat(written(9, List.of(drains.getFirst(), first, second))).isEqualTo(snapshot);
            assertThat(written(9, List.of(drains.getFirst(), ofMerges.write(store, folder))))
                    .isEqualTo(snapshot);
            Snapshotter.write(other, recovered.listed(), folder);
            assertThat(object(other, MergePolicy.snapshot(DrainedLife.TENANT, drains).key()))
                    .isEqualTo(snapshot);
        }
    }

    /// The bytes of a merge that nobody has written yet.
    private byte[] written(int level, List<DerivedFile> inputs) {
        var merge = new Merge(DrainedLife.TENANT, level, inputs);
        store.delete(merge.key());
        merge.write(store, folder);
        return object(store, merge.key());
    }

    /// Drains of one session end in any order; the first look may find the second one alone.
    @Test
    void scheduleLooksAgainWhileThereIsNoState() {
        var schedule = new MergeSchedule();
        schedule.drained(1000, 0);
        schedule.done(schedule.look(), MergePolicy.Standing.of(List.of()));
        assertThat(schedule.filesDue(4096, Instant.EPOCH)).isFalse();

        schedule.drained(1000, 0);

        assertThat(schedule.filesDue(4096, Instant.EPOCH)).isTrue();
    }

    @Test
    void mergeReadsEachInputOnceAndWritesOnce() {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, 3, 4096, true)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(16, 1);
            var counting = new CountingObjectStore(store);

            Merges.Done done = merge(life, counting);

            assertThat(done.written()).extracting(DerivedFile::level).contains(2);
            int inputs = 16 * (int) done.written().stream().filter(f -> f.level() == 2).count();
            long snapshots = done.written().stream().filter(f -> f.level() == 9).count();
            assertThat(counting.count(Verb.LIST)).isEqualTo(1);
            assertThat(counting.count(Verb.PUT)).isEqualTo(done.written().size());
            assertThat(counting.count(Verb.GET))
                    .isBetween((long) inputs, inputs + snapshots * MergePolicy.OBJECTS_MAX);
        }
    }

    @Test
    void whatIsThereIsNotWrittenAgain() {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, 3, 4096, true)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(20, 1);
            merge(life);
            var counting = new CountingObjectStore(store);

            assertThat(merge(life, counting).written()).isEmpty();

            assertThat(counting.total()).isEqualTo(1);
        }
    }

    @Test
    void damagedInputBecomesNoMerge() {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, 3, 4096, true)) {
            var life = new DrainedLife(history, store, folder);
            life.drains(16, 1);
            String key = life.listed().files().get(7).key();
            byte[] bytes = object(store, key);
            bytes[bytes.length - 5] ^= 1;
            store.damage(key, bytes);

            assertThatThrownBy(() -> merge(life))
                    .isInstanceOfSatisfying(
                            Corrupt.class, damaged -> assertThat(damaged.key()).isEqualTo(key));
            assertThat(store.keys()).noneMatch(any -> any.contains("/0002/"));
        }
    }

    /// Looks are taken when something is due, not after each drain.
    @Seeds(4)
    void scheduleLooksOnlyWhenSomethingIsDue(long seed) {
        try (var history = RoughHistory.seeded(folder, DrainedLife.TENANT, seed)) {
            history.keepNoImage();
            var life = new DrainedLife(history, store, folder);
            life.keepNoImages();
            var schedule = new MergeSchedule();
            int looks = 0;
            int merges = 0;
            for (int i = 0; i < 50; i++) {
                life.live(1);
                DrainInput input = life.input();
                schedule.drained(
                        Drain.write(store, DrainedLife.TENANT, input, folder), input.lastMillis());
                life.drained();
                long bytes = (long) history.databasePages() * history.pageSize();
                if (schedule.filesDue(bytes, Instant.ofEpochMilli(history.millis()))) {
                    MergeSchedule.Look look = schedule.look();
                    Merges.Done done = merge(life);
                    schedule.done(look, done.standing());
                    looks++;
                    merges += done.written().isEmpty() ? 0 : 1;
                }
                assertThat(
                                MergePolicy.next(
                                        DrainedLife.TENANT,
                                        life.listed().files(),
                                        bytes,
                                        Instant.ofEpochMilli(history.millis())))
                        .as("nothing is due that the schedule does not know")
                        .isEmpty();
            }
            assertThat(looks).isBetween(merges, merges + 1); // the first one
            assertThat(merges).isPositive();
        }
    }

    private Merges.Done merge(DrainedLife life) {
        return merge(life, store);
    }

    private Merges.Done merge(DrainedLife life, ObjectStore where) {
        RoughHistory history = life.history();
        return Merges.write(
                where,
                DrainedLife.TENANT,
                (long) history.databasePages() * history.pageSize(),
                Instant.ofEpochMilli(history.millis()),
                folder);
    }

    private static byte[] object(ObjectStore from, String key) {
        return from.get(key).orElseThrow();
    }

    private byte[] hydrated(RestorePlan plan) throws IOException {
        Path target = folder.resolve("restored.db");
        Hydrator.hydrate(
                store, plan, target, Hydrator.Limits.DEFAULT, new ThreadTasks(), Progress.NONE);
        return Files.readAllBytes(target);
    }
}
