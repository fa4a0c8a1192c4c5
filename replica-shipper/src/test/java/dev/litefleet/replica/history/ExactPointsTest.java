package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LoggedFleet.Resident;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
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

/// Every commit is a point to go back to, between drains too, as long as the segment that holds it
/// exists.
final class ExactPointsTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    @Seeds(8)
    void everyCommitCanBeRestoredExactly(long seed) throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 2, seed)) {
            var random = new SplittableRandom(seed);
            for (int segment = 0; segment < 8; segment++) {
                for (Resident resident : fleet.residents()) {
                    resident.live(1 + random.nextInt(4));
                }
                fleet.flush();
                if (segment % 3 == 1) {
                    fleet.residents().forEach(Resident::drain);
                }
            }
            Resident resident = fleet.residents().getLast();

            for (Txid txid : resident.images().keySet()) {
                Hydrated hydrated = hydrate(resident, txid);

                assertThat(hydrated.position().txid()).isEqualTo(txid);
                assertThat(Files.readAllBytes(target())).isEqualTo(resident.images().get(txid));
            }
        }
    }

    /// More than 64 commits of a tenant in one segment are kept as one: only the last is exact.
    @Test
    void commitsMergedInASegmentAreNotExactButTheirEndIs() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 3)) {
            Resident resident = fleet.residents().getFirst();
            resident.live(2);
            fleet.flush();
            resident.live(70);
            fleet.flush();

            hydrate(resident, new Txid(72));

            assertThat(Files.readAllBytes(target())).isEqualTo(resident.images().get(new Txid(72)));
            assertThatThrownBy(() -> hydrate(resident, new Txid(40)))
                    .isInstanceOfSatisfying(
                            PointNotExact.class,
                            refused -> {
                                assertThat(refused.before()).contains(new Txid(2));
                                assertThat(refused.after()).contains(new Txid(72));
                            });
        }
    }

    @Test
    void pointWhoseSegmentIsGoneHasNeighboursOnly() throws IOException {
        try (var fleet = new LoggedFleet(store, folder, 1, 4)) {
            Resident resident = fleet.residents().getFirst();
            for (int drain = 0; drain < 2; drain++) {
                for (int segment = 0; segment < 3; segment++) {
                    resident.live(1);
                    fleet.flush();
                }
                resident.drain();
            }
            IndexPoint gone = points(resident).get(3);
            store.delete(gone.log().key());

            assertThatThrownBy(() -> hydrate(resident, new Txid(5)))
                    .isInstanceOfSatisfying(
                            PointNotExact.class,
                            refused -> {
                                assertThat(refused.before()).contains(new Txid(3));
                                assertThat(refused.after()).contains(new Txid(6));
                            });
            assertThat(target()).doesNotExist();
            hydrate(resident, new Txid(6));
        }
    }

    private Hydrated hydrate(Resident resident, Txid txid) {
        List<DerivedFile> files = LineageHistory.list(store, resident.tenant()).files();
        return Hydrator.hydrate(
                store,
                RestorePlan.of(resident.tenant(), files, txid, points(resident)),
                target(),
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
    }

    /// Those of the history objects and those of the log's tail, as an observer finds them.
    private List<IndexPoint> points(Resident resident) {
        var points =
                new ArrayList<>(
                        HistoryIndex.points(
                                store, resident.tenant(), new Txid(1), new Txid(Long.MAX_VALUE)));
        LogTail tail = LogTail.undrained(store, LoggedFleet.LOG, new ThreadTasks());
        for (SegmentReader segment : tail.segments()) {
            for (Entry entry : segment.entries()) {
                if (entry.tenant().equals(resident.tenant())) {
                    points.add(IndexPoint.of(new LogRef(LoggedFleet.LOG, segment.slot()), entry));
                }
            }
        }
        return points;
    }

    private Path target() {
        return folder.resolve("restored.db");
    }
}
