package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.TestClock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/// The log on real threads: many platform threads append, as SQLite's do, while the store takes its
/// time. What the simulation cannot show is that nothing relies on its baton.
final class ThreadTasksTest {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));

    @Test
    void callbacksComeInOrderFromManyThreads() throws Exception {
        var objects = new MemoryObjectStore();
        var slow =
                new RecordingStore(objects) {
                    @Override
                    public PutResult putIfAbsent(String key, ObjectBody body) {
                        for (int i = key.hashCode() & 0xfff; i > 0; i--) {
                            Thread.onSpinWait();
                        }
                        return objects.putIfAbsent(key, body);
                    }
                };
        List<Entry> told = Collections.synchronizedList(new ArrayList<>());
        try (var log = log(slow);
                var threads = Executors.newFixedThreadPool(8)) {
            log.open();
            var done = new ArrayList<Future<?>>();
            for (int t = 0; t < 8; t++) {
                String tenant = "t" + t;
                var commits = new Commits(t);
                done.add(
                        threads.submit(() -> {
                            for (int i = 0; i < 100; i++) {
                                long sequence =
                                        log.append(
                                                commits.next(tenant),
                                                i % 3 == 0,
                                                (_, entry) -> told.add(entry));
                                if (i % 20 == 0) {
                                    log.awaitDurable(sequence);
                                    assertThat(told.size()).isGreaterThanOrEqualTo((int) sequence);
                                }
                            }
                        }));
            }
            for (Future<?> future : done) {
                future.get();
            }
            log.flush();
            log.awaitDurable(800);

            assertThat(told).hasSize(800);
            var last = new HashMap<TenantKey, Txid>();
            for (Entry entry : told) {
                Txid before = last.put(entry.tenant(), entry.max());
                assertThat(before == null || before.compareTo(entry.max()) <= 0).isTrue();
            }
            assertThat(log.pendingBytes()).isZero();
        }
        LogTail tail = LogTail.read(objects, LOG, Slot.FIRST, new ThreadTasks());
        long commits =
                tail.segments().stream()
                        .flatMap(segment -> segment.entries().stream())
                        .mapToLong(entry -> entry.max().value() - entry.min().value() + 1)
                        .sum();
        assertThat(commits).isEqualTo(800);
    }

    private static CommitLog log(RecordingStore store) {
        return new CommitLog(
                store,
                LOG,
                CommitLogConfig.DEFAULT,
                new ThreadTasks(),
                new TestClock(),
                new SplittableRandom(1),
                end -> {
                    throw new IllegalStateException(end.toString());
                });
    }
}
