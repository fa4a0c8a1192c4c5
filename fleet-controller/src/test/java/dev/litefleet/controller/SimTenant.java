package dev.litefleet.controller;

import dev.litefleet.controller.catalog.Waiting;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Drain;
import dev.litefleet.replica.history.DrainInput;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LogRef;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.SelfCheck;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.testing.PageDb;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/// A tenant in a worker's hands: hydrated, written and read plainly, drained, released.
final class SimTenant implements Runnable {
    private static final Duration GATE = Duration.ofSeconds(30);
    private static final int DRAIN_AFTER = 3;

    private final SimWorker worker;
    private final SimFleet fleet;
    private final SimProcess process;
    private final RandomGenerator random;
    private final TenantKey key;
    private final long number;
    private final Txid floor;
    private final List<IndexPoint> points = new ArrayList<>(); // durable, not drained
    private PageDb db;
    private long lastSequence;
    private long txidAtLastSequence;
    private boolean releasing;

    SimTenant(SimWorker worker, TenantKey key, long number, Txid floor) {
        this.worker = worker;
        this.fleet = worker.fleet;
        this.process = worker.process;
        this.random = fleet.world.fork();
        this.key = key;
        this.number = number;
        this.floor = floor;
        this.db = PageDb.empty(key);
    }

    @Override
    public String toString() {
        return key + " " + number + (releasing ? " releasing" : "");
    }

    TenantKey key() {
        return key;
    }

    long number() {
        return number;
    }

    boolean releasing() {
        return releasing;
    }

    void release() {
        releasing = true;
    }

    @Override
    public void run() {
        var hydrated = process.persist(() -> !worker.ended(), this::hydrate);
        if (hydrated.isEmpty()) {
            return;
        }
        db = hydrated.get();
        fleet.judge.opens(worker.name, key, db.txid(), db.checksum());
        try {
            while (!releasing && !worker.ended()) {
                if (fleet.onlyReads(worker)) {
                    read();
                    process.node().sleep(Duration.ofMillis(150));
                } else {
                    work();
                }
            }
            leave();
        } catch (LogEnded over) {
            fleet.judge.shuts(worker.name, key);
        }
    }

    private PageDb hydrate() {
        LineageHistory history = LineageHistory.list(process.store(), key).requireCoverage(floor);
        if (history.coverage().value() == 0) {
            return PageDb.empty(key);
        }
        Path file = process.folder().resolve(key.tenant() + "-" + number + ".db");
        try {
            Hydrated hydrated =
                    Hydrator.hydrate(
                            process.store(),
                            RestorePlan.latest(history),
                            file,
                            Hydrator.Limits.DEFAULT,
                            process.node(),
                            Progress.NONE);
            byte[] image = Files.readAllBytes(file);
            Files.delete(file);
            return PageDb.of(key, hydrated, image);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    private void work() {
        switch (random.nextInt(8)) {
            case 0, 1 -> write();
            case 2, 3, 4 -> read();
            default -> process.node().sleep(Duration.ofMillis(random.nextInt(1500)));
        }
        if (points.size() >= DRAIN_AFTER) {
            SimProcess.unlessFault(this::drain);
        }
    }

    /// In sync durability.
    private void write() {
        Commit commit = db.write(random, process.node().clock().millis());
        fleet.judge.made(key, db.txid(), db.checksum());
        long txid = db.txid();
        long checksum = db.checksum();
        lastSequence = worker.log.append(commit, true, this::durable);
        txidAtLastSequence = txid;
        if (worker.log.awaitDurable(lastSequence, GATE)) {
            fleet.judge.acked(key, txid, checksum);
        }
    }

    private void durable(Slot slot, Entry entry) {
        if (points.isEmpty() || points.getLast().max().compareTo(entry.max()) < 0) {
            points.add(IndexPoint.of(new LogRef(worker.name, slot), entry));
        }
    }

    /// Plainly: at once under a lease, else after a look at the log.
    private void read() {
        long before = fleet.judge.lastAcked(key);
        boolean leased = worker.lease.covers();
        if (!leased && Waiting.await(process.node(), worker.lease.check()) != SelfCheck.ABSENT) {
            return;
        }
        long txid = db.txid();
        if (txid == txidAtLastSequence && !worker.log.awaitDurable(lastSequence, GATE)) {
            return;
        }
        // A machine that slept does not know for how long its lease has run.
        boolean sure = !leased || !fleet.slept(worker);
        fleet.judge.read(key, txid, db.checksum(), sure ? before : 0);
    }

    private boolean drain() {
        if (!points.isEmpty()) {
            DrainInput input = db.input(List.copyOf(points));
            Drain.write(process.store(), key, input, process.folder());
            points.removeIf(point -> point.max().compareTo(input.max()) <= 0);
            db.drained(input.max());
            worker.log.drained(key, input.max());
        }
        return points.isEmpty();
    }

    /// W8.
    private void leave() {
        if (lastSequence > 0) {
            worker.log.flush();
            worker.log.awaitDurable(lastSequence, Duration.ofDays(1));
        }
        while (!fleet.is(FleetMutant.RELEASES_BEFORE_DRAIN)
                && !process.persist(() -> !worker.ended(), this::drain).orElse(worker.ended())) {
            process.node().sleep(Duration.ofMillis(100));
        }
        if (!worker.ended()) {
            fleet.judge.shuts(worker.name, key);
            worker.left(this, db.txid());
        }
    }
}
