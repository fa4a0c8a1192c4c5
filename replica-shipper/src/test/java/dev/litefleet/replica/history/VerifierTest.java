package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LoggedFleet.Resident;
import dev.litefleet.replica.history.Verification.Kind;
import dev.litefleet.replica.history.Verification.Problem;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.Seeds;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Sound histories are whole; every kind of damage is found and named.
final class VerifierTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();
    private final Tasks tasks = new ThreadTasks();
    private List<IndexPoint> tail = List.of();

    /// Drains of several segments, merges, a snapshot, and a tail that is not drained.
    private Resident live(long seed) {
        try (var fleet = new LoggedFleet(store, folder, 2, seed)) {
            var random = new SplittableRandom(seed);
            Resident one = fleet.residents().getFirst();
            for (int drain = 0; drain < 20; drain++) {
                for (Resident resident : fleet.residents()) {
                    resident.live(1 + random.nextInt(2));
                    fleet.flush();
                    resident.live(drain == 5 ? 66 : 1);
                    fleet.flush();
                    resident.drain();
                }
                if (drain == 17) {
                    merge(one.history());
                    Snapshotter.write(store, listed(one), folder);
                }
            }
            one.live(2);
            fleet.flush();
            tail = tail();
            return one;
        }
    }

    private void merge(RoughHistory history) {
        Merges.write(
                store,
                history.tenant(),
                (long) history.databasePages() * history.pageSize(),
                Instant.ofEpochMilli(history.millis()),
                folder);
    }

    private LineageHistory listed(Resident resident) {
        return LineageHistory.list(store, resident.tenant());
    }

    private List<IndexPoint> tail() {
        var points = new ArrayList<IndexPoint>();
        for (SegmentReader segment : LogTail.undrained(store, LoggedFleet.LOG, tasks).segments()) {
            segment.entries().stream()
                    .filter(entry -> entry.tenant().equals(LoggedFleet.tenant(0)))
                    .map(entry -> IndexPoint.of(new LogRef(LoggedFleet.LOG, segment.slot()), entry))
                    .forEach(points::add);
        }
        return points;
    }

    private Verification verify() {
        return verify(Txid.NONE);
    }

    private Verification verify(Txid floor) {
        return Verifier.verify(
                store,
                new Verifier.Scope(LoggedFleet.tenant(0), tail, floor, true),
                tasks,
                Progress.NONE);
    }

    /// Somebody's notes, a tool's temporary files: counted, never read, no problem.
    @Test
    void strangersObjectsAreCounted() {
        live(4);
        String folder = LoggedFleet.tenant(0).prefix();
        for (String stranger : List.of("readme.txt", "0001/notes.txt", "history/x.tmp", "a/b")) {
            store.putIfAbsent(folder + stranger, ObjectBody.of(new byte[300]));
        }

        Verification found = verify();

        assertThat(found.problems()).isEmpty();
        assertThat(found.notChecked()).anyMatch(text -> text.startsWith("4 other objects lie"));
    }

    @Seeds(6)
    void soundHistoryIsWhole(long seed) {
        Resident one = live(seed);

        Verification found = verify(one.history().position().txid());

        assertThat(found.problems()).isEmpty();
        assertThat(found.notChecked()).isEmpty();
        assertThat(found.last()).isEqualTo(one.history().position().txid());
        assertThat(found.files()).isEqualTo(listed(one).files().size());
        assertThat(found.entriesGone()).isZero();
        assertThat(found.entries()).isEqualTo(found.points() + tail.size());
    }

    @Test
    void everyObjectIsReadAndNothingIsWritten() {
        live(1);
        var counting = new CountingObjectStore(store);

        Verifier.verify(
                counting,
                new Verifier.Scope(LoggedFleet.tenant(0), tail, Txid.NONE, true),
                tasks,
                Progress.NONE);

        assertThat(counting.count(Verb.PUT) + counting.count(Verb.DELETE)).isZero();
        assertThat(counting.bytesRead())
                .isGreaterThanOrEqualTo(
                        store.listAll(LoggedFleet.tenant(0).prefix())
                                .mapToLong(object -> object.size())
                                .sum());
    }

    /// One flipped bit in each kind of object, at many places: found, and its key is named.
    @ParameterizedTest(name = "{0}")
    @MethodSource
    void flippedBitIsFoundAndNamed(String kind, Predicate<String> is) {
        Resident one = live(3);
        var random = new SplittableRandom(7);
        // Small objects of a log are fences, and not of a tenant's history.
        List<String> keys =
                store.keys().stream()
                        .filter(is)
                        .filter(key ->
                                !key.startsWith("log/")
                                        || store.get(key).orElseThrow().length > 512)
                        .toList();
        assertThat(keys).isNotEmpty();
        for (int i = 0; i < 12; i++) {
            String key = keys.get(random.nextInt(keys.size()));
            byte[] sound = store.get(key).orElseThrow();
            byte[] damaged = sound.clone();
            int at = random.nextInt(damaged.length);
            damaged[at] ^= (byte) (1 << random.nextInt(8));
            store.damage(key, damaged);

            boolean harmless = harmless(key, sound, damaged);
            Verification found = verify();

            if (!harmless) {
                assertThat(found.problems())
                        .as("%s, byte %d of %d", key, at, sound.length)
                        .anySatisfy(problem -> assertThat(problem.key()).startsWith(key));
                assertThat(found.problems())
                        .allSatisfy(problem -> assertThat(problem.key()).startsWith(key));
            }
            store.damage(key, sound);
        }
        assertThat(verify().problems()).isEmpty();
        assertThat(one.tenant()).isEqualTo(LoggedFleet.tenant(0));
    }

    /// A bit that no reader looks at: the other tenant's entries, ZIP dates, or compressed bytes
    /// that give the same page.
    private boolean harmless(String key, byte[] sound, byte[] damaged) {
        if (key.startsWith("log/")) {
            return !mine(key);
        }
        if (key.endsWith(".json.gz")) {
            try {
                var range =
                        HistoryIndex.list(store, LoggedFleet.tenant(0)).stream()
                                .filter(one -> one.key().equals(key))
                                .findFirst()
                                .orElseThrow();
                List<IndexPoint> now = HistoryIndex.read(store, range);
                var other = new MemoryObjectStore();
                other.damage(key, sound);
                return now.equals(HistoryIndex.read(other, range)); // gzip's own header
            } catch (dev.litefleet.replica.ReplicaException broken) {
                return false;
            }
        }
        try (var now = new dev.litefleet.replica.ltx.LtxReader(key, damaged)) {
            while (now.next()) {
                // Reading is verifying.
            }
            return true;
        } catch (dev.litefleet.replica.ReplicaException broken) {
            return false;
        }
    }

    /// Whether reading all that the segment holds of the tenant meets the damage.
    private boolean mine(String key) {
        try {
            for (SegmentReader segment :
                    LogTail.read(
                                    store,
                                    LoggedFleet.LOG,
                                    dev.litefleet.replica.log.Slot.FIRST,
                                    tasks)
                            .segments()) {
                if (!segment.slot().key(LoggedFleet.LOG).equals(key)) {
                    continue;
                }
                for (var entry : segment.entries()) {
                    if (entry.tenant().equals(LoggedFleet.tenant(0))) {
                        try (var ltx =
                                new dev.litefleet.replica.ltx.LtxReader(key, segment.ltx(entry))) {
                            while (ltx.next()) {
                                // Reading is verifying.
                            }
                        }
                    }
                }
            }
            return false;
        } catch (dev.litefleet.replica.ReplicaException broken) {
            return true;
        }
    }

    static Stream<Arguments> flippedBitIsFoundAndNamed() {
        String tenant = LoggedFleet.tenant(0).prefix();
        return Stream.of(
                arguments("drain", level(tenant, "0001/")),
                arguments("merge", level(tenant, "0002/")),
                arguments("snapshot", level(tenant, "0009/")),
                arguments("history object", level(tenant, "history/")),
                arguments("segment", level("log/", "")));
    }

    private static Predicate<String> level(String tenant, String level) {
        return key -> key.startsWith(tenant + level);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void damageIsFoundAndNamed(String damage, Consumer<VerifierTest> does, Kind kind, String key) {
        live(4);
        does.accept(this);

        Verification found = verify();

        assertThat(found.problems())
                .anySatisfy(problem -> {
                    assertThat(problem.kind()).isEqualTo(kind);
                    assertThat(problem.key()).contains(key);
                    assertThat(problem.text()).isNotBlank();
                });
        assertThat(found.whole()).isFalse();
    }

    static Stream<Arguments> damageIsFoundAndNamed() {
        return Stream.of(
                damage(
                        "truncated drain",
                        t -> t.cut(t.key("/0001/", 3), 0.7),
                        Kind.CORRUPT,
                        "/0001/"),
                damage(
                        "stump of a drain",
                        t -> t.cut(t.key("/0001/", 3), 0),
                        Kind.CORRUPT,
                        "/0001/"),
                damage(
                        "truncated merge",
                        t -> t.cut(t.key("/0002/", 0), 0.9),
                        Kind.CORRUPT,
                        "/0002/"),
                damage(
                        "truncated index",
                        t -> t.cut(t.key("/history/", 3), 0.5),
                        Kind.CORRUPT,
                        "/history/"),
                damage("missing drain", t -> t.delete("/0001/", 3), Kind.MISSING_FILE, "/0001/"),
                damage(
                        "missing last drain",
                        t -> t.delete("/0001/", 19),
                        Kind.MISSING_FILE,
                        "/0001/"),
                damage(
                        "missing index",
                        t -> t.delete("/history/", 3),
                        Kind.MISSING_INDEX,
                        "/history/"),
                damage(
                        "missing first index",
                        t -> t.delete("/history/", 0),
                        Kind.MISSING_INDEX,
                        "/history/"),
                damage("no index", t -> t.deleteAll("/history/"), Kind.MISSING_INDEX, "/history/"),
                damage(
                        "all files of a range",
                        t -> {
                            t.deleteAll("/0002/");
                            t.deleteAll("/0009/");
                            t.delete("/0001/", 3);
                        },
                        Kind.GAP,
                        "agent-0"),
                damage(
                        "another tenant's file",
                        t -> t.foreign("/0001/", 0),
                        Kind.CORRUPT,
                        "/0001/"),
                damage("a file with another's header", t -> t.forged(3), Kind.CORRUPT, "/0001/"),
                damage("a file without its last page", t -> t.shortened(3), Kind.CORRUPT, "/0001/"),
                damage(
                        "a file that claims another checksum",
                        t -> t.claiming(3),
                        Kind.CORRUPT,
                        "/0001/"),
                damage("swapped drains", t -> t.swap("/0001/", 3, 4), Kind.CORRUPT, "/0001/"),
                damage("swapped index", t -> t.swap("/history/", 3, 4), Kind.CORRUPT, "/history/"),
                damage("index of another chain", VerifierTest::indexLies, Kind.INCONSISTENT, ""));
    }

    private static Arguments damage(
            String name, Consumer<VerifierTest> does, Kind kind, String key) {
        return arguments(name, does, kind, key);
    }

    /// Entries tell the same as a damaged file, so nothing behind it is blamed.
    @Test
    void damageIsNotBlamedOnWhatComesAfterIt() {
        live(4);
        String key = key("/0001/", 3);
        cut(key, 0.7);

        assertThat(verify().problems()).extracting(Problem::key).containsOnly(key);
    }

    @Test
    void damageWithoutAnotherWayIsNotBlamedOnWhatComesAfterIt() {
        live(4);
        store.keys().stream().filter(key -> key.startsWith("log/")).forEach(store::delete);
        tail = List.of();
        String key = key("/0001/", 2);
        cut(key, 0.7);

        Verification found = verify();

        assertThat(found.problems()).extracting(Problem::key).containsOnly(key);
        assertThat(found.entriesGone()).isEqualTo(found.points());
    }

    @Test
    void historyThatEndsBeforeTheFloorHasLostCommits() {
        Resident one = live(2);
        tail = List.of();

        assertThat(verify(one.history().position().txid()).problems())
                .extracting(Problem::kind)
                .containsExactly(Kind.LOST_COMMITS);
    }

    @Test
    void lineageWithoutObjectsIsWhole() {
        assertThat(verify().whole()).isTrue();
        assertThat(verify().last()).isEqualTo(Txid.NONE);
    }

    private String key(String part, int number) {
        return store.keys().stream()
                .filter(key -> key.contains("agent-0/") && key.contains(part))
                .toList()
                .get(number);
    }

    private void cut(String key, double share) {
        byte[] bytes = store.get(key).orElseThrow();
        store.damage(key, java.util.Arrays.copyOf(bytes, (int) (bytes.length * share)));
    }

    private void delete(String part, int number) {
        store.delete(key(part, number));
    }

    private void deleteAll(String part) {
        store.keys().stream()
                .filter(key -> key.contains("agent-0/") && key.contains(part))
                .forEach(store::delete);
    }

    private void swap(String part, int one, int other) {
        byte[] bytes = store.get(key(part, one)).orElseThrow();
        store.damage(key(part, one), store.get(key(part, other)).orElseThrow());
        store.damage(key(part, other), bytes);
    }

    private void foreign(String part, int number) {
        String key = key(part, number);
        String other =
                store.keys().stream()
                        .filter(any -> any.contains("agent-1/") && any.contains(part))
                        .toList()
                        .get(number);
        store.damage(key, store.get(other).orElseThrow());
    }

    /// A sound file made of another's pages: only the rolling checksum can tell.
    private void forged(int number) {
        rewrite(number, (header, pages) -> pages.getFirst()[pages.getFirst().length - 1] ^= 1, 0);
    }

    private void shortened(int number) {
        rewrite(number, (header, pages) -> pages.removeLast(), 0);
    }

    private void claiming(int number) {
        rewrite(number, (header, pages) -> {}, 1);
    }

    private void rewrite(
            int number,
            java.util.function.BiConsumer<dev.litefleet.replica.ltx.LtxHeader, List<byte[]>> change,
            long claim) {
        String key = key("/0001/", number);
        var in = new dev.litefleet.replica.ltx.LtxReader(key, store.get(key).orElseThrow());
        var pgnos = new ArrayList<Integer>();
        var pages = new ArrayList<byte[]>();
        while (in.next()) {
            pgnos.add(in.pgno());
            pages.add(in.page().clone());
        }
        change.accept(in.header(), pages);
        var out = new java.io.ByteArrayOutputStream();
        var h = in.header();
        var writer =
                new dev.litefleet.replica.ltx.LtxWriter(
                        out,
                        dev.litefleet.replica.ltx.LtxHeader.derived(
                                h.pageSize(),
                                h.commit(),
                                h.min(),
                                h.max(),
                                h.timestampMillis(),
                                h.nodeId() ^ claim));
        for (int i = 0; i < pages.size(); i++) {
            writer.page(pgnos.get(i), pages.get(i), 0);
        }
        writer.finish();
        store.damage(key, out.toByteArray());
    }

    /// A sound history object whose last point claims another checksum.
    private void indexLies() {
        var range = HistoryIndex.list(store, LoggedFleet.tenant(0)).get(3);
        var points = new ArrayList<>(HistoryIndex.read(store, range));
        IndexPoint last = points.removeLast();
        points.add(
                new IndexPoint(
                        last.min(),
                        last.max(),
                        last.firstMillis(),
                        last.lastMillis(),
                        last.pageSize(),
                        last.commit(),
                        last.pages(),
                        last.bytes(),
                        last.log(),
                        last.checksumBefore(),
                        last.checksumAfter() ^ 1,
                        last.actor(),
                        last.traceparent(),
                        last.requestId()));
        store.damage(range.key(), HistoryIndex.encode(LoggedFleet.tenant(0), points));
    }

    @Test
    void litestreamsFolderIsVerifiedAsFarAsItTells() {
        Resident one = live(2);
        var foreign = new MemoryObjectStore();
        for (DerivedFile file : listed(one).files()) {
            var in =
                    new dev.litefleet.replica.ltx.LtxReader(
                            file.key(), store.get(file.key()).orElseThrow());
            var out = new java.io.ByteArrayOutputStream();
            var h = in.header();
            var writer =
                    new dev.litefleet.replica.ltx.LtxWriter(
                            out,
                            dev.litefleet.replica.ltx.LtxHeader.derived(
                                    h.pageSize(),
                                    h.commit(),
                                    h.min(),
                                    h.max(),
                                    h.timestampMillis(),
                                    0));
            while (in.next()) {
                writer.page(in.pgno(), in.page(), 0);
            }
            writer.finish();
            foreign.putIfAbsent(file.key(), ObjectBody.of(out.toByteArray()));
        }

        Verification found =
                Verifier.verify(
                        foreign,
                        new Verifier.Scope(LoggedFleet.tenant(0), List.of(), Txid.NONE, true),
                        tasks,
                        Progress.NONE);

        assertThat(found.problems()).isEmpty();
        assertThat(found.notChecked())
                .anyMatch(text -> text.contains("carry no database checksum"))
                .anyMatch(text -> text.contains("no history index"));
    }
}
