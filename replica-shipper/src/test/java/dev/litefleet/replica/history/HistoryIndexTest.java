package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

final class HistoryIndexTest {
    private final MemoryObjectStore store = new MemoryObjectStore();

    @Seeds(50)
    void whatIsWrittenIsRead(long seed) {
        List<IndexPoint> points = points(new SplittableRandom(seed), 40);

        HistoryIndex.write(store, DrainedLife.TENANT, points);

        assertThat(all()).isEqualTo(points);
    }

    @Test
    void samePointsGiveTheSameBytes() {
        List<IndexPoint> points = points(new SplittableRandom(1), 40);

        assertThat(HistoryIndex.encode(DrainedLife.TENANT, points))
                .isEqualTo(HistoryIndex.encode(DrainedLife.TENANT, List.copyOf(points)));
    }

    @Test
    void manyPointsGoToSeveralObjects() {
        List<IndexPoint> points = points(new SplittableRandom(1), HistoryIndex.POINTS_MAX + 1);

        HistoryIndex.write(store, DrainedLife.TENANT, points);

        assertThat(HistoryIndex.list(store, DrainedLife.TENANT)).hasSize(2);
        assertThat(all()).isEqualTo(points);
    }

    @Test
    void onlyWhatOverlapsIsRead() {
        List<IndexPoint> points = points(new SplittableRandom(1), 40);
        HistoryIndex.write(store, DrainedLife.TENANT, points.subList(0, 20));
        HistoryIndex.write(store, DrainedLife.TENANT, points.subList(20, 40));

        Txid last = points.get(19).max();
        assertThat(HistoryIndex.points(store, DrainedLife.TENANT, new Txid(1), last))
                .isEqualTo(points.subList(0, 20));
    }

    @Test
    void newerFormatIsRefusedByName() throws IOException {
        assertThatThrownBy(() -> read("{\"format\": 2, \"points\": \"otherwise\"}"))
                .isInstanceOf(UnsupportedFormat.class)
                .hasMessageContaining("history 2");
    }

    /// Any damage is an error that names the object; nothing else may come out.
    @Seeds(200)
    void damageIsFound(long seed) {
        var random = new SplittableRandom(seed);
        List<IndexPoint> points = points(random, 5);
        HistoryIndex.write(store, DrainedLife.TENANT, points);
        HistoryIndex.Range range = HistoryIndex.list(store, DrainedLife.TENANT).getFirst();
        byte[] bytes = store.get(range.key()).orElseThrow();
        // Behind gzip's header: its time and system are nobody's business.
        bytes[10 + random.nextInt(bytes.length - 10)] ^= (byte) (1 << random.nextInt(8));
        store.damage(range.key(), bytes);

        assertThatThrownBy(() -> HistoryIndex.read(store, range))
                .isInstanceOf(ReplicaException.class)
                .hasMessageContaining(range.key());
    }

    @Seeds(200)
    void nonsenseInsideIsFound(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        List<IndexPoint> points = points(random, 5);
        HistoryIndex.write(store, DrainedLife.TENANT, points);
        HistoryIndex.Range range = HistoryIndex.list(store, DrainedLife.TENANT).getFirst();
        String text;
        try (var in =
                new GZIPInputStream(
                        new java.io.ByteArrayInputStream(store.get(range.key()).orElseThrow()))) {
            text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        int from = random.nextInt(text.length());
        int to = Math.min(text.length(), from + 1 + random.nextInt(12));
        String[] nonsense = {"", "-1", "\"\"", "null", "[]", "{", "99999999999999999999", "1.5"};
        store.damage(
                range.key(),
                gzip(text.substring(0, from) + nonsense[random.nextInt(8)] + text.substring(to)));

        try {
            assertThat(HistoryIndex.read(store, range)).hasSize(5); // It hit a text.
        } catch (ReplicaException refused) {
            assertThat(refused).hasMessageContaining(range.key());
        }
    }

    @Test
    void bombIsRefused() {
        assertThatThrownBy(() -> read("{\"format\": 1, \"x\": \"" + "y".repeat(33 << 20) + "\"}"))
                .isInstanceOfAny(TooLarge.class, Corrupt.class);
    }

    private List<IndexPoint> read(String json) throws IOException {
        String key =
                DrainedLife.TENANT.prefix() + "history/0000000000000001-0000000000000001.json.gz";
        store.damage(key, gzip(json));
        return HistoryIndex.read(store, HistoryIndex.list(store, DrainedLife.TENANT).getFirst());
    }

    private static byte[] gzip(String text) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var zip = new GZIPOutputStream(bytes)) {
            zip.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private List<IndexPoint> all() {
        return HistoryIndex.points(
                store, DrainedLife.TENANT, new Txid(1), new Txid(Long.MAX_VALUE));
    }

    private static List<IndexPoint> points(SplittableRandom random, int count) {
        var points = new ArrayList<IndexPoint>();
        long txid = 1 + random.nextInt(1000);
        long millis = 1_767_225_600_000L;
        for (int i = 0; i < count; i++) {
            boolean merged = random.nextInt(10) == 0;
            long max = txid + (merged ? 64 + random.nextInt(1000) : 0);
            long last = millis + (merged ? random.nextInt(1000) : 0);
            points.add(
                    new IndexPoint(
                            new Txid(txid),
                            new Txid(max),
                            millis,
                            last,
                            4096,
                            1 + random.nextInt(1000),
                            random.nextInt(100),
                            random.nextInt(100_000),
                            new LogRef(
                                    new LogName(
                                            "w-" + random.nextInt(3),
                                            new SessionId("01J0000000000000000000000A")),
                                    new Slot(1 + random.nextInt(3), 1 + random.nextInt(10_000))),
                            random.nextLong(),
                            random.nextLong(),
                            random.nextBoolean() ? "agent \"" + i + "\" \u00e9" : null,
                            random.nextBoolean()
                                    ? "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                                    : null,
                            random.nextBoolean() ? "r" + i : null));
            txid = max + 1;
            millis = last + random.nextInt(1000);
        }
        return points;
    }
}
