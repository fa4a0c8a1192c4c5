package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.sqlite.GatedStatement;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqlGate;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteWork;
import dev.litefleet.worker.tenant.Stream.Place;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// What exists of a tenant only while it is open: its database, the permit to write it, its
/// connections and the streams that hold some.
///
/// Thread-safe where it does not say otherwise.
final class OpenTenant {
    private final Tenant tenant;
    private final Tenants tenants;
    private final Durability durability;
    private final long statementNanosMax;
    private final ShippedDatabase database;
    private final Shipping shipping;
    private final TenantConfig config;
    private final TenantQueue queue;
    private final WritePermit permit = new WritePermit();
    private final ReadConnections readers;
    private final ReadConnections transactions;
    private final Map<Long, Stream> streams =
            new ConcurrentHashMap<>(); // those that hold something
    private final ArrayDeque<Runnable> waitingForRoom = new ArrayDeque<>(); // guarded by itself
    private final Deadlines.Entry deadline;
    private final Checkpointer checkpointer;
    private final LongSupplier ticker;
    private final Set<SqliteWork> working = ConcurrentHashMap.newKeySet(); // statements that run
    private volatile @Nullable TenantException failure;

    OpenTenant(Tenant tenant, ShippedDatabase database, Tenants tenants) {
        this.tenant = tenant;
        this.tenants = tenants;
        this.durability = tenant.assignment().durability();
        this.statementNanosMax = tenant.assignment().quota().statementMax().toNanos();
        this.database = database;
        this.shipping = tenants.shipping();
        this.config = tenants.config();
        this.ticker = shipping.tasks()::nanos;
        this.queue = new TenantQueue(tenants.pool(), tenants.parallelPerTenant());
        this.readers =
                new ReadConnections(
                        () -> database.connect(OpenMode.READ_ONLY_QUERY),
                        config.readersMax(),
                        config.readersMax());
        this.transactions =
                new ReadConnections(
                        () -> database.connect(OpenMode.READ_WRITE), config.transactionsMax(), 2);
        this.deadline = tenants.deadlines().entry(this::due);
        this.checkpointer = new Checkpointer(this);
        database.whenDurable(this::roomMayBe);
        if (database.undrained()) {
            deadline.sooner(database.drainLook(now()));
        }
    }

    TenantId id() {
        return tenant.id();
    }

    /// Lets a request in that the tenant has counted.
    void enter(Request request) {
        request.begin(this);
    }

    ShippedDatabase database() {
        return database;
    }

    Shipping shipping() {
        return shipping;
    }

    TenantConfig config() {
        return config;
    }

    TenantQueue queue() {
        return queue;
    }

    WritePermit permit() {
        return permit;
    }

    ReadConnections readers() {
        return readers;
    }

    ReadConnections transactions() {
        return transactions;
    }

    Checkpointer checkpointer() {
        return checkpointer;
    }

    SqlGate sqlGate() {
        return tenants.sqlGate();
    }

    /// The write connection; the permit holder's.
    SqliteConnection writer() {
        return database.connection();
    }

    long statementNanosMax() {
        return statementNanosMax;
    }

    LongSupplier ticker() {
        return ticker;
    }

    long now() {
        return ticker.getAsLong();
    }

    boolean sync() {
        return durability == Durability.SYNC;
    }

    /// @throws TenantException if the tenant has stopped
    void requireOpen() {
        TenantException stopped = failure;
        if (stopped != null) {
            throw stopped;
        }
    }

    /// Fails everything that waits or runs, and whatever comes: nothing of this tenant becomes
    /// durable any more. A statement that runs is interrupted: it could go on for as long as the
    /// tenant's quota lets it, and whoever closes the tenant waits for it.
    void stop(TenantException why) {
        failure = why;
        working.forEach(SqliteWork::cancel);
        database.gate().shatter(why);
        permit.expire(Deadlines.NEVER);
        roomMayBe();
    }

    /// A statement begins to run.
    void runs(SqliteWork work) {
        working.add(work);
        if (failure != null) {
            // Whoever stopped the tenant may not have seen it.
            work.cancel();
        }
    }

    /// How many run now.
    int running() {
        return working.size();
    }

    /// It has ended.
    void ran(SqliteWork work) {
        working.remove(work);
    }

    /// A drain has been written.
    ///
    /// @param fileBytes size of its files
    void drained(long fileBytes) {
        tenant.merges().drained(fileBytes, database.drainedMillis());
    }

    /// Has derived files merged beside the drains, if it is time.
    void mergeIfDue() {
        tenants.mergeIfDue(database.key(), tenant.merges(), database.databaseBytes());
    }

    /// A commit happened on a connection that did not hold the permit: nobody has captured it.
    void unpermitted(GatedStatement statement) {
        var bug = new IllegalStateException("commit without the permit: " + statement.kind());
        stop(new TenantException.OutcomeUnknown(String.valueOf(bug.getMessage())));
        broken(bug);
    }

    /// Stops the tenant if a failure means that its local file cannot be trusted any more: what
    /// SQLite could not write or sync may be gone, and asking again could seem to succeed
    /// (reliability.md, faults 11 and 15). It comes back from the store.
    ///
    /// @throws TenantException.OutcomeUnknown if it has been stopped
    void fileMayHaveFailed(SqlFailure failure) {
        if (!losesFile(failure) || !tenant.worthAnotherFile(failure, database.announced())) {
            return;
        }
        var unknown =
                new TenantException.OutcomeUnknown(
                        "the local database file failed and is being replaced: "
                                + failure.message());
        stop(unknown);
        broken(failure);
        throw unknown;
    }

    /// Not what a full disk or the lack of memory may cause, and not a virtual table's own word for
    /// content that a tenant wrote into it.
    static boolean losesFile(SqlFailure failure) {
        String extended = failure.extendedCode();
        return switch (failure.code()) {
            case "SQLITE_NOTADB" -> true;
            case "SQLITE_CORRUPT" -> !"SQLITE_CORRUPT_VTAB".equals(extended);
            case "SQLITE_IOERR" ->
                    extended == null
                            || !(extended.equals("SQLITE_IOERR_NOMEM")
                                    || extended.equals("SQLITE_IOERR_SHMSIZE")
                                    || extended.equals("SQLITE_IOERR_GETTEMPPATH"));
            default -> false;
        };
    }

    void broken(Throwable cause) {
        tenant.broken(this, cause);
    }

    /// A request that was begun here has been answered.
    void left() {
        tenant.left();
    }

    /// Takes over what the permit holder has committed.
    ///
    /// @throws TenantException if it cannot be shipped
    void capture(RequestContext by) {
        try {
            database.capture(sync(), by);
        } catch (LogEnded ended) {
            var unknown = new TenantException.OutcomeUnknown("this session has lost its log");
            stop(unknown);
            throw unknown;
        } catch (RuntimeException unshippable) {
            var unknown =
                    new TenantException.OutcomeUnknown(
                            "the commit could not be shipped: " + unshippable.getMessage());
            stop(unknown);
            broken(unshippable);
            throw unknown;
        }
        if (database.undrained()) {
            deadline.sooner(database.drainLook(now()));
        }
    }

    /// @throws SqlFailure if the disk is nearly full
    void requireDisk() {
        if (!tenants.diskHasRoom()) {
            throw full("the disk is nearly full", "disk_reserve_bytes", config.diskReserveBytes());
        }
    }

    /// @throws SqlFailure if the stream's transaction is over its limit, after it was rolled back
    void requireTransactionFits(Stream stream) {
        long max = shipping.config().transactionBytesMax();
        if (database.transactionBytesExceed(max)) {
            takeTransaction(stream);
            stream.lost = false;
            throw transactionTooLarge();
        }
    }

    /// A part of the transaction was rolled back: what that part left in the WAL must not count at
    /// the COMMIT. What was written before it does not either, until more follows.
    void transactionWentBack() {
        database.transactionWentBack(shipping.config().transactionBytesMax());
    }

    /// Tells, while a statement runs, whether its transaction is over its limit.
    BooleanSupplier transactionGrows() {
        return database.transactionGrows(shipping.config().transactionBytesMax());
    }

    /// What to answer when a transaction was rolled back for its size. Sees to it that the space in
    /// the WAL is given back.
    SqlFailure transactionTooLarge() {
        long max = shipping.config().transactionBytesMax();
        checkpointer.request();
        return new SqlFailure(
                "TXN_TOO_LARGE",
                null,
                "the transaction was rolled back: it wrote more than %d bytes; split it into smaller ones [transaction_bytes_max=%d]"
                        .formatted(max, max),
                null);
    }

    private static SqlFailure full(String what, String limit, long value) {
        return new SqlFailure(
                "SQLITE_FULL",
                null,
                "SQLite error: database or disk is full: %s [%s, bytes=%d]"
                        .formatted(what, limit, value),
                null);
    }

    /// @throws SqlFailure if the WAL is full: whoever holds a snapshot keeps it from being emptied
    void requireWal() {
        if (walIsFull()) {
            throw full("the write-ahead log is full", "wal_bytes_max", database.walBytes());
        }
    }

    private boolean walIsFull() {
        boolean full = database.walBytes() >= shipping.config().walBytesMax();
        if (full) {
            checkpointer.request();
        }
        return full;
    }

    /// Whether one more commit may wait for the store, and for the checkpoint.
    boolean roomToWrite() {
        ShippingConfig limits = shipping.config();
        return !walIsFull()
                && database.pendingBytes() < limits.lagBytesMax()
                && shipping.log().pendingBytes() < limits.workerLagBytesMax()
                && (sync() || !lags());
    }

    /// Whether a commit has waited for the store for longer than an async tenant's may.
    boolean lags() {
        long since = database.pendingSince();
        return since != Deadlines.NEVER && now() - since > shipping.config().lagMax().toNanos();
    }

    /// Calls `resume` when it is worth asking [#roomToWrite] again.
    void whenRoom(Runnable resume) {
        synchronized (waitingForRoom) {
            waitingForRoom.add(resume);
        }
        deadline.sooner(now() + ROOM_LOOK);
    }

    // Others of the worker may have made room, or the waiting may be over.
    private static final long ROOM_LOOK = 50_000_000;

    @SuppressWarnings("ReferenceEquality") // Who waits is found by identity.
    boolean noLongerWaitsForRoom(Runnable resume) {
        synchronized (waitingForRoom) {
            return waitingForRoom.removeIf(waiting -> waiting == resume);
        }
    }

    private void roomMayBe() {
        List<Runnable> resumed = List.of();
        synchronized (waitingForRoom) {
            if (!waitingForRoom.isEmpty()) {
                resumed = new ArrayList<>(waitingForRoom);
                waitingForRoom.clear();
            }
        }
        resumed.forEach(Runnable::run);
    }

    /// Somebody waits for the permit: its holder's idle time is shorter from now on.
    void permitAwaited() {
        deadline.sooner(now() + config.idleContended().toNanos());
    }

    /// An answer waits at the gate until `until`.
    void gateAwaited(long until) {
        deadline.sooner(until);
    }

    boolean tooOld(Stream stream) {
        return now() - stream.begunAt > config.transactionAgeMax().toNanos();
    }

    /// The stream that a request names.
    ///
    /// @throws TenantException.StreamExpired if what it held is gone
    Stream stream(@Nullable StreamId name) {
        if (name == null) {
            return new Stream(0);
        }
        Stream known = streams.isEmpty() ? null : streams.get(name.number());
        if (known != null) {
            return known;
        }
        if (name.held()) {
            throw new TenantException.StreamExpired();
        }
        return new Stream(name.number());
    }

    /// A request on the stream has ended: remembers it as long as it holds something.
    void requestEnded(Stream stream) {
        if (stream.state() == StreamState.FREE) {
            if (!streams.isEmpty()) {
                streams.remove(stream.number, stream);
            }
            stream.end(now());
            return;
        }
        long now = now();
        streams.put(stream.number, stream);
        stream.end(now);
        boolean contended = permit.contended() && permit.heldBy(stream);
        deadline.sooner(now + (contended ? config.idleContended() : config.idleMax()).toNanos());
    }

    /// Takes back what a stream's ended transaction had. On a platform thread, by whoever made the
    /// stream busy.
    void transactionEnded(Stream stream) {
        SqliteConnection connection = stream.connection;
        if (connection == null) {
            return;
        }
        boolean writer = stream.place == Place.WRITER;
        if (writer || !connection.sessionDirty()) {
            if (connection.sessionDirty()) {
                connection.resetSession();
            }
            stream.place = Place.NONE;
            stream.connection = null;
        }
        if (permit.heldBy(stream)) {
            permit.giveBack(stream);
        }
        if (stream.place == Place.NONE && !writer) {
            transactions.giveBack(connection);
        }
    }

    /// Rolls back what a stream has open and gives its settings up; it is lost if it was in a
    /// transaction. On a platform thread, by whoever made the stream busy.
    void takeTransaction(Stream stream) {
        SqliteConnection connection = stream.connection;
        if (connection == null) {
            return;
        }
        boolean open = !connection.autocommit();
        try {
            connection.resetSession();
        } finally {
            transactionEnded(stream);
        }
        stream.lost = open;
    }

    /// Ends a stream, whatever it holds. On a platform thread, by whoever made it busy.
    void closeStream(Stream stream) {
        takeTransaction(stream);
        stream.lost = false;
    }

    /// Ends a stream that no request runs on; one that is busy ends its own.
    void forget(StreamId name) {
        Stream known = streams.get(name.number());
        if (known != null && known.beginRobbery(Deadlines.NEVER)) {
            queue.submit(() -> {
                try {
                    closeStream(known);
                } finally {
                    requestEnded(known);
                }
            });
        }
    }

    boolean holdsStreams() {
        return !streams.isEmpty();
    }

    /// Ends every idle stream: the tenant is being released.
    ///
    /// @param then called after each that had to be ended
    void forgetStreams(Runnable then) {
        for (Stream stream : streams.values()) {
            if (stream.beginRobbery(Deadlines.NEVER)) {
                queue.submit(() -> {
                    end(stream);
                    then.run();
                });
            }
        }
    }

    private void end(Stream stream) {
        try {
            closeStream(stream);
        } finally {
            requestEnded(stream);
        }
    }

    /// Closes all connections but the write connection. Nobody may be inside, and no stream may
    /// hold anything. On a platform thread.
    void closeConnections() {
        deadline.cancel();
        readers.closeIdle();
        transactions.closeIdle();
    }

    /// A place of its own in the queue of deadlines, for one request.
    Deadlines.Entry deadline(Deadlines.Due due) {
        return tenants.deadlines().entry(due);
    }

    /// Asks to be looked at soon.
    void lookWithin(Duration wait) {
        deadline.within(wait);
    }

    private long due(long now) {
        long next = database.gate().expire(now);
        next = Math.min(next, permit.expire(now));
        next = Math.min(next, dueStreams(now));
        if (!waitingForRoomIsEmpty()) {
            roomMayBe();
            next = Math.min(next, now + ROOM_LOOK);
        }
        return Math.min(next, checkpointer.due(now));
    }

    private boolean waitingForRoomIsEmpty() {
        synchronized (waitingForRoom) {
            return waitingForRoom.isEmpty();
        }
    }

    /// Takes transactions away from streams that have been idle for too long.
    private long dueStreams(long now) {
        long next = Deadlines.NEVER;
        for (Stream stream : streams.values()) {
            long since = stream.idleSince();
            if (since == Deadlines.NEVER) {
                continue;
            }
            long until = since + keptNanosMax(stream, since);
            if (until > now) {
                next = Math.min(next, until);
            } else if (stream.beginRobbery(since)) {
                queue.submit(() -> rob(stream));
            }
        }
        return next;
    }

    /// How long the stream may keep what it holds after it became idle.
    private long keptNanosMax(Stream stream, long since) {
        if (stream.lost) {
            // Remembered for as long as the transaction might have lasted.
            return config.transactionAgeMax().toNanos();
        }
        boolean contended = permit.contended() && permit.heldBy(stream);
        Duration idle = contended ? config.idleContended() : config.idleMax();
        long left = stream.begunAt + config.transactionAgeMax().toNanos() - since;
        return Math.min(idle.toNanos(), left);
    }

    private void rob(Stream stream) {
        try {
            if (stream.place == Place.NONE) {
                // It was lost and its client never asked.
                stream.lost = false;
            } else {
                takeTransaction(stream);
            }
        } finally {
            requestEnded(stream);
        }
    }
}
