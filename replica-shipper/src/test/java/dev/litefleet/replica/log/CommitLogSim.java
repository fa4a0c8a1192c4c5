package dev.litefleet.replica.log;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.LtxReader;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.Seeds;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// A writer, its tenants and two fencers at once over a network that loses, delays, repeats and
/// refuses, in an order drawn from a seed; the writer may be killed, or stopped and resumed as a
/// zombie after it was fenced. In most runs its log changes parts every few slots. Checked all
/// along: a slot is only ever sent one body, and only within the window; a part fence only when all
/// below it is there, and slot 1 of the next part only when it is there itself. Checked at the end:
/// the fencers agree, what was acknowledged is below the fence, in order and unchanged, nothing was
/// acknowledged that is not, and the writer heard of its end at most once.
///
/// `-Dseeds=100000` runs more.
final class CommitLogSim {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final int WINDOW = 4;

    @Seeds(150)
    void acknowledgedCommitsAreBelowTheFenceAndNothingElseIsAcknowledged(long seed) {
        SimTasks.run(seed, world -> new Run(world).tell());
    }

    @Test
    void moreSeeds() {
        for (long seed = 1000; seed < Long.getLong("seeds", 0); seed++) {
            SimTasks.run(seed, world -> new Run(world).tell());
        }
    }

    @Test
    void sameSeedIsTheSameRun() {
        Set<Long> hashes = new HashSet<>();
        for (long seed = 0; seed < 10; seed++) {
            long first = SimTasks.run(seed, world -> new Run(world).tell());
            assertThat(SimTasks.run(seed, world -> new Run(world).tell())).isEqualTo(first);
            hashes.add(first);
        }

        assertThat(hashes).hasSize(10);
    }

    private static final class Run {
        private static final String[] TENANTS = {"a", "b", "c"};

        private final SimTasks world;
        private final RandomGenerator random;
        private final SimObjectStore store;
        private final SimTasks.Node worker;
        private final CommitLog log;
        private final Commits commits;
        private final Map<String, byte[]> bodies = new HashMap<>(); // the writer's, by key
        private final Map<String, List<byte[]>> appended = new TreeMap<>(); // pages, by tenant
        private final Map<String, Integer> told = new TreeMap<>(); // commits told durable
        private final List<LogEnd> ends = new ArrayList<>();
        private final List<Fence.Closed> closed = new ArrayList<>();
        private final Tasks.Guard guard;
        private int fencers = 2;
        private long sequenceTold;
        private Slot prefix = new Slot(1, 0);
        private boolean opened;

        private Run(SimTasks world) {
            this.world = world;
            random = world.fork();
            store = new SimObjectStore(world, random.nextInt(4) * 12, this::sending);
            worker = world.node("worker");
            commits = new Commits(random.nextLong());
            // Every few slots, or by age too, or never.
            int slots = random.nextInt(4) == 0 ? 10_000 : 1 + random.nextInt(5);
            var age = Duration.ofSeconds(random.nextInt(2) == 0 ? 3600 : 2);
            var config = CommitLogConfig.DEFAULT.withParts(age, slots);
            log =
                    new CommitLog(
                            store, LOG, config, worker, world.clock(), world.fork(), this::ended);
            guard = world.node("judge").guard();
            for (String tenant : TENANTS) {
                appended.put(tenant, new ArrayList<>());
                told.put(tenant, 0);
            }
        }

        private void tell() throws IOException {
            worker.start("main", this::work);
            for (int i = 0; i < 2; i++) {
                var controller = world.node("controller-" + i);
                String by = i == 0 ? "01JD2222222222222222222222" : "01JD3333333333333333333333";
                long epoch = i + 1;
                controller.start("fencer", () -> fence(controller, by, epoch));
            }
            int fate = random.nextInt(4);
            if (fate > 0) {
                world.sleep(Duration.ofMillis(random.nextInt(20_000)));
                worker.pause(); // Killed, unless resumed.
                if (fate == 3) {
                    world.sleep(Duration.ofMillis(random.nextInt(60_000)));
                    worker.resume();
                }
            }
            guard.lock();
            while (fencers > 0) {
                guard.await();
            }
            guard.unlock();
            world.sleep(Duration.ofMinutes(3)); // Whatever is still on its way lands.
            store.calm();
            worker.resume();
            world.sleep(Duration.ofMinutes(3));
            judge();
        }

        private void work() {
            try {
                log.open();
                opened = true;
                while (true) {
                    String tenant = TENANTS[random.nextInt(TENANTS.length)];
                    boolean sync = random.nextInt(3) > 0;
                    Commit commit = commits.next(tenant);
                    var mine = appended.get(tenant);
                    long[] sequence = new long[1];
                    sequence[0] =
                            log.append(
                                    commit,
                                    sync,
                                    (slot, entry) -> durable(commit, sequence[0], slot, entry));
                    mine.add(image(commit));
                    switch (random.nextInt(6)) {
                        case 0 -> log.awaitDurable(sequence[0], Duration.ofSeconds(30));
                        case 1 -> world.sleep(Duration.ofMillis(random.nextInt(5000)));
                        case 2 -> check();
                        case 3 -> drain(tenant);
                        default -> world.sleep(Duration.ofMillis(random.nextInt(100)));
                    }
                }
            } catch (LogEnded over) {
                // Only a fence may do that here.
                assertThat(over.end()).get().isInstanceOf(LogEnd.Fenced.class);
            } catch (StoreException.Unavailable | StoreException.Denied silent) {
                assertThat(opened).isFalse();
            }
        }

        /// I4: when the check passes, no fence was there when it began.
        private void check() {
            boolean fencedBefore = !closed.isEmpty();
            if (log.selfCheck() == SelfCheck.ABSENT) {
                assertThat(fencedBefore).isFalse();
            }
        }

        /// As a drain does: up to what is durable.
        private void drain(String tenant) {
            if (told.get(tenant) > 0) {
                log.drained(Commits.tenant(tenant), new Txid(told.get(tenant)));
            }
        }

        private void durable(Commit commit, long sequence, Slot slot, Entry entry) {
            assertThat(ends).isEmpty();
            assertThat(sequence).isEqualTo(sequenceTold + 1);
            sequenceTold = sequence;
            String tenant = commit.tenant().tenant().name();
            assertThat(told.merge(tenant, 1, Integer::sum).longValue())
                    .isEqualTo(commit.txid().value());
            assertThat(entry.tenant()).isEqualTo(commit.tenant());
            assertThat(commit.txid()).isBetween(entry.min(), entry.max());
            assertThat(prefix()).as("W4 of " + slot).isGreaterThanOrEqualTo(slot);
        }

        private void ended(LogEnd end) {
            ends.add(end);
        }

        private void fence(SimTasks.Node controller, String by, long epoch) {
            world.sleep(Duration.ofMillis(random.nextInt(30_000)));
            while (true) {
                try {
                    closed.add(
                            Fence.close(store, LOG, start(), by, epoch, controller, world.fork()));
                    break;
                } catch (StoreException again) {
                    // Every step can be repeated.
                }
            }
            guard.lock();
            fencers--;
            guard.signalAll();
            guard.unlock();
        }

        /// As the catalog and the heartbeats say: any part up to the one that is being written, and
        /// perhaps a slot of it that was reported durable.
        private Slot start() {
            Slot durable = log.durable();
            int part = 1 + random.nextInt(durable.part());
            return part == durable.part() && durable.number() > 0 && random.nextBoolean()
                    ? durable
                    : Slot.firstOf(part);
        }

        /// W1, W2 and W9, on every put that leaves.
        private void sending(String key, byte[] bytes) {
            if (!key.startsWith(LOG.prefix())) {
                return;
            }
            Slot slot = slot(key);
            FenceObject fence = fence(slot, bytes);
            if (fence != null && !fence.endsPart()) {
                return; // A controller's.
            }
            byte[] before = bodies.putIfAbsent(key, bytes);
            assertThat(before == null || Arrays.equals(before, bytes)).as("W1 of " + key).isTrue();
            if (before != null) {
                return; // What held at the first attempt holds for all.
            }
            Slot prefix = prefix();
            assertThat(slot.part())
                    .as("W9: only the part that is written")
                    .isEqualTo(prefix.part());
            assertThat(slot.number()).as("W2").isLessThanOrEqualTo(prefix.number() + WINDOW);
            if (fence != null) {
                assertThat(slot.number())
                        .as("W9: part fence, window not empty")
                        .isLessThanOrEqualTo(prefix.number() + 1);
            }
        }

        private static Slot slot(String key) {
            int part = Integer.parseInt(key.substring(LOG.prefix().length()).split("/")[0], 16);
            return Slot.ofKey(LOG, part, key).orElseThrow();
        }

        /// The end of what is there without a gap, over part fences.
        private Slot prefix() {
            while (true) {
                Optional<byte[]> next = store.objects().get(prefix.next().key(LOG));
                if (next.isEmpty()) {
                    return prefix;
                }
                FenceObject fence = fence(prefix.next(), next.get());
                prefix =
                        fence != null && fence.endsPart()
                                ? new Slot(fence.next(), 0)
                                : prefix.next();
            }
        }

        private static @Nullable FenceObject fence(Slot slot, byte[] bytes) {
            var one = new MemoryObjectStore();
            one.damage(slot.key(LOG), bytes);
            return SegmentReader.read(one, LOG, slot).orElseThrow() instanceof FenceObject fence
                    ? fence
                    : null;
        }

        private void judge() throws IOException {
            assertThat(closed).hasSize(2);
            assertThat(closed.get(0)).isEqualTo(closed.get(1));
            Slot fence = closed.getFirst().slot();
            var controller = world.node("recoverer");
            LogTail whole = LogTail.read(store, LOG, Slot.FIRST, controller);
            assertThat(whole.end()).isEqualTo(fence);
            assertThat(whole.fence()).contains(closed.getFirst().fence());
            var recovered = new TreeMap<String, Integer>();
            for (SegmentReader segment : whole.segments()) {
                for (Entry entry : segment.entries()) {
                    judge(segment, entry, recovered);
                }
            }
            told.forEach((tenant, count) ->
                    assertThat(recovered.getOrDefault(tenant, 0))
                            .as("acknowledged commits of " + tenant)
                            .isGreaterThanOrEqualTo(count));
            LogTail owed = LogTail.below(store, LOG, closed.getFirst(), controller);
            assertThat(owed.segments().size()).isLessThanOrEqualTo(whole.segments().size());
            if (opened) {
                assertThat(ends).hasSize(1);
                assertThat(ends.getFirst())
                        .isEqualTo(
                                new LogEnd.Fenced(
                                        fence,
                                        closed.getFirst().fence().by(),
                                        closed.getFirst().fence().epoch()));
                assertThat(log.durable()).isLessThan(fence);
                assertThat(log.durable().part()).isLessThanOrEqualTo(fence.part());
            }
        }

        /// An entry follows the tenant's last one, and its pages are those that were appended.
        private void judge(SegmentReader segment, Entry entry, Map<String, Integer> recovered)
                throws IOException {
            String tenant = entry.tenant().tenant().name();
            int last = recovered.getOrDefault(tenant, 0);
            assertThat(entry.min().value()).isEqualTo(last + 1);
            assertThat(entry.merged()).isFalse();
            recovered.put(tenant, (int) entry.max().value());
            try (InputStream in = segment.ltx(entry);
                    var ltx = new LtxReader(segment.toString(), in)) {
                var pages = new ByteArrayOutputStream();
                while (ltx.next()) {
                    pages.write(ltx.pgno());
                    pages.write(ltx.page());
                }
                assertThat(pages.toByteArray()).isEqualTo(appended.get(tenant).get(last));
            }
        }

        private static byte[] image(Commit commit) {
            var pages = new ByteArrayOutputStream();
            for (int i = 0; i < commit.pgnos().length; i++) {
                pages.write(commit.pgnos()[i]);
                pages.write(commit.pages(), i * Commits.PAGE_SIZE, Commits.PAGE_SIZE);
            }
            return pages.toByteArray();
        }
    }
}
