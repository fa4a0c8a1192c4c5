package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.toCollection;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.PutResult.Occupied;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RealStores;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/// What every store owes the commit log, checked against every store that runs here: the same
/// methods against the same interface, because the protocol's proofs begin where these end.
@ParameterizedClass(name = "{0}")
@MethodSource("stores")
final class ObjectStoreContractTest {
    /// A store and how to open it, once.
    private record Subject(String name, Supplier<ObjectStore> open) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static final ConcurrentHashMap<Subject, ObjectStore> OPEN = new ConcurrentHashMap<>();

    private final ObjectStore store;

    /// Of all keys of one test, so that the tests share a store.
    private final String folder;

    ObjectStoreContractTest(Subject subject, TestInfo test) {
        this.store = OPEN.computeIfAbsent(subject, it -> it.open().get());
        this.folder = test.getTestMethod().orElseThrow().getName() + "/";
    }

    static Stream<Subject> stores() {
        return Stream.concat(
                Stream.of(new Subject("memory", MemoryObjectStore::new)),
                RealStores.all().map(real -> new Subject(real.name(), real::open)));
    }

    @AfterAll
    static void close() {
        OPEN.values().forEach(ObjectStore::close);
        OPEN.clear();
    }

    @Test
    void createsOnceAndKeepsTheFirstBytes() {
        assertThat(put("a", "first")).isInstanceOf(Created.class);
        assertThat(put("a", "second")).isInstanceOf(Occupied.class);
        assertThat(put("a", "first")).isInstanceOf(Occupied.class);

        assertThat(text("a")).isEqualTo("first");
    }

    @Test
    void oneOfManyRacersWins() throws Exception {
        int racers = 32;
        for (int round = 0; round < 5; round++) {
            String key = "race-" + round;
            var start = new CountDownLatch(1);
            List<PutResult> results =
                    together(
                            racers,
                            racer -> {
                                start.await();
                                return put(key, "racer " + racer);
                            },
                            start::countDown);

            assertThat(results).filteredOn(Created.class::isInstance).hasSize(1);
            int winner =
                    IntStream.range(0, racers)
                            .filter(racer -> results.get(racer) instanceof Created)
                            .findFirst()
                            .orElseThrow();
            assertThat(text(key)).isEqualTo("racer " + winner);
        }
    }

    @Test
    void whatIsMissingIsEmpty() {
        put("neighbour", "x");
        for (String key : List.of("missing", "missing/too", "neigh", "neighbour-2")) {
            assertThat(store.get(folder + key)).isEmpty();
            assertThat(store.getRange(folder + key, 0, 10)).isEmpty();
            assertThat(store.getRange(folder + key, 7, 0)).isEmpty();
            assertThat(store.getTail(folder + key, 10)).isEmpty();
            assertThat(store.open(folder + key, 0)).isEmpty();
            assertThat(store.head(folder + key)).isEmpty();
            store.delete(folder + key);
        }
        assertThat(text("neighbour")).isEqualTo("x");
    }

    @Test
    void aFolderIsNotAnObject() {
        put("sub/object", "x");

        assertThat(store.get(folder + "sub")).isEmpty();
        assertThat(store.head(folder + "sub")).isEmpty();
        assertThat(store.open(folder + "sub", 0)).isEmpty();
        store.delete(folder + "sub");
        assertThat(text("sub/object")).isEqualTo("x");
    }

    @Test
    void anEmptyObjectIsAnObject() throws IOException {
        assertThat(put("empty", "")).isInstanceOf(Created.class);
        assertThat(put("empty", "")).isInstanceOf(Occupied.class);

        assertThat(store.get(folder + "empty")).contains(new byte[0]);
        assertThat(store.getRange(folder + "empty", 0, 10)).contains(new byte[0]);
        assertThat(store.getRange(folder + "empty", 3, 10)).contains(new byte[0]);
        TailRead tail = store.getTail(folder + "empty", 10).orElseThrow();
        assertThat(tail.bytes()).isEmpty();
        assertThat(tail.size()).isZero();
        try (InputStream stream = store.open(folder + "empty", 0).orElseThrow()) {
            assertThat(stream.readAllBytes()).isEmpty();
        }
        assertThat(store.head(folder + "empty").orElseThrow().size()).isZero();
        assertThat(store.list(folder, "", 10).objects()).hasSize(1);
    }

    @Test
    void rangesAreExact() {
        byte[] bytes = random(1000);
        store.putIfAbsent(folder + "a", ObjectBody.of(bytes));
        int[][] ranges = {
            {0, 1},
            {0, 1000},
            {0, 2000},
            {1, 998},
            {999, 1},
            {999, 5},
            {1000, 1},
            {5000, 10},
            {4, 0},
            {1000, 0}
        };
        for (int[] range : ranges) {
            int from = Math.min(range[0], 1000);
            int to = Math.min(from + range[1], 1000);
            assertThat(store.getRange(folder + "a", range[0], range[1]))
                    .as("%d+%d", range[0], range[1])
                    .contains(Arrays.copyOfRange(bytes, from, to));
        }
    }

    @Test
    void tailsAreExactAndTellTheSize() {
        byte[] bytes = random(1000);
        store.putIfAbsent(folder + "a", ObjectBody.of(bytes));
        for (int length : new int[] {1, 22, 999, 1000, 1001, 65_536}) {
            TailRead tail = store.getTail(folder + "a", length).orElseThrow();
            assertThat(tail.size()).isEqualTo(1000);
            assertThat(tail.bytes())
                    .as("tail %d", length)
                    .isEqualTo(Arrays.copyOfRange(bytes, Math.max(0, 1000 - length), 1000));
            assertThat(tail.offset()).isEqualTo(Math.max(0, 1000 - length));
        }
    }

    @Test
    void streamsStartAnywhere() throws IOException {
        byte[] bytes = random(3000);
        store.putIfAbsent(folder + "a", ObjectBody.of(bytes));
        for (int offset : new int[] {0, 1, 2999, 3000, 9000}) {
            try (InputStream stream = store.open(folder + "a", offset).orElseThrow()) {
                assertThat(stream.readAllBytes())
                        .as("from %d", offset)
                        .isEqualTo(Arrays.copyOfRange(bytes, Math.min(offset, 3000), 3000));
            }
        }
    }

    @Test
    void nineMebibytesSurvive(@TempDir Path temp) throws IOException {
        byte[] bytes = random(9 << 20);
        Path file = Files.write(temp.resolve("body"), bytes);

        assertThat(store.putIfAbsent(folder + "memory", ObjectBody.of(bytes)))
                .isInstanceOf(Created.class);
        assertThat(store.putIfAbsent(folder + "file", ObjectBody.ofFile(file)))
                .isInstanceOf(Created.class);

        for (String key : List.of(folder + "memory", folder + "file")) {
            assertThat(Arrays.equals(store.get(key).orElseThrow(), bytes)).isTrue();
            assertThat(store.head(key).orElseThrow().size()).isEqualTo(bytes.length);
            int middle = 5 << 20;
            assertThat(store.getRange(key, middle, 70_000))
                    .contains(Arrays.copyOfRange(bytes, middle, middle + 70_000));
            try (InputStream stream = store.open(key, 7).orElseThrow()) {
                assertThat(
                                Arrays.equals(
                                        stream.readAllBytes(),
                                        Arrays.copyOfRange(bytes, 7, bytes.length)))
                        .isTrue();
            }
        }
    }

    @Test
    void aWrittenObjectIsSeenAtOnce() {
        for (int i = 0; i < 20; i++) {
            String key = folder + "slot-%04d".formatted(i);
            store.putIfAbsent(key, ObjectBody.of(random(10 + i)));

            assertThat(store.get(key)).isPresent();
            assertThat(store.head(key).orElseThrow().size()).isEqualTo(10 + i);
            List<ListedObject> listed = store.list(folder, "", 1000).objects();
            assertThat(listed).hasSize(i + 1);
            assertThat(listed.getLast().key()).isEqualTo(key);
            assertThat(listed.getLast().size()).isEqualTo(10 + i);
        }
    }

    @Test
    void aDeletedKeyIsFree() {
        put("a/b/c", "first");

        store.delete(folder + "a/b/c");

        assertThat(store.get(folder + "a/b/c")).isEmpty();
        assertThat(store.list(folder, "", 10).objects()).isEmpty();
        assertThat(store.folders(folder)).isEmpty();
        assertThat(put("a/b/c", "second")).isInstanceOf(Created.class);
        assertThat(text("a/b/c")).isEqualTo("second");
    }

    @Test
    void listsInOrderOfTheWholeKeysBytes() {
        List<String> keys =
                List.of("a-b/x", "a.b", "a/x", "a/y/z", "a0", "aB", "a_", "ab", "b", "A", "a!/1");
        keys.forEach(key -> put(key, key));

        assertThat(keys("")).isEqualTo(sorted(keys));
        assertThat(keys("").indexOf("a-b/x")).isLessThan(keys("").indexOf("a/x"));
    }

    @Test
    void aPrefixMayEndAnywhere() {
        List<String> keys = List.of("ab/1", "ab/2", "abc/1", "abcd", "b", "a");
        keys.forEach(key -> put(key, key));

        assertThat(keys("ab")).containsExactly("ab/1", "ab/2", "abc/1", "abcd");
        assertThat(keys("ab/")).containsExactly("ab/1", "ab/2");
        assertThat(keys("ab/2")).containsExactly("ab/2");
        assertThat(keys("abc/")).containsExactly("abc/1");
        assertThat(keys("x/")).isEmpty();
        assertThat(keys("b/")).isEmpty();
    }

    @Test
    void aListingStartsAfterAnyKey() {
        List<String> keys = sorted(List.of("a", "b-c", "b/1", "b/2/x", "b/3", "c", "d/e"));
        keys.forEach(key -> put(key, key));
        List<String> after =
                List.of(
                        "a", "b", "b-c", "b/", "b/1", "b/10", "b/2", "b/2/", "b/2/x", "b/2/xx",
                        "b0", "c", "d", "d/e", "d/f", "z", "A");
        for (String start : after) {
            assertThat(listed("", start, 1000))
                    .as("after %s", start)
                    .isEqualTo(keys.stream().filter(key -> key.compareTo(start) > 0).toList());
        }
        assertThat(listed("b/", "a", 1000)).containsExactly("b/1", "b/2/x", "b/3");
        assertThat(listed("b/", "c", 1000)).isEmpty();
    }

    @Test
    void aPageSaysExactlyWhetherMoreFollows() {
        List<String> keys = List.of("1", "2", "3", "4", "5");
        keys.forEach(key -> put(key, key));

        ListPage two = store.list(folder, "", 2);
        assertThat(two.objects())
                .extracting(ListedObject::key)
                .containsExactly(folder + "1", folder + "2");
        assertThat(two.more()).isTrue();
        assertThat(store.list(folder, folder + "3", 2).more()).isFalse();
        assertThat(store.list(folder, "", 5).more()).isFalse();
        assertThat(store.list(folder, "", 4).more()).isTrue();
        assertThat(store.list(folder, folder + "5", 4).objects()).isEmpty();
    }

    @Test
    void aListingOfMoreThanAThousandIsWhole() throws Exception {
        List<String> keys = IntStream.range(0, 1003).mapToObj("log/%05d.zip"::formatted).toList();
        together(
                16,
                part -> {
                    for (int i = part; i < keys.size(); i += 16) {
                        put(keys.get(i), "x");
                    }
                    return part;
                },
                () -> {});

        assertThat(keys("")).isEqualTo(keys);
        ListPage first = store.list(folder, "", ObjectStore.LIST_MAX);
        assertThat(first.objects()).hasSize(1000);
        assertThat(first.more()).isTrue();
        assertThat(listed("", keys.get(998), 1000)).isEqualTo(keys.subList(999, 1003));
        assertThat(store.folders(folder)).containsExactly("log");
    }

    @Test
    void foldersAreTheDirectOnes() {
        List<String> keys = List.of("b/1/2", "b/1/3", "a-b/x", "a/x", "object", "c/d/e/f", "ab");
        keys.forEach(key -> put(key, key));

        assertThat(store.folders(folder)).containsExactly("a", "a-b", "b", "c");
        assertThat(store.folders(folder + "b/")).containsExactly("1");
        assertThat(store.folders(folder + "b/1/")).isEmpty();
        assertThat(store.folders(folder + "missing/")).isEmpty();
        assertThat(store.folders("")).contains(folder.substring(0, folder.length() - 1));
    }

    @Test
    void everyKeyOfOurLayoutWorks() {
        String ulid = "01JD8Y2M4Q6W8E0R2T4Y6V8X0Z";
        List<String> keys =
                List.of(
                        "fleet.json",
                        "controller/0000000000000001.json",
                        "controller/0000000000000001.closed.json",
                        "log/w-1/" + ulid + "/0001/0000000000000001.zip",
                        "log/w-1/" + ulid + "/blobs/" + ulid + ".ltx",
                        "log/_controller/" + ulid + "/0001/0000000000000001.zip",
                        "tenants/a/" + ulid + "/0001/0000000000000001-0000000000000009.ltx",
                        "tenants/a-b/" + ulid + "/0009/0000000000000001-0000000000000009.ltx",
                        "tenants/_catalog/"
                                + ulid
                                + "/history/0000000000000001-0000000000000009.json.gz",
                        "probe/" + ulid + "/create",
                        "janitor/" + ulid);
        keys.forEach(key -> assertThat(put(key, key)).isInstanceOf(Created.class));

        assertThat(keys("")).isEqualTo(sorted(keys));
        keys.forEach(key -> assertThat(text(key)).isEqualTo(key));
    }

    @Test
    void everyPermittedCharacterMayStandInAKey() {
        List<String> keys = new ArrayList<>();
        for (char c = 0x20; c < 0x7f; c++) {
            if (c != '/' && c != '\\' && !Character.isLetterOrDigit(c)) {
                keys.add("x" + c + "y");
            }
        }
        keys.add("a b/c+d/e%20f/g&h=i?j#k");
        keys.forEach(key -> assertThat(put(key, key)).as(key).isInstanceOf(Created.class));

        assertThat(keys("")).isEqualTo(sorted(keys));
        keys.forEach(key -> assertThat(text(key)).isEqualTo(key));
        assertThat(store.folders(folder)).containsExactly("a b");
        assertThat(store.folders(folder + "a b/c+d/")).containsExactly("e%20f");
        keys.forEach(key -> store.delete(folder + key));
        assertThat(keys("")).isEmpty();
    }

    @Test
    void keysThatLeaveTheirPlaceAreRefused() {
        List<String> keys =
                List.of(
                        "",
                        "/",
                        "/etc/passwd",
                        "a/",
                        "a//b",
                        "..",
                        "../a",
                        "a/../b",
                        "a/..",
                        ".",
                        "./a",
                        ".tmp/x",
                        "a/.hidden",
                        "a\\b",
                        "a\nb",
                        "a\0b",
                        "t\u00e9nant",
                        "x".repeat(901));
        ObjectBody body = ObjectBody.of(new byte[1]);
        for (String key : keys) {
            refused(() -> store.putIfAbsent(key, body), key);
            refused(() -> store.get(key), key);
            refused(() -> store.getRange(key, 0, 1), key);
            refused(() -> store.getTail(key, 1), key);
            refused(() -> store.open(key, 0), key);
            refused(() -> store.head(key), key);
            refused(
                    () -> {
                        store.delete(key);
                        return key;
                    },
                    key);
        }
        for (String prefix : List.of("/", "../", "a//", ".tmp/", "a/../")) {
            refused(() -> store.list(prefix, "", 10), prefix);
            refused(() -> store.folders(prefix), prefix);
        }
        refused(() -> store.folders("a"), "a");
        refused(() -> store.list("", "", 0), "limit");
        refused(() -> store.list("", "", 1001), "limit");
    }

    @Test
    void timesAreTheStoresOrTheBodys() {
        Instant before = Instant.now().minus(Duration.ofMinutes(5));
        put("now", "x");
        store.putIfAbsent(
                folder + "then",
                ObjectBody.of(new byte[3])
                        .withTimestamp(Instant.parse("2025-01-02T03:04:05.678Z")));

        assertThat(store.get(folder + "then")).contains(new byte[3]);
        // The memory store's clock stands still.
        if (!(store instanceof MemoryObjectStore)) {
            Instant modified = store.head(folder + "now").orElseThrow().modified();
            assertThat(modified).isBetween(before, Instant.now().plus(Duration.ofMinutes(5)));
        }
    }

    @Test
    void aListingDuringWritesIsSortedAndMissesNothingAcknowledged() throws Exception {
        var acknowledged = ConcurrentHashMap.<String>newKeySet();
        var done = new AtomicBoolean();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<Integer> lists =
                    threads.submit(() -> {
                        int rounds = 0;
                        while (!done.get()) {
                            var promised = new TreeSet<>(acknowledged);
                            List<String> seen = listed("", "", 1000);
                            assertThat(seen).isEqualTo(sorted(seen));
                            assertThat(seen).containsAll(promised);
                            rounds++;
                        }
                        return rounds;
                    });
            together(
                    4,
                    writer -> {
                        for (int i = 0; i < 25; i++) {
                            String key = "w%d/%02d".formatted(writer, i);
                            put(key, "body");
                            acknowledged.add(key);
                        }
                        return writer;
                    },
                    () -> {});
            done.set(true);
            assertThat(lists.get()).isPositive();
        }
        assertThat(keys("")).hasSize(100);
        assertThat(store.listAll(folder)).allMatch(object -> object.size() == 4);
    }

    @Test
    void aListingDuringDeletesToleratesVanishingEntries() throws Exception {
        for (int i = 0; i < 60; i++) {
            put("%02d/deep/object".formatted(i), "x");
        }
        put("zz", "stays");
        var done = new AtomicBoolean();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<Boolean> lists =
                    threads.submit(() -> {
                        while (!done.get()) {
                            assertThat(listed("", "", 1000)).endsWith("zz");
                            store.folders(folder);
                        }
                        return true;
                    });
            for (int i = 0; i < 60; i++) {
                store.delete(folder + "%02d/deep/object".formatted(i));
            }
            done.set(true);
            assertThat(lists.get()).isTrue();
        }
        assertThat(keys("")).containsExactly("zz");
    }

    @Test
    void aFolderMayVanishUnderAPut() throws Exception {
        List<Integer> parts =
                together(
                        8,
                        part -> {
                            for (int i = 0; i < 10; i++) {
                                String key = "shared/%d-%d".formatted(part, i);
                                persist(key);
                                assertThat(text(key)).isEqualTo("x");
                                store.delete(folder + key);
                            }
                            return part;
                        },
                        () -> {});

        assertThat(parts).hasSize(8);
        assertThat(keys("")).isEmpty();
    }

    @Test
    void manyReadersShareTheConnections() throws Exception {
        byte[] bytes = random(50_000);
        store.putIfAbsent(folder + "a", ObjectBody.of(bytes));

        List<Boolean> same =
                together(
                        200,
                        reader -> {
                            byte[] part = store.getRange(folder + "a", reader, 1000).orElseThrow();
                            return Arrays.equals(
                                    part, Arrays.copyOfRange(bytes, reader, reader + 1000));
                        },
                        () -> {});

        assertThat(same).hasSize(200).containsOnly(true);
    }

    @Test
    void aSlowReaderHoldsNothingUp() throws IOException {
        byte[] bytes = random(600_000);
        store.putIfAbsent(folder + "a", ObjectBody.of(bytes));
        var streams = new ArrayList<InputStream>();
        for (int i = 0; i < 100; i++) {
            InputStream stream = store.open(folder + "a", i).orElseThrow();
            assertThat(stream.read()).isEqualTo(bytes[i] & 0xff);
            streams.add(stream);
        }

        assertThat(store.get(folder + "a")).isPresent();
        for (InputStream stream : streams.subList(0, 3)) {
            assertThat(stream.readAllBytes()).hasSizeGreaterThan(599_000);
        }
        for (InputStream stream : streams) {
            stream.close();
        }
    }

    @Test
    void theWholeStoreHasNoStrangers() {
        put("a", "x");

        assertThat(store.listAll(""))
                .extracting(ListedObject::key)
                .allMatch(key -> key.contains("/") && !key.startsWith("."));
        assertThat(store.folders("")).noneMatch(name -> name.startsWith("."));
    }

    private PutResult put(String key, String text) {
        return store.putIfAbsent(folder + key, ObjectBody.of(text.getBytes(UTF_8)));
    }

    /// Sends again while the outcome is unknown, as a writer does.
    private void persist(String key) {
        boolean unsure = false;
        for (int attempt = 1; ; attempt++) {
            try {
                assertThat(put(key, "x") instanceof Created || unsure).isTrue();
                return;
            } catch (StoreException.Unavailable failure) {
                unsure = true;
                if (attempt == 20) {
                    throw failure;
                }
            }
        }
    }

    private String text(String key) {
        Optional<byte[]> bytes = store.get(folder + key);
        return new String(bytes.orElseThrow(), UTF_8);
    }

    private List<String> keys(String prefix) {
        return store.listAll(folder + prefix)
                .map(object -> object.key().substring(folder.length()))
                .toList();
    }

    private List<String> listed(String prefix, String startAfter, int limit) {
        String start = startAfter.isEmpty() ? "" : folder + startAfter;
        return store.list(folder + prefix, start, limit).objects().stream()
                .map(object -> object.key().substring(folder.length()))
                .toList();
    }

    private static List<String> sorted(List<String> ascii) {
        return ascii.stream().sorted().collect(toCollection(ArrayList::new));
    }

    private static void refused(Callable<?> call, String key) {
        assertThatThrownBy(call::call).as("'%s'", key).isInstanceOf(IllegalArgumentException.class);
    }

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new SplittableRandom(length).nextBytes(bytes);
        return bytes;
    }

    private interface Part<T> {
        T run(int part) throws Exception;
    }

    /// Runs parts at the same time and collects their results in order.
    private static <T> List<T> together(int parts, Part<T> body, Runnable begin) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<T>> running =
                    IntStream.range(0, parts)
                            .mapToObj(part -> threads.submit(() -> body.run(part)))
                            .toList();
            begin.run();
            var results = new ArrayList<T>();
            for (Future<T> part : running) {
                results.add(part.get());
            }
            return results;
        }
    }
}
