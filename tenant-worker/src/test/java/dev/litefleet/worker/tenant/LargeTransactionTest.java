package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A transaction much larger than the heap is committed, answered when it is durable, drained,
/// checkpointed and opened again elsewhere: by a process of its own ([LargeTransaction]), so that
/// the limit is the JVM's and not a measurement.
///
/// By default 128 MiB in a heap of 40 MiB, in the smallest pages; `-Dlarge.mib=1024
/// -Dlarge.heap=256 -Dlarge.pages=512,4096,65536` is the promise in DESIGN.md (about 7 GiB of
/// disk), `-Dlarge.store=<url>` puts it on another store.
final class LargeTransactionTest {
    private static final int MIB = Integer.getInteger("large.mib", 128);
    private static final int HEAP = Integer.getInteger("large.heap", 40);

    @TempDir private Path folder;

    static IntStream pageSizes() {
        return Stream.of(System.getProperty("large.pages", "512").split(","))
                .mapToInt(Integer::parseInt);
    }

    /// What is held for each page counts most where pages are smallest: 262,144 of them.
    @ParameterizedTest(name = "pages of {0} bytes")
    @MethodSource("pageSizes")
    void transactionMuchLargerThanTheHeapShips(int pageSize) throws Exception {
        Path objects = folder.resolve("store");
        String url = System.getProperty("large.store", StoreUrl.of(objects).toString());
        Path worker = Files.createDirectory(folder.resolve("worker"));
        Path said = folder.resolve("said");
        Process child =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx" + HEAP + "m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+ExitOnOutOfMemoryError",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                LargeTransaction.class.getName(),
                                url,
                                worker.toString(),
                                String.valueOf(MIB),
                                String.valueOf(pageSize))
                        .redirectErrorStream(true)
                        .redirectOutput(said.toFile())
                        .start();

        boolean ended = child.waitFor(Math.max(2, MIB / 50), TimeUnit.MINUTES);

        child.destroyForcibly().waitFor();
        String out = Files.readString(said, StandardCharsets.UTF_8);
        assertThat(ended).as(out).isTrue();
        assertThat(child.exitValue()).as(out).isZero();
        String[] result = out.lines().reduce((_, last) -> last).orElseThrow().split(" ");
        System.out.printf(
                "%d MiB in pages of %d in a heap of %d: at most %s MiB used, answered after %s s,"
                        + " %s s in all%n",
                MIB, pageSize, HEAP, result[2], result[3], result[4]);
        assertThat(result[0]).startsWith(MIB * 1024L * 1024 / 16_000 / 4 * 4 + ":");
        assertThat(result[1]).isEqualTo(result[0]);
        assertThat(left(worker.resolve("tmp"))).isEmpty();
        try (ObjectStore store = StoreUrl.parse(url).open()) {
            List<ListedObject> blobs =
                    store.listAll("log/").filter(it -> it.key().contains("/blobs/")).toList();
            assertThat(blobs).hasSize(1);
            assertThat(blobs.getFirst().size()).isGreaterThan((long) MIB << 20);
        }
    }

    private static List<Path> left(Path tmp) throws IOException {
        try (Stream<Path> files = Files.list(tmp)) {
            return files.filter(it -> it.toString().endsWith(".ltx")).toList();
        }
    }
}
