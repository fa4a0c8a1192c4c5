package dev.litefleet.controller.catalog;

import static dev.litefleet.controller.catalog.Waiting.await;
import static dev.litefleet.controller.catalog.Waiting.isDone;

import dev.litefleet.controller.placement.Placement;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryDays;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.history.MergeSchedule;
import dev.litefleet.replica.history.Merges;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.Erased;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.service.Overloaded;
import dev.litefleet.service.Problem;
import dev.litefleet.service.PublicKeyJwk;
import dev.litefleet.service.Refused;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.TokenGen;
import dev.litefleet.worker.tenant.LocalDatabase;
import dev.litefleet.worker.tenant.RequestContext;
import dev.litefleet.worker.tenant.ShippedDatabase;
import dev.litefleet.worker.tenant.Shipping;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The fleet's facts: a SQLite database that is shipped like a tenant's, always sync.
///
/// One platform thread runs every transaction and every read, one after the other. An answer leaves
/// when the newest commit that it could have seen is durable, reads and failures too
/// (commit-log.md, P1), while the thread goes on with the next transaction: what comes in during
/// one upload shares the next. Futures complete on a thread of the log or of the catalog, so what
/// depends on them must be short or go elsewhere.
///
/// While the store does not answer, everything here ends in time. A transaction that has run and is
/// not in the store after [dev.litefleet.worker.tenant.ShippingConfig#gateMax] fails with 503
/// `OUTCOME_UNKNOWN`: it may still become durable. One that could not run because the catalog is on
/// its way to another log, or because too much waits for the store already, fails with 503
/// `STORE_UNAVAILABLE`: it never will. Both come up to 5 s late.
///
/// Thread-safe.
public final class Catalog implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Catalog.class);

    /// Transactions that may wait for the thread; more are refused.
    private static final int WAITING_MAX = 10_000;

    private static final Duration LOOK = Duration.ofSeconds(5);

    /// The catalog is closed, here or by a successor.
    public static final class Ended extends RuntimeException {
        Ended(String why) {
            super("catalog is closed: " + why);
        }
    }

    /// What a catalog is opened from.
    ///
    /// @param directory for its files; nothing may lie there
    /// @param floor how far its history must reach
    /// @param shipping its log, which is open
    /// @param logEnd completes when that log has ended
    public record Beginning(
            Path directory, Txid floor, Shipping shipping, CompletableFuture<LogEnd> logEnd) {}

    /// A database and the log that it is shipped to. SQL belongs to the thread.
    private record Ground(
            Shipping shipping, ShippedDatabase database, CatalogSql sql, CatalogTables tables) {
        static Ground open(LocalDatabase local, Shipping shipping, Watchdog watchdog) {
            var database = ShippedDatabase.open(local, shipping, SqliteLimits.DEFAULT, watchdog);
            var sql = new CatalogSql(database.connection());
            return new Ground(shipping, database, sql, new CatalogTables(sql, shipping.clock()));
        }
    }

    private final TenantKey key;
    private final Tasks tasks;
    private final ExecutorService thread;
    private final Watchdog watchdog;
    private final AtomicInteger waiting = new AtomicInteger();
    private final Queue<Asked<?>> asked = new ConcurrentLinkedQueue<>();
    private final AtomicInteger unanswered = new AtomicInteger();
    private final AtomicBoolean watched = new AtomicBoolean();
    private final Tasks.Guard draining;
    private final AtomicBoolean maintained = new AtomicBoolean();
    private final MergeSchedule merges = new MergeSchedule();
    private @Nullable ShippedDatabase merged; // that `mergedBytes` is of; the maintainer's
    private long mergedBytes; // of drains that `merges` knows; the maintainer's
    private volatile Ground ground; // written by the thread, and under draining
    private volatile boolean moving; // written by the thread
    private volatile Runnable onCommit = () -> {};
    private volatile boolean closing;
    private final CompletableFuture<RuntimeException> end = new CompletableFuture<>();

    private Catalog(
            TenantKey key,
            Shipping shipping,
            ExecutorService thread,
            Watchdog watchdog,
            LocalDatabase local) {
        this.key = key;
        this.tasks = shipping.tasks();
        this.thread = thread;
        this.watchdog = watchdog;
        this.draining = tasks.guard();
        this.ground = Ground.open(local, shipping, watchdog);
    }

    /// Reads the newest catalog from the store and opens it. All earlier controllers' logs are
    /// closed and recovered. Blocks.
    public static Catalog open(TenantKey key, Beginning first) {
        return open(
                key,
                first,
                Executors.newSingleThreadExecutor(
                        Thread.ofPlatform().name("catalog").daemon().factory()));
    }

    /// As [#open(TenantKey, Beginning)].
    ///
    /// @param thread runs one thing after the other, on a platform thread, and is closed with the
    ///   catalog, or when it could not be opened
    public static Catalog open(TenantKey key, Beginning first, ExecutorService thread) {
        Tasks tasks = first.shipping().tasks();
        var watchdog = new Watchdog(tasks::nanos);
        @Nullable Catalog catalog = null;
        boolean opened = false;
        try {
            LocalDatabase local = hydrate(key, first);
            // SQLite is called on platform threads only, whatever the caller's is.
            catalog =
                    await(
                            tasks,
                            CompletableFuture.supplyAsync(
                                    () ->
                                            new Catalog(
                                                    key, first.shipping(), thread, watchdog, local),
                                    thread));
            catalog.heed(first.logEnd());
            catalog.migrate();
            await(tasks, catalog.read(CatalogTables::recount));
            opened = true;
            return catalog;
        } finally {
            if (!opened) {
                if (catalog != null) {
                    catalog.stop(new Ended("it was not opened"));
                    catalog.closeFiles();
                }
                thread.close();
                watchdog.close();
            }
        }
    }

    private static LocalDatabase hydrate(TenantKey key, Beginning from) {
        return LocalDatabase.hydrate(from.directory(), key, from.floor(), from.shipping());
    }

    private void heed(CompletableFuture<LogEnd> logEnd) {
        var _ = logEnd.thenAccept(why -> stop(why(why)));
    }

    /// @param listener hears, on the catalog's thread, of every transaction that wrote; short
    public void onCommit(Runnable listener) {
        onCommit = listener;
    }

    // Another log

    /// Goes on in another log: finishes what was asked before, drains, closes the files, and opens
    /// what `next` says. What is asked meanwhile waits.
    ///
    /// @param next called on the catalog's thread, when everything is durable and drained and
    ///   nobody will write to the old log any more: closes that log for good and opens the next.
    ///   Blocks. If it fails, the catalog has ended
    /// @return fails if the old log did not take everything in time; then nothing has changed
    public CompletableFuture<Void> moveTo(Supplier<Beginning> next) {
        var answer = new CompletableFuture<Void>();
        try {
            thread.execute(() -> move(next, answer));
        } catch (RejectedExecutionException closed) {
            answer.completeExceptionally(why());
        }
        return answer;
    }

    /// On the catalog's thread, where nothing else runs meanwhile.
    private void move(Supplier<Beginning> next, CompletableFuture<Void> answer) {
        moving = true;
        try {
            goOnIn(next, answer);
        } finally {
            moving = false;
        }
    }

    private void goOnIn(Supplier<Beginning> next, CompletableFuture<Void> answer) {
        draining.lock();
        try {
            if (closing || end.isDone()) {
                throw why();
            }
            settle();
        } catch (RuntimeException failure) {
            draining.unlock();
            answer.completeExceptionally(failure);
            return;
        }
        try {
            ground.database.close();
            Beginning to = next.get();
            ground = Ground.open(hydrateAgain(to), to.shipping(), watchdog);
            ground.tables.recount();
            heed(to.logEnd());
            answer.complete(null);
        } catch (RuntimeException | Error failed) {
            stop(
                    switch (failed) {
                        case LogEnded ended -> why(ended);
                        case RuntimeException failure -> failure;
                        default -> new IllegalStateException("catalog failed", failed);
                    });
            answer.completeExceptionally(why());
        } finally {
            draining.unlock();
        }
    }

    /// As long as the store does not answer: the old log is closed, so there is no way back.
    private LocalDatabase hydrateAgain(Beginning from) {
        while (true) {
            try {
                return hydrate(key, from);
            } catch (StoreException.Unavailable | StoreException.Denied silent) {
                if (closing) {
                    throw silent;
                }
                log.atWarn().setCause(silent).log("catalog was not read, will try again");
                tasks.sleep(LOOK);
            }
        }
    }

    /// Everything durable and drained, and one more commit, whose segment names the new beginning
    /// of what is not drained: otherwise whoever recovers this log reads again what was drained
    /// just now.
    private void settle() {
        awaitDurable(ground.database.announced());
        ground.database.drain();
        ground.sql.script("begin");
        ground.tables.stopped();
        ground.sql.script("commit");
        awaitDurable(ground.database.capture(true, RequestContext.anonymous()));
    }

    private void awaitDurable(Txid txid) {
        CompletableFuture<Void> gate = ground.database.gate(txid);
        while (!isDone(tasks, gate, LOOK)) {
            ground.database.expireGates();
        }
        if (gate.isCompletedExceptionally()) {
            throw unanswered(gate.exceptionNow(), true);
        }
    }

    private void migrate() {
        int version = await(tasks, read(_ -> Migrations.version(ground.sql)));
        while (version < Migrations.latest()) {
            int next = version;
            await(
                    tasks,
                    write(_ -> {
                        Migrations.apply(ground.sql, next);
                        return next;
                    }));
            version++;
        }
    }

    // Tenants

    /// @param createOnly leave a tenant that is there alone, whatever its spec
    /// @param fresh the lineage of the tenant if it is new
    public CompletableFuture<Provisioned> provision(
            TenantId id, TenantSpec spec, boolean createOnly, Lineage fresh) {
        return write(tables -> tables.provision(id, spec, createOnly, fresh));
    }

    /// Gives a tenant another spec, if it has this etag.
    public CompletableFuture<Changed> change(TenantId id, long etag, TenantSpec spec) {
        return write(tables -> tables.change(id, etag, spec));
    }

    public CompletableFuture<Optional<TenantRow>> tenant(TenantId id) {
        return read(tables -> tables.tenant(id));
    }

    public CompletableFuture<TenantPage> tenants(TenantQuery query) {
        return read(tables -> tables.tenants(query));
    }

    /// Makes the tenant a tombstone; one that is stays as it is.
    ///
    /// @return as it is now, with the session that still has to release it; nothing if unknown.
    ///   Fails with [TenantHeld] if it may not be deleted
    public CompletableFuture<Optional<TenantRow>> tombstone(TenantId id) {
        return write(tables -> tables.tombstone(id));
    }

    /// The tenant with its lineages and the log of the session that has it.
    public CompletableFuture<Optional<TenantSource>> source(TenantId id) {
        return read(tables -> tables.source(id));
    }

    // Operations

    /// Begins an operation, unless it may not. One tenant has one at a time.
    ///
    /// @param etag that the tenant must have; 0 for any
    public CompletableFuture<Begun> begin(
            OperationRow operation, Optional<IdempotencyKey> repeat, long etag) {
        return write(tables -> tables.begin(operation, repeat, etag));
    }

    /// @param phase what it does now
    /// @return false if somebody has cancelled it
    public CompletableFuture<Boolean> phase(String id, String phase) {
        return write(tables -> tables.phase(id, phase));
    }

    /// The last commit of a fork or an import: the tenant is there from now on. May be repeated.
    ///
    /// @param from the lineage that its state was taken of; nothing for an import
    /// @return whether it is; it is not if somebody made one of that name in between
    public CompletableFuture<Boolean> made(
            OperationRow operation, Optional<Lineage> from, OperationDetail.Outcome outcome) {
        return write(tables -> tables.made(operation, from, outcome));
    }

    /// The last commit of a restore in place: the tenant's lineage is the new one from now on. May
    /// be repeated.
    ///
    /// @param old the lineage that ends
    /// @param last its last TXID; the new one begins with the next
    /// @return whether it is; it is not if the tenant was deleted, or is not as `old` and `last`
    ///   say
    public CompletableFuture<Boolean> restored(
            OperationRow operation, Lineage old, Txid last, OperationDetail.Outcome outcome) {
        return write(tables -> tables.restored(operation, old, last, outcome));
    }

    /// Nothing but the operation itself changes.
    public CompletableFuture<Void> failed(OperationRow operation, Problem problem) {
        return write(tables -> tables.failed(operation, problem));
    }

    /// Ends an operation as failed, unless it has ended. Its last commit changes nothing then.
    public CompletableFuture<Cancellation> cancel(String id) {
        return write(tables -> tables.cancel(id));
    }

    public CompletableFuture<Optional<OperationRow>> operation(String id) {
        return read(tables -> tables.operation(id));
    }

    /// The newest ones, newest first.
    ///
    /// @param before id that those of the page before ended with; empty for the first page
    /// @param state nothing for all
    public CompletableFuture<List<OperationRow>> operations(
            String before, int limit, Optional<OperationState> state) {
        return read(tables -> tables.operations(before, limit, state));
    }

    /// All that are not finished.
    public CompletableFuture<List<OperationRow>> runningOperations() {
        return read(CatalogTables::running);
    }

    // Retention

    /// Sets a hold, or replaces the one of this name.
    public CompletableFuture<Holding> hold(TenantId id, HoldRow hold) {
        return write(tables -> tables.retention().hold(id, hold));
    }

    /// The holds in force, by name; none of an unknown tenant.
    public CompletableFuture<List<HoldRow>> holds(TenantId id) {
        return read(tables -> tables.retention().holds(id));
    }

    /// @return whether there was such a hold in force
    public CompletableFuture<Boolean> releaseHold(TenantId id, String name) {
        return write(tables -> tables.retention().release(id, name));
    }

    /// Of a tombstone; nothing for others.
    public CompletableFuture<Optional<Erasure>> erasure(TenantId id) {
        return read(tables -> tables.retention().erasure(id));
    }

    /// Tombstones without a receipt.
    public CompletableFuture<List<TenantId>> unerased() {
        return read(tables -> tables.retention().unerased());
    }

    /// Adds to what was erased of a tombstone.
    public CompletableFuture<Void> erasedSome(TenantId id, Erased some, long uploads) {
        return write(tables -> tables.retention().erasedSome(id, some, uploads));
    }

    /// Completes the receipt; one that is complete stays as it is.
    ///
    /// @param emptyAt when a listing was empty
    public CompletableFuture<Void> erased(TenantId id, Instant emptyAt, Instant erasedBy) {
        return write(tables -> tables.retention().erased(id, emptyAt, erasedBy));
    }

    /// What retention must know of a lineage.
    ///
    /// @param windows the fleet's
    public CompletableFuture<LineageState> lineage(TenantKey key, HistoryWindows windows) {
        return read(tables -> tables.retention().lineage(key, windows));
    }

    /// The janitor begins. A commit: a controller that has a successor gets no answer.
    public CompletableFuture<Void> cleaningBegins() {
        return write(tables -> tables.retention().cleaningBegins());
    }

    /// The janitor has run to its end.
    ///
    /// @param detail JSON, for people
    public CompletableFuture<Void> cleaned(String detail) {
        return write(tables -> tables.retention().cleaned(detail));
    }

    /// Deletes a piece of what need not be remembered any longer.
    ///
    /// @return whether there may be more
    public CompletableFuture<Boolean> prune() {
        return write(tables -> tables.retention().prune() >= RetentionTables.PRUNED_MAX);
    }

    /// Sessions closed so long ago that they may be forgotten when their logs have gone.
    ///
    /// @param after list those with greater ULIDs; empty from the start
    public CompletableFuture<List<SessionRow>> forgettable(String after, int limit) {
        return read(tables -> tables.retention().forgettable(after, limit));
    }

    /// Forgets such a session. Nothing of its log but fences may be left.
    public CompletableFuture<Void> forget(SessionId session) {
        return write(tables -> tables.retention().forget(session));
    }

    /// What happened, the oldest first.
    public CompletableFuture<List<EventRow>> events(EventQuery query) {
        return read(tables -> tables.retention().events(query));
    }

    public CompletableFuture<FleetCounts> counts() {
        return read(tables -> tables.retention().counts());
    }

    /// When it last did; if never, when the fleet began.
    public CompletableFuture<Instant> lastCleaning() {
        return read(tables -> tables.retention().lastCleaning());
    }

    /// Until when sessions held deleted tenants of which bytes may be left.
    public CompletableFuture<Optional<Instant>> lastDeletion() {
        return read(tables -> tables.retention().lastDeletion());
    }

    // Assignments

    /// Says who has the tenant, after giving it to somebody if nobody has.
    ///
    /// @param choose is given the name of the worker that had the tenant last, if any; is called on
    ///   the catalog's thread, inside the transaction; must not block
    public CompletableFuture<Assigned> assign(
            TenantId id, BiFunction<Load, Optional<String>, Placement.Decision> choose) {
        return write(tables -> tables.assign(id, choose));
    }

    /// The assignment, if it is still the tenant's.
    public CompletableFuture<Optional<Assigned.To>> held(TenantId id, String session, long number) {
        return read(tables -> tables.held(id, session, number));
    }

    /// A release is finished (commit-log.md, W8).
    ///
    /// @param lastTxid everything up to it is durable and in derived files, and nothing is after it
    /// @return whether the catalog still said so; a late or repeated message changes nothing
    public CompletableFuture<Boolean> released(
            TenantId id, SessionId session, long number, Lineage lineage, Txid lastTxid) {
        return write(tables -> tables.released(id, session, number, lineage, lastTxid));
    }

    /// Commits lie in a worker's quarantine: an event `commits_quarantined`, once for each.
    public CompletableFuture<Void> lost(Lost lost) {
        return write(tables -> tables.lost(lost));
    }

    /// The session owes nothing of this assignment and never will.
    public CompletableFuture<Boolean> unassign(Assigned.To held) {
        return released(
                held.tenant().id(),
                held.session().id(),
                held.tenant().assignment(),
                held.tenant().lineage(),
                Txid.NONE);
    }

    /// Tombstones that a session still has to release.
    public CompletableFuture<List<TenantRow>> deletedBut(SessionId session) {
        return read(tables -> tables.deletedBut(session));
    }

    /// Token generations, of a session's tenants, that are not the first one.
    public CompletableFuture<List<TokenGen>> tokenGens(SessionId session) {
        return read(tables -> tables.tokenGens(session));
    }

    /// How many tenants each session has.
    public CompletableFuture<Load> load() {
        return read(CatalogTables::currentLoad);
    }

    // Sessions

    /// @param capacity tenants that the worker takes
    /// @return its state now: live if it is new, or what it was
    public CompletableFuture<SessionState> register(SessionRow session, int capacity) {
        return write(tables -> tables.register(session, capacity));
    }

    public CompletableFuture<Optional<SessionRow>> session(SessionId id) {
        return read(tables -> tables.session(id));
    }

    /// Every session that is not closed.
    public CompletableFuture<List<SessionRow>> openSessions() {
        return read(CatalogTables::openSessions);
    }

    /// The session's log has come to this part: the fence before it is resolved (commit-log.md,
    /// W9). Changes nothing if the catalog names a later part, or the session is not live any more.
    public CompletableFuture<Void> raisePart(SessionId id, int part) {
        return write(tables -> tables.raisePart(id, part));
    }

    /// From now on nothing is assigned to the session, and its part does not change.
    ///
    /// @return the session with that part; nothing if it is closed already or unknown
    public CompletableFuture<Optional<SessionRow>> fencing(SessionId id) {
        return write(tables -> tables.fencing(id));
    }

    /// The session's log is fenced and recovered: it is closed and its tenants are unassigned.
    ///
    /// @param coverage how far derived files reach, by lineage
    /// @return how many tenants it had
    public CompletableFuture<Long> closed(SessionId id, Map<TenantKey, Txid> coverage) {
        return write(tables -> tables.closed(id, coverage));
    }

    // Keys

    /// Remembers public keys; those that are there stay as they are.
    public CompletableFuture<Void> addJwtKeys(List<PublicKeyJwk> keys) {
        return write(tables -> tables.addJwtKeys(keys));
    }

    public CompletableFuture<List<PublicKeyJwk>> jwtKeys() {
        return read(CatalogTables::jwtKeys);
    }

    /// Remembers a key's hash; one that is there stays as it is.
    public CompletableFuture<Void> addApiKey(ApiKeyRow key) {
        return write(tables -> tables.addApiKey(key));
    }

    public CompletableFuture<List<ApiKeyRow>> apiKeys() {
        return read(CatalogTables::apiKeys);
    }

    // How it runs

    private <T> CompletableFuture<T> write(Function<CatalogTables, T> body) {
        return submit(transaction(body), true);
    }

    private <T> Work<T> transaction(Function<CatalogTables, T> body) {
        return () -> {
            ground.sql.script("begin");
            T value = body.apply(ground.tables);
            ground.sql.script("commit");
            return value;
        };
    }

    private <T> CompletableFuture<T> read(Function<CatalogTables, T> body) {
        return submit(() -> body.apply(ground.tables), false);
    }

    @FunctionalInterface
    private interface Work<T> {
        T run();
    }

    /// Something for the thread. Exactly one takes it: the thread, which runs it, or who finds that
    /// it has waited too long, so that its sender is told what is true.
    private final class Asked<T> {
        final Work<T> work;
        final boolean writes;
        final CompletableFuture<T> answer = new CompletableFuture<>();
        final long since = tasks.nanos();
        private final AtomicBoolean taken = new AtomicBoolean();

        Asked(Work<T> work, boolean writes) {
            this.work = work;
            this.writes = writes;
        }

        boolean take() {
            asked.remove(this);
            return taken.compareAndSet(false, true);
        }

        /// It has not run, and never will.
        void refuse(RuntimeException why) {
            if (take()) {
                answer.completeExceptionally(why);
            }
        }
    }

    /// While anybody waits for an answer, somebody looks at the clock: not the thread, and not who
    /// drains, as both may be waiting for the store themselves.
    private void watch() {
        if (watched.compareAndSet(false, true)) {
            tasks.start("catalog-patience", this::watchUntilAllIsAnswered);
        }
    }

    private void watchUntilAllIsAnswered() {
        do {
            tasks.sleep(LOOK);
            ground.database.expireGates();
            refuseWhatWaits();
        } while (unanswered.get() > 0 && !end.isDone());
        watched.set(false);
        if (unanswered.get() > 0 && !end.isDone()) {
            watch();
        }
    }

    private void refuseWhatWaits() {
        Duration patience = ground.shipping.config().gateMax();
        RuntimeException why =
                moving
                        ? notRun("the controller is changing its log")
                        : Refused.of(
                                503,
                                "OVERLOADED",
                                "the catalog did not come to it in %s; nothing was done, try again later"
                                        .formatted(patience),
                                true);
        long now = tasks.nanos();
        asked.stream()
                .filter(one -> now - one.since >= patience.toNanos())
                .forEach(one -> one.refuse(why));
    }

    private static Refused notRun(String why) {
        return Refused.of(
                503,
                "STORE_UNAVAILABLE",
                "the object store does not answer and %s; nothing was done, try again later"
                        .formatted(why),
                true);
    }

    private <T> CompletableFuture<T> submit(Work<T> work, boolean writes) {
        return closing ? CompletableFuture.failedFuture(why()) : enqueue(new Asked<>(work, writes));
    }

    private <T> CompletableFuture<T> enqueue(Asked<T> one) {
        if (waiting.incrementAndGet() > WAITING_MAX) {
            waiting.decrementAndGet();
            one.answer.completeExceptionally(new Overloaded("catalog", WAITING_MAX));
            return one.answer;
        }
        unanswered.incrementAndGet();
        var _ = one.answer.whenComplete((_, _) -> unanswered.decrementAndGet());
        asked.add(one);
        watch();
        try {
            thread.execute(() -> {
                waiting.decrementAndGet();
                if (one.take()) {
                    run(one);
                }
            });
        } catch (RejectedExecutionException closed) {
            waiting.decrementAndGet();
            asked.remove(one);
            one.answer.completeExceptionally(why());
        }
        return one.answer;
    }

    /// What waits for the store is in memory, so it has a limit.
    private boolean tooMuchWaits() {
        Shipping shipping = ground.shipping;
        return shipping.log().pendingBytes() >= shipping.config().workerLagBytesMax();
    }

    /// The top of the catalog's queue: the one place that may catch everything.
    private <T> void run(Asked<T> one) {
        CompletableFuture<T> answer = one.answer;
        if (end.isDone()) {
            answer.completeExceptionally(why());
            return;
        }
        if (one.writes && tooMuchWaits()) {
            answer.completeExceptionally(notRun("too many changes wait for it"));
            return;
        }
        @Nullable T value = null;
        @Nullable Throwable failure = null;
        try {
            value = one.work.run();
        } catch (RuntimeException | Error thrown) {
            failure = thrown;
        }
        Txid seen;
        try {
            if (failure != null && ground.sql.inTransaction()) {
                ground.sql.script("rollback");
                ground.tables.recount();
            }
            seen = ground.database.capture(true, RequestContext.anonymous());
        } catch (RuntimeException | Error broken) {
            // What SQLite has and the log has not must never be read by anybody.
            stop(
                    switch (broken) {
                        case LogEnded logEnded -> why(logEnded);
                        case RuntimeException failed -> failed;
                        default -> new IllegalStateException("catalog failed", broken);
                    });
            answer.completeExceptionally(why());
            return;
        }
        answerWhenDurable(seen, value, failure, one);
        if (ground.database.undrained()) {
            maintain();
            onCommit.run();
        }
    }

    @SuppressWarnings("NullAway") // Without a failure the value is the work's own, null or not.
    private <T> void answerWhenDurable(
            Txid seen, @Nullable T value, @Nullable Throwable failure, Asked<T> one) {
        CompletableFuture<T> answer = one.answer;
        var _ =
                ground.database
                        .gate(seen)
                        .whenComplete((_, unknown) -> {
                            if (unknown != null) {
                                answer.completeExceptionally(unanswered(unknown, one.writes));
                            } else if (failure != null) {
                                answer.completeExceptionally(failure);
                            } else {
                                answer.complete(value);
                            }
                        });
    }

    /// Of what has run and waited at its gate.
    private RuntimeException unanswered(Throwable gate, boolean writes) {
        if (end.isDone()) {
            return why();
        }
        String detail = "commit of the catalog: " + gate.getMessage();
        return writes
                ? Refused.of(
                        503,
                        "OUTCOME_UNKNOWN",
                        detail + "; it may still take effect, so look before you repeat it",
                        false)
                : Refused.of(503, "STORE_UNAVAILABLE", detail + "; try again later", true);
    }

    // Its end

    /// Completes when nothing is answered any more: with [Fenced] if a successor closed the log,
    /// with [Ended] after [#close], and with what happened if the catalog itself failed.
    public CompletableFuture<RuntimeException> end() {
        return end.copy();
    }

    /// Whatever is not durable has an unknown outcome from here on.
    private void stop(RuntimeException why) {
        // Before the gates: whoever waits at one is told this.
        end.complete(why);
        ground.database.stop(String.valueOf(why.getMessage()));
    }

    private RuntimeException why() {
        return end.getNow(new Ended("it is stopping"));
    }

    private static RuntimeException why(LogEnded ended) {
        return ended.end().map(Catalog::why).orElseGet(() -> new Ended("log is closed"));
    }

    private static RuntimeException why(LogEnd end) {
        return switch (end) {
            case LogEnd.Fenced(var slot, var by, _) -> new Fenced(slot.toString(), by);
            case LogEnd.Fatal(var answer) -> new Ended(answer);
        };
    }

    // Derived files

    /// Starts the background task that drains, unless it runs. It ends when nothing is owed, so an
    /// idle catalog has none.
    private void maintain() {
        if (maintained.compareAndSet(false, true)) {
            tasks.start("catalog-drain", this::drainUntilClean);
        }
    }

    /// The top of a background loop: the one place that may catch everything.
    private void drainUntilClean() {
        while (!end.isDone() && ground.database.undrained()) {
            tasks.sleep(LOOK);
            try {
                if (!closing && ground.database.drainDue()) {
                    drain();
                    thread.execute(this::checkpoint);
                    merge();
                }
            } catch (RejectedExecutionException | Ended closed) {
                break;
            } catch (RuntimeException failure) {
                log.atWarn().setCause(failure).log("catalog was not drained, will try again");
            }
        }
        maintained.set(false);
        if (!end.isDone() && ground.database.undrained()) {
            maintain();
        }
    }

    /// One at a time; none any more once the database is being closed.
    private void drain() {
        draining.lock();
        try {
            if (!end.isDone()) {
                ground.database.drain();
            }
        } finally {
            draining.unlock();
        }
    }

    private void checkpoint() {
        if (!end.isDone()) {
            ground.database.checkpoint();
        }
    }

    /// So that a start reads a snapshot and few files, however long the fleet has lived.
    private void merge() {
        Ground here = ground;
        if (here.database != merged) {
            merged = here.database; // Another database: it counts from nothing.
            mergedBytes = 0;
        }
        merges.drained(here.database.drainedBytes() - mergedBytes, here.database.drainedMillis());
        mergedBytes = here.database.drainedBytes();
        Instant now = here.shipping.clock().instant();
        long bytes = here.database.databaseBytes();
        if (merges.filesDue(bytes, now) || merges.indexDue()) {
            MergeSchedule.Look look = merges.look();
            Merges.Done done =
                    Merges.write(here.shipping.store(), key, bytes, now, here.shipping.tmp());
            HistoryDays.merge(here.shipping.store(), key);
            merges.done(look, done.standing());
        }
    }

    /// Refuses new work, finishes what is queued, drains and closes the files. The log stays open.
    /// What cannot be drained is left to recovery.
    @Override
    public void close() {
        closing = true;
        if (!end.isDone()) {
            try {
                // Behind all that is queued, so that everything is durable then.
                await(tasks, enqueue(new Asked<>(() -> ground.database.announced(), false)));
                drain();
                // One more segment, whose comment names the new beginning of what is not drained:
                // otherwise whoever recovers this log reads again what was drained just now.
                await(tasks, enqueue(new Asked<>(transaction(CatalogTables::stopped), true)));
            } catch (RuntimeException failure) {
                log.atWarn().setCause(failure).log("catalog was not drained");
            }
            end.complete(new Ended("stopped"));
        }
        if (closeFiles()) {
            thread.close();
            watchdog.close();
        }
    }

    /// @return whether they were not closed already
    private boolean closeFiles() {
        // Whoever drains now still reads them.
        draining.lock();
        draining.unlock();
        try {
            thread.execute(() -> ground.database.close());
            return true;
        } catch (RejectedExecutionException closed) {
            return false;
        }
    }
}
