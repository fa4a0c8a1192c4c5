package dev.litefleet.replica.log;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.PutResult;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Misconfigured;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The only writer of a session's log (W1 to W5, W9): takes the commits of all tenants, freezes
/// them into numbered bodies, creates slot after slot, at most K beyond the durable prefix, and
/// tells each commit when the prefix covers it. A part that is old or long it ends by a fence of
/// its own and goes on in the next; any other fence ends the log for ever.
///
/// Thread-safe. Works on tasks that exist only while something is pending: a log without traffic
/// has neither thread nor timer, and makes no request.
public final class CommitLog implements AutoCloseable {
    /// Hears once that the log has ended.
    public interface Listener {
        /// Called at most once, after the last `whenDurable`, on a task of the log or in the thread
        /// whose self-check met the fence; never for [CommitLog#close].
        void ended(LogEnd end);
    }

    /// Hears that one commit is durable.
    @FunctionalInterface
    public interface WhenDurable {
        /// On a task of the log, once, in the order of appends. Must be short and never throw.
        ///
        /// @param slot where the commit lies
        /// @param entry the entry that holds it, the same one for all commits merged into it
        void durable(Slot slot, Entry entry);
    }

    private static final Logger log = LoggerFactory.getLogger(CommitLog.class);

    /// What a commit costs beside its pages: headers, names and comment.
    private static final int ENTRY_BYTES = 512;

    private record Pending(Commit commit, long sequence, WhenDurable whenDurable, long nanos) {}

    private final ObjectStore store;
    private final LogName name;
    private final CommitLogConfig config;
    private final Tasks tasks;
    private final InstantSource clock;
    private final RandomGenerator random; // guarded by guard
    private final Listener listener;
    private final Progress progress;
    private final Tasks.Guard guard;

    // All guarded by guard.
    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final ArrayDeque<Batch> inFlight = new ArrayDeque<>(); // by slot; beyond the prefix
    private final ArrayDeque<Batch> deliverable = new ArrayDeque<>(); // by slot; not yet told
    private final Undrained undrained = new Undrained();
    private final RetryPace pace;
    private long lastSequence;
    private long urgentThrough; // commits up to this one do not linger
    private long pendingCost;
    private long notDurableBytes;
    private Slot next = Slot.FIRST; // in the next part while our part fence is not resolved
    private Slot durable = new Slot(1, 0); // D, in the part that is being written
    private long slots; // taken, over all parts
    private long partBegan; // on the clock of tasks
    private long answers; // times the store answered after a silence
    private boolean silent; // the last request beside the slots got no answer
    private long silentSince; // when such a request was last made, while silent
    private int unwanted; // a part that is to be ended without waiting for its next slot, or 0
    private boolean opened;
    private boolean summoned; // a task was started and has not looked yet
    private boolean lingering; // a task waits for company for the first pending commit
    private boolean delivering; // a task runs callbacks
    private boolean told; // the listener was
    private boolean closing;
    private boolean stopped;
    private @Nullable LogEnd end;

    /// @param clock for the names of blobs only
    /// @param random for body ids and back-off; unpredictable, and not shared with another thread
    public CommitLog(
            ObjectStore store,
            LogName name,
            CommitLogConfig config,
            Tasks tasks,
            InstantSource clock,
            RandomGenerator random,
            Listener listener) {
        this.store = store;
        this.name = name;
        this.config = config;
        this.tasks = tasks;
        this.clock = clock;
        this.random = random;
        this.listener = listener;
        this.guard = tasks.guard();
        this.progress = new Progress(name, tasks);
        this.pace = new RetryPace(config, random);
    }

    public LogName name() {
        return name;
    }

    /// Writes slot 1, an empty segment, and tries it a second time: a store that creates it twice
    /// is refused. Once, before anything else.
    ///
    /// @throws Misconfigured if the store does not honour put-if-absent
    /// @throws StoreException if it gave no answer for `openMax`
    /// @throws LogEnded if the log is fenced already
    public void open() {
        Batch first;
        guard.lock();
        try {
            if (!next.equals(Slot.FIRST)) {
                throw new IllegalStateException("log is open already");
            }
            first = take(new ArrayList<>());
            partBegan = tasks.nanos();
        } finally {
            guard.unlock();
        }
        long giveUp = tasks.nanos() + config.openMax().toNanos();
        FrozenBody body = freeze(first, List.of());
        settleOpening(persist(() -> SlotOutcome.attempt(store, name, body), giveUp), body);
        settleOpening(persist(() -> tryAgain(body), giveUp), body);
        guard.lock();
        try {
            opened = true;
        } finally {
            guard.unlock();
        }
        landed(first);
    }

    private SlotOutcome tryAgain(FrozenBody body) {
        try {
            return switch (store.putIfAbsent(body.slot().key(name), body.object())) {
                case PutResult.Occupied() ->
                        SlotOutcome.of(SlotOutcome.look(store, name, body), body.id());
                case PutResult.Created() ->
                        SlotOutcome.of(
                                new SlotOutcome.Seen.Refused(
                                        new Misconfigured(
                                                "put " + body.slot().key(name),
                                                "created a second time",
                                                null)),
                                body.id());
            };
        } catch (StoreException answer) {
            return SlotOutcome.of(new SlotOutcome.Seen.Refused(answer), body.id());
        }
    }

    private void settleOpening(SlotOutcome outcome, FrozenBody body) {
        switch (outcome) {
            case SlotOutcome.Ours() -> {}
            case SlotOutcome.Unknown(StoreException answer) -> throw answer;
            case SlotOutcome.Fenced(FenceObject fence) -> {
                end(new LogEnd.Fenced(body.slot(), fence.by(), fence.epoch()));
                throw new LogEnded(name, end());
            }
            case SlotOutcome.Fatal(String answer) -> {
                end(new LogEnd.Fatal(answer));
                throw new Misconfigured("put " + body.slot().key(name), answer, null);
            }
        }
    }

    /// Takes a commit for the next segment. Never blocks on I/O.
    ///
    /// @param sync whether somebody waits for it: it goes as soon as a window place is free
    /// @param whenDurable runs once, in the order of appends, on a task of the log, when the commit
    ///   is durable; never if the log ends before. Keep it short.
    /// @return the commit's number in this session, from 1
    /// @throws LogEnded after the log was fenced or closed; the commit stays the caller's then, and
    ///   with it its spool
    public long append(Commit commit, boolean sync, WhenDurable whenDurable) {
        long now = tasks.nanos();
        guard.lock();
        try {
            if (end != null || closing) {
                throw new LogEnded(name, end);
            }
            if (!opened) {
                throw new IllegalStateException("log is not open");
            }
            undrained.appended(commit);
            long sequence = ++lastSequence;
            pending.add(new Pending(commit, sequence, whenDurable, now));
            pendingCost += cost(commit);
            notDurableBytes += commit.pageBytes();
            if (sync) {
                urgentThrough = sequence;
            }
            summon(now);
            return sequence;
        } finally {
            guard.unlock();
        }
    }

    /// What was appended until now goes at once, as if somebody waited for it.
    public void flush() {
        guard.lock();
        try {
            urgentThrough = lastSequence;
            summon(tasks.nanos());
        } finally {
            guard.unlock();
        }
    }

    /// Ends `part` now, as its age would at its next commit (W9): somebody wants to delete what is
    /// in it. Does nothing if another part is written by now, or the log has ended, so it may be
    /// asked late and again. Never blocks; [#durable] names the next part when it is done.
    public void endPart(int part) {
        guard.lock();
        try {
            if (opened && part == next.part()) {
                unwanted = part;
                summon(tasks.nanos());
            }
        } finally {
            guard.unlock();
        }
    }

    /// Waits until this commit and all before it are durable and have been told so.
    ///
    /// @throws LogEnded if the log ended before
    public void awaitDurable(long sequence) {
        progress.await(sequence, null);
    }

    /// As [#awaitDurable(long)] with a limit.
    ///
    /// @return false if the time ran out; the commit may still become durable
    /// @throws LogEnded if the log ended before
    public boolean awaitDurable(long sequence, Duration max) {
        return progress.await(sequence, max);
    }

    /// Page bytes of the commits that are not durable yet.
    public long pendingBytes() {
        guard.lock();
        try {
            return notDurableBytes;
        } finally {
            guard.unlock();
        }
    }

    /// The end of the durable prefix, in the part that is being written. A part is named here, and
    /// so in a heartbeat, only once the fence before it is resolved ours; number 0 means that
    /// nothing of it is durable yet.
    public Slot durable() {
        guard.lock();
        try {
            return durable;
        } finally {
            guard.unlock();
        }
    }

    /// How many slots it has opened, over all parts.
    public long slots() {
        guard.lock();
        try {
            return slots;
        } finally {
            guard.unlock();
        }
    }

    /// The derived files of `tenant` are acknowledged by the store up to and including `through`.
    public void drained(TenantKey tenant, Txid through) {
        guard.lock();
        try {
            undrained.drained(tenant, through);
        } finally {
            guard.unlock();
        }
    }

    /// No slot before this one holds a commit that derived files may lack.
    public Slot undrainedFrom() {
        guard.lock();
        try {
            return undrained.from(next);
        } finally {
            guard.unlock();
        }
    }

    /// Whether it is worth asking the store for what can wait, such as a drain or a hydration.
    /// While the store is down a session asks it once each `retrySpacing` and no more, whatever it
    /// has to do: by sending a slot again if one is in flight, else by a read of its next slot,
    /// here. Blocks until that is due.
    public boolean reachable() {
        guard.lock();
        try {
            long since = silentSince;
            while (silent && !over() && !pace.down()) {
                if (silentSince != since) {
                    return false; // Somebody else has asked meanwhile.
                }
                long left = since + config.retrySpacing().toNanos() - tasks.nanos();
                if (left <= 0) {
                    break;
                }
                guard.await(Duration.ofNanos(left));
            }
            if (over()) {
                return true; // Nobody else will find out.
            }
            if (pace.down() || !silent) {
                return !pace.down();
            }
        } finally {
            guard.unlock();
        }
        return selfCheck() == SelfCheck.ABSENT;
    }

    /// A request of this session that has nothing to do with its slots got no answer.
    public void noAnswer() {
        guard.lock();
        try {
            silent = true;
            silentSince = tasks.nanos();
        } finally {
            guard.unlock();
        }
    }

    /// Looks whether this session still owns its log, by reading its next slot: one GET, after what
    /// is in flight has been resolved. None within `retrySpacing` of a request without answer.
    public SelfCheck selfCheck() {
        long deadline = tasks.nanos() + config.checkMax().toNanos();
        Slot look;
        guard.lock();
        try {
            // Slots from here on are attempted after this check began. While our part fence is
            // unresolved that is slot 1 of the next part: a fencer may be there already.
            Slot first = next;
            while (end == null && !stopped && !inFlight.isEmpty() && durable.compareTo(first) < 0) {
                long left = deadline - tasks.nanos();
                if (left <= 0) {
                    return SelfCheck.UNREACHABLE;
                }
                guard.await(Duration.ofNanos(left));
            }
            if (end != null || stopped) {
                return SelfCheck.FENCED;
            }
            if (durable.compareTo(first) >= 0) {
                return SelfCheck.ABSENT; // The slot was free, and all below it ours, since then.
            }
            if (silent) {
                long now = tasks.nanos();
                if (now - silentSince < config.retrySpacing().toNanos()) {
                    return SelfCheck.UNREACHABLE;
                }
                silentSince = now; // For those who come while this one waits.
            }
            look = next;
        } finally {
            guard.unlock();
        }
        try {
            Optional<SlotObject> found = SegmentReader.read(store, name, look);
            heard();
            return judge(look, found);
        } catch (StoreException noAnswer) {
            noAnswer();
            return SelfCheck.UNREACHABLE;
        } catch (ReplicaException unreadable) {
            end(new LogEnd.Fatal(unreadable.toString()));
            return SelfCheck.FENCED;
        }
    }

    private void heard() {
        guard.lock();
        try {
            silent = false;
            guard.signalAll();
        } finally {
            guard.unlock();
        }
    }

    private SelfCheck judge(Slot slot, Optional<SlotObject> found) {
        return switch (found.orElse(null)) {
            case null -> SelfCheck.ABSENT;
            // Attempted since the check began, so until then nothing stood there.
            case SlotObject object when attempted(slot, object.body()) -> SelfCheck.ABSENT;
            case SegmentReader segment -> {
                end(new LogEnd.Fatal(slot + " holds a segment not ours: " + segment.body()));
                yield SelfCheck.FENCED;
            }
            case FenceObject fence -> {
                end(new LogEnd.Fenced(slot, fence.by(), fence.epoch()));
                yield SelfCheck.FENCED;
            }
        };
    }

    private boolean attempted(Slot slot, BodyId body) {
        guard.lock();
        try {
            return durable.compareTo(slot) >= 0
                    || inFlight.stream()
                            .anyMatch(
                                    batch -> batch.slot().equals(slot) && batch.id().equals(body));
        } finally {
            guard.unlock();
        }
    }

    /// Sends what is pending, waits for it at most `max`, and stops. Nothing that was not durable
    /// by then is reported to anyone.
    public void close(Duration max) {
        long last;
        guard.lock();
        try {
            closing = true;
            urgentThrough = last = lastSequence;
            summon(tasks.nanos());
        } finally {
            guard.unlock();
        }
        boolean complete = progress.reached(last, max);
        List<Pending> dropped;
        guard.lock();
        try {
            stopped = true;
            dropped = List.copyOf(pending);
            pending.clear();
            guard.signalAll();
        } finally {
            guard.unlock();
        }
        dropped.forEach(unsent -> unsent.commit().discard());
        progress.end(null);
        if (!complete) {
            log.atWarn().addKeyValue("log", name).log("commit log closed with commits not durable");
        }
    }

    @Override
    public void close() {
        close(config.closeMax());
    }

    /// Sees to it that a task takes what is pending, if there is a place for it. Holds the lock.
    private void summon(long now) {
        if (!isDue() || mustWait(now) || summoned || over()) {
            return;
        }
        if (!lingering) {
            summoned = true;
            tasks.start("ship " + name, this::ship);
        } else if (lingerLeft(now) <= 0) {
            guard.signalAll();
        }
    }

    /// One task: takes batches as long as there are any, and sends each.
    private void ship() {
        try {
            for (Batch batch = nextBatch(); batch != null; batch = nextBatch()) {
                send(batch);
            }
        } catch (RuntimeException | Error broken) {
            // The slot can never be resolved now, so the log cannot go on.
            log.atError().setCause(broken).addKeyValue("log", name).log("commit log broke");
            end(new LogEnd.Fatal("commit log broke: " + broken));
        }
    }

    /// What goes into the next slot, after lingering for it; null if another task sees to that or
    /// nothing is there to do.
    private @Nullable Batch nextBatch() {
        guard.lock();
        try {
            summoned = false;
            for (long now = tasks.nanos();
                    !over() && isDue() && !mustWait(now);
                    now = tasks.nanos()) {
                long left = lingerLeft(now);
                if (left <= 0) {
                    Batch batch = partOver(now) ? endPart() : take(cut());
                    summon(now);
                    return batch;
                }
                if (lingering) {
                    return null;
                }
                lingering = true;
                try {
                    guard.await(Duration.ofNanos(left));
                } finally {
                    lingering = false;
                }
            }
            return null;
        } finally {
            guard.unlock();
        }
    }

    /// Whether there is anything to write.
    private boolean isDue() {
        return !pending.isEmpty() || partUnwanted();
    }

    /// Whether somebody has asked for the end of this part. A part has at least one segment.
    private boolean partUnwanted() {
        return unwanted == next.part() && next.number() > 1 && next.part() < Slot.PART_MAX;
    }

    /// How long the first pending commit may still wait for company, in nanoseconds.
    private long lingerLeft(long now) {
        if (partUnwanted()) {
            return 0;
        }
        Pending first = pending.element();
        return first.sequence() <= urgentThrough || pendingCost >= config.segmentBytesMax()
                ? 0
                : config.linger().toNanos() - (now - first.nanos());
    }

    /// Whether something in flight must be resolved before anything more is attempted; then whoever
    /// resolves it looks again.
    private boolean mustWait(long now) {
        // W9: the fence of the part before the next slot's is not resolved.
        return next.part() != durable.part()
                // W2: "at most K unresolved" lets slot K+2 go while slot 1 is unresolved.
                || next.number() > durable.number() + config.window()
                // W9: only an empty window is closed by a part fence.
                || (partOver(now) && !inFlight.isEmpty());
    }

    /// Whether the next slot is the part fence's. A part has at least one segment.
    private boolean partOver(long now) {
        return partUnwanted()
                || (next.number() > 1
                        && next.part() < Slot.PART_MAX
                        && (next.number() > config.partSlotsMax()
                                || now - partBegan >= config.partMax().toNanos()));
    }

    /// The first pending commits, up to a segment's size, but at least one.
    private List<Pending> cut() {
        var commits = new ArrayList<Pending>();
        long cost = 0;
        for (Pending first = pending.peek();
                first != null
                        && commits.size() < Segment.ENTRIES_MAX
                        && (commits.isEmpty()
                                || cost + cost(first.commit()) <= config.segmentBytesMax());
                first = pending.peek()) {
            commits.add(pending.remove());
            cost += cost(first.commit());
        }
        pendingCost -= cost;
        return commits;
    }

    /// Gives the next slot to these commits.
    private Batch take(List<Pending> commits) {
        Slot slot = next;
        next = slot.next();
        slots++;
        Slot undrainedFrom = undrained.from(slot);
        undrained.taken(slot);
        var batch =
                new Batch(
                        slot,
                        BodyId.draw(random),
                        undrainedFrom,
                        commits.isEmpty() ? 0 : commits.getLast().sequence(),
                        commits.stream().map(Pending::commit).toList(),
                        commits.stream().map(Pending::whenDurable).toList());
        inFlight.add(batch);
        return batch;
    }

    /// Gives the next slot to the fence that ends the part, with nothing else in flight.
    private Batch endPart() {
        Batch fence = Batch.partFence(next, BodyId.draw(random));
        next = Slot.firstOf(next.part() + 1);
        slots++;
        inFlight.add(fence);
        return fence;
    }

    private void send(Batch batch) {
        if (batch.endsPart()) {
            send(batch, partFence(batch));
            return;
        }
        List<SpooledBody> spools = batch.spools();
        LtxBodies encoded;
        List<Segment.Body> bodies;
        try {
            encoded = LtxBodies.of(batch.giveCommits());
            bodies = withBlobs(encoded.bodies());
        } finally {
            // In the store, in memory, or never to be sent.
            spools.forEach(SpooledBody::close);
        }
        if (bodies == null) {
            return; // The log ended while a blob was on its way.
        }
        batch.in(Arrays.stream(encoded.places()).mapToObj(i -> bodies.get(i).entry()).toList());
        send(batch, freeze(batch, bodies));
    }

    private FrozenBody partFence(Batch batch) {
        var fence = new FenceObject(batch.id(), name.session().ulid(), 0, batch.prefix().part());
        return new FrozenBody(batch.slot(), batch.id(), Fence.encode(fence));
    }

    private void send(Batch batch, FrozenBody body) {
        switch (persist(() -> SlotOutcome.attempt(store, name, body), Long.MAX_VALUE)) {
            case SlotOutcome.Ours() -> landed(batch);
            case SlotOutcome.Unknown(_) -> {} // The log ended or was closed meanwhile.
            case SlotOutcome.Fenced(FenceObject fence) ->
                    end(new LogEnd.Fenced(batch.slot(), fence.by(), fence.epoch()));
            case SlotOutcome.Fatal(String answer) ->
                    end(new LogEnd.Fatal(answer + " [slot=" + batch.slot().key(name) + "]"));
        }
    }

    /// From here on the slot has this body and no other.
    private FrozenBody freeze(Batch batch, List<Segment.Body> bodies) {
        guard.lock();
        try {
            undrained.holds(batch.slot(), bodies.stream().map(Segment.Body::entry).toList());
        } finally {
            guard.unlock();
        }
        var comment =
                new Segment.Comment(
                        batch.id(), name, batch.slot(), config.window(), batch.undrainedFrom());
        return new FrozenBody(batch.slot(), batch.id(), Segment.encode(comment, bodies));
    }

    /// Uploads what is too large for a segment; null if the log ended meanwhile.
    private @Nullable List<Segment.Body> withBlobs(List<Segment.Body> bodies) {
        var light = new ArrayList<Segment.Body>(bodies.size());
        for (Segment.Body body : bodies) {
            ObjectBody content = body.content();
            if (content.length() <= config.blobBytes()) {
                light.add(new Segment.Body(body.entry(), bytes(content)));
                continue;
            }
            String key = name.blobPrefix() + drawUlid() + ".ltx";
            switch (persist(() -> SlotOutcome.attemptBlob(store, key, content), Long.MAX_VALUE)) {
                case SlotOutcome.Ours() -> {}
                case SlotOutcome.Unknown(_), SlotOutcome.Fenced(_) -> {
                    return null;
                }
                case SlotOutcome.Fatal(String answer) -> {
                    end(new LogEnd.Fatal(answer + " [blob=" + key + "]"));
                    return null;
                }
            }
            Entry entry = body.entry().inBlob(new Entry.Blob(key));
            light.add(new Segment.Body(entry, new byte[0]));
        }
        return light;
    }

    private static byte[] bytes(ObjectBody content) {
        try {
            return content.bytes();
        } catch (IOException lost) {
            throw new UncheckedIOException("cannot read a spooled body", lost);
        }
    }

    private String drawUlid() {
        guard.lock();
        try {
            return Ulids.draw(clock, random);
        } finally {
            guard.unlock();
        }
    }

    /// Attempts again, with pauses and without conclusions, until the outcome is known; an unknown
    /// outcome is returned only when the log is over or the time has run out.
    private SlotOutcome persist(Supplier<SlotOutcome> attempt, long giveUpNanos) {
        while (true) {
            SlotOutcome outcome = attempt.get();
            if (!(outcome instanceof SlotOutcome.Unknown(StoreException answer))) {
                answered();
                return outcome;
            }
            if (!pause(answer, giveUpNanos)) {
                return outcome;
            }
        }
    }

    private void answered() {
        guard.lock();
        try {
            if (silent) {
                silent = false;
                guard.signalAll();
            }
            if (pace.answered()) {
                answers++;
                guard.signalAll();
                log.atInfo().addKeyValue("log", name).log("store answered again");
            }
        } finally {
            guard.unlock();
        }
    }

    /// Waits until the next retry is due; false if there is to be none.
    private boolean pause(StoreException answer, long giveUpNanos) {
        guard.lock();
        try {
            long now = tasks.nanos();
            if (pace.failures() == 0) {
                log.atWarn()
                        .addKeyValue("log", name)
                        .addKeyValue("answer", answer.getMessage())
                        .log("store gave no answer");
            }
            long at = pace.nextRetry(now);
            long heard = answers;
            if (giveUpNanos != Long.MAX_VALUE && at - giveUpNanos > 0) {
                return false;
            }
            for (long left = at - now;
                    left > 0 && answers == heard && !over();
                    left = at - tasks.nanos()) {
                guard.await(Duration.ofNanos(left));
            }
            return !over();
        } finally {
            guard.unlock();
        }
    }

    private boolean over() {
        return end != null || stopped;
    }

    private void landed(Batch batch) {
        guard.lock();
        try {
            batch.resolve();
            if (over()) {
                return; // Landed or not, after the end nothing is durable by our word.
            }
            // W4: a slot above an unresolved one means nothing yet.
            for (Batch first = inFlight.peek();
                    first != null && first.resolved();
                    first = inFlight.peek()) {
                deliverable.add(inFlight.remove());
                durable = first.prefix();
                notDurableBytes -= first.pageBytes();
                if (first.endsPart()) {
                    partBegan = tasks.nanos();
                }
            }
            guard.signalAll();
            summon(tasks.nanos()); // The next batch need not wait for the callbacks.
        } finally {
            guard.unlock();
        }
        deliver();
    }

    private void end(LogEnd why) {
        List<Pending> dropped;
        guard.lock();
        try {
            if (over()) {
                return;
            }
            end = why;
            dropped = List.copyOf(pending);
            pending.clear();
            guard.signalAll();
        } finally {
            guard.unlock();
        }
        dropped.forEach(unsent -> unsent.commit().discard());
        log.atError().addKeyValue("log", name).addKeyValue("end", why).log("commit log ended");
        deliver();
    }

    private @Nullable LogEnd end() {
        guard.lock();
        try {
            return end;
        } finally {
            guard.unlock();
        }
    }

    /// Runs the callbacks of what is durable, and at the very end the listener: one task at a time,
    /// in order, without the lock.
    private void deliver() {
        guard.lock();
        try {
            if (delivering) {
                return; // Whoever delivers sees what has been added.
            }
            delivering = true;
            try {
                while (true) {
                    Batch batch = deliverable.poll();
                    if (batch != null) {
                        unlocked(() -> tell(batch));
                    } else if (end != null && !told) {
                        LogEnd why = end;
                        told = true;
                        unlocked(() -> tell(why));
                    } else {
                        return;
                    }
                }
            } finally {
                delivering = false;
            }
        } finally {
            guard.unlock();
        }
    }

    private void unlocked(Runnable action) {
        guard.unlock();
        try {
            action.run();
        } finally {
            guard.lock();
        }
    }

    private void tell(Batch batch) {
        batch.tell(broken ->
                log.atError().setCause(broken).addKeyValue("log", name).log("callback failed"));
        progress.reach(batch.lastSequence());
    }

    private void tell(LogEnd why) {
        progress.end(why);
        listener.ended(why);
    }

    private static long cost(Commit commit) {
        return commit.pageBytes() + ENTRY_BYTES;
    }
}
