package dev.litefleet.replica.objects;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.PutResult.Created;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a directory adds to the contract: other processes, crashes, strangers' files.
final class DirectoryObjectStoreTest {
    private static final int PROCESSES = 3;
    private static final int RACES = 150;

    @TempDir private Path root;

    @Test
    void racingProcessesHaveOneWinnerEach() throws Exception {
        var racers = new ArrayList<Process>();
        for (int racer = 0; racer < PROCESSES; racer++) {
            racers.add(child("race", "racer-" + racer));
        }
        for (Process racer : racers) {
            assertThat(racer.inputReader().readLine()).isEqualTo("ready");
        }
        for (Process racer : racers) {
            racer.outputWriter().close();
        }
        var winners = new HashMap<String, String>();
        for (Process racer : racers) {
            racer.inputReader()
                    .lines()
                    .forEach(won -> {
                        String[] words = won.split(" ");
                        assertThat(winners.put(words[1], words[0])).as(words[1]).isNull();
                    });
            assertThat(racer.waitFor()).isZero();
        }

        assertThat(winners).hasSize(RACES);
        var store = open();
        winners.forEach((key, racer) -> assertThat(store.get(key)).contains(racer.getBytes(UTF_8)));
        // Otherwise this was no race.
        assertThat(Set.copyOf(winners.values())).hasSizeGreaterThan(1);
    }

    @Test
    void aKilledWriterLosesNothingItWasToldAndLeavesNothingTorn() throws Exception {
        Process writer = child("write", "w");
        var acknowledged = new ArrayList<String>();
        try (BufferedReader answers = writer.inputReader()) {
            for (int i = 0; i < 100; i++) {
                acknowledged.add(answers.readLine());
            }
            // Not through Process, which would throw away what was printed and not yet read.
            writer.toHandle().destroyForcibly();
            answers.lines().forEach(acknowledged::add);
        }

        var store = open();
        assertThat(acknowledged).allMatch(key -> store.head(key).isPresent());
        store.listAll("")
                .forEach(object ->
                        assertThat(isWhole(store.get(object.key()).orElseThrow())).isTrue());
        // At most the last one was created without its answer getting out.
        assertThat(store.listAll("").count()).isLessThanOrEqualTo(acknowledged.size() + 1L);
    }

    @Test
    void temporaryFilesOfTheDeadAreRemovedAndThoseOfTheLivingStay() throws IOException {
        open();
        Path left = Files.write(root.resolve(".tmp/crashed-1"), new byte[10]);

        open();
        assertThat(left).exists();

        // The file system's clock is coarse: write until it has moved on.
        Path later = root.resolve(".tmp/later");
        do {
            Files.deleteIfExists(later);
            Files.createFile(later);
        } while (!changed(later).isAfter(changed(left)));
        new DirectoryObjectStore(root, new SplittableRandom(3), Duration.ZERO);

        assertThat(left).doesNotExist();
    }

    @Test
    void aPutLeavesNoTemporaryFileBehind() throws IOException {
        var store = open();
        store.putIfAbsent("a", ObjectBody.of(new byte[10]));
        store.putIfAbsent("a", ObjectBody.of(new byte[10]));

        assertThat(entries(root.resolve(".tmp"))).isEmpty();
        assertThat(entries(root)).containsExactlyInAnyOrder(".tmp", "a");
    }

    @Test
    void theLayoutIsTheKeysThemselves() {
        open().putIfAbsent("tenants/a/0001/x.ltx", ObjectBody.of("ltx".getBytes(UTF_8)));

        assertThat(root.resolve("tenants/a/0001/x.ltx")).hasContent("ltx");
    }

    @Test
    void aTimestampIsTheFilesTime() throws IOException {
        Instant time = Instant.parse("2025-01-02T03:04:05.678Z");
        var store = open();

        store.putIfAbsent("a", ObjectBody.of(new byte[1]).withTimestamp(time));

        assertThat(Files.getLastModifiedTime(root.resolve("a")).toInstant()).isEqualTo(time);
        assertThat(store.head("a").orElseThrow().modified()).isEqualTo(time);
    }

    @Test
    void emptyFoldersGoWithTheirLastObject() throws IOException {
        var store = open();
        store.putIfAbsent("probe/1/x", ObjectBody.of(new byte[1]));
        store.putIfAbsent("probe/2/x", ObjectBody.of(new byte[1]));

        store.delete("probe/1/x");
        assertThat(entries(root.resolve("probe"))).containsExactly("2");
        store.delete("probe/2/x");
        assertThat(entries(root)).containsExactly(".tmp");
    }

    @Test
    void aFolderWithoutObjectsIsNone() throws IOException {
        Files.createDirectories(root.resolve("tenants/a/b"));

        assertThat(open().folders("")).isEmpty();
        assertThat(open().list("", "", 10).objects()).isEmpty();
    }

    @Test
    void strangersFilesAreNotObjects() throws IOException {
        var store = open();
        store.putIfAbsent("a/b", ObjectBody.of(new byte[1]));
        Files.write(root.resolve(".DS_Store"), new byte[1]);
        Files.write(root.resolve("a/.b.swp"), new byte[1]);

        assertThat(store.listAll("")).extracting(ListedObject::key).containsExactly("a/b");
    }

    @Test
    void aKeyCannotAlsoBeAFolder() {
        var store = open();
        store.putIfAbsent("a/b", ObjectBody.of(new byte[1]));

        assertThatThrownBy(() -> store.putIfAbsent("a", ObjectBody.of(new byte[1])))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("the key is a folder");
        assertThatThrownBy(() -> store.putIfAbsent("a/b/c", ObjectBody.of(new byte[1])))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("a folder of the key is an object");
    }

    @Test
    void aRootThatCannotBeADirectoryIsNamed() throws IOException {
        Path file = Files.write(root.resolve("file"), new byte[1]);

        assertThatThrownBy(() -> new DirectoryObjectStore(file, new SplittableRandom(1)))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining(file.toString());
        assertThatThrownBy(() ->
                        new DirectoryObjectStore(
                                Path.of("/proc/litefleet"), new SplittableRandom(1)))
                .isInstanceOf(Misconfigured.class)
                .hasMessageContaining("/proc/litefleet");
    }

    @Test
    void whatIsTooLargeIsNotReadWhole() throws IOException {
        var store = open();
        try (var file = new RandomAccessFile(root.resolve("huge").toFile(), "rw")) {
            file.setLength(ObjectStore.GET_BYTES_MAX + 1L);
        }

        assertThatThrownBy(() -> store.get("huge"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("key=huge, size=67108865");
        assertThat(store.getTail("huge", 10).orElseThrow().size()).isEqualTo(67_108_865);
    }

    @Test
    void twoStoresOnOneDirectoryAreOneStore() {
        var one = open();
        var other = new DirectoryObjectStore(root, new SplittableRandom(2));
        one.putIfAbsent("a/b", ObjectBody.of(new byte[1]));

        // Takes the folder away that the first one remembers.
        other.delete("a/b");

        assertThat(one.putIfAbsent("a/c", ObjectBody.of(new byte[1]))).isInstanceOf(Created.class);
        assertThat(other.get("a/c")).isPresent();
    }

    private static Instant changed(Path file) throws IOException {
        return ((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant();
    }

    private DirectoryObjectStore open() {
        return new DirectoryObjectStore(root, new SplittableRandom(1));
    }

    private static List<String> entries(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    private Process child(String task, String name) throws IOException {
        var builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-Xshare:auto",
                        Child.class.getName(),
                        root.toString(),
                        task,
                        name);
        // Too long for an argument on some systems.
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        return builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    private static boolean isWhole(byte[] body) {
        var sum = new CRC32();
        sum.update(body, 8, body.length - 8);
        return ByteBuffer.wrap(body).getLong() == sum.getValue();
    }

    /// Another process on the same directory.
    static final class Child {
        private Child() {}

        public static void main(String[] arguments) throws IOException {
            var store =
                    new DirectoryObjectStore(
                            Path.of(arguments[0]), new SplittableRandom(arguments[2].hashCode()));
            if (arguments[1].equals("race")) {
                race(store, arguments[2]);
            } else {
                write(store);
            }
        }

        private static void race(ObjectStore store, String name) throws IOException {
            System.out.println("ready");
            System.in.readAllBytes();
            for (int i = 0; i < RACES; i++) {
                String key = "race/%d/%d".formatted(i % 7, i);
                PutResult result = store.putIfAbsent(key, ObjectBody.of(name.getBytes(UTF_8)));
                if (result instanceof Created) {
                    System.out.println(name + " " + key);
                }
            }
        }

        private static void write(ObjectStore store) {
            var random = new SplittableRandom(1);
            for (int i = 0; ; i++) {
                byte[] body = new byte[8 + random.nextInt(100_000)];
                random.nextBytes(body);
                var sum = new CRC32();
                sum.update(body, 8, body.length - 8);
                ByteBuffer.wrap(body).putLong(sum.getValue());
                String key = "log/%08d".formatted(i);
                store.putIfAbsent(key, ObjectBody.of(body));
                System.out.println(key);
            }
        }
    }
}
