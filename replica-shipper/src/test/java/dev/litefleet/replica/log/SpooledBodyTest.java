package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Commits whose bodies are files: the same objects as if they were in memory, and no file left
/// whatever happens.
final class SpooledBodyTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));

    @TempDir private Path folder;
    private final MemoryObjectStore objects = new MemoryObjectStore();
    private final Commits commits = new Commits(7);
    private final List<LogEnd> ends = new ArrayList<>();

    @Test
    void itIsTheFileThatTheLogWouldMakeInMemory() throws IOException {
        Commit first = commits.large("a", 300);
        Commit second = commits.next("a", 280, 3, 4, 200);

        for (Commit commit : List.of(first, second)) {
            byte[] inMemory = LtxBodies.of(List.of(commit)).bodies().getFirst().ltx();
            try (var spool = spool(commit)) {
                assertThat(spool.content().bytes()).isEqualTo(inMemory);
                assertThat(spool.content().last(100))
                        .isEqualTo(
                                Arrays.copyOfRange(
                                        inMemory, inMemory.length - 100, inMemory.length));
            }
        }
        assertThat(left()).isEmpty();
    }

    @Test
    void largeOneBecomesABlobAndIsSentVerbatimUntilItIsThere() {
        var lost = new ArrayList<String>();
        var recording =
                new RecordingStore(objects) {
                    @Override
                    public PutResult putIfAbsent(String key, ObjectBody body) {
                        PutResult landed = super.putIfAbsent(key, body);
                        if (key.contains("/blobs/") && lost.size() < 2) {
                            lost.add(key);
                            throw new Unavailable("put " + key, "answer was lost", null);
                        }
                        return landed;
                    }
                };
        Commit commit = commits.large("a", 300);
        byte[] inMemory = LtxBodies.of(List.of(commit)).bodies().getFirst().ltx();
        run(
                recording,
                64 << 10,
                log -> {
                    log.awaitDurable(log.append(spooled(commit), true, (_, _) -> {}));

                    var segment = (SegmentReader) SegmentReader.read(objects, LOG, slot(2)).get();
                    Entry entry = segment.entries().getFirst();
                    assertThat(entry.blob()).isNotNull();
                    assertThat(entry.bytes()).isEqualTo(inMemory.length);
                    assertThat(objects.get(entry.blob().key())).contains(inMemory);
                    assertThat(recording.sent(entry.blob().key())).hasSize(1);
                    assertThat(lost).containsOnly(entry.blob().key()).hasSize(2);
                    assertThat(left()).isEmpty();
                });
    }

    @Test
    void oneThatCompressesWellGoesIntoTheSegment() {
        Commit commit = commits.next("a", 40, IntStream.rangeClosed(1, 40).toArray());
        byte[] inMemory = LtxBodies.of(List.of(commit)).bodies().getFirst().ltx();
        run(
                objects,
                1 << 20,
                log -> {
                    log.awaitDurable(log.append(spooled(commit), true, (_, _) -> {}));

                    var segment = (SegmentReader) SegmentReader.read(objects, LOG, slot(2)).get();
                    Entry entry = segment.entries().getFirst();
                    assertThat(entry.blob()).isNull();
                    try (var ltx = segment.ltx(entry)) {
                        assertThat(ltx.readAllBytes()).isEqualTo(inMemory);
                    } catch (IOException failed) {
                        throw new UncheckedIOException(failed);
                    }
                    assertThat(left()).isEmpty();
                });
    }

    /// One is on its way and one waits when the log is closed: neither leaves its file.
    @Test
    void nothingIsLeftWhenTheLogEnds() {
        var silent =
                new RecordingStore(objects) {
                    @Override
                    public PutResult putIfAbsent(String key, ObjectBody body) {
                        if (key.contains("/blobs/")) {
                            throw new Unavailable("put " + key, "no answer", null);
                        }
                        return super.putIfAbsent(key, body);
                    }
                };
        run(
                silent,
                1 << 10,
                log -> {
                    for (int i = 0; i < 8; i++) {
                        log.append(spooled(commits.large("t" + i, 20)), true, (_, _) -> {});
                    }
                    assertThat(left()).hasSize(8);

                    log.close(Duration.ofSeconds(1));
                });
        assertThat(left()).isEmpty();
    }

    @Test
    void whatDoesNotFitOnTheDiskLeavesNothingAndSaysWhere() {
        Commit commit = commits.large("a", 20);

        assertThatThrownBy(() ->
                        SpooledBody.write(
                                folder,
                                commit.txid(),
                                commit.millis(),
                                commit.pageSize(),
                                commit.commitPages(),
                                commit.pgnos(),
                                (i, _) -> {
                                    if (i == 10) {
                                        throw new UncheckedIOException(
                                                new IOException("No space left on device"));
                                    }
                                },
                                commit.checksumAfter()))
                .isInstanceOf(UncheckedIOException.class);
        assertThat(left()).isEmpty();

        assertThatThrownBy(() -> spool(commit, folder.resolve("gone")))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("cannot spool a commit of 20 pages")
                .hasMessageContaining("gone");
    }

    private void run(ObjectStore store, int blobBytes, Consumer<CommitLog> act) {
        CommitLogConfig d = CommitLogConfig.DEFAULT;
        var config =
                new CommitLogConfig(
                        d.window(),
                        d.linger(),
                        d.segmentBytesMax(),
                        blobBytes,
                        d.retryMin(),
                        d.retryMax(),
                        d.retrySpacing(),
                        d.partMax(),
                        d.partSlotsMax(),
                        d.openMax(),
                        d.checkMax(),
                        d.closeMax());
        SimTasks.run(
                3,
                world -> {
                    var log =
                            new CommitLog(
                                    store,
                                    LOG,
                                    config,
                                    world.node("w-1"),
                                    world.clock(),
                                    new SplittableRandom(5),
                                    ends::add);
                    log.open();
                    act.accept(log);
                    log.close(Duration.ofMinutes(1));
                });
        assertThat(ends).isEmpty();
    }

    private Commit spooled(Commit commit) {
        return new Commit(
                commit.tenant(),
                commit.txid(),
                commit.millis(),
                commit.pageSize(),
                commit.commitPages(),
                commit.pgnos(),
                new byte[0],
                commit.checksumBefore(),
                commit.checksumAfter(),
                commit.actor(),
                commit.traceparent(),
                commit.requestId(),
                spool(commit),
                null);
    }

    private SpooledBody spool(Commit commit) {
        return spool(commit, folder);
    }

    private static SpooledBody spool(Commit commit, Path folder) {
        return SpooledBody.write(
                folder,
                commit.txid(),
                commit.millis(),
                commit.pageSize(),
                commit.commitPages(),
                commit.pgnos(),
                (i, page) ->
                        System.arraycopy(
                                commit.pages(), i * commit.pageSize(), page, 0, commit.pageSize()),
                commit.checksumAfter());
    }

    private static Slot slot(long number) {
        return new Slot(1, number);
    }

    private List<Path> left() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }
}
