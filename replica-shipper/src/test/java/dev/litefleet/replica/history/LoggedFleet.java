package dev.litefleet.replica.history;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.TestClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;

/// A worker reduced to what makes its history: several rough databases behind one real commit log,
/// drained from their WAL frames.
final class LoggedFleet implements AutoCloseable {
    static final LogName LOG = new LogName("w-1", new SessionId("01J0000000000000000000000A"));

    /// One database of the fleet.
    final class Resident implements AutoCloseable {
        private final RoughHistory history;
        private final List<long[]> places = new ArrayList<>();
        private final List<Commit> commits = new ArrayList<>();
        private final List<IndexPoint> points = new ArrayList<>(); // guarded by this
        private final TreeMap<Txid, byte[]> images = new TreeMap<>();
        private ChangedPages changed;

        Resident(RoughHistory history) {
            this.history = history;
            this.changed = new ChangedPages(history.pageSize(), 0);
        }

        /// Random commits, given to the log.
        void live(int count) {
            for (int i = 0; i < count; i++) {
                Commit commit = history.next();
                commits.add(commit);
                places.add(history.captured().offsets());
                images.put(commit.txid(), history.image());
                log.append(commit, false, this::durable);
            }
        }

        TenantKey tenant() {
            return history.tenant();
        }

        RoughHistory history() {
            return history;
        }

        /// The database after every commit.
        TreeMap<Txid, byte[]> images() {
            return images;
        }

        private synchronized void durable(Slot slot, Entry entry) {
            if (points.isEmpty() || points.getLast().max().compareTo(entry.max()) < 0) {
                points.add(IndexPoint.of(new LogRef(name, slot), entry));
            }
        }

        /// What a drain would write now; everything must be durable.
        synchronized DrainInput input() {
            for (int i = 0; i < commits.size(); i++) {
                Commit commit = commits.get(i);
                changed.commit(commit.commitPages(), commit.pgnos(), places.get(i));
            }
            commits.clear();
            places.clear();
            return new DrainInput(
                    history.pageSize(),
                    changed.commitBefore(),
                    changed.commit(),
                    points.getFirst().min(),
                    points.getLast().max(),
                    changed.source(this::readWal),
                    points.getLast().lastMillis(),
                    points.getLast().checksumAfter(),
                    points);
        }

        /// A whole drain, reported to the log, and the checkpoint that may follow it.
        void drain() {
            DrainInput input = input();
            Drain.write(store, tenant(), input, folder);
            log.drained(tenant(), input.max());
            forget();
            history.checkpoint();
        }

        /// Whether there is anything to drain.
        synchronized boolean owes() {
            return !points.isEmpty();
        }

        /// Somebody else drained everything.
        private synchronized void recovered() {
            for (int i = 0; i < commits.size(); i++) {
                Commit commit = commits.get(i);
                changed.commit(commit.commitPages(), commit.pgnos(), places.get(i));
            }
            commits.clear();
            places.clear();
            forget();
            history.checkpoint();
        }

        synchronized void forget() {
            points.clear();
            changed.clear();
        }

        private void readWal(long place, byte[] page) {
            try (var wal = FileChannel.open(history.wal())) {
                if (wal.read(ByteBuffer.wrap(page), place) != page.length) {
                    throw new IOException("short WAL");
                }
            } catch (IOException failed) {
                throw new UncheckedIOException(failed);
            }
        }

        @Override
        public void close() {
            history.close();
        }
    }

    private final ObjectStore store;
    private final Path folder;
    private final Tasks tasks = new ThreadTasks();
    private final SplittableRandom random;
    private final CommitLogConfig config;
    private LogName name = LOG;
    private CommitLog log;
    private long before; // commits in earlier logs
    private final List<Resident> residents = new ArrayList<>();

    /// Short parts, so that everything that reads a log reads several.
    LoggedFleet(ObjectStore store, Path folder, int tenants, long seed) {
        this(
                store,
                folder,
                tenants,
                seed,
                CommitLogConfig.DEFAULT
                        .withLinger(Duration.ofMinutes(10))
                        .withParts(Duration.ofDays(365), 3));
    }

    LoggedFleet(ObjectStore store, Path folder, int tenants, long seed, CommitLogConfig config) {
        this.store = store;
        this.folder = folder;
        this.config = config;
        this.random = new SplittableRandom(seed);
        this.log = open();
        for (int i = 0; i < tenants; i++) {
            residents.add(new Resident(RoughHistory.seeded(folder, tenant(i), seed * tenants + i)));
        }
    }

    private CommitLog open() {
        var opened = new CommitLog(store, name, config, tasks, new TestClock(), random, _ -> {});
        opened.open();
        return opened;
    }

    /// The worker dies when everything is durable; its log is fenced and recovered, and everything
    /// goes on in another one.
    void restart(LogName next) {
        flush();
        // Earlier parts may have been trimmed.
        Fence.Closed closed = fence(store, Slot.firstOf(log.durable().part()));
        Recovery.recover(store, name, closed, folder, tasks);
        log.close(Duration.ZERO);
        before = txids();
        residents.forEach(Resident::recovered);
        name = next;
        log = open();
    }

    /// Of the log that is written now.
    LogName name() {
        return name;
    }

    static TenantKey tenant(int number) {
        return new TenantKey(
                new TenantId("agent-" + number), new Lineage("01J00000000000000000000000"));
    }

    List<Resident> residents() {
        return residents;
    }

    CommitLog log() {
        return log;
    }

    /// Everything appended becomes a segment, and durable.
    void flush() {
        log.flush();
        log.awaitDurable(sequence());
    }

    private long sequence() {
        return txids() - before;
    }

    private long txids() {
        return residents.stream().mapToLong(one -> one.history().position().txid().value()).sum();
    }

    /// What a controller does to the log of a worker that died.
    Fence.Closed fence() {
        return fence(store);
    }

    Fence.Closed fence(ObjectStore where) {
        return fence(where, Slot.FIRST);
    }

    private Fence.Closed fence(ObjectStore where, Slot from) {
        return Fence.close(
                where, name, from, "01J0000000000000000000000C", 1, tasks, new SplittableRandom(1));
    }

    /// A copy of the log alone, without anything derived.
    MemoryObjectStore copyOfLog() {
        var copy = new MemoryObjectStore();
        store.listAll("log/")
                .forEach(object ->
                        copy.putIfAbsent(
                                object.key(),
                                ObjectBody.of(store.get(object.key()).orElseThrow())));
        return copy;
    }

    @Override
    public void close() {
        log.close(Duration.ZERO);
        for (Resident resident : residents) {
            resident.close();
        }
    }
}
