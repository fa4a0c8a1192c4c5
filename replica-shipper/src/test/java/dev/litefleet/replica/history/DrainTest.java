package dev.litefleet.replica.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DrainTest {
    @TempDir private Path folder;

    private final MemoryObjectStore store = new MemoryObjectStore();

    @Test
    void drainCostsTwoPutsAndNothingElse() {
        var counting = new CountingObjectStore(store);

        write(counting, input(5));

        assertThat(counting.count(Verb.PUT)).isEqualTo(2);
        assertThat(counting.total()).isEqualTo(2);
        assertThat(store.keys())
                .containsExactly(
                        DrainedLife.TENANT.prefix() + "0001/0000000000000001-0000000000000005.ltx",
                        DrainedLife.TENANT.prefix()
                                + "history/0000000000000001-0000000000000005.json.gz");
    }

    @Test
    void headerIsThatOfADerivedFile() {
        DrainInput input = input(5);

        write(store, input);

        LtxHeader header =
                new LtxReader("d", store.get(store.keys().getFirst()).orElseThrow()).header();
        assertThat(header)
                .isEqualTo(
                        new LtxHeader(
                                4096,
                                input.commit(),
                                new Txid(1),
                                new Txid(5),
                                input.lastMillis(),
                                input.checksumAfter(),
                                32,
                                0,
                                0,
                                0));
        assertThat(store.head(store.keys().getFirst()).orElseThrow().modified().toEpochMilli())
                .isEqualTo(input.lastMillis());
    }

    @Test
    void occupiedIsDone() {
        DrainInput input = input(5);
        write(store, input);
        List<String> keys = store.keys();

        write(store, input);

        assertThat(store.keys()).isEqualTo(keys);
    }

    /// Drained means acknowledged, not sent: of the file, and of the history object.
    @Test
    void drainWithoutBothAnswersIsNotDone() {
        DrainInput input = input(5);
        var flaky = new FlakyObjectStore(store);

        flaky.loseNextAnswer();
        assertThatThrownBy(() -> write(flaky, input)).isInstanceOf(Unavailable.class);
        flaky.afterPut(key -> flaky.loseNextPut());
        assertThatThrownBy(() -> write(flaky, input)).isInstanceOf(Unavailable.class);
        assertThat(store.keys()).hasSize(1);
        flaky.afterPut(_ -> {});
        write(flaky, input);

        assertThat(store.keys()).hasSize(2);
    }

    /// `litestream restore` loses everything when a file lacks a page by which the database grew.
    @Test
    void drainThatLacksAPageOfTheGrowthIsRefused() {
        DrainInput whole = input(5);
        PageSource pages = whole.pages();
        var lacking =
                new PageSource() {
                    @Override
                    public int count() {
                        return pages.count() - 1;
                    }

                    @Override
                    public int pgno(int index) {
                        return pages.pgno(index == 0 ? 0 : index + 1);
                    }

                    @Override
                    public void read(int index, byte[] page) {
                        pages.read(index == 0 ? 0 : index + 1, page);
                    }
                };
        var input =
                new DrainInput(
                        whole.pageSize(),
                        0,
                        whole.commit(),
                        whole.min(),
                        whole.max(),
                        lacking,
                        whole.lastMillis(),
                        whole.checksumAfter(),
                        whole.points());

        assertThatThrownBy(() -> write(store, input)).isInstanceOf(IllegalStateException.class);
        assertThat(store.keys()).isEmpty();
    }

    @Test
    void pageThatCameBackWithoutBeingWrittenIsZeros() {
        var changed = new ChangedPages(512, 0);
        byte[] old = new byte[512];
        Arrays.fill(old, (byte) 7);
        changed.commit(3, new int[] {1, 2, 3}, new long[] {0, 0, 0});
        changed.commit(2, new int[] {1}, new long[] {0});
        changed.commit(3, new int[] {1}, new long[] {0});

        PageSource pages = changed.source((place, page) -> System.arraycopy(old, 0, page, 0, 512));

        byte[] third = old.clone();
        pages.read(2, third);
        assertThat(pages.pgno(2)).isEqualTo(3);
        assertThat(third).containsOnly(0);
    }

    @Test
    void lockPageIsNeverMissed() {
        int lock = LockPage.of(65536);

        assertThat(ChangedPages.unwritten(65536, lock - 2, lock + 1, new int[] {lock + 1}))
                .containsExactly(lock - 1);
    }

    @Test
    void largeDrainGoesThroughAFileThatIsRemoved() throws IOException {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, 1, 65536, false)) {
            var life = new DrainedLife(history, store, folder);
            life.commit("create table t0(id integer primary key, kind int, body blob)");
            life.commit("insert into t0 values (1, 1, randomblob(12000000))");
            life.drain();
        }

        assertThat(store.head(store.keys().getFirst()).orElseThrow().size())
                .isGreaterThan(BodyBuffer.MEMORY_BYTES);
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).noneMatch(path -> path.toString().endsWith(".tmp"));
        }
    }

    private DrainInput input(int commits) {
        try (var history = new RoughHistory(folder, DrainedLife.TENANT, 3, 4096, false)) {
            var life = new DrainedLife(history, store, folder);
            life.live(commits);
            return life.input();
        }
    }

    private void write(dev.litefleet.replica.objects.ObjectStore where, DrainInput input) {
        Drain.write(where, DrainedLife.TENANT, input, folder);
    }
}
