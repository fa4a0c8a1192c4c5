package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.history.LoggedFleet.Resident;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.HeldEntries;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Copies of entries stand in for the segments they came from, whatever became of those.
final class HeldCopiesTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    @Seeds(5)
    void everyCopiedPointRestoresWhenTheLogIsGone(long seed) throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 2, seed)) {
            live(fleet, seed);
            Resident resident = fleet.residents().getFirst();
            Txid last = resident.images().lastKey();

            HeldCopies.copy(store, resident.tenant(), entries(resident.tenant()), folder);
            loseTheLog();

            for (Txid txid : resident.images().keySet()) {
                hydrate(resident.tenant(), txid);

                assertThat(Files.readAllBytes(target())).isEqualTo(resident.images().get(txid));
            }
            Resident other = fleet.residents().getLast();
            Txid between = between(other);
            assertThatThrownBy(() -> hydrate(other.tenant(), between))
                    .isInstanceOf(PointNotExact.class);
            assertThat(last.value()).isGreaterThan(3);
        }
    }

    @Test
    void copyHoldsOneTenantAndMayBeRepeated() {
        try (var fleet = new LoggedFleet(store, folder, 2, 3)) {
            live(fleet, 3);
            TenantKey tenant = fleet.residents().getFirst().tenant();
            List<Located> entries = entries(tenant);

            HeldCopies.copy(store, tenant, entries, folder);
            List<String> once = store.keys();
            HeldCopies.copy(store, tenant, entries, folder);

            assertThat(store.keys()).isEqualTo(once);
            Txid max = entries.getLast().entry().max();
            HeldEntries copy = HeldEntries.read(store, tenant, new Txid(1), max).orElseThrow();
            assertThat(copy.entries()).allMatch(entry -> entry.tenant().equals(tenant));
            assertThat(copy.entries()).isEqualTo(entries.stream().map(Located::entry).toList());
            assertThat(HeldCopies.list(store, tenant).hold(entries.getLast().entry())).isTrue();
        }
    }

    /// A row breaks where an entry is missing: the name of an archive promises all in between.
    @Test
    void gapBeginsAnotherArchive() {
        try (var fleet = new LoggedFleet(store, folder, 1, 5)) {
            live(fleet, 5);
            TenantKey tenant = fleet.residents().getFirst().tenant();
            var entries = new ArrayList<>(entries(tenant));
            Entry missing = entries.remove(2).entry();

            assertThat(HeldCopies.copy(store, tenant, entries, folder)).isEqualTo(2);

            var copies = HeldCopies.list(store, tenant);
            assertThat(copies.hold(missing)).isFalse();
            assertThat(entries).allMatch(entry -> copies.hold(entry.entry()));
        }
    }

    @Seeds(4)
    void damageOfACopyIsFoundAndNamed(long seed) {
        try (var fleet = new LoggedFleet(store, folder, 1, seed)) {
            live(fleet, seed);
            TenantKey tenant = fleet.residents().getFirst().tenant();
            HeldCopies.copy(store, tenant, entries(tenant), folder);
            loseTheLog();
            String key =
                    store.keys().stream()
                            .filter(it -> it.endsWith(".zip"))
                            .findFirst()
                            .orElseThrow();
            byte[] good = store.get(key).orElseThrow();
            var random = new SplittableRandom(seed);
            Txid target = between(fleet.residents().getFirst());

            byte[] bad = good.clone();
            // Within the index: of the bodies not every byte belongs to the target.
            bad[good.length - 1 - random.nextInt(200)] ^= (byte) (1 << random.nextInt(8));
            store.damage(key, bad);

            assertThatThrownBy(() -> hydrate(tenant, target))
                    .isInstanceOfSatisfying(
                            Corrupt.class, corrupt -> assertThat(corrupt.key()).contains(key));
        }
    }

    @Test
    void damagedEntryIsNotCopied() {
        try (var fleet = new LoggedFleet(store, folder, 1, 6)) {
            live(fleet, 6);
            TenantKey tenant = fleet.residents().getFirst().tenant();
            List<Located> entries = entries(tenant);
            String key = entries.get(1).log().key();
            byte[] bytes = store.get(key).orElseThrow();
            bytes[300] ^= 1; // In the first body, behind its header.
            store.damage(key, bytes);

            assertThatThrownBy(() -> HeldCopies.copy(store, tenant, entries(tenant), folder))
                    .isInstanceOf(Corrupt.class);
            assertThat(HeldCopies.list(store, tenant).hold(entries.get(1).entry())).isFalse();
        }
    }

    private static void live(LoggedFleet fleet, long seed) {
        var random = new SplittableRandom(seed);
        for (int segment = 0; segment < 6; segment++) {
            for (Resident resident : fleet.residents()) {
                resident.live(1 + random.nextInt(3));
            }
            fleet.flush();
            if (segment % 3 == 2) {
                fleet.residents().forEach(Resident::drain);
            }
        }
    }

    private void loseTheLog() {
        store.keys().stream().filter(key -> key.startsWith("log/")).forEach(store::delete);
    }

    private Txid between(Resident resident) {
        return resident.images().keySet().stream()
                .filter(txid ->
                        LineageHistory.list(store, resident.tenant()).files().stream()
                                .noneMatch(file -> file.max().equals(txid)))
                .findFirst()
                .orElseThrow();
    }

    private List<Located> entries(TenantKey tenant) {
        var located = new ArrayList<Located>();
        var tasks = new ThreadTasks();
        LogTail log = LogTail.read(store, LoggedFleet.LOG, Slot.FIRST, tasks);
        for (SegmentReader segment : log.segments()) {
            for (Entry entry : segment.entries()) {
                if (entry.tenant().equals(tenant)) {
                    located.add(
                            Located.in(
                                    segment, new LogRef(LoggedFleet.LOG, segment.slot()), entry));
                }
            }
        }
        return located;
    }

    private void hydrate(TenantKey tenant, Txid txid) {
        List<IndexPoint> points =
                HistoryIndex.points(store, tenant, new Txid(1), new Txid(Long.MAX_VALUE));
        List<DerivedFile> files = LineageHistory.list(store, tenant).files();
        Hydrator.hydrate(
                store,
                RestorePlan.of(tenant, files, txid, points),
                target(),
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
    }

    private Path target() {
        return folder.resolve("restored.db");
    }
}
