package dev.litefleet.worker.tenant;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.DiskFull;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.MergeSchedule;
import dev.litefleet.replica.history.Recovered;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.service.Overloaded;
import dev.litefleet.worker.tenant.ShippedDatabase.Checkpoint;
import dev.litefleet.worker.tenant.TenantState.Active;
import dev.litefleet.worker.tenant.TenantState.Failed;
import dev.litefleet.worker.tenant.TenantState.Fenced;
import dev.litefleet.worker.tenant.TenantState.Hibernated;
import dev.litefleet.worker.tenant.TenantState.Hibernating;
import dev.litefleet.worker.tenant.TenantState.Hydrating;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One tenant that is assigned to this session, open or not, and the only way to its database.
///
/// Thread-safe. Its lock is held for moments only; what takes time (hydrating, draining, closing)
/// runs on a virtual thread each, and calls SQLite on the pool.
public final class Tenant {
    private static final Logger log = LoggerFactory.getLogger(Tenant.class);
    private static final Duration RETRY = Duration.ofSeconds(5);

    private final TenantAssignment assignment;
    private final Tenants tenants;
    private final MergeSchedule merges = new MergeSchedule();
    private volatile long tokenGen;

    private TenantState state = new Hibernated(null); // guarded by this, as all below
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private int inside; // requests that were begun and not answered
    private boolean releasing; // nothing more is admitted
    private @Nullable CompletableFuture<Released> release;
    private Txid floor; // what a hydration must reach
    private boolean owesDrains; // the log may have commits that derived files lack
    private long hibernatedAt; // ticker nanoseconds
    private @Nullable Txid corruptAt; // the last commit of a file that was found damaged
    private @Nullable OpenTenant fencedOpen; // what was open when the log ended, and still is

    Tenant(TenantAssignment assignment, Tenants tenants) {
        this.assignment = assignment;
        this.tenants = tenants;
        this.tokenGen = assignment.tokenGen();
        this.floor = assignment.floor();
    }

    public TenantId id() {
        return assignment.tenant();
    }

    /// When its derived files are to be merged; outlives hibernation.
    MergeSchedule merges() {
        return merges;
    }

    public TenantAssignment assignment() {
        return assignment;
    }

    /// Generation of the tokens that are valid now.
    public long tokenGen() {
        return tokenGen;
    }

    /// Takes a newer generation; an older one changes nothing.
    public synchronized void tokenGen(long generation) {
        tokenGen = Math.max(tokenGen, generation);
    }

    /// Runs a pipeline, opening the tenant first if it is closed. Never blocks.
    ///
    /// The answer comes when it may leave: in [Durability#SYNC] when everything it could have seen
    /// is durable. It completes on a thread that must not be held up. It fails with a
    /// [TenantException], with [Overloaded], or, when the tenant cannot be opened, with a
    /// [ReplicaException] or a [StoreException]; its stream is then gone.
    ///
    /// @param stream whose transaction and settings it uses and leaves behind; null for a pipeline
    ///   that leaves nothing
    public CompletableFuture<Answer> run(
            @Nullable StreamId stream, List<StreamRequest> requests, RequestContext context) {
        var pipeline = new Pipeline(stream, requests, context);
        enter(pipeline);
        return pipeline.answer();
    }

    /// Runs a batch and hands its results to `sink` as they come. Never blocks. Fails through the
    /// sink, as [#run] through its future.
    public void cursor(
            @Nullable StreamId stream, List<Step> steps, CursorSink sink, RequestContext context) {
        enter(new CursorRun(stream, steps, sink, context));
    }

    /// Forgets a stream and rolls back what it has open: its client is gone for good.
    public void closeStream(StreamId stream) {
        OpenTenant open;
        synchronized (this) {
            if (!(state instanceof Active(var active))) {
                return;
            }
            open = active;
        }
        open.forget(stream);
    }

    private void enter(Request request) {
        OpenTenant open;
        synchronized (this) {
            if (releasing) {
                request.reject(new TenantException.NotHere(id().name()));
                return;
            }
            switch (state) {
                case Active(var active) -> {
                    if (inside == tenants.config().requestsMax()) {
                        request.reject(new Overloaded("tenant", inside));
                        return;
                    }
                    inside++;
                    open = active;
                }
                case Hydrating(), Hibernating() -> {
                    await(request);
                    return;
                }
                case Hibernated(var local) -> {
                    await(request);
                    hydrate(local);
                    return;
                }
                case Failed(var cause, var until) -> {
                    if (tenants.now() < until) {
                        request.reject(
                                cause instanceof DiskFull
                                        ? cause
                                        : new TenantException.Broken(id().name(), cause));
                        return;
                    }
                    await(request);
                    hydrate(null);
                    return;
                }
                case Fenced(var why) -> {
                    request.reject(why);
                    return;
                }
            }
        }
        tenants.used(this);
        open.enter(request);
    }

    private void await(Request request) {
        if (waiting.size() == tenants.config().requestsMax()) {
            request.reject(new Overloaded("tenant", waiting.size()));
        } else {
            waiting.add(request);
        }
    }

    /// A request has been answered.
    synchronized void left() {
        inside--;
        if (inside == 0) {
            notifyAll();
        }
    }

    /// Starts to open it. Under the lock.
    private void hydrate(@Nullable LocalDatabase local) {
        state = new Hydrating();
        Txid least = floor;
        if (local == null) {
            tenants.hydrations().start("hydrate " + id(), () -> hydrate(null, least));
        } else {
            tenants.shipping().tasks().start("open " + id(), () -> hydrate(local, least));
        }
    }

    /// On a virtual thread.
    private void hydrate(@Nullable LocalDatabase known, Txid least) {
        try {
            LocalDatabase local = known == null ? fetch(least) : known;
            activate(onPool(open(local)));
        } catch (StoreException silent) {
            tenants.shipping().log().noAnswer();
            settle(new Hibernated(known), silent);
        } catch (SqlFailure failed) {
            if (known != null && OpenTenant.losesFile(failed)) {
                hydrate(null, least);
            } else if (failed.code().equals("SQLITE_FULL")) {
                full(new DiskFull("tenant " + id(), failed));
            } else {
                fail(failed);
            }
        } catch (DiskFull lacking) {
            full(lacking);
        } catch (Corrupt damaged) {
            if (known != null) {
                // The cache is only a cache.
                hydrate(null, least);
            } else {
                fail(damaged);
            }
        } catch (RuntimeException failure) {
            fail(failure);
        }
    }

    /// From what an earlier session left, if it did, else from the store.
    private LocalDatabase fetch(Txid least) {
        if (!tenants.shipping().log().reachable()) {
            // It would begin with a LIST, for every tenant and every request of its clients.
            throw new Unavailable("hydrate " + id(), "the store is down", null);
        }
        if (owesDrains()) {
            payFromTheLog();
        }
        if (tenants.files().hasLeft(id())) {
            return tenants.warm().open(assignment, least);
        }
        tenants.files().delete(assignment.key());
        return LocalDatabase.hydrate(
                tenants.files().of(assignment.key()), assignment.key(), least, tenants.shipping());
    }

    private Supplier<OpenTenant> open(LocalDatabase local) {
        return () -> {
            ShippedDatabase database =
                    ShippedDatabase.open(
                            local,
                            tenants.shipping(),
                            tenants.limits(assignment.quota(), local.pageSize()),
                            tenants.watchdog());
            if (local.wal() != null) {
                shipAhead(database);
            }
            // Not before: as long as it cannot be opened, they may hold commits that no log has.
            tenants.files().settled(id());
            return new OpenTenant(this, database, tenants);
        };
    }

    /// The commits of the session before this one that no log has: before anybody sees them.
    private void shipAhead(ShippedDatabase database) {
        try {
            int ahead = database.captureAhead();
            if (ahead > 0) {
                log.atInfo()
                        .addKeyValue("tenant", id())
                        .addKeyValue("txid", database.announced())
                        .addKeyValue("commits", ahead)
                        .log("commits of an earlier session were found and shipped");
            }
        } catch (RuntimeException unshippable) {
            // Those before it are in the log: nobody may give their TXIDs to others.
            payUp(database);
            keep(database, "commits of an earlier session could not be shipped");
            database.close();
            raiseFloor(database.durable());
            throw unshippable;
        }
    }

    private void activate(OpenTenant open) {
        List<Request> entering;
        synchronized (this) {
            if (state instanceof Fenced(var why)) {
                open.stop(why);
                fencedOpen = open;
                return;
            }
            state = new Active(open);
            entering = new ArrayList<>(waiting);
            waiting.clear();
            inside += entering.size();
            notifyAll();
        }
        tenants.opened(this);
        entering.forEach(open::enter);
    }

    private void fail(RuntimeException failure) {
        log.atError()
                .addKeyValue("tenant", id())
                .setCause(failure)
                .log("tenant could not be opened");
        settle(new Failed(failure, tenants.now() + RETRY.toNanos()), failure);
    }

    /// Nobody need look at the tenant, but at the disk. What can be made room of by then may do.
    private void full(DiskFull lacking) {
        log.atWarn()
                .addKeyValue("tenant", id())
                .addKeyValue("problem", lacking.getMessage())
                .log("tenant could not be opened: the disk is full");
        tenants.makeRoom(lacking.bytes());
        settle(new Failed(lacking, tenants.now() + RETRY.toNanos()), lacking);
    }

    /// Ends an opening that failed.
    private void settle(TenantState next, RuntimeException failure) {
        List<Request> rejected;
        synchronized (this) {
            if (!(state instanceof Fenced)) {
                state = next;
            }
            rejected = new ArrayList<>(waiting);
            waiting.clear();
            notifyAll();
        }
        rejected.forEach(request -> request.reject(failure));
    }

    /// Runs `work` on a SQLite thread and waits for it. On a virtual thread.
    private <T> T onPool(Supplier<T> work) {
        var done = new CompletableFuture<T>();
        tenants.pool()
                .execute(() -> {
                    try {
                        done.complete(work.get());
                    } catch (Throwable failure) {
                        done.completeExceptionally(failure);
                    }
                });
        return join(done);
    }

    private static <T> T join(CompletableFuture<T> future) {
        try {
            return future.join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw failed;
        }
    }

    /// Closes it, unless it is in use. On a virtual thread.
    ///
    /// @return whether it is closed now
    boolean hibernate() {
        OpenTenant open;
        synchronized (this) {
            if (releasing || inside > 0 || !(state instanceof Active(var active))) {
                return !(state instanceof Active);
            }
            open = active;
        }
        if (open.holdsStreams()) {
            return false;
        }
        try {
            drain(open);
        } catch (StoreException | TenantException | LogEnded later) {
            return false;
        } catch (RuntimeException broken) {
            broken(open, broken);
            return true;
        }
        var permit = new PermitClaim(open);
        try {
            permit.join();
        } catch (TenantException stopped) {
            return true;
        }
        synchronized (this) {
            if (releasing
                    || inside > 0
                    || open.holdsStreams()
                    || open.database().undrained()
                    || !(state instanceof Active)) {
                open.permit().giveBack(permit);
                return !(state instanceof Active);
            }
            state = new Hibernating();
        }
        close(open);
        return true;
    }

    private void close(OpenTenant open) {
        try {
            LocalDatabase local = onPool(() -> hibernated(open));
            closed(new Hibernated(local.exists() ? local : null), local.position().txid());
        } catch (RuntimeException failure) {
            log.atError()
                    .addKeyValue("tenant", id())
                    .setCause(failure)
                    .log("tenant could not be closed");
            closed(new Failed(failure, tenants.now() + RETRY.toNanos()), open.database().durable());
        }
    }

    private static LocalDatabase hibernated(OpenTenant open) {
        open.closeConnections();
        Checkpoint done = open.database().checkpoint();
        if (done != Checkpoint.COMPLETE) {
            throw new IllegalStateException("nobody uses it, but its checkpoint is " + done);
        }
        return open.database().hibernate();
    }

    /// What was open is closed.
    private void closed(TenantState next, Txid durable) {
        synchronized (this) {
            if (state instanceof Fenced) {
                return;
            }
            floor = durable.compareTo(floor) > 0 ? durable : floor;
            hibernatedAt = tenants.now();
            state = next;
            if (!waiting.isEmpty() && !releasing) {
                hydrate(next instanceof Hibernated(var local) ? local : null);
            }
            notifyAll();
        }
    }

    /// Makes everything that is committed durable and drained. On a virtual thread.
    private static void drain(OpenTenant open) {
        while (open.database().undrained()) {
            open.checkpointer().settle();
        }
    }

    /// The permit, for a virtual thread that waits.
    private static final class PermitClaim implements WritePermit.Claim {
        private final CompletableFuture<Void> granted = new CompletableFuture<>();

        PermitClaim(OpenTenant open) {
            if (open.permit().take(this, Deadlines.NEVER)) {
                granted.complete(null);
            }
        }

        void join() {
            Tenant.join(granted);
        }

        @Override
        public Object owner() {
            return this;
        }

        @Override
        public void granted() {
            granted.complete(null);
        }

        @Override
        public void expired() {
            granted.completeExceptionally(
                    new TenantException.OutcomeUnknown("the tenant has stopped"));
        }
    }

    /// Gives it up; see [Tenants#release].
    CompletableFuture<Released> release() {
        CompletableFuture<Released> answer;
        List<Request> rejected;
        synchronized (this) {
            if (release != null && !release.isCompletedExceptionally()) {
                return release;
            }
            releasing = true;
            answer = new CompletableFuture<>();
            release = answer;
            rejected = new ArrayList<>(waiting);
            waiting.clear();
        }
        rejected.forEach(request -> request.reject(new TenantException.NotHere(id().name())));
        tenants.shipping()
                .tasks()
                .start(
                        "release " + id(),
                        () -> {
                            try {
                                answer.complete(giveUp());
                            } catch (RuntimeException failure) {
                                answer.completeExceptionally(failure);
                            }
                        });
        return answer;
    }

    private Released giveUp() {
        OpenTenant open = quiet();
        if (open == null && tenants.files().hasLeftWal(assignment.key())) {
            // Nobody asked for the tenant, but it may have commits that no log has.
            open = openLeft();
        }
        Txid last;
        if (open == null) {
            synchronized (this) {
                last = floor;
            }
        } else {
            drain(open);
            last = open.database().durable();
            shut(open);
            closed(new Hibernated(null), last);
        }
        tenants.files().delete(assignment.key());
        return new Released(assignment.key(), assignment.number(), last);
    }

    /// @return null if what was left is of no use
    private @Nullable OpenTenant openLeft() {
        try {
            activate(onPool(open(fetch(floor()))));
            return quiet();
        } catch (ReplicaException broken) {
            tenants.files().putAside(assignment.key(), null, String.valueOf(broken.getMessage()));
            return null;
        }
    }

    private synchronized Txid floor() {
        return floor;
    }

    /// Waits until nothing runs in it any more. On a virtual thread.
    ///
    /// @return what is open, or null
    private @Nullable OpenTenant quiet() {
        OpenTenant open;
        synchronized (this) {
            while (isChanging()) {
                pause();
            }
            switch (state) {
                case Hibernated(_) -> {
                    return null;
                }
                // What was durable and not drained is in the log only: the recovery of this
                // session's log has to bring it.
                case Failed(var cause, _) -> throw new TenantException.Broken(id().name(), cause);
                case Fenced(var why) -> throw why;
                case Active(var active) -> open = active;
                case Hydrating(), Hibernating() ->
                        throw new IllegalStateException("changing: " + state);
            }
        }
        empty(open);
        return open;
    }

    /// Whether something runs that leads to another state. Under the lock.
    private boolean isChanging() {
        return switch (state) {
            case Hydrating(), Hibernating() -> true;
            case Failed(_, var until) -> until == Deadlines.NEVER;
            case Hibernated _, Active _, Fenced _ -> false;
        };
    }

    /// Waits until no request is inside and no stream holds anything; what streams hold is taken
    /// away. Nothing new may be admitted. On a virtual thread.
    private void empty(OpenTenant open) {
        boolean empty = false;
        while (!empty) {
            open.forgetStreams(this::wake);
            synchronized (this) {
                empty = inside == 0 && !open.holdsStreams();
                if (!empty) {
                    pause();
                }
            }
        }
    }

    private synchronized void wake() {
        notifyAll();
    }

    // Called in loops. Woken by whatever ends; the limit is for what ends without telling.
    @SuppressWarnings("WaitNotInLoop")
    private void pause() {
        try {
            wait(100);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new TenantException.Cancelled();
        }
    }

    /// Whether a file that failed may be replaced by one from the store. Damage that is in the
    /// history comes back with it: then it is the tenant's, and an answer like any other.
    ///
    /// @param at the last commit of the file
    synchronized boolean worthAnotherFile(SqlFailure failure, Txid at) {
        if (failure.code().equals("SQLITE_CORRUPT") && at.equals(corruptAt)) {
            return false;
        }
        corruptAt = at;
        return true;
    }

    /// It cannot go on: stops what runs, keeps what is not durable in quarantine, and closes. A
    /// later request hydrates it again, from what was durable.
    void broken(OpenTenant open, Throwable cause) {
        synchronized (this) {
            if (!(state instanceof Active(var active)) || active != open) {
                return;
            }
            RuntimeException reason =
                    cause instanceof RuntimeException failure
                            ? failure
                            : new IllegalStateException(cause);
            state = new Failed(reason, Deadlines.NEVER);
        }
        log.atError().addKeyValue("tenant", id()).setCause(cause).log("tenant had to stop");
        open.stop(
                new TenantException.OutcomeUnknown(
                        "the tenant had to stop: " + cause.getMessage()));
        tenants.shipping().tasks().start("close " + id(), () -> closeBroken(open, cause));
    }

    private void closeBroken(OpenTenant open, Throwable cause) {
        empty(open);
        payUp(open.database());
        try {
            keep(open.database(), "the tenant had to stop: " + cause.getMessage());
            shut(open);
        } finally {
            RuntimeException reason =
                    cause instanceof RuntimeException failure
                            ? failure
                            : new IllegalStateException(cause);
            closed(new Failed(reason, tenants.now()), open.database().durable());
        }
    }

    /// Brings what the log has taken of a database that stops into derived files. What fails is
    /// tried again before the tenant is opened the next time.
    private void payUp(ShippedDatabase database) {
        database.awaitResolved();
        try {
            database.drain();
            return;
        } catch (RuntimeException lacking) {
            log.atWarn()
                    .addKeyValue("tenant", id())
                    .setCause(lacking)
                    .log("the last commits of a tenant that stopped could not be drained");
        }
        try {
            payFromTheLog();
        } catch (RuntimeException lacking) {
            synchronized (this) {
                owesDrains = true;
            }
            log.atError()
                    .addKeyValue("tenant", id())
                    .setCause(lacking)
                    .log("the last commits of a tenant that stopped were not read from the log");
        }
    }

    private synchronized boolean owesDrains() {
        return owesDrains;
    }

    /// What is durable and was not drained, when the WAL cannot give it any more.
    ///
    /// @throws StoreException if the store does not answer; call again
    /// @throws ReplicaException if the log or the history is damaged
    private void payFromTheLog() {
        Shipping shipping = tenants.shipping();
        Recovered paid =
                Recovery.payOne(
                        shipping.store(),
                        shipping.log().name(),
                        assignment.key(),
                        shipping.tmp(),
                        shipping.tasks());
        for (ReplicaException failure : paid.failed().values()) {
            throw failure;
        }
        Txid covered = paid.coverage().get(assignment.key());
        if (covered != null) {
            shipping.log().drained(assignment.key(), covered);
        }
        synchronized (this) {
            owesDrains = false;
        }
    }

    private synchronized void raiseFloor(Txid durable) {
        floor = durable.compareTo(floor) > 0 ? durable : floor;
    }

    private void keep(ShippedDatabase database, String reason) {
        try {
            database.quarantine(tenants.quarantine(), reason);
        } catch (UncheckedIOException failed) {
            log.atError()
                    .addKeyValue("tenant", id())
                    .setCause(failed)
                    .log("commits that are not durable could not be kept");
        }
    }

    /// The log has ended.
    void fence(TenantException why) {
        TenantState before;
        List<Request> rejected;
        synchronized (this) {
            before = state;
            if (before instanceof Active(var open)) {
                fencedOpen = open;
            }
            state = new Fenced(why);
            rejected = new ArrayList<>(waiting);
            waiting.clear();
            notifyAll();
        }
        rejected.forEach(request -> request.reject(why));
        if (before instanceof Active(var open)) {
            open.stop(why);
            keep(open.database(), "the session lost its log");
        }
    }

    /// Deletes the file of a closed tenant; it comes back from the store.
    synchronized boolean dropLocal() {
        if (state instanceof Hibernated(var local) && local != null) {
            tenants.files().delete(assignment.key());
            state = new Hibernated(null);
            return true;
        }
        return false;
    }

    /// When it was closed, in ticker nanoseconds.
    synchronized long hibernatedAt() {
        return hibernatedAt;
    }

    /// Closes what is open, whatever it owes: the process ends.
    void shut(TenantException why) {
        fence(why);
        OpenTenant open;
        synchronized (this) {
            open = fencedOpen;
            fencedOpen = null;
        }
        if (open != null) {
            empty(open);
            shut(open);
        }
    }

    /// Closes what nobody uses any more; whatever checkpoints it comes to its end first.
    private void shut(OpenTenant open) {
        new PermitClaim(open).join();
        onPool(() -> {
            open.closeConnections();
            open.database().close();
            return true;
        });
    }

    synchronized boolean isReleasing() {
        return releasing;
    }

    synchronized boolean isOpen() {
        return state instanceof Active;
    }

    synchronized TenantState state() {
        return state;
    }
}
