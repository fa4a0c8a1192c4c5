package dev.litefleet.observer.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.observer.testing.LivingFleet;
import dev.litefleet.observer.testing.LivingFleet.Resident;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.ReplicaException.PointNotFound;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.MergePolicy;
import dev.litefleet.replica.history.Merges;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.Timeline;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.S3FaultServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class FleetTest {
    private static final TenantId ONE = new TenantId("agent-1");

    private final Tasks tasks = new ThreadTasks();

    @TempDir Path folder;

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void everyDurableStateComesBackFromADirectory(long seed) throws IOException {
        try (ObjectStore store = StoreUrl.of(folder.resolve("store")).open()) {
            roundTrip(store, seed);
        }
    }

    @Test
    void everyDurableStateComesBackFromS3() throws IOException {
        try (var server = S3FaultServer.start();
                ObjectStore store = server.url("bucket/fleet").open(S3FaultServer.CREDENTIALS)) {
            roundTrip(store, 4);
        }
    }

    /// Drained, drained again, and a tail that only the log has; beyond it commits that never
    /// became durable.
    private void roundTrip(ObjectStore store, long seed) throws IOException {
        try (var living = new LivingFleet(store, made("living"), seed)) {
            living.tables();
            Resident one = living.tenant("agent-1", "team=research").live(5).drain();
            one.live(4).drain();
            Resident two = living.tenant("agent-2").live(3).flush();
            Txid last = one.live(6).flush().images().lastKey();
            one.live(2);
            var counted = new CountingObjectStore(store);

            Fleet fleet = open(counted);

            assertThat(fleet.tenants())
                    .extracting(tenant -> tenant.key().tenant().name())
                    .containsExactly("agent-1", "agent-2");
            assertThat(fleet.tenant(ONE).orElseThrow().labels())
                    .isEqualTo(Map.of("team", "research"));
            checkEveryPoint(counted, fleet, one, last);
            checkEveryPoint(counted, fleet, two, two.images().lastKey());
            assertThat(counted.count(Verb.PUT) + counted.count(Verb.DELETE)).isZero();
        }
    }

    private void checkEveryPoint(ObjectStore store, Fleet fleet, Resident tenant, Txid last)
            throws IOException {
        Timeline timeline = timeline(fleet, tenant);
        Instant now = Instant.ofEpochMilli(tenant.times().get(last)).plusSeconds(60);
        assertThat(timeline.latest()).isEqualTo(last);
        assertThat(timeline.latestTime()).contains(Instant.ofEpochMilli(tenant.times().get(last)));
        for (Txid txid : tenant.images().headMap(last, true).keySet()) {
            byte[] image = tenant.images().get(txid);
            assertThat(pulled(store, timeline, new Point.At(txid), now)).isEqualTo(image);
            int before = Math.toIntExact(last.value() - txid.value());
            assertThat(target(timeline, new Point.Before(before), now)).isEqualTo(txid);
            Instant time = Instant.ofEpochMilli(tenant.times().get(txid));
            Txid lastThen = lastAt(tenant, time.toEpochMilli(), last);
            assertThat(target(timeline, new Point.AtTime(time), now)).isEqualTo(lastThen);
            Duration ago = Duration.ofSeconds(Duration.between(time, now).toSeconds());
            assertThat(target(timeline, new Point.Ago(ago), now))
                    .isEqualTo(lastAt(tenant, now.minus(ago).toEpochMilli(), last));
        }
        assertThat(pulled(store, timeline, new Point.Latest(), now))
                .isEqualTo(tenant.images().get(last));
        long first = tenant.times().firstEntry().getValue();
        for (Point outside :
                new Point[] {
                    new Point.At(last.next()),
                    new Point.At(Txid.NONE),
                    new Point.Before(Math.toIntExact(last.value())),
                    new Point.AtTime(Instant.ofEpochMilli(first - 1))
                }) {
            assertThatThrownBy(() -> timeline.plan(outside, now))
                    .isInstanceOfSatisfying(
                            PointNotFound.class,
                            failure -> assertThat(failure.last()).isEqualTo(last));
        }
    }

    @Test
    void tenantWithoutCommitHasNoPoint() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 1)) {
            Resident fresh = living.tables().tenant("agent-1");

            Timeline timeline = timeline(open(store), fresh);

            assertThat(timeline.latest()).isEqualTo(Txid.NONE);
            assertThat(timeline.latestTime()).isEmpty();
            assertThatThrownBy(() -> timeline.plan(new Point.Latest(), Instant.EPOCH))
                    .isInstanceOfSatisfying(
                            PointNotFound.class,
                            failure -> assertThat(failure.last()).isEqualTo(Txid.NONE));
        }
    }

    @Test
    void fenceEndsTheTailAndHidesNothing() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 2)) {
            Resident one = living.tables().tenant("agent-1").live(3).drain();
            Txid last = one.live(3).flush().images().lastKey();
            living.fence();
            one.live(1);

            Timeline timeline = timeline(open(store), one);

            assertThat(timeline.latest()).isEqualTo(last);
            assertThat(pulled(store, timeline, new Point.Latest(), Instant.EPOCH))
                    .isEqualTo(one.images().get(last));
        }
    }

    @Test
    void commitsAboveAFreeSlotDoNotExist() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 3)) {
            Resident one = living.tables().tenant("agent-1").live(2).flush();
            Txid last = one.images().lastKey();
            one.live(1).flush();
            one.live(1).flush();
            // Slot 1 opened the log, 2 and 3 followed.
            store.delete(LivingFleet.WORKER.prefix() + "0001/0000000000000003.zip");

            assertThat(timeline(open(store), one).latest()).isEqualTo(last);
        }
    }

    @Test
    void fleetWhoseControllerHasNotCommittedIsEmpty() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 1)) {
            assertThat(open(store).tenants()).isEmpty();

            living.catalog().commit("create table other (id)").flush();

            assertThat(open(store).tenants()).isEmpty();
        }
    }

    @Test
    void logOfAClosedControllerIsNotRead() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 1)) {
            living.tables().tenant("agent-1");
            living.catalog().drain();
            living.tenant("agent-2");
            assertThat(open(store).tenants()).hasSize(2);

            // Its successor would have drained the tail; so this one is not to be looked for.
            living.closeController();

            assertThat(open(store).tenants()).hasSize(1);
        }
    }

    @Test
    void bucketWithoutACatalogShowsItsReplicas() throws IOException {
        var store = new MemoryObjectStore();
        var replicas = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 5)) {
            Resident one = living.tables().tenant("agent-1").live(4).drain();
            store.listAll(one.key().prefix() + "000")
                    .forEach(object ->
                            replicas.putIfAbsent(
                                    object.key(),
                                    ObjectBody.of(store.get(object.key()).orElseThrow())));
            replicas.putIfAbsent("tenants/README", ObjectBody.of(new byte[1]));
            replicas.putIfAbsent("tenants/Not An Id/x/y", ObjectBody.of(new byte[1]));

            Fleet fleet = open(replicas);

            assertThat(fleet.tenants())
                    .extracting(tenant -> tenant.key() + " " + tenant.state())
                    .containsExactly(one.key() + " replica");
            assertThat(pulled(replicas, timeline(fleet, one), new Point.Latest(), Instant.EPOCH))
                    .isEqualTo(one.images().lastEntry().getValue());
        }
    }

    /// What is called latest is never older than what was durable; a TXID says itself how old it
    /// is.
    @Test
    void historyThatLostCommitsHasNoLatest() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 6)) {
            Resident one = living.tables().tenant("agent-1").live(4).drain();
            living.catalog().commit("update tenants set txid_floor = 5").flush();
            Timeline timeline = timeline(open(store), one);

            assertThatThrownBy(() -> timeline.plan(new Point.Latest(), Instant.EPOCH))
                    .isInstanceOf(HistoryIncomplete.class);
            assertThat(target(timeline, new Point.At(new Txid(4)), Instant.EPOCH))
                    .isEqualTo(new Txid(4));
        }
    }

    /// Without the history index only the ends of drains are left.
    @Test
    void pointInsideADrainNamesItsNeighboursWhenTheIndexIsGone() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 7)) {
            Resident one = living.tables().tenant("agent-1").live(3).drain();
            one.live(4).drain();
            // The log's newest segment says that what came before is drained.
            one.live(1).flush();
            store.listAll(one.key().prefix() + "history/")
                    .toList()
                    .forEach(object -> store.delete(object.key()));
            Timeline timeline = timeline(open(store), one);

            assertThatThrownBy(() -> timeline.plan(new Point.Before(3), Instant.EPOCH))
                    .isInstanceOfSatisfying(
                            PointNotExact.class,
                            failure -> {
                                assertThat(failure.requested()).isEqualTo(new Point.Before(3));
                                assertThat(failure.before()).contains(new Txid(3));
                                assertThat(failure.after()).contains(new Txid(7));
                            });
        }
    }

    @Test
    void listingCostsOneRequestPerTenantAndReadsEachLogOnce() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 8)) {
            living.tables();
            long few = requestsOfListing(store, living, 5);
            long more = requestsOfListing(store, living, 20);

            // The catalog's own tail grew by a slot for each tenant.
            assertThat(more - few).isLessThanOrEqualTo(15 * 4);
        }
    }

    private long requestsOfListing(ObjectStore store, LivingFleet living, int tenants)
            throws IOException {
        for (int i = Math.toIntExact(open(store).tenants().size()); i < tenants; i++) {
            living.tenant("agent-" + i).live(1).flush();
        }
        var counted = new CountingObjectStore(store);
        Fleet fleet = open(counted);
        assertThat(fleet.timelines(fleet.tenants(), (_, timeline) -> timeline.latest()))
                .hasSize(tenants)
                .allMatch(latest -> latest.equals(new Txid(1)));
        return counted.total();
    }

    /// Reading the last state of a long history costs what its last snapshot and merges cost, not
    /// its length.
    @Test
    void latestOfALongHistoryCostsFewRequests() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 12)) {
            Resident one = living.tables().tenant("agent-1");
            for (int drain = 0; drain < 120; drain++) {
                one.live(1).drain();
                int bytes = one.images().lastEntry().getValue().length;
                Merges.write(store, one.key(), bytes, Instant.EPOCH, folder);
            }
            int database = one.images().lastEntry().getValue().length;
            var counted = new CountingObjectStore(store);
            Fleet fleet = open(counted);
            long opening = counted.total();
            counted.reset();

            byte[] pulled = pulled(counted, timeline(fleet, one), Point.LATEST, Instant.EPOCH);

            assertThat(pulled).isEqualTo(one.images().lastEntry().getValue());
            assertThat(opening).isLessThanOrEqualTo(16);
            assertThat(counted.count(CountingObjectStore.Verb.LIST)).isLessThanOrEqualTo(4);
            // The tail of the log and the files; of small files one request each.
            assertThat(counted.count(CountingObjectStore.Verb.GET))
                    .isLessThanOrEqualTo(MergePolicy.OBJECTS_MAX + 3);
            assertThat(counted.bytesRead())
                    .isLessThanOrEqualTo(MergePolicy.bytesMax(database) + (64 << 10));
            System.out.printf(
                    "pull of 120 drains, %d bytes: %d GET, %d LIST, %d bytes read%n",
                    database,
                    counted.count(CountingObjectStore.Verb.GET),
                    counted.count(CountingObjectStore.Verb.LIST),
                    counted.bytesRead());
        }
    }

    /// More slots than a listing has in a page lie behind the last drain.
    @Test
    void tailOfMoreThanAThousandSlotsIsReadWhole() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 13)) {
            Resident one = living.tables().tenant("agent-1").live(1).drain();
            Resident other = living.tenant("agent-2");
            one.live(1).flush();
            for (int slot = 0; slot < 1_050; slot++) {
                other.live(1).flush();
            }
            one.live(1).flush();

            assertThat(timeline(open(store), one).latest()).isEqualTo(new Txid(3));
            assertThat(timeline(open(store), other).latest().value()).isGreaterThan(1_049);
        }
    }

    @Test
    void planOfADrainEndReadsNoIndex() throws IOException {
        var store = new MemoryObjectStore();
        try (var living = new LivingFleet(store, made("living"), 9)) {
            Resident one = living.tables().tenant("agent-1").live(3).drain();
            one.live(3).drain();
            var counted = new CountingObjectStore(store);
            Timeline timeline = timeline(open(counted), one);
            counted.reset();

            timeline.plan(new Point.At(new Txid(3)), Instant.EPOCH);
            timeline.plan(new Point.Latest(), Instant.EPOCH);

            assertThat(counted.total()).isZero();
        }
    }

    private Timeline timeline(Fleet fleet, Resident tenant) {
        return fleet.timeline(fleet.tenant(tenant.key().tenant()).orElseThrow());
    }

    private static Txid target(Timeline timeline, Point point, Instant now) {
        return timeline.plan(point, now).target();
    }

    private static Txid lastAt(Resident tenant, long millis, Txid last) {
        return tenant.times().headMap(last, true).entrySet().stream()
                .filter(entry -> entry.getValue() <= millis)
                .map(Map.Entry::getKey)
                .reduce((_, later) -> later)
                .orElseThrow();
    }

    private byte[] pulled(ObjectStore store, Timeline timeline, Point point, Instant now)
            throws IOException {
        Path file = folder.resolve("pulled.db");
        Hydrator.hydrate(
                store,
                timeline.plan(point, now),
                file,
                Hydrator.Limits.DEFAULT,
                tasks,
                Progress.NONE);
        return Files.readAllBytes(file);
    }

    private Fleet open(ObjectStore store) throws IOException {
        return Fleet.open(
                store, Files.createTempDirectory(folder, "catalog"), tasks, Instant.EPOCH);
    }

    private Path made(String name) throws IOException {
        return Files.createDirectories(folder.resolve(name));
    }
}
