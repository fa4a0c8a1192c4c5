package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryIndex.Range;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

final class HistoryDaysTest {
    private static final long DAY = Duration.ofDays(1).toMillis();
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    private final MemoryObjectStore store = new MemoryObjectStore();

    /// Drains and merges over some days: what can be read stays the same, with few objects.
    @Seeds(40)
    void pastDaysBecomeOneObjectAndNoPointIsLost(long seed) {
        var random = new SplittableRandom(seed);
        var all = new ArrayList<IndexPoint>();
        long millis = START.toEpochMilli();
        var days = new TreeSet<Long>();
        for (int drain = 0; drain < 80; drain++) {
            var points = new ArrayList<IndexPoint>();
            for (int i = 1 + random.nextInt(4); i > 0; i--) {
                millis +=
                        random.nextInt(12) == 0
                                ? random.nextLong(2 * DAY)
                                : random.nextLong(DAY / 50);
                points.add(
                        point(all.isEmpty() ? 1 : all.getLast().max().value() + 1, millis, random));
                all.add(points.getLast());
                days.add(MergeSchedule.dayOf(millis));
            }
            HistoryIndex.write(store, DrainedLife.TENANT, points);
            if (random.nextInt(3) > 0) {
                HistoryDays.merge(store, DrainedLife.TENANT);
            }
        }
        HistoryDays.merge(store, DrainedLife.TENANT);

        assertThat(read()).isEqualTo(all);
        int today = (int) all.stream().filter(p -> HistoryIndex.day(p) == days.last()).count();
        janitor();
        assertThat(read()).isEqualTo(all);
        assertThat(HistoryIndex.list(store, DrainedLife.TENANT))
                .hasSizeLessThanOrEqualTo(days.size() + today);
        assertThat(HistoryDays.merge(store, DrainedLife.TENANT)).as("all is done").isZero();
    }

    @Test
    void daysAreMergedWhenTheNextHasBegun() {
        drain(1, 3, 0);
        drain(4, 5, 1000);
        drain(6, 6, 2000);
        assertThat(HistoryDays.merge(store, DrainedLife.TENANT)).isZero();

        drain(7, 8, DAY);

        assertThat(HistoryDays.merge(store, DrainedLife.TENANT)).isEqualTo(1);
        assertThat(names()).containsExactly("1-3", "1-6", "4-5", "6-6", "7-8");
        assertThat(names(HistoryDays.covered(list()))).containsExactly("1-3", "4-5", "6-6");
    }

    /// A drain that spans midnight is divided, so that a day's object holds its small ones.
    @Test
    void drainOverMidnightIsTwoObjects() {
        drain(1, 3, DAY - 2);
        drain(4, 4, DAY + 100);
        drain(5, 5, 2 * DAY);
        assertThat(names()).containsExactly("1-2", "3-3", "4-4", "5-5");

        HistoryDays.merge(store, DrainedLife.TENANT);

        assertThat(names()).containsExactly("1-2", "3-3", "3-4", "4-4", "5-5");
        assertThat(names(HistoryDays.covered(list()))).containsExactly("3-3", "4-4");
    }

    @Test
    void dayOfMoreThanOneObjectIsMergedAsFarAsItFits() {
        drain(1, 10_000, 0);
        drain(10_001, 16_000, 10_000);
        drain(16_001, 20_000, 20_000);
        drain(20_001, 20_001, DAY);

        assertThat(HistoryDays.merge(store, DrainedLife.TENANT)).isEqualTo(1);

        assertThat(names()).contains("1-16000");
        assertThat(HistoryDays.merge(store, DrainedLife.TENANT)).isZero();
        janitor();
        assertThat(names()).containsExactly("1-16000", "16001-20000", "20001-20001");
        assertThat(HistoryDays.merge(store, DrainedLife.TENANT)).isZero();
    }

    /// Whoever merges other objects of the same entries writes the same bytes.
    @Test
    void bytesAreAFunctionOfTheEntries() {
        drain(1, 3, 0);
        drain(4, 5, 3);
        drain(6, 6, DAY);
        HistoryDays.merge(store, DrainedLife.TENANT);
        var other = new MemoryObjectStore();
        HistoryIndex.write(other, DrainedLife.TENANT, points(1, 5, 0));

        String key = HistoryIndex.key(DrainedLife.TENANT, new Txid(1), new Txid(5));
        assertThat(store.get(key).orElseThrow()).isEqualTo(other.get(key).orElseThrow());
    }

    @Test
    void objectsThatOnlyOverlapAreNotCovered() {
        drain(1, 4, 0);
        drain(3, 6, 10);
        drain(5, 6, 10);
        drain(2, 3, 10);

        assertThat(names(HistoryDays.covered(list()))).containsExactly("2-3", "5-6");
    }

    @Test
    void mergingCostsOneReadPerSmallObjectOnceADay() {
        for (int i = 0; i < 100; i++) {
            drain(i + 1, i + 1, 1000 * i);
        }
        drain(101, 101, DAY);
        var counting = new CountingObjectStore(store);

        HistoryDays.merge(counting, DrainedLife.TENANT);

        assertThat(counting.count(Verb.LIST)).isEqualTo(1);
        assertThat(counting.count(Verb.GET)).isEqualTo(101);
        assertThat(counting.count(Verb.PUT)).isEqualTo(1);
        counting.reset();
        HistoryDays.merge(counting, DrainedLife.TENANT);
        assertThat(counting.total()).as("nothing to do is seen in the listing").isEqualTo(1);
    }

    private static IndexPoint point(long min, long millis, SplittableRandom random) {
        long max = random.nextInt(10) == 0 ? min + 70 : min;
        return point(min, max, millis);
    }

    private static IndexPoint point(long min, long max, long millis) {
        return new IndexPoint(
                new Txid(min),
                new Txid(max),
                millis,
                millis,
                4096,
                10,
                1,
                100,
                new LogRef(DrainedLife.LOG, new Slot(1, max)),
                min,
                max,
                null,
                null,
                null);
    }

    /// Commits a millisecond apart.
    private void drain(long min, long max, long millis) {
        HistoryIndex.write(store, DrainedLife.TENANT, points(min, max, millis));
    }

    private static List<IndexPoint> points(long min, long max, long millis) {
        return LongStream.rangeClosed(min, max)
                .mapToObj(txid -> point(txid, txid, START.toEpochMilli() + millis + txid - min))
                .toList();
    }

    private List<IndexPoint> read() {
        return HistoryIndex.points(
                store, DrainedLife.TENANT, new Txid(1), new Txid(Long.MAX_VALUE));
    }

    private void janitor() {
        HistoryDays.covered(list()).forEach(object -> store.delete(object.key()));
    }

    private List<Range> list() {
        return HistoryIndex.list(store, DrainedLife.TENANT);
    }

    private List<String> names() {
        return names(list());
    }

    private static List<String> names(List<Range> objects) {
        return objects.stream().map(o -> o.min().value() + "-" + o.max().value()).toList();
    }
}
