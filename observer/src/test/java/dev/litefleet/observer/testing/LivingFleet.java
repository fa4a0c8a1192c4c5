package dev.litefleet.observer.testing;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.joining;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.ChangedPages;
import dev.litefleet.replica.history.Drain;
import dev.litefleet.replica.history.DrainInput;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LogRef;
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
import dev.litefleet.testing.RoughHistory;
import dev.litefleet.testing.TestClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/// A fleet as its store sees it: a worker and a controller, each with its own real commit log,
/// rough databases, and a catalog that has the controller's real tables. Nothing becomes durable
/// but by [#flush].
public final class LivingFleet implements AutoCloseable {
    public static final LogName WORKER =
            new LogName("w-1", new SessionId("01J0000000000000000000000A"));
    private static final LogName CONTROLLER =
            new LogName(LogName.CONTROLLER, new SessionId("01J0000000000000000000000C"));
    private static final String CATALOG_LINEAGE = "01J000000000000000000000CA";
    private static final Path TABLES =
            Path.of("../fleet-controller/src/main/resources/catalog/V001.sql");

    /// One database behind one of the logs.
    public final class Resident {
        private final CommitLog log;
        private final RoughHistory history;
        private final List<long[]> places = new ArrayList<>();
        private final List<Commit> commits = new ArrayList<>();
        private final List<IndexPoint> points = new ArrayList<>(); // guarded by this
        private final TreeMap<Txid, byte[]> images = new TreeMap<>();
        private final TreeMap<Txid, Long> times = new TreeMap<>();
        private final ChangedPages changed;
        private long sequence;

        private Resident(CommitLog log, RoughHistory history) {
            this.log = log;
            this.history = history;
            this.changed = new ChangedPages(history.pageSize(), 0);
        }

        /// Random commits.
        public Resident live(int count) {
            for (int i = 0; i < count; i++) {
                take(history.next());
            }
            return this;
        }

        /// One commit.
        public Resident commit(String... statements) {
            take(history.commit(statements));
            return this;
        }

        private void take(Commit commit) {
            commits.add(commit);
            places.add(history.captured().offsets());
            images.put(commit.txid(), history.image());
            times.put(commit.txid(), commit.millis());
            sequence = log.append(commit, false, this::durable);
        }

        private synchronized void durable(Slot slot, Entry entry) {
            if (points.isEmpty() || points.getLast().max().compareTo(entry.max()) < 0) {
                points.add(IndexPoint.of(new LogRef(log.name(), slot), entry));
            }
        }

        /// Writes derived files of everything so far.
        public Resident drain() {
            flush();
            DrainInput input = input();
            Drain.write(store, history.tenant(), input, folder);
            log.drained(history.tenant(), input.max());
            synchronized (this) {
                points.clear();
            }
            changed.clear();
            history.checkpoint();
            return this;
        }

        /// Makes everything so far durable.
        public Resident flush() {
            log.flush();
            log.awaitDurable(sequence);
            return this;
        }

        private synchronized DrainInput input() {
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

        private void readWal(long place, byte[] page) {
            try (var wal = FileChannel.open(history.wal())) {
                wal.read(ByteBuffer.wrap(page), place);
            } catch (IOException failed) {
                throw new UncheckedIOException(failed);
            }
        }

        /// The database after every commit.
        public TreeMap<Txid, byte[]> images() {
            return images;
        }

        /// Unix milliseconds of every commit.
        public TreeMap<Txid, Long> times() {
            return times;
        }

        public TenantKey key() {
            return history.tenant();
        }
    }

    private final ObjectStore store;
    private final Path folder;
    private final long seed;
    private final Tasks tasks = new ThreadTasks();
    private final CommitLog worker;
    private final CommitLog controller;
    private final Resident catalog;
    private final Map<String, Resident> residents = new LinkedHashMap<>();

    /// @param folder an empty one for the databases
    public LivingFleet(ObjectStore store, Path folder, long seed) {
        this.store = store;
        this.folder = folder;
        this.seed = seed;
        this.worker = log(WORKER);
        this.controller = log(CONTROLLER);
        put(
                "fleet.json",
                """
                {"format":1,"fleet":"01J0000000000000000000000F","catalog_lineage":"%s",\
                "created":"2026-01-01T00:00:00Z"}\
                """
                        .formatted(CATALOG_LINEAGE));
        put(
                "controller/0000000000000001.json",
                """
                {"session":"%s","address":"http://127.0.0.1:1","started":"2026-01-01T00:00:00Z"}\
                """
                        .formatted(CONTROLLER.session()));
        this.catalog =
                new Resident(
                        controller,
                        new RoughHistory(
                                folder,
                                new TenantKey(TenantId.CATALOG, new Lineage(CATALOG_LINEAGE)),
                                seed,
                                4096,
                                false));
    }

    private CommitLog log(LogName name) {
        var log =
                new CommitLog(
                        store,
                        name,
                        CommitLogConfig.DEFAULT.withLinger(Duration.ofMinutes(10)),
                        tasks,
                        new TestClock(),
                        new SplittableRandom(seed),
                        _ -> {});
        log.open();
        return log;
    }

    private void put(String key, String text) {
        store.putIfAbsent(key, ObjectBody.of(text.getBytes(UTF_8)));
    }

    /// The controller's first commit: its tables, and the worker's session.
    public LivingFleet tables() {
        var script = new ArrayList<>(List.of("begin"));
        script.addAll(List.of(tableScript().split(";")));
        script.removeIf(String::isBlank);
        script.add(
                "insert into sessions values ('%s', 'w-1', 'http://127.0.0.1:2', 1, 'live', 0, null)"
                        .formatted(WORKER.session()));
        script.add("commit");
        catalog.commit(script.toArray(String[]::new)).flush();
        return this;
    }

    private static String tableScript() {
        try {
            return Files.readAllLines(TABLES).stream()
                    .filter(line -> !line.startsWith("--"))
                    .collect(joining("\n"));
        } catch (IOException missing) {
            throw new UncheckedIOException(missing);
        }
    }

    /// A tenant of the worker, provisioned and assigned, without a commit.
    public Resident tenant(String id, String... labels) {
        var statements = new ArrayList<String>();
        statements.add("begin");
        statements.add(
                """
                insert into tenants values ('%s', 'active', '%s', 0, '%s', null, 1, '{}', 1, 1, 0,\
                 null, null)\
                """
                        .formatted(id, lineage(), WORKER.session()));
        for (String label : labels) {
            String[] pair = label.split("=", 2);
            statements.add(
                    "insert into labels values ('%s', '%s', '%s')".formatted(id, pair[0], pair[1]));
        }
        statements.add("commit");
        catalog.commit(statements.toArray(String[]::new)).flush();
        var resident =
                new Resident(
                        worker,
                        RoughHistory.seeded(
                                folder,
                                new TenantKey(new TenantId(id), new Lineage(lineage())),
                                seed * 100 + residents.size()));
        residents.put(id, resident);
        return resident;
    }

    private static String lineage() {
        return "01J00000000000000000000000";
    }

    /// The controller's database.
    public Resident catalog() {
        return catalog;
    }

    /// Closes the worker's log, as a controller does that takes the worker for dead.
    public void fence() {
        Fence.close(
                store,
                WORKER,
                Slot.FIRST,
                CONTROLLER.session().ulid(),
                1,
                tasks,
                new SplittableRandom(seed));
    }

    /// What the first controller's successor says when it has recovered everything of it.
    public void closeController() {
        put("controller/0000000000000001.closed.json", "{}");
    }

    /// All processes die; what was not flushed is lost.
    @Override
    public void close() {
        worker.close(Duration.ZERO);
        controller.close(Duration.ZERO);
        residents.values().forEach(resident -> resident.history.close());
        catalog.history.close();
    }
}
