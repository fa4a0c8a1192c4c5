package dev.litefleet.worker.tenant;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.Position;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.ChangedPages;
import dev.litefleet.replica.history.Drain;
import dev.litefleet.replica.history.DrainInput;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LogRef;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.SpooledBody;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteConnection.Checkpointed;
import dev.litefleet.replica.sqlite.SqliteLimits;
import dev.litefleet.replica.sqlite.Watchdog;
import dev.litefleet.replica.wal.CommittedPages;
import dev.litefleet.replica.wal.WalPosition;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// One open database whose every commit goes into its session's log.
///
/// Whoever writes holds the write permit of the database; the caller sees to it that only one does.
/// SQLite tells this class before each commit becomes visible ([Gate#announce]); the permit holder
/// calls [#capture] after each statement that may have committed and before it gives the permit
/// back. [#connection] and the methods that say so belong to the permit holder; the rest is
/// thread-safe. What calls SQLite must run on a platform thread.
///
/// The WAL keeps every commit until it is durable and drained: only then does [#checkpoint] copy it
/// into the database file.
public final class ShippedDatabase {
    /// How a checkpoint went.
    public enum Checkpoint {
        /// Everything is in the database file; the WAL begins anew with the next commit.
        COMPLETE,
        /// Some commit is not durable or not drained. Drain and come again.
        NOT_YET,
        /// A reader still needs the WAL. Come again.
        HELD_BY_READER
    }

    /// A WAL file larger than this part of a transaction's limit is not kept for the next commits
    /// to overwrite.
    private static final int WAL_KEPT_FRACTION = 16;

    private final LocalDatabase local;
    private final Shipping shipping;
    private final Engine engine;
    private final WalTap tap;
    private final Gate gate;
    private final @Nullable Object fileKey;
    private final Object draining = new Object();
    private @Nullable FileChannel drainedWal; // under draining; open while a drain reads
    private long drainedSalt; // under draining; of the frames that a drain reads
    private volatile Runnable whenDurable = () -> {};
    private volatile long walBytes;
    private volatile long lastSequence; // of the log; written by the permit holder
    private volatile long drainedBytes; // written under draining
    private volatile long drainedMillis; // written under draining

    // The permit holder's.
    private long captured;
    private long lastMillis;

    private final Object lock = new Object();
    private final ArrayDeque<Captured> pending = new ArrayDeque<>(); // under lock; not yet durable
    private long pendingBytes; // under lock
    private ChangedPages changed; // under lock; durable and not in `frozen` or drained
    private List<IndexPoint> points = new ArrayList<>(); // under lock; the entries of `changed`
    private @Nullable Durable lastDurable; // under lock
    private @Nullable Frozen frozen; // under lock; a drain that is under way, or failed
    private long drained; // under lock
    private WalPosition drainedTo; // under lock
    private long firstUndrained; // under lock; ticker nanoseconds, of the oldest undrained commit
    private @Nullable Slot firstUndrainedSlot; // under lock
    private long lastCapture; // under lock; ticker nanoseconds
    private long lastDrain = DrainSchedule.NO_DRAIN; // under lock; ticker nanoseconds

    /// A commit in the log. Told by the log when it is durable.
    private final class Captured implements CommitLog.WhenDurable {
        final long txid;
        final long bytes;
        final long at;
        final int[] pgnos;
        final long[] offsets;
        final int commit;
        final WalPosition to;

        Captured(long txid, long at, CommittedPages pages) {
            this.txid = txid;
            this.bytes = pages.bytes();
            this.at = at;
            this.pgnos = pages.pgnos();
            this.offsets = pages.offsets();
            this.commit = pages.commit();
            this.to = pages.to();
        }

        @Override
        public void durable(Slot slot, Entry entry) {
            synchronized (lock) {
                pending.remove();
                pendingBytes -= bytes;
                changed.commit(commit, pgnos, offsets);
                if (points.isEmpty() || !points.getLast().max().equals(entry.max())) {
                    points.add(IndexPoint.of(new LogRef(shipping.log().name(), slot), entry));
                }
                if (firstUndrainedSlot == null) {
                    firstUndrainedSlot = slot;
                }
                lastDurable = new Durable(txid, to); // Not its pages, which may be millions.
            }
            gate.durable(txid);
            whenDurable.run();
        }
    }

    /// A commit that is in the store.
    private record Durable(long txid, WalPosition to) {}

    /// A drain as it will be written, however often that takes: the same bytes each time.
    private record Frozen(DrainInput input, WalPosition to, long firstCommit, Slot firstSlot) {}

    private ShippedDatabase(LocalDatabase local, Shipping shipping, Engine engine, WalTap tap) {
        this.local = local;
        this.shipping = shipping;
        this.engine = engine;
        this.tap = tap;
        this.captured = local.position().txid().value();
        this.lastMillis = local.lastMillis();
        this.gate = new Gate(captured);
        this.drained = captured;
        this.changed = new ChangedPages(local.pageSize(), tap.sums().pages());
        this.drainedTo = tap.position();
        this.walBytes = tap.position().offset();
        engine.open(gate::announce);
        this.fileKey = fileKey();
    }

    /// Opens `local`, which nobody else has open. On a platform thread.
    ///
    /// @throws Corrupt if the files are not what `local` says
    public static ShippedDatabase open(
            LocalDatabase local, Shipping shipping, SqliteLimits limits, Watchdog watchdog) {
        return open(
                local, shipping, new SqliteEngine(Sqlite.database(local.db(), limits, watchdog)));
    }

    /// The same with an engine that is not open.
    static ShippedDatabase open(LocalDatabase local, Shipping shipping, Engine engine) {
        DatabaseChecksum sums = local.loadSums();
        WalPosition from = local.wal() == null ? WalPosition.start(sums.pages()) : local.wal();
        var tap = new WalTap(local.walFile(), sums, shipping.config().captureBytesMax(), from);
        // Before SQLite writes anything: a later session must know what it finds.
        positionOf(local, shipping, from).write(local.positionFile());
        if (!local.exists()) {
            create(local, engine);
        }
        return new ShippedDatabase(local, shipping, engine, tap);
    }

    /// What a later session is told of a file that is about to be opened.
    static LocalPosition positionOf(LocalDatabase local, Shipping shipping, WalPosition from) {
        Txid txid = local.position().txid();
        return new LocalPosition(
                local.key(), shipping.log().name().session().ulid(), txid, txid, from, false);
    }

    /// Elsewhere at first: SQLite would take a WAL that is here already for the new file's.
    private static void create(LocalDatabase local, Engine engine) {
        Path fresh = local.directory().resolve("new");
        try {
            Files.deleteIfExists(fresh);
            engine.create(fresh, local.pageSize());
            Files.move(fresh, local.db(), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make " + local.db(), e);
        }
    }

    /// The write connection. It also keeps SQLite from checkpointing when others close. The permit
    /// holder's.
    public SqliteConnection connection() {
        return engine.connection();
    }

    public TenantKey key() {
        return local.key();
    }

    Gate gate() {
        return gate;
    }

    /// A further connection; its commits are announced too. On a platform thread.
    SqliteConnection connect(OpenMode mode) {
        SqliteConnection further = engine.connect(mode);
        if (mode == OpenMode.READ_WRITE) {
            further.onCommit(gate::announce);
        }
        return further;
    }

    /// Whether SQLite has let a commit be seen that [#capture] has not taken yet. The permit
    /// holder's.
    boolean uncaptured() {
        return gate.announced() > captured;
    }

    /// Takes the commits that were made since the last call, gives each its TXID and hands it to
    /// the log. Must be called after every statement that may have committed, before the permit is
    /// given back. The permit holder's; reads the WAL, calls no SQLite.
    ///
    /// @param sync whether answers wait for it
    /// @param by who made them
    /// @return the last TXID of the database
    /// @throws LogEnded if the log has ended: the commits are in this file only
    /// @throws dev.litefleet.replica.ReplicaException if a commit cannot be taken; the database
    ///   must not be used any more
    public Txid capture(boolean sync, RequestContext by) {
        if (!uncaptured()) {
            return new Txid(captured);
        }
        // Fewer commits than announced: some of them changed nothing, or failed.
        List<CommittedPages> commits = tap.read();
        while (!commits.isEmpty()) {
            if (commits.size() > gate.announced() - captured) {
                throw new Corrupt(
                        local.walFile().toString(),
                        commits.getFirst().from().offset(),
                        "the WAL has commits that no connection of this process made");
            }
            for (CommittedPages pages : commits) {
                capture(pages, sync, by);
            }
            commits = uncaptured() ? tap.read() : List.of();
        }
        walBytes = tap.position().offset();
        gate.captured(captured);
        return new Txid(captured);
    }

    /// Takes the commits that the session before this one made and could not ship: they follow in
    /// the WAL on the state that was opened. Once, before anybody else has a connection; reads the
    /// WAL, calls no SQLite.
    ///
    /// @return how many there were
    /// @throws LogEnded as of [#capture]
    /// @throws dev.litefleet.replica.ReplicaException as of [#capture]
    int captureAhead() {
        long before = captured;
        for (List<CommittedPages> commits = tap.read(); !commits.isEmpty(); commits = tap.read()) {
            for (CommittedPages pages : commits) {
                gate.announce();
                capture(pages, true, RequestContext.anonymous());
            }
        }
        walBytes = tap.position().offset();
        gate.captured(captured);
        return (int) (captured - before);
    }

    private void capture(CommittedPages pages, boolean sync, RequestContext by) {
        long txid = captured + 1;
        if (txid == 1) {
            requireEveryPage(pages);
        }
        long before = tap.checksum();
        long after = tap.apply(pages);
        lastMillis = Math.max(lastMillis, shipping.clock().millis());
        SpooledBody spool = pages.inMemory() ? null : spool(pages, new Txid(txid), after);
        var commit =
                new Commit(
                        local.key(),
                        new Txid(txid),
                        lastMillis,
                        pages.pageSize(),
                        pages.commit(),
                        pages.pgnos(),
                        spool == null ? pages.pages() : new byte[0],
                        before,
                        after,
                        by.actor(),
                        by.traceparent(),
                        by.requestId(),
                        spool,
                        pages.to());
        long now = shipping.tasks().nanos();
        var taken = new Captured(txid, now, pages);
        synchronized (lock) {
            if (captured == drained) {
                firstUndrained = now;
            }
            lastCapture = now;
            pending.add(taken);
            pendingBytes += taken.bytes;
        }
        captured = txid;
        append(commit, sync, taken);
    }

    /// Its body is made here and now, not when the log sends it: by then this database may be
    /// closed and its WAL gone.
    private SpooledBody spool(CommittedPages pages, Txid txid, long checksumAfter) {
        return SpooledBody.write(
                shipping.tmp(),
                txid,
                lastMillis,
                pages.pageSize(),
                pages.commit(),
                pages.pgnos(),
                pages::read,
                checksumAfter);
    }

    private void append(Commit commit, boolean sync, Captured taken) {
        SpooledBody spool = commit.spool();
        boolean appended = false;
        try {
            lastSequence = shipping.log().append(commit, sync, taken);
            appended = true;
        } finally {
            if (!appended && spool != null) {
                spool.close();
            }
        }
    }

    /// A new file's switch to WAL writes page 1 outside the WAL, so it is in the history only if
    /// the first commit carries it, and every other page.
    private void requireEveryPage(CommittedPages pages) {
        int lock = LockPage.of(pages.pageSize());
        int expected = pages.commit() >= lock ? pages.commit() - 1 : pages.commit();
        if (pages.pgnos().length != expected) {
            throw new Corrupt(
                    local.walFile().toString(),
                    pages.from().offset(),
                    "first commit has %d of %d pages".formatted(pages.pgnos().length, expected));
        }
    }

    /// The highest commit that anybody could have seen until now.
    public Txid announced() {
        return new Txid(gate.announced());
    }

    /// The highest commit that is in the store.
    public Txid durable() {
        return new Txid(gate.durable());
    }

    /// Completes when `seen` is durable, on a task of the log; fails with
    /// [TenantException.OutcomeUnknown] if the log ends before, or a [#expireGates] finds it
    /// waiting for longer than [ShippingConfig#gateMax].
    public CompletableFuture<Void> gate(Txid seen) {
        var open = new CompletableFuture<Void>();
        gate.await(
                seen.value(),
                shipping.tasks().nanos() + shipping.config().gateMax().toNanos(),
                new Gate.Waiter() {
                    @Override
                    public void durable() {
                        open.complete(null);
                    }

                    @Override
                    public void failed(TenantException failure) {
                        open.completeExceptionally(failure);
                    }
                });
        return open;
    }

    /// Waits until every commit that the log has taken is resolved, however long that takes. Before
    /// that this database must not be opened anew: a commit that lands later would have the TXID of
    /// another one.
    void awaitResolved() {
        if (lastSequence == 0) {
            return;
        }
        try {
            shipping.log().flush();
            shipping.log().awaitDurable(lastSequence);
        } catch (LogEnded ended) {
            // Nothing becomes durable any more, and nobody opens anything here.
        }
    }

    /// Fails what has waited at a gate for too long.
    public void expireGates() {
        gate.expire(shipping.tasks().nanos());
    }

    /// The log has ended, or this database's commits can no longer be taken: fails every gate, now
    /// and later.
    public void stop(String why) {
        gate.shatter(new TenantException.OutcomeUnknown(why));
    }

    /// Page bytes of this database that wait for the store.
    long pendingBytes() {
        synchronized (lock) {
            return pendingBytes;
        }
    }

    /// When the oldest commit that waits for the store was captured, in ticker nanoseconds;
    /// [Deadlines#NEVER] if none waits.
    long pendingSince() {
        synchronized (lock) {
            Captured oldest = pending.peek();
            return oldest == null ? Deadlines.NEVER : oldest.at;
        }
    }

    /// Calls `action` after each commit that became durable, on a task of the log.
    void whenDurable(Runnable action) {
        whenDurable = action;
    }

    /// Bytes of the WAL up to its last commit.
    long walBytes() {
        return walBytes;
    }

    /// Bytes of the derived files that all drains since the opening have written.
    public long drainedBytes() {
        return drainedBytes;
    }

    /// Time of the last commit drained since the opening, Unix milliseconds; 0 if none was.
    public long drainedMillis() {
        return drainedMillis;
    }

    /// Size of the database after its last durable commit.
    public long databaseBytes() {
        synchronized (lock) {
            return (long) changed.commit() * local.pageSize();
        }
    }

    /// The permit holder is about to write for the first time since it got the permit: what is in
    /// the WAL now is not counted.
    void transactionBegins() {
        tap.transactionBegins();
    }

    /// A part of the open transaction was rolled back: what is in the WAL now is not counted.
    ///
    /// @param bytes limit of transactions
    void transactionWentBack(long bytes) {
        tap.transactionWentBack(bytes);
    }

    /// Whether the transaction that is open has written more than `bytes` into the WAL already;
    /// what is still in SQLite's page cache does not count, and what it has written over the
    /// leftovers of others may not. The permit holder's.
    boolean transactionBytesExceed(long bytes) {
        return tap.uncommittedExceed(bytes);
    }

    /// The same to be asked while a statement runs, by any thread. Costs a look at the size of the
    /// file, so leftovers hide all that is written over them. Made by the permit holder before the
    /// statement.
    BooleanSupplier transactionGrows(long bytes) {
        return tap.growthBeyond(bytes);
    }

    /// Whether derived files lack a commit.
    public boolean undrained() {
        synchronized (lock) {
            return owes();
        }
    }

    /// Whether a drain is due now.
    public boolean drainDue() {
        long now = shipping.tasks().nanos();
        Slot written = shipping.log().durable();
        synchronized (lock) {
            return owes() && DrainSchedule.due(owed(written), now, shipping.config()) <= now;
        }
    }

    /// When to ask [#drainDue] again, in ticker nanoseconds; [Deadlines#NEVER] if nothing is owed.
    long drainLook(long now) {
        Slot written = shipping.log().durable();
        synchronized (lock) {
            return owes()
                    ? DrainSchedule.look(owed(written), now, shipping.config())
                    : Deadlines.NEVER;
        }
    }

    private boolean owes() {
        return frozen != null || !points.isEmpty() || !pending.isEmpty();
    }

    /// @param written how far the log is durable
    private DrainSchedule.Owed owed(Slot written) {
        Slot slot = frozen == null ? firstUndrainedSlot : frozen.firstSlot;
        WalPosition end = pending.isEmpty() ? lastDurableTo() : pending.getLast().to;
        return new DrainSchedule.Owed(
                frozen == null ? firstUndrained : frozen.firstCommit,
                lastCapture,
                lastDrain,
                // After a restart of the WAL the drained position belongs to the one before.
                end.salt() == drainedTo.salt() ? end.offset() - drainedTo.offset() : end.offset(),
                slot == null ? 0 : slots(slot, written));
    }

    /// Those of an earlier part do not count again: the bound is one of slots in one part.
    private static long slots(Slot from, Slot to) {
        return from.part() == to.part() ? Math.max(0, to.number() - from.number()) : to.number();
    }

    private WalPosition lastDurableTo() {
        return lastDurable == null ? drainedTo : lastDurable.to;
    }

    /// Writes derived files of every commit that is durable now. Blocks on the store, so it belongs
    /// on a virtual thread; calls wait for one another. After a failure everything is as before:
    /// call again.
    ///
    /// @return the last TXID that derived files hold
    /// @throws dev.litefleet.replica.objects.StoreException if the store did not take it
    public Txid drain() {
        synchronized (draining) {
            for (Frozen next = freeze(); next != null; next = freeze()) {
                drainedBytes = drainedBytes + write(next);
                drainedMillis = next.input.lastMillis();
                synchronized (lock) {
                    drained = next.input.max().value();
                    drainedTo = next.to;
                    frozen = null;
                    lastDrain = shipping.tasks().nanos();
                }
                shipping.log().drained(local.key(), next.input.max());
                writePosition();
            }
            requireSameFile();
            synchronized (lock) {
                return new Txid(drained);
            }
        }
    }

    /// The drain to be written: the one that failed last, else everything that is durable.
    private @Nullable Frozen freeze() {
        synchronized (lock) {
            if (frozen != null || points.isEmpty()) {
                return frozen;
            }
            Durable last = requireDurable();
            IndexPoint end = points.getLast();
            if (end.max().value() != last.txid) {
                // The log is in the middle of telling us about a merged entry.
                return null;
            }
            var input =
                    new DrainInput(
                            changed.pageSize(),
                            changed.commitBefore(),
                            changed.commit(),
                            new Txid(drained + 1),
                            end.max(),
                            changed.source(this::readFrame),
                            end.lastMillis(),
                            end.checksumAfter(),
                            points);
            frozen = new Frozen(input, last.to, firstUndrained, requireSlot());
            changed.clear();
            points = new ArrayList<>();
            firstUndrainedSlot = null;
            firstUndrained = pending.isEmpty() ? lastCapture : pending.getFirst().at;
            return frozen;
        }
    }

    private Durable requireDurable() {
        if (lastDurable == null) {
            throw new IllegalStateException("points without a durable commit");
        }
        return lastDurable;
    }

    private Slot requireSlot() {
        if (firstUndrainedSlot == null) {
            throw new IllegalStateException("points without a slot");
        }
        return firstUndrainedSlot;
    }

    private long write(Frozen drain) {
        if (!shipping.log().reachable()) {
            // Of thousands of databases none may ask by itself whether the store is back.
            throw new Unavailable("drain " + local.key(), "the store is down", null);
        }
        try (FileChannel wal = FileChannel.open(local.walFile(), StandardOpenOption.READ)) {
            drainedWal = wal;
            drainedSalt = drain.to.salt();
            return Drain.write(shipping.store(), local.key(), drain.input, shipping.tmp());
        } catch (StoreException refused) {
            shipping.log().noAnswer();
            throw refused;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + local.walFile(), e);
        } finally {
            drainedWal = null;
        }
    }

    private void readFrame(long offset, byte[] page) {
        FileChannel wal = drainedWal;
        if (wal == null) {
            throw new IllegalStateException("pages are read outside of their drain");
        }
        ByteBuffer header = ByteBuffer.allocate(WalTap.FRAME_HEADER_BYTES);
        ByteBuffer into = ByteBuffer.wrap(page, 0, local.pageSize());
        try {
            readFully(wal, offset - header.capacity(), header);
            readFully(wal, offset, into);
            // What stands there now may be another program's: it would go into the history.
            if (header.getLong(WalTap.FRAME_SALT) != drainedSalt) {
                throw new Corrupt(
                        local.walFile().toString(), offset, "WAL was begun anew by someone else");
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + local.walFile(), e);
        }
    }

    private void readFully(FileChannel wal, long offset, ByteBuffer into) throws IOException {
        while (into.hasRemaining()) {
            if (wal.read(into, offset + into.position()) < 0) {
                throw new Corrupt(local.walFile().toString(), offset, "WAL ends within a frame");
            }
        }
    }

    /// Copies the WAL into the database file if every commit is durable and drained. The permit
    /// holder's; on a platform thread. Never waits for readers.
    public Checkpoint checkpoint() {
        synchronized (lock) {
            if (owes() || drained != captured) {
                return Checkpoint.NOT_YET;
            }
        }
        requireSameFile();
        long frames = tap.frames();
        boolean begunAnew = frames == 0;
        Checkpointed done = engine.checkpointPassive();
        if (!begunAnew && done.walFrames() != frames) {
            throw new Corrupt(
                    local.walFile().toString(),
                    tap.position().offset(),
                    "the WAL has %d frames where %d were expected: somebody else wrote or checkpointed it"
                            .formatted(done.walFrames(), frames));
        }
        if (done.busy() || done.checkpointed() < done.walFrames()) {
            return Checkpoint.HELD_BY_READER;
        }
        if (tap.fileBytes() > shipping.config().transactionBytesMax() / WAL_KEPT_FRACTION) {
            // For the disk, and because a large file hides what is written over it. If a reader is
            // in the way, the next checkpoint does it.
            engine.checkpointTruncate();
        }
        tap.checkpointed();
        walBytes = 0;
        return Checkpoint.COMPLETE;
    }

    /// Closes a database that is drained and checkpointed, and says what it is now. The caller has
    /// closed all further connections. The permit holder's, for the last time; on a platform
    /// thread.
    LocalDatabase hibernate() {
        var position = new Position(new Txid(captured), tap.checksum());
        boolean exists = captured > 0;
        close();
        if (exists) {
            tap.sums().save(local.sums());
            position(true).write(local.positionFile());
        }
        return new LocalDatabase(
                local.directory(), local.key(), position, local.pageSize(), lastMillis, exists);
    }

    /// Closes the connection and the files, whatever is owed. On a platform thread.
    public void close() {
        tap.close();
        engine.close();
    }

    /// Keeps what is not durable: links the WAL, which holds it, into the quarantine together with
    /// the position up to which the store has it. To be called before the database is closed.
    ///
    /// @return bytes kept; 0 if everything is durable
    long quarantine(Quarantine quarantine, String reason) {
        LocalPosition position;
        Txid last;
        synchronized (lock) {
            position = position(false);
            last = new Txid(gate.announced());
            if (last.compareTo(position.durable()) <= 0 || !Files.exists(local.walFile())) {
                return 0;
            }
        }
        return quarantine.keep(
                local.walFile(),
                position.json(),
                new LostCommits(
                        local.key(),
                        position.session(),
                        position.durable().next(),
                        last,
                        0,
                        reason));
    }

    private void writePosition() {
        position(false).write(local.positionFile());
    }

    /// What of this file the store has.
    private LocalPosition position(boolean clean) {
        synchronized (lock) {
            return new LocalPosition(
                    local.key(),
                    shipping.log().name().session().ulid(),
                    lastDurable == null ? local.position().txid() : new Txid(lastDurable.txid),
                    new Txid(drained),
                    lastDurableTo(),
                    clean);
        }
    }

    /// SQLite goes on writing to a file that was moved or replaced beneath it; what is at its path
    /// is then not what we ship.
    private void requireSameFile() {
        Object now = fileKey();
        if (fileKey == null || !fileKey.equals(now)) {
            throw new Corrupt(local.db().toString(), 0, "database file was replaced or removed");
        }
    }

    /// Device and inode, by stat: the file itself must not be opened (stack.md).
    private @Nullable Object fileKey() {
        try {
            return Files.readAttributes(
                            local.db(), java.nio.file.attribute.BasicFileAttributes.class)
                    .fileKey();
        } catch (IOException e) {
            return null;
        }
    }
}
