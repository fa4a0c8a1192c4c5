package dev.litefleet.worker.tenant;

import static org.assertj.core.api.Assertions.assertThat;

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
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimObjectStore.Verb;
import dev.litefleet.testing.SimTasks;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.api.io.TempDir;

/// What a worker asks of the store, counted, for one load profile each, in virtual time: the real
/// commit log, drain and drain schedule, between pages as SQLite would write them and a store that
/// answers after about 20 ms.
///
/// Databases have three pages of 4 KiB that do not compress, and a commit writes one of them and
/// the first: a table and its freshly changed header.
final class BudgetSim {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final int PAGE = 4096;
    private static final int PAGES = 3;
    private static final Duration A_MOMENT = Duration.ofSeconds(10);

    @TempDir private Path tmp;

    /// A worker and its tenants.
    private static final class Load {
        private final SimTasks world;
        private final SimTasks.Node node;
        private final SimObjectStore.Link link;
        private final CommitLog log;
        private final Path tmp;
        private int commits;
        private int drains;

        private Load(SimTasks world, Path tmp) {
            this.world = world;
            this.tmp = tmp;
            node = world.node("worker");
            var store = new SimObjectStore(world, 0, (_, _) -> {});
            store.prompt();
            link = store.link();
            log =
                    new CommitLog(
                            link,
                            LOG,
                            CommitLogConfig.DEFAULT,
                            node,
                            world.clock(),
                            world.fork(),
                            end -> world.fail(new AssertionError("log ended: " + end)));
        }

        private int requests() {
            return link.count();
        }

        private double requestsPerCommit() {
            return (double) requests() / commits;
        }

        /// Log and drains; the pages of one commit are 8 KiB.
        private long bytesPerCommit() {
            return link.bytesSent() / commits;
        }

        private List<Tenant> tenants(int count) {
            return IntStream.range(0, count).mapToObj(i -> new Tenant(this, i)).toList();
        }
    }

    /// A database that is written and drained.
    private static final class Tenant {
        private final Load load;
        private final TenantKey key;
        private final RandomGenerator random;
        private final DatabaseChecksum sums = new DatabaseChecksum(PAGE);
        private final List<byte[]> wal = new ArrayList<>();
        private final List<IndexPoint> points = new ArrayList<>(); // durable
        private ChangedPages changed = new ChangedPages(PAGE, 0);
        private Txid txid = Txid.NONE;
        private long firstCommit;
        private long lastCommit;
        private long lastDrain = DrainSchedule.NO_DRAIN;
        private long firstSlot;
        private boolean scheduled;

        private Tenant(Load load, int number) {
            this.load = load;
            this.random = load.world.fork();
            this.key =
                    new TenantKey(
                            new TenantId("agent-" + number),
                            new Lineage("01JD0000000000000000000000"));
        }

        private long write(boolean sync) {
            int[] pgnos =
                    txid.value() == 0 ? new int[] {1, 2, 3} : new int[] {1, 2 + random.nextInt(2)};
            byte[] pages = new byte[pgnos.length * PAGE];
            random.nextBytes(pages);
            long[] places = new long[pgnos.length];
            for (int i = 0; i < places.length; i++) {
                places[i] = wal.size();
                byte[] page = new byte[PAGE];
                System.arraycopy(pages, i * PAGE, page, 0, PAGE);
                wal.add(page);
            }
            changed.commit(PAGES, pgnos, places);
            long before = sums.value();
            long after = sums.apply(PAGES, pgnos, pages);
            long now = load.node.nanos();
            firstCommit = scheduled ? firstCommit : now;
            lastCommit = now;
            txid = txid.next();
            long millis = load.world.clock().millis();
            var commit =
                    new Commit(
                            key, txid, millis, PAGE, PAGES, pgnos, pages, before, after, null, null,
                            null);
            load.commits++;
            if (!scheduled) {
                scheduled = true;
                firstSlot = load.log.durable().number();
                load.node.start("drain", this::drainWhenDue);
            }
            return load.log.append(commit, sync, this::durable);
        }

        private void durable(Slot slot, Entry entry) {
            if (points.isEmpty() || points.getLast().max().compareTo(entry.max()) < 0) {
                points.add(IndexPoint.of(new LogRef(LOG, slot), entry));
            }
        }

        private void drainWhenDue() {
            while (true) {
                long now = load.node.nanos();
                var owed =
                        new DrainSchedule.Owed(
                                firstCommit,
                                lastCommit,
                                lastDrain,
                                (long) wal.size() * PAGE,
                                load.log.durable().number() - firstSlot);
                if (DrainSchedule.due(owed, now, ShippingConfig.DEFAULT) <= now) {
                    break;
                }
                long look = DrainSchedule.look(owed, now, ShippingConfig.DEFAULT);
                load.node.sleep(Duration.ofNanos(look - now));
            }
            while (points.isEmpty() || points.getLast().max().compareTo(txid) < 0) {
                load.log.flush();
                load.node.sleep(Duration.ofMillis(20));
            }
            Drain.write(load.link, key, input(), load.tmp);
            load.drains++;
            load.log.drained(key, txid);
            lastDrain = load.node.nanos();
            scheduled = false;
        }

        private DrainInput input() {
            ChangedPages drained = changed;
            List<byte[]> frames = List.copyOf(wal);
            var input =
                    new DrainInput(
                            PAGE,
                            drained.commitBefore(),
                            PAGES,
                            points.getFirst().min(),
                            txid,
                            drained.source((place, page) ->
                                    System.arraycopy(frames.get((int) place), 0, page, 0, PAGE)),
                            points.getLast().lastMillis(),
                            sums.value(),
                            points);
            points.clear();
            wal.clear();
            changed = new ChangedPages(PAGE, PAGES);
            return input;
        }
    }

    private interface Profile {
        void play(Load load);
    }

    /// Plays a profile after the log was opened, and reports what it cost.
    private Load play(TestReporter reporter, Profile profile) {
        var loads = new ArrayList<Load>();
        SimTasks.run(
                1,
                world -> {
                    var load = new Load(world, tmp);
                    load.log.open();
                    int opening = load.requests();
                    assertThat(opening).isLessThanOrEqualTo(3);
                    loads.add(load);
                    profile.play(load);
                });
        Load load = loads.getFirst();
        reporter.publishEntry(
                "cost",
                "%d commits, %d requests, %d PUTs, %d drains, %d bytes"
                        .formatted(
                                load.commits,
                                load.requests(),
                                load.link.count(Verb.PUT),
                                load.drains,
                                load.link.bytesSent()));
        assertThat(load.link.count(Verb.LIST)).isZero();
        assertThat(load.link.count(Verb.DELETE)).isZero();
        return load;
    }

    @Test
    void idleIsFree(TestReporter reporter) {
        play(
                reporter,
                load -> {
                    load.tenants(50).forEach(tenant -> tenant.write(true));
                    load.world.sleep(Duration.ofMinutes(10));
                    int before = load.requests();
                    long steps = load.world.steps();

                    load.world.sleep(Duration.ofHours(24));

                    assertThat(load.requests()).isEqualTo(before);
                    assertThat(load.world.steps() - steps).isOne(); // Nobody even woke up.
                });
    }

    @Test
    void oneWriteAMinuteCostsSixtySegmentsTwelveDrainsAndAMebibyteAnHour(TestReporter reporter) {
        play(
                reporter,
                load -> {
                    Tenant tenant = load.tenants(1).getFirst();
                    tenant.write(true);
                    // The first drain is behind us, and none is under way.
                    load.world.sleep(Duration.ofMinutes(6).plus(A_MOMENT));
                    int puts = load.link.count(Verb.PUT);
                    long bytes = load.link.bytesSent();
                    int drains = load.drains;

                    for (int minute = 0; minute < 60; minute++) {
                        tenant.write(true);
                        load.world.sleep(Duration.ofMinutes(1));
                    }
                    load.world.sleep(A_MOMENT);

                    int drained = load.drains - drains;
                    int all = load.link.count(Verb.PUT) - puts;
                    assertThat(drained).isBetween(1, 12);
                    // Segments, and the fence of a part that is an hour old.
                    assertThat(all - 2 * drained).isLessThanOrEqualTo(60 + 1);
                    assertThat(load.link.bytesSent() - bytes).isLessThanOrEqualTo(1 << 20);
                });
    }

    @Test
    void tenantsOfAWorkerShareItsSegments(TestReporter reporter) {
        play(
                reporter,
                load -> {
                    List<Tenant> tenants = load.tenants(100);
                    load.world.sleep(Duration.ofMinutes(1));

                    for (int minute = 0; minute < 60; minute++) {
                        tenants.forEach(tenant -> tenant.write(false));
                        load.world.sleep(Duration.ofMinutes(1));
                    }

                    int segments = load.link.count(Verb.PUT) - 2 * load.drains;
                    // One a minute by lingering, and what drains flush.
                    assertThat(segments).isLessThanOrEqualTo(2 + 60 + 12);
                    assertThat(load.drains).isLessThanOrEqualTo(100 * 13);
                    assertThat(load.bytesPerCommit()).isLessThanOrEqualTo(12_000);
                });
    }

    @Test
    void tenWritesASecondWaitForCompany(TestReporter reporter) {
        Load async = play(reporter, load -> steadily(load, false));

        assertThat(async.requestsPerCommit()).isLessThanOrEqualTo(0.12);
        assertThat(async.bytesPerCommit()).isLessThanOrEqualTo(9_000);

        Load sync = play(reporter, load -> steadily(load, true));

        assertThat(sync.requestsPerCommit()).isLessThanOrEqualTo(1.01);
        assertThat(sync.bytesPerCommit()).isLessThanOrEqualTo(9_200);
    }

    private static void steadily(Load load, boolean sync) {
        Tenant tenant = load.tenants(1).getFirst();
        for (int i = 0; i < 10 * 600; i++) {
            tenant.write(sync);
            load.world.sleep(Duration.ofMillis(100));
        }
    }

    @Test
    void aWaveOfFiveHundredWritesASecondSharesSegments(TestReporter reporter) {
        Load wave =
                play(
                        reporter,
                        load -> {
                            List<Tenant> tenants = load.tenants(50);
                            for (int i = 0; i < 500 * 20; i++) {
                                tenants.get(i % 50).write(true);
                                load.world.sleep(Duration.ofMillis(2));
                            }
                        });

        assertThat(wave.requestsPerCommit()).isLessThanOrEqualTo(0.4);
        assertThat(wave.bytesPerCommit()).isLessThanOrEqualTo(9_000);
    }

    @Test
    void aBurstCostsAFewSegments(TestReporter reporter) {
        Load burst =
                play(
                        reporter,
                        load -> {
                            List<Tenant> tenants = load.tenants(20);
                            for (int i = 0; i < 1000; i++) {
                                tenants.get(i % 20).write(false);
                            }
                            load.world.sleep(Duration.ofSeconds(20));
                        });

        // 8 MiB of pages in segments of 4 MiB, and the log's first slot twice.
        assertThat(burst.requests()).isLessThanOrEqualTo(3 + 3);
        assertThat(burst.bytesPerCommit()).isLessThanOrEqualTo(9_000);
    }
}
