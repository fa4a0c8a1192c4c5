package dev.litefleet.replica.history;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.FrozenStore;
import dev.litefleet.testing.MemoryObjectStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What this release reads of what a release has written: whole stores, frozen byte for byte, with
/// what every point in them must restore to. A change that breaks one of them breaks a fleet that
/// is upgraded worker by worker.
///
/// `frozen/store-<format>.txt.gz`: lines `object <key> <base64>` and `image <tenant> <txid> <sha256
/// of the database>`. Each is made once, by [#main], by the first release of its format, and never
/// again.
final class FrozenStoreTest {
    private static final Lineage LINEAGE = LoggedFleet.tenant(0).lineage();

    @TempDir private Path folder;
    private final MemoryObjectStore store = new MemoryObjectStore();
    private final TreeMap<String, TreeMap<Txid, String>> images = new TreeMap<>();

    static List<String> frozen() {
        return List.of("/frozen/store-1.txt.gz");
    }

    @ParameterizedTest
    @MethodSource("frozen")
    void everyPointOfAFrozenStoreRestores(String name) throws Exception {
        load(name);
        assertThat(images).hasSize(2);

        for (var tenant : images.entrySet()) {
            assertThat(tenant.getValue().size()).isGreaterThan(5);
            for (var image : tenant.getValue().entrySet()) {
                TenantKey key = new TenantKey(new TenantId(tenant.getKey()), LINEAGE);
                assertThat(restored(store, key, image.getKey(), folder))
                        .as("%s at %s", key, image.getKey())
                        .isEqualTo(image.getValue());
            }
        }
    }

    /// As after the upgrade of a worker that died before it.
    @ParameterizedTest
    @MethodSource("frozen")
    void logOfAFrozenStoreIsClosedAndRecovered(String name) throws Exception {
        load(name);
        var closed =
                Fence.close(
                        store,
                        LoggedFleet.LOG,
                        Slot.FIRST,
                        "01J0000000000000000000000C",
                        1,
                        new ThreadTasks(),
                        new SplittableRandom(1));

        Recovered recovered =
                Recovery.recover(store, LoggedFleet.LOG, closed, folder, new ThreadTasks());

        assertThat(recovered.failed()).isEmpty();
        assertThat(recovered.filesWritten()).isEqualTo(2);
        for (var tenant : images.entrySet()) {
            TenantKey key = new TenantKey(new TenantId(tenant.getKey()), LINEAGE);
            LineageHistory history = LineageHistory.list(store, key);
            assertThat(history.coverage()).isEqualTo(tenant.getValue().lastKey());
            Path target = folder.resolve("latest.db");
            Hydrator.hydrate(
                    store,
                    RestorePlan.latest(history),
                    target,
                    Hydrator.Limits.DEFAULT,
                    new ThreadTasks(),
                    Progress.NONE);
            assertThat(sha256(Files.readAllBytes(target)))
                    .isEqualTo(tenant.getValue().lastEntry().getValue());
        }
    }

    /// The store has what a store can have: or freezing it would prove little.
    @Test
    void storeOfFormat1HasEveryKindOfObject() throws Exception {
        load("/frozen/store-1.txt.gz");

        List<SegmentReader> segments =
                LogTail.undrained(store, LoggedFleet.LOG, new ThreadTasks()).segments();
        List<Entry> entries =
                segments.stream().flatMap(segment -> segment.entries().stream()).toList();
        assertThat(entries).anyMatch(Entry::merged);
        assertThat(entries).anyMatch(entry -> entry.blob() != null);
        assertThat(segments).anyMatch(segment -> segment.slot().part() > 1);
        for (String kind : List.of("/blobs/", "/0001/", "/0009/", "/history/")) {
            assertThat(store.keys()).anyMatch(key -> key.contains(kind));
        }
    }

    private void load(String name) {
        FrozenStore.objects(name)
                .forEach((key, bytes) -> store.putIfAbsent(key, ObjectBody.of(bytes)));
        for (String[] words : FrozenStore.lines(name)) {
            if (words[0].equals("image")) {
                images.computeIfAbsent(words[1], _ -> new TreeMap<>())
                        .put(Txid.parse(words[2]), words[3]);
            }
        }
    }

    private static String restored(ObjectStore store, TenantKey tenant, Txid txid, Path folder)
            throws IOException, GeneralSecurityException {
        Path target = folder.resolve("restored.db");
        Hydrator.hydrate(
                store,
                RestorePlan.of(
                        tenant,
                        LineageHistory.list(store, tenant).files(),
                        txid,
                        points(store, tenant)),
                target,
                Hydrator.Limits.DEFAULT,
                new ThreadTasks(),
                Progress.NONE);
        return sha256(Files.readAllBytes(target));
    }

    private static List<IndexPoint> points(ObjectStore store, TenantKey tenant) {
        var points =
                new ArrayList<>(
                        HistoryIndex.points(store, tenant, new Txid(1), new Txid(Long.MAX_VALUE)));
        LogTail tail = LogTail.undrained(store, LoggedFleet.LOG, new ThreadTasks());
        for (SegmentReader segment : tail.segments()) {
            for (Entry entry : segment.entries()) {
                if (entry.tenant().equals(tenant)) {
                    points.add(IndexPoint.of(new LogRef(LoggedFleet.LOG, segment.slot()), entry));
                }
            }
        }
        return points;
    }

    private static String sha256(byte[] bytes) throws GeneralSecurityException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    /// Freezes a store of the format that this code writes.
    ///
    /// @param args the file to write, an empty folder, and a seed (4 made the first)
    public static void main(String[] args) throws Exception {
        var store = new MemoryObjectStore();
        var config =
                CommitLogConfig.DEFAULT
                        .withLinger(Duration.ofMinutes(10))
                        .withParts(Duration.ofDays(365), 3)
                        .withBlobBytes(6000);
        var out = new ByteArrayOutputStream();
        try (var fleet =
                new LoggedFleet(store, Path.of(args[1]), 2, Long.parseLong(args[2]), config)) {
            var first = fleet.residents().getFirst();
            var second = fleet.residents().getLast();
            for (int segment = 0; segment < 7; segment++) {
                first.live(segment == 5 ? 65 : 1 + segment % 2);
                second.live(1);
                fleet.flush();
                if (segment == 2) {
                    fleet.residents().forEach(LoggedFleet.Resident::drain);
                    Snapshotter.write(
                            store, LineageHistory.list(store, first.tenant()), Path.of(args[1]));
                }
            }
            try (var gzip = new GZIPOutputStream(out)) {
                for (String key : store.keys()) {
                    String bytes = Base64.getEncoder().encodeToString(store.get(key).orElseThrow());
                    gzip.write("object %s %s%n".formatted(key, bytes).getBytes(UTF_8));
                }
                for (var resident : fleet.residents()) {
                    String id = resident.tenant().tenant().name();
                    for (Txid txid :
                            points(store, resident.tenant()).stream()
                                    .map(IndexPoint::max)
                                    .distinct()
                                    .toList()) {
                        String sum = sha256(requireNonNull(resident.images().get(txid)));
                        gzip.write("image %s %s %s%n".formatted(id, txid, sum).getBytes(UTF_8));
                    }
                }
            }
        }
        Files.write(Path.of(args[0]), out.toByteArray());
        System.out.println(out.size() + " bytes, " + store.keys().size() + " objects");
    }
}
