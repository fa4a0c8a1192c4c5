package dev.litefleet.replica.sim;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.DerivedFile;
import dev.litefleet.replica.history.Drain;
import dev.litefleet.replica.history.DrainInput;
import dev.litefleet.replica.history.HistoryDays;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LogRef;
import dev.litefleet.replica.history.MergeSchedule;
import dev.litefleet.replica.history.Merges;
import dev.litefleet.replica.history.Snapshotter;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.testing.PageDb;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.random.RandomGenerator;

/// A tenant in a session's hands: hydrated, written and read, drained, released.
final class Resident implements Runnable {
    private static final Duration GATE = Duration.ofSeconds(30);
    private static final int DRAINS_MAX = 3; // at once

    private final Session session;
    private final Fleet fleet;
    private final RandomGenerator random;
    private final TenantKey tenant;
    private final long number;
    private final Txid floor;
    private final List<IndexPoint> points = new ArrayList<>(); // durable, in no drain yet
    private final TreeMap<Txid, Boolean> drains = new TreeMap<>(); // by end; whether acknowledged
    private final MergeSchedule merges = new MergeSchedule();
    private boolean merging;
    private PageDb db;
    private long lastSequence;
    private long txidAtLastSequence;
    private boolean releasing;
    private boolean wroteLarge;

    Resident(Session session, TenantKey tenant, long number, Txid floor) {
        this.session = session;
        this.fleet = session.fleet;
        this.random = fleet.world.fork();
        this.tenant = tenant;
        this.number = number;
        this.floor = floor;
        this.db = PageDb.empty(tenant);
    }

    long number() {
        return number;
    }

    void release() {
        releasing = true;
    }

    @Override
    public void run() {
        var hydrated =
                session.process.persist(
                        () -> !session.ended(),
                        () -> session.process.hydrate(session.process.store, tenant, floor));
        if (hydrated.isEmpty()) {
            return;
        }
        db = fleet.opened(session, tenant, hydrated.get());
        fleet.judge.opens(session.name, tenant, db.txid(), db.checksum());
        try {
            while (!releasing) {
                if (fleet.quiet()) {
                    settle();
                    session.process.node.sleep(Duration.ofSeconds(3));
                } else if (fleet.onlyReads(session)) {
                    read(false);
                    session.process.node.sleep(Duration.ofMillis(500));
                } else {
                    work();
                }
            }
            leave();
        } catch (LogEnded over) {
            fleet.judge.shuts(session.name, tenant);
        }
    }

    private void work() {
        switch (random.nextInt(16)) {
            case 0, 1, 2, 3, 4 -> write(true);
            case 5, 6 -> write(false);
            case 7, 8 -> read(false);
            case 9 -> read(true);
            case 10 -> {
                if (random.nextInt(4) == 0) {
                    snapshot();
                }
            }
            case 11 -> session.process.node.sleep(Duration.ofMillis(random.nextInt(4000)));
            default -> session.process.node.sleep(Duration.ofMillis(random.nextInt(200)));
        }
        if (points.size() >= fleet.drainAfter(tenant)
                || fleet.is(Mutant.DRAINS_WHAT_IS_NOT_DURABLE)) {
            drain();
        }
    }

    private Commit commit() {
        long now = session.process.node.clock().millis();
        boolean large = !wroteLarge && random.nextInt(60) == 0;
        wroteLarge |= large;
        Commit commit = large ? db.writeLarge(random, now) : db.write(random, now);
        fleet.judge.made(commit, db.image());
        return commit;
    }

    private void write(boolean sync) {
        if (session.log.pendingBytes() > Fleet.LAG_BYTES_MAX) {
            // P2: writes wait, then fail.
            session.log.awaitDurable(lastSequence, GATE);
            return;
        }
        Commit commit = commit();
        long txid = db.txid();
        long checksum = db.checksum();
        long sequence = session.log.append(commit, sync, this::durable);
        lastSequence = sequence;
        txidAtLastSequence = txid;
        if (fleet.is(Mutant.ACKS_WHAT_IS_NOT_DURABLE)) {
            fleet.judge.acked(tenant, txid, checksum);
        } else if (sync) {
            Runnable answer = () -> answer(sequence, txid, checksum);
            if (random.nextBoolean()) {
                answer.run();
            } else {
                session.process.node.start("answer", answer);
            }
        }
    }

    private void answer(long sequence, long txid, long checksum) {
        try {
            if (session.log.awaitDurable(sequence, GATE)) {
                fleet.judge.acked(tenant, txid, checksum);
            }
        } catch (LogEnded over) {
            // The client gets OUTCOME_UNKNOWN.
            if (fleet.is(Mutant.NOT_FOUND_MEANS_NOT_APPLIED)
                    && over.end().filter(LogEnd.Fatal.class::isInstance).isPresent()) {
                fleet.judge.denied(tenant, txid, checksum);
            }
        }
    }

    private void durable(Slot slot, Entry entry) {
        if (points.isEmpty() || points.getLast().max().compareTo(entry.max()) < 0) {
            points.add(IndexPoint.of(new LogRef(session.name, slot), entry));
        }
    }

    private void read(boolean strong) {
        long before = fleet.judge.lastAcked(tenant);
        boolean plain = !strong && (session.leased() || fleet.is(Mutant.READS_WITHOUT_LEASE));
        if (!plain && session.log.selfCheck() != SelfCheck.ABSENT) {
            return;
        }
        long txid = db.txid();
        long checksum = db.checksum();
        boolean shown =
                fleet.is(Mutant.READS_NOT_GATED)
                        || txid != txidAtLastSequence // Nothing was written since hydration.
                        || gate();
        // A machine that slept does not know for how long its lease has run.
        long fresh = plain && fleet.slept(session) ? 0 : before;
        if (shown) {
            fleet.judge.read(tenant, txid, checksum, fresh, strong ? "strong read" : "read");
        }
    }

    private boolean gate() {
        session.log.flush();
        return session.log.awaitDurable(lastSequence, GATE);
    }

    /// Writes a derived file of what is durable, beside the tenant's work.
    private void drain() {
        if (fleet.is(Mutant.DRAINS_WHAT_IS_NOT_DURABLE)) {
            fleet.premature(session, db, DerivedFile.LEVEL_DRAIN);
        }
        long running = drains.values().stream().filter(done -> !done).count();
        if (points.isEmpty() || running >= DRAINS_MAX) {
            return;
        }
        DrainInput input = db.input(List.copyOf(points));
        points.clear();
        db.drained(input.max());
        drains.put(input.max(), false);
        if (fleet.is(Mutant.DRAINED_WHEN_SENT)) {
            session.log.drained(tenant, input.max());
        }
        session.process.node.start("drain", () -> drain(input));
    }

    private void drain(DrainInput input) {
        Optional<Long> bytes =
                session.process.persist(
                        () -> !session.ended(),
                        () ->
                                Drain.write(
                                        session.process.store,
                                        tenant,
                                        input,
                                        session.process.folder()));
        if (bytes.isEmpty()) {
            return;
        }
        merges.drained(bytes.get(), input.lastMillis());
        long databaseBytes = (long) input.commit() * PageDb.PAGE;
        drains.put(input.max(), true);
        // Drained through here only if everything before is.
        while (!drains.isEmpty() && drains.firstEntry().getValue()) {
            session.log.drained(tenant, drains.pollFirstEntry().getKey());
        }
        merge(databaseBytes);
    }

    /// As production's queue of merges does it: behind the drains, one at a time, and when one
    /// fails the next drain asks again.
    private void merge(long databaseBytes) {
        Instant now = session.process.node.clock().instant();
        if (merging || !(merges.filesDue(databaseBytes, now) || merges.indexDue())) {
            return;
        }
        merging = true;
        Process.unlessFault(() -> {
            boolean index = merges.indexDue();
            MergeSchedule.Look look = merges.look();
            if (fleet.is(Mutant.MERGES_OVER_A_GAP)) {
                fleet.mergeOverGap(session, tenant);
            }
            Merges.Done done =
                    Merges.write(
                            session.process.store,
                            tenant,
                            databaseBytes,
                            now,
                            session.process.folder());
            fleet.merged(tenant, done.standing().objects(), done.standing().bytes(), databaseBytes);
            if (index) {
                HistoryDays.merge(session.process.store, tenant);
            }
            merges.done(look, done.standing());
            return true;
        });
        merging = false;
    }

    private void snapshot() {
        if (fleet.is(Mutant.SNAPSHOT_OF_LIVE_DATABASE)) {
            fleet.premature(session, db, DerivedFile.LEVEL_SNAPSHOT);
        }
        Process.unlessFault(() -> {
            var history = LineageHistory.list(session.process.store, tenant);
            return history.coverage().value() == 0
                    ? Txid.NONE
                    : Snapshotter.write(session.process.store, history, session.process.folder());
        });
    }

    /// Until everything is durable and drained.
    private void settle() {
        if (lastSequence > 0) {
            session.log.flush();
            session.log.awaitDurable(lastSequence, Duration.ofDays(1));
        }
        while (!drains.isEmpty() || !points.isEmpty() || merging) {
            drain();
            if (session.ended()) {
                return;
            }
            session.process.node.sleep(Duration.ofMillis(200));
        }
    }

    /// W8.
    private void leave() {
        if (!fleet.is(Mutant.RELEASES_BEFORE_DRAIN)) {
            settle();
        } else if (lastSequence > 0) {
            session.log.flush();
            session.log.awaitDurable(lastSequence, Duration.ofDays(1));
        }
        if (session.ended()) {
            return;
        }
        fleet.judge.shuts(session.name, tenant);
        fleet.closed(session, tenant, db);
        session.left(tenant, number, db.txid());
    }
}
