package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.testing.MemoryObjectStore;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class LineageHistoryTest {
    @ParameterizedTest(name = "{0}")
    @MethodSource
    void coverageIsWhatIsThereWithoutAGap(String situation, String files, long expected) {
        assertThat(LineageHistory.coverage(files(files))).isEqualTo(new Txid(expected));
    }

    static Stream<Arguments> coverageIsWhatIsThereWithoutAGap() {
        return Stream.of(
                arguments("nothing", "", 0),
                arguments("one file", "1:1-4", 4),
                arguments("files in a row", "1:1-4 1:5-9", 9),
                arguments("a gap: never the highest listed", "1:1-4 1:6-9", 4),
                arguments("the first is missing", "1:2-4", 0),
                arguments("overlap", "1:1-4 1:3-9", 9),
                arguments("a file within another", "1:1-9 1:3-4 1:10-11", 11),
                arguments("a gap bridged by a merge", "1:1-4 1:6-9 2:1-9 1:10-10", 10),
                arguments("a snapshot and what follows it", "9:1-7 1:8-8", 8),
                arguments("a snapshot alone after retention", "9:1-7 1:6-7", 7),
                arguments("a gap after the snapshot", "9:1-7 1:9-9", 7),
                arguments("not in order", "1:5-9 1:1-4", 9));
    }

    @Test
    void listingKeepsOnlyDerivedFiles() {
        var store = new MemoryObjectStore();
        String prefix = DrainedLife.TENANT.prefix();
        String name = "0000000000000001-0000000000000003.ltx";
        put(store, prefix + "0001/" + name, 200);
        put(store, prefix + "0009/" + name, 200);
        put(store, prefix + "0001/0000000000000004-0000000000000004.ltx", 0);
        put(store, prefix + "0001/0000000000000005-0000000000000004.ltx", 200);
        put(store, prefix + "0001/8000000000000005-8000000000000006.ltx", 200);
        put(store, prefix + "0001/0000000000000000-0000000000000004.ltx", 200);
        put(store, prefix + "0001/meta.json", 200);
        put(store, prefix + "000a/" + name, 200);
        put(store, prefix + "0001/sub/" + name, 200);
        put(store, prefix + "history/0000000000000001-0000000000000003.json.gz", 200);
        put(store, "tenants/agent-7f3a2/" + DrainedLife.TENANT.lineage() + "/0001/" + name, 200);

        List<DerivedFile> files = LineageHistory.list(store, DrainedLife.TENANT).files();

        assertThat(files).extracting(DerivedFile::level).containsExactly(9, 1);
        assertThat(files).extracting(DerivedFile::max).containsOnly(new Txid(3));
    }

    /// The catalog knows that 5 was durable: an older database is never an answer.
    @Test
    void coverageBelowTheFloorIsRefused() {
        var store = new MemoryObjectStore();
        put(store, DerivedFile.key(DrainedLife.TENANT, 1, new Txid(1), new Txid(4)), 200);
        LineageHistory history = LineageHistory.list(store, DrainedLife.TENANT);

        assertThat(history.requireCoverage(new Txid(4))).isSameAs(history);
        assertThatThrownBy(() -> history.requireCoverage(new Txid(5)))
                .isInstanceOf(HistoryIncomplete.class);
    }

    /// `level:min-max` with decimal TXIDs, separated by spaces.
    static List<DerivedFile> files(String text) {
        return Arrays.stream(text.split(" "))
                .filter(word -> !word.isEmpty())
                .map(LineageHistoryTest::file)
                .toList();
    }

    private static DerivedFile file(String text) {
        String[] parts = text.split("[:-]");
        int level = Integer.parseInt(parts[0]);
        var min = new Txid(Long.parseLong(parts[1]));
        var max = new Txid(Long.parseLong(parts[2]));
        return new DerivedFile(
                level,
                min,
                max,
                1000,
                Instant.EPOCH.plusSeconds(max.value()),
                DerivedFile.key(DrainedLife.TENANT, level, min, max));
    }

    private static void put(MemoryObjectStore store, String key, int bytes) {
        store.putIfAbsent(key, ObjectBody.of(new byte[bytes]));
    }
}
