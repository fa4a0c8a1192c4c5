package dev.litefleet.worker.tenant;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.MergeSchedule;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.sqlite.SqlGate;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The tenants of this session: which are assigned, and of those, which are open. Thread-safe.
///
/// Owns what tenants share: the SQLite threads, the deadlines, the watchdog, the gate for SQL. A
/// tenant that is assigned and closed costs an object here and perhaps a file.
public final class Tenants implements AutoCloseable {
    /// Tenants that are read from the store at a time: enough that 1,000 small ones take seconds.
    static final int HYDRATIONS_MAX = 16;

    private static final Logger log = LoggerFactory.getLogger(Tenants.class);
    private static final Duration CLOSE_MAX = Duration.ofSeconds(10);

    /// Below this a database that was not closed is read from the store: it takes a second.
    private static final long SCAN_BYTES_MIN = 64 << 20;

    /// How long files of an earlier session wait for their tenant. Not for ever: it may have been
    /// deleted, and nobody tells a worker that does not have it.
    private static final Duration LEFT_MAX = Duration.ofHours(24);

    private final Shipping shipping;
    private final TenantConfig config;
    private final ExecutorService pool;
    private final int parallelPerTenant;
    private final Deadlines deadlines;
    private final Watchdog watchdog;
    private final SqlGate sqlGate = new SqlGate();
    private final DiskReserve disk;
    private final Quarantine quarantine;
    private final LocalFiles files;
    private final WarmDisk warm;
    private final Map<TenantId, Tenant> assigned = new ConcurrentHashMap<>();
    // The highest assignment number seen of each tenant, also of released ones.
    private final Map<TenantId, Long> numbers = new ConcurrentHashMap<>();
    private final Cache<TenantId, Tenant> residents;
    private final AtomicBoolean evicting = new AtomicBoolean();
    private final MergeQueue merges;
    private final Object fencing = new Object(); // held while tenants are stopped for the log's end
    private final Hydrations hydrations;
    private volatile @Nullable TenantException fenced;

    /// Finds out what earlier sessions left in `folder` (see [LocalFiles]) and starts the threads.
    ///
    /// @param folder the worker's own, `<data>/workers/<name>`, its `lock` held
    /// @param shipping with the session's open log
    public Tenants(Path folder, Shipping shipping, TenantConfig config) {
        this(folder, shipping, config, SCAN_BYTES_MIN);
    }

    /// @param scanBytesMin as of [WarmDisk]
    Tenants(Path folder, Shipping shipping, TenantConfig config, long scanBytesMin) {
        this.shipping = shipping;
        this.config = config;
        createDirectories(folder);
        createDirectories(shipping.tmp());
        Sqlite.load(shipping.tmp());
        int threads = Runtime.getRuntime().availableProcessors() + 2;
        this.pool =
                Executors.newFixedThreadPool(
                        threads, Thread.ofPlatform().name("sqlite-", 0).daemon().factory());
        this.parallelPerTenant = Math.max(2, threads / 2);
        this.deadlines = new Deadlines(shipping.tasks());
        this.watchdog = new Watchdog(shipping.tasks()::nanos);
        this.disk = new DiskReserve(folder, config.diskReserveBytes(), shipping.tasks()::nanos);
        this.hydrations = new Hydrations(shipping.tasks(), HYDRATIONS_MAX);
        this.merges = new MergeQueue(shipping, disk::enough);
        this.quarantine = new Quarantine(folder.resolve("quarantine"), config.quarantineBytesMax());
        this.files = new LocalFiles(folder, quarantine, shipping.config().captureBytesMax());
        this.warm = new WarmDisk(files, shipping, scanBytesMin);
        if (files.anyLeft()) {
            deadlines.entry(this::dropLeft).within(LEFT_MAX);
        }
        this.residents =
                Caffeine.newBuilder()
                        .maximumSize(config.residentsMax())
                        .expireAfterAccess(config.hibernateAfter())
                        .ticker(shipping.tasks()::nanos)
                        .executor(this::onTask)
                        .scheduler(this::schedule)
                        .<TenantId, Tenant>evictionListener(
                                (_, tenant, cause) -> retire(tenant, cause))
                        .build();
    }

    private static void createDirectories(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot create " + folder, e);
        }
    }

    /// Takes an assignment, unless this tenant has had one with its number or a higher one.
    public Assigned assign(TenantAssignment assignment) {
        TenantException gone = fenced;
        if (gone != null) {
            return new Assigned.Refused("the session is over");
        }
        var answer = new CompletableFuture<Assigned>();
        // One tenant's assignments one at a time.
        numbers.compute(
                assignment.tenant(),
                (id, highest) -> {
                    answer.complete(assign(assignment, highest == null ? 0 : highest));
                    return Math.max(highest == null ? 0 : highest, assignment.number());
                });
        return answer.join();
    }

    private Assigned assign(TenantAssignment assignment, long highest) {
        Tenant held = assigned.get(assignment.tenant());
        if (held != null) {
            if (held.assignment().number() == assignment.number() && !held.isReleasing()) {
                return new Assigned.Taken();
            }
            return new Assigned.Refused(
                    "assignment %d is held [releasing=%s]"
                            .formatted(held.assignment().number(), held.isReleasing()));
        }
        if (assignment.number() <= highest) {
            return new Assigned.Gone("assignment %d has ended".formatted(assignment.number()));
        }
        assigned.put(assignment.tenant(), new Tenant(assignment, this));
        return new Assigned.Taken();
    }

    /// The tenant, if it is assigned to this session and not being released.
    public Optional<Tenant> find(TenantId id) {
        return Optional.ofNullable(assigned.get(id));
    }

    /// Gives a tenant up: admits nothing more, finishes what runs, rolls back open transactions,
    /// waits until everything is durable, drains and closes. Calling it again gives the same
    /// answer.
    ///
    /// Fails with [TenantException.NotHere] if assignment `number` is not held here, and with a
    /// [dev.litefleet.replica.objects.StoreException] or [TenantException.OutcomeUnknown] if the
    /// store did not take everything: then the tenant stays as it is, closed to requests, and the
    /// call may be repeated.
    public CompletableFuture<Released> release(TenantId id, long number) {
        Tenant held = assigned.get(id);
        if (held == null || held.assignment().number() != number) {
            return CompletableFuture.failedFuture(new TenantException.NotHere(id.name()));
        }
        return held.release()
                .whenComplete((released, _) -> {
                    if (released != null) {
                        assigned.remove(id, held);
                        residents.invalidate(id);
                    }
                });
    }

    /// Releases every tenant, as far as it can; for a process that stops.
    ///
    /// @return those that could be released, when all have ended
    public CompletableFuture<List<Released>> releaseAll() {
        List<CompletableFuture<Released>> all =
                assigned.values().stream()
                        .map(tenant -> release(tenant.id(), tenant.assignment().number()))
                        .toList();
        return CompletableFuture.allOf(all.toArray(CompletableFuture[]::new))
                .handle((_, _) ->
                        all.stream()
                                .filter(release -> !release.isCompletedExceptionally())
                                .map(CompletableFuture::join)
                                .toList());
    }

    /// How many tenants are open.
    public int residents() {
        return (int) assigned.values().stream().filter(Tenant::isOpen).count();
    }

    /// How many are assigned.
    public int assigned() {
        return assigned.size();
    }

    /// The log has ended: breaks all gates, stops all tenants and keeps in `quarantine/` what was
    /// not durable. To be called by the log's listener, before the process ends. Blocks shortly.
    public void fenced(LogEnd end) {
        var why =
                new TenantException.OutcomeUnknown(
                        switch (end) {
                            case LogEnd.Fenced(var slot, var by, var epoch) ->
                                    "this worker has been replaced [slot=%s, by=%s, epoch=%d]"
                                            .formatted(slot, by, epoch);
                            case LogEnd.Fatal(var answer) -> "this worker must stop: " + answer;
                        });
        fenced = why;
        synchronized (fencing) {
            assigned.values().forEach(tenant -> tenant.fence(why));
        }
    }

    // What follows is for the tenants.

    Shipping shipping() {
        return shipping;
    }

    TenantConfig config() {
        return config;
    }

    Executor pool() {
        return pool;
    }

    /// How many SQLite threads one tenant may have at a time.
    int parallelPerTenant() {
        return parallelPerTenant;
    }

    Deadlines deadlines() {
        return deadlines;
    }

    Watchdog watchdog() {
        return watchdog;
    }

    SqlGate sqlGate() {
        return sqlGate;
    }

    Hydrations hydrations() {
        return hydrations;
    }

    LocalFiles files() {
        return files;
    }

    WarmDisk warm() {
        return warm;
    }

    /// What was put into the quarantine and nobody was told of yet, oldest first.
    public List<LostCommits> takeLost() {
        return quarantine.takeReports();
    }

    /// What [#takeLost] gave, and could not be told.
    public void giveBackLost(List<LostCommits> untold) {
        quarantine.giveBack(untold);
    }

    private long dropLeft(long now) {
        shipping.tasks()
                .start(
                        "drop-left",
                        () ->
                                files.dropLeft(
                                        assigned::containsKey,
                                        "nobody asked for the tenant within a day"));
        return Deadlines.NEVER;
    }

    Quarantine quarantine() {
        return quarantine;
    }

    long now() {
        return shipping.tasks().nanos();
    }

    SqliteLimits limits(Quota quota, int pageSize) {
        SqliteLimits base = SqliteLimits.DEFAULT;
        return new SqliteLimits(
                quota.valueBytesMax(),
                base.sqlBytesMax(),
                base.columnsMax(),
                base.expressionDepthMax(),
                base.compoundSelectMax(),
                base.opcodesMax(),
                base.functionArgsMax(),
                // Longer patterns are quadratic work on longer values.
                quota.valueBytesMax() > base.lengthMax() ? 50 : base.likePatternBytesMax(),
                base.variablesMax(),
                base.triggerDepthMax(),
                Math.max(16, quota.databaseBytesMax() / pageSize),
                base.cacheKibibytes(),
                base.statementsMax());
    }

    /// Whether local files may grow. Makes room if not.
    boolean diskHasRoom() {
        if (disk.enough()) {
            return true;
        }
        makeRoom(0);
        return false;
    }

    /// Begins to evict files of closed tenants until so much is free, at least the reserve. Never
    /// blocks.
    void makeRoom(long bytes) {
        if (evicting.compareAndSet(false, true)) {
            long least = Math.max(bytes, config.diskReserveBytes());
            shipping.tasks().start("evict", () -> evictFiles(least));
        }
    }

    /// Deletes the files of closed tenants, those closed longest ago first, until there is room.
    ///
    /// @param least bytes that are then free, if there is that much to delete
    private void evictFiles(long least) {
        try {
            List<Tenant> closed =
                    assigned.values().stream()
                            .sorted(Comparator.comparingLong(Tenant::hibernatedAt))
                            .toList();
            int evicted = 0;
            if (disk.ask() < least) {
                evicted += files.dropLeft(assigned::containsKey, "the disk was full");
            }
            for (Tenant tenant : closed) {
                if (disk.ask() >= least) {
                    break;
                }
                evicted += tenant.dropLocal() ? 1 : 0;
            }
            log.atWarn()
                    .addKeyValue("tenants", evicted)
                    .addKeyValue("bytes", disk.ask())
                    .log("local files were evicted: the disk is nearly full");
        } finally {
            evicting.set(false);
        }
    }

    /// Has a tenant's derived files merged in the background, if its drains say that it is time.
    void mergeIfDue(TenantKey key, MergeSchedule schedule, long databaseBytes) {
        if (schedule.filesDue(databaseBytes, shipping.clock().instant()) || schedule.indexDue()) {
            merges.add(key, schedule, databaseBytes);
        }
    }

    /// A tenant is open: it counts among the residents until it is closed.
    void opened(Tenant tenant) {
        residents.put(tenant.id(), tenant);
    }

    /// A resident has a request: its idle time begins anew.
    void used(Tenant tenant) {
        var _ = residents.getIfPresent(tenant.id());
    }

    private void retire(@Nullable Tenant tenant, RemovalCause cause) {
        if (tenant != null && cause.wasEvicted()) {
            shipping.tasks()
                    .start(
                            "hibernate " + tenant.id(),
                            () -> {
                                if (!tenant.hibernate()) {
                                    // It is in use after all, or the store is silent.
                                    residents.put(tenant.id(), tenant);
                                }
                            });
        }
    }

    private void onTask(Runnable work) {
        shipping.tasks().start("residents", work);
    }

    private Future<?> schedule(Executor executor, Runnable command, long delay, TimeUnit unit) {
        var once = new AtomicBoolean();
        var cancelled = new CompletableFuture<Void>();
        Deadlines.Entry entry =
                deadlines.entry(_ -> {
                    if (!cancelled.isDone() && once.compareAndSet(false, true)) {
                        executor.execute(command);
                    }
                    return Deadlines.NEVER;
                });
        entry.within(Duration.of(delay, unit.toChronoUnit()));
        return cancelled;
    }

    /// Closes what is open, whatever it owes, and ends all threads. [#releaseAll] comes first.
    @Override
    public void close() {
        var stopped = new TenantException.OutcomeUnknown("this worker stops");
        var closing = new ArrayList<CompletableFuture<Void>>();
        for (Tenant tenant : assigned.values()) {
            closing.add(CompletableFuture.runAsync(() -> tenant.shut(stopped), this::onTask));
        }
        try {
            CompletableFuture.allOf(closing.toArray(CompletableFuture[]::new))
                    .orTimeout(CLOSE_MAX.toMillis(), TimeUnit.MILLISECONDS)
                    .join();
        } catch (CompletionException late) {
            log.atWarn().setCause(late).log("some tenants could not be closed in time");
        }
        synchronized (fencing) {
            // Whoever puts commits into the quarantine has come to its end.
            merges.close();
            deadlines.close();
            watchdog.close();
            pool.shutdown();
        }
    }
}
