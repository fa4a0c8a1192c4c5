package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.InconsistentStore;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LoggedFleet.Resident;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ListPage;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.TailRead;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A worker dies; what it had made durable and not yet drained must end up in its tenants' derived
/// files, whoever recovers it, however often and however many at once.
final class RecoveryTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    /// The live worker drains from WAL frames, a recoverer from log entries: same name, same bytes,
    /// derived files and history objects. Some segments hold merged entries.
    @Seeds(10)
    void liveDrainAndRecoveryWriteTheSameBytes(long seed) throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 3, seed)) {
            var random = new SplittableRandom(seed);
            for (int segment = 0; segment < 5; segment++) {
                for (Resident resident : fleet.residents()) {
                    resident.live(random.nextInt(8));
                }
                fleet.flush();
            }
            fleet.residents().getFirst().live(70);
            fleet.flush();
            MemoryObjectStore copy = fleet.copyOfLog();
            Fence.Closed closed = fleet.fence(copy);

            for (Resident resident : fleet.residents()) {
                resident.drain();
            }
            Recovered recovered = recover(copy, closed);

            assertThat(derived(copy)).isNotEmpty().isEqualTo(derived(store));
            assertThat(recovered.coverage()).isEqualTo(positions(fleet));
            assertThat(recovered.filesWritten()).isEqualTo(3);
        }
    }

    @Seeds(10)
    void recoveryWritesOneFileOfWhatCoverageLacks(long seed) throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 4, seed)) {
            var random = new SplittableRandom(seed);
            for (int segment = 0; segment < 8; segment++) {
                for (Resident resident : fleet.residents()) {
                    resident.live(1 + random.nextInt(4));
                }
                fleet.flush();
                Resident one = fleet.residents().get(random.nextInt(4));
                one.drain();
            }
            long files = store.listAll("tenants/").filter(object -> isFile(object)).count();

            Recovered recovered = recover(store, fleet.fence());

            assertThat(recovered.coverage()).containsAllEntriesOf(lacking(fleet, recovered));
            assertThat(recovered.failed()).isEmpty();
            assertThat(store.listAll("tenants/").filter(object -> isFile(object)).count())
                    .isEqualTo(files + recovered.filesWritten());
            for (Resident resident : fleet.residents()) {
                assertRestorable(resident);
                assertThat(exactPoints(resident))
                        .isEqualTo(resident.images().navigableKeySet().stream().toList());
            }
        }
    }

    @Test
    void recoveringAgainWritesNothing() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 3, 1)) {
            fleet.residents().forEach(resident -> resident.live(9));
            fleet.flush();
            Fence.Closed closed = fleet.fence();
            Recovered first = recover(store, closed);
            List<String> keys = store.keys();
            var counting = new CountingObjectStore(store);

            Recovered second = recover(counting, closed);

            assertThat(store.keys()).isEqualTo(keys);
            assertThat(counting.count(Verb.PUT)).isZero();
            assertThat(second.coverage()).isEqualTo(first.coverage());
            assertThat(second.filesWritten()).isZero();
        }
    }

    /// Each loses answers and requests and begins anew; in the end there is one history.
    @Seeds(10)
    void twoRecoverersOverAnUnreliableStoreAgree(long seed) throws Exception {
        try (var fleet = new LoggedFleet(store, folder, 3, seed)) {
            for (int segment = 0; segment < 3; segment++) {
                fleet.residents().forEach(resident -> resident.live(4));
                fleet.flush();
            }
            Fence.Closed closed = fleet.fence();
            var flaky = new FlakyObjectStore(store);
            flaky.shake(new SplittableRandom(seed), 10);

            var one = CompletableFuture.supplyAsync(() -> untilDone(flaky, closed));
            var two = CompletableFuture.supplyAsync(() -> untilDone(flaky, closed));

            assertThat(one.get().coverage()).isEqualTo(positions(fleet));
            assertThat(two.get().coverage()).isEqualTo(positions(fleet));
            flaky.land(); // Late puts of both: they must find their keys taken.
            for (Resident resident : fleet.residents()) {
                assertRestorable(resident);
            }
        }
    }

    /// The worker died between the derived file and its history object: the states are restorable
    /// by segment only if the index names it.
    @Test
    void historyObjectThatADrainStillOwedIsWritten() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 2)) {
            Resident resident = fleet.residents().getFirst();
            resident.live(5);
            fleet.flush();
            Drain.writeFile(store, resident.tenant(), resident.input(), folder);
            resident.live(3);
            fleet.flush();

            Recovered recovered = recover(store, fleet.fence());

            assertThat(recovered.filesWritten()).isEqualTo(1);
            assertThat(exactPoints(resident))
                    .isEqualTo(resident.images().navigableKeySet().stream().toList());
        }
    }

    /// A late PUT of the dead owner made a file that overlaps what a recoverer writes.
    @Test
    void overlappingFilesOfADeadOwnerDoNoHarm() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 4)) {
            Resident resident = fleet.residents().getFirst();
            resident.live(4);
            fleet.flush();
            DrainInput late = resident.input();
            resident.live(6);
            fleet.flush();
            recover(store, fleet.fence());

            Drain.write(store, resident.tenant(), late, folder);

            assertThat(LineageHistory.list(store, resident.tenant()).files()).hasSize(2);
            assertRestorable(resident);
        }
    }

    /// One tenant's file is of another database than the one its entries were made on: it is
    /// refused, the others are recovered.
    @Test
    void tenantWithABrokenChainDoesNotHoldUpTheOthers() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 2, 5)) {
            Resident broken = fleet.residents().getFirst();
            broken.live(3);
            fleet.flush();
            DrainInput input = broken.input();
            var strange =
                    new DrainInput(
                            input.pageSize(),
                            input.commitBefore(),
                            input.commit(),
                            input.min(),
                            input.max(),
                            input.pages(),
                            input.lastMillis(),
                            input.checksumAfter() ^ 1,
                            input.points());
            Drain.writeFile(store, broken.tenant(), strange, folder);
            fleet.residents().forEach(resident -> resident.live(3));
            fleet.flush();

            Recovered recovered = recover(store, fleet.fence());

            assertThat(recovered.failed()).containsOnlyKeys(broken.tenant());
            assertThat(recovered.failed().get(broken.tenant()))
                    .isInstanceOf(Corrupt.class)
                    .hasMessageContaining("was made on another database");
            assertThat(recovered.coverage()).containsEntry(broken.tenant(), new Txid(6));
            assertRestorable(fleet.residents().getLast());
            assertThatThrownBy(() ->
                            LineageHistory.list(store, broken.tenant())
                                    .requireCoverage(new Txid(6)))
                    .isInstanceOf(HistoryIncomplete.class);
        }
    }

    /// A bit that flips on its way is not in the store. Whichever read it is in, nobody is given
    /// up.
    @Test
    void bitThatFlipsOnItsWayFailsNobody() throws IOException {
        boolean flipped = true;
        for (int read = 0; flipped; read++) {
            var memory = new MemoryObjectStore();
            var flaky = new FlakyObjectStore(memory);
            try (var fleet =
                    new LoggedFleet(
                            memory, Files.createDirectory(folder.resolve("flip-" + read)), 2, 5)) {
                Resident drained = fleet.residents().getFirst();
                drained.live(2);
                fleet.flush();
                drained.drain();
                fleet.residents().forEach(resident -> resident.live(2));
                fleet.flush();
                Fence.Closed closed = fleet.fence();
                flaky.flipBitAfter(read);

                Recovered recovered = recover(flaky, closed);

                flipped = flaky.hasFlipped();
                assertThat(recovered.failed()).as("read %d", read).isEmpty();
                for (Resident resident : fleet.residents()) {
                    assertThat(LineageHistory.list(memory, resident.tenant()).coverage())
                            .as("read %d", read)
                            .isEqualTo(recovered.coverage().get(resident.tenant()));
                }
                assertThat(flipped || read > 2).isTrue();
            }
        }
    }

    @Test
    void missingFileBeforeTheUndrainedEntriesFailsTheTenant() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 6)) {
            Resident resident = fleet.residents().getFirst();
            resident.live(3);
            fleet.flush();
            resident.drain();
            resident.live(3);
            fleet.flush();
            LineageHistory.list(store, resident.tenant())
                    .files()
                    .forEach(file -> store.delete(file.key()));
            // The first three are in the log still, but the log says that they were drained.
            resident.live(1);
            fleet.flush();

            Recovered recovered = recover(store, fleet.fence());

            assertThat(recovered.failed().get(resident.tenant()))
                    .isInstanceOf(HistoryIncomplete.class);
        }
    }

    @Test
    void nothingAtOrAboveTheFenceIsRead() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 7)) {
            Resident resident = fleet.residents().getFirst();
            resident.live(3);
            fleet.flush();
            Fence.Closed closed = fleet.fence();
            // A zombie's segment that landed above the fence.
            try (var zombie = new LoggedFleet(new MemoryObjectStore(), other(), 1, 7)) {
                zombie.residents().getFirst().live(5);
                zombie.flush();
                byte[] segment =
                        zombie.copyOfLog().get(new Slot(1, 2).key(LoggedFleet.LOG)).orElseThrow();
                store.damage(closed.slot().next().key(LoggedFleet.LOG), segment);
            }

            Recovered recovered = recover(store, closed);

            assertThat(recovered.coverage()).containsEntry(resident.tenant(), new Txid(3));
        }
    }

    /// A log keeps the entries of a tenant that has left, drained and been erased since, when a
    /// neighbour in the same slot is undrained.
    @Test
    void erasedTenantIsNotWrittenAgain() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 2, 1)) {
            fleet.residents().forEach(resident -> resident.live(3));
            fleet.flush();
            TenantKey erased = fleet.residents().getFirst().tenant();
            Fence.Closed closed = fleet.fence();

            Recovered recovered =
                    Recovery.recover(
                            store,
                            LoggedFleet.LOG,
                            closed,
                            folder,
                            new Hurried(),
                            tenant -> !tenant.equals(erased));

            assertThat(store.keys()).noneMatch(key -> key.startsWith(erased.prefix()));
            assertThat(recovered.failed()).isEmpty();
            assertThat(recovered.filesWritten()).isEqualTo(1);
            assertRestorable(fleet.residents().getLast());
        }
    }

    /// Deleted while the recovery runs: it is asked before each write, not once.
    @Test
    void tenantThatIsDeletedMeanwhileIsNotWritten() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 1)) {
            fleet.residents().forEach(resident -> resident.live(3));
            fleet.flush();
            Fence.Closed closed = fleet.fence();
            var asked = new AtomicInteger();

            Recovered recovered =
                    Recovery.recover(
                            store,
                            LoggedFleet.LOG,
                            closed,
                            folder,
                            new Hurried(),
                            _ -> asked.incrementAndGet() == 1);

            assertThat(store.keys()).noneMatch(key -> key.startsWith("tenants/"));
            assertThat(recovered.filesWritten()).isZero();
        }
    }

    /// A listing that lacks the newest keys of the log, however many: the recovery says so, or does
    /// all of it. What it left out without a word would be lost, as nobody recovers a closed log.
    @Seeds(4)
    void lateListingNeverMakesARecoveryForget(long seed) throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 2, seed)) {
            var random = new SplittableRandom(seed);
            // At every place in a part of three slots, its first one too.
            for (int slot = 0; slot < 5 + (int) seed % 4; slot++) {
                fleet.residents().get(random.nextInt(2)).live(1 + random.nextInt(2));
                fleet.flush();
            }
            Fence.Closed closed = fleet.fence();
            Map<TenantKey, Txid> durable = positions(fleet);
            int keys = (int) store.listAll("log/").count();
            int told = 0;
            for (int late = 1; late <= keys; late++) {
                MemoryObjectStore copy = fleet.copyOfLog();
                Recovered recovered;
                try {
                    recovered = recover(new LateListing(copy, late), closed);
                } catch (InconsistentStore said) {
                    told++;
                    recovered = recover(copy, closed);
                }

                assertThat(recovered.failed()).isEmpty();
                for (Resident resident : fleet.residents()) {
                    if (resident.history().position().txid().value() > 0) {
                        assertThat(recovered.coverage())
                                .as("%d late", late)
                                .containsEntry(resident.tenant(), durable.get(resident.tenant()));
                    }
                }
            }
            assertThat(told).isPositive().isLessThan(keys);
        }
    }

    /// Does not list the newest keys of the log.
    private static final class LateListing implements ObjectStore {
        private final ObjectStore store;
        private final String end;

        LateListing(ObjectStore store, int late) {
            this.store = store;
            List<String> keys = store.listAll("log/").map(ListedObject::key).toList();
            this.end = keys.get(keys.size() - late);
        }

        @Override
        public ListPage list(String prefix, String startAfter, int limit) {
            ListPage page = store.list(prefix, startAfter, limit);
            return new ListPage(
                    page.objects().stream()
                            .filter(object ->
                                    !object.key().startsWith("log/")
                                            || object.key().compareTo(end) < 0)
                            .toList(),
                    page.more());
        }

        @Override
        public List<String> folders(String prefix) {
            return store.folders(prefix).stream()
                    .filter(folder -> !list(prefix + folder + "/", "", 1).objects().isEmpty())
                    .toList();
        }

        @Override
        public PutResult putIfAbsent(String key, ObjectBody body) {
            return store.putIfAbsent(key, body);
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
        public void delete(String key) {
            store.delete(key);
        }

        @Override
        public void close() {
            store.close();
        }
    }

    private Path other() throws IOException {
        return Files.createDirectory(folder.resolve("zombie"));
    }

    private Recovered recover(ObjectStore where, Fence.Closed closed) {
        return Recovery.recover(where, LoggedFleet.LOG, closed, folder, new Hurried());
    }

    private Recovered untilDone(ObjectStore where, Fence.Closed closed) {
        while (true) {
            try {
                return recover(where, closed);
            } catch (StoreException.Unavailable again) {
                assertThat(again.answer()).isEqualTo("timeout");
            }
        }
    }

    private static TreeMap<String, byte[]> derived(ObjectStore store) {
        return new TreeMap<>(
                store.listAll("tenants/")
                        .collect(
                                Collectors.toMap(
                                        ListedObject::key,
                                        object -> store.get(object.key()).orElseThrow()))) {
            @Override
            public boolean equals(Object other) {
                return other instanceof TreeMap<?, ?> map
                        && keySet().equals(map.keySet())
                        && keySet().stream()
                                .allMatch(key ->
                                        java.util.Arrays.equals(get(key), (byte[]) map.get(key)));
            }

            @Override
            public int hashCode() {
                return keySet().hashCode();
            }
        };
    }

    private static boolean isFile(ListedObject object) {
        return object.key().endsWith(".ltx");
    }

    private static java.util.Map<TenantKey, Txid> positions(LoggedFleet fleet) {
        return fleet.residents().stream()
                .collect(
                        Collectors.toMap(Resident::tenant, one -> one.history().position().txid()));
    }

    private static Map<TenantKey, Txid> lacking(LoggedFleet fleet, Recovered recovered) {
        var positions = positions(fleet);
        positions.keySet().retainAll(recovered.coverage().keySet());
        return positions;
    }

    private List<Txid> exactPoints(Resident resident) {
        return HistoryIndex.points(
                        store, resident.tenant(), new Txid(1), resident.history().position().txid())
                .stream()
                .map(IndexPoint::max)
                .toList();
    }

    private void assertRestorable(Resident resident) throws IOException {
        LineageHistory history = LineageHistory.list(store, resident.tenant());
        Path target = folder.resolve("restored.db");

        Hydrated hydrated =
                Hydrator.hydrate(
                        store,
                        RestorePlan.latest(history),
                        target,
                        Hydrator.Limits.DEFAULT,
                        new ThreadTasks(),
                        Progress.NONE);

        assertThat(hydrated.position()).isEqualTo(resident.history().position());
        assertThat(Files.readAllBytes(target)).isEqualTo(resident.images().lastEntry().getValue());
    }

    /// Real threads that do not pause between retries.
    private static final class Hurried implements Tasks {
        private final ThreadTasks tasks = new ThreadTasks();

        @Override
        public void start(String name, Runnable body) {
            tasks.start(name, body);
        }

        @Override
        public void sleep(Duration time) {
            Thread.yield();
        }

        @Override
        public long nanos() {
            return tasks.nanos();
        }

        @Override
        public Guard guard() {
            return tasks.guard();
        }
    }
}
