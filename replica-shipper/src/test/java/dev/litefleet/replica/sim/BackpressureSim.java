package dev.litefleet.replica.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.testing.PageDb;
import dev.litefleet.testing.Seeds;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimObjectStore.Verb;
import dev.litefleet.testing.SimTasks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/// A store outage of ten minutes under load, in virtual time. Writers keep the bound of
/// `max_lag_bytes` as a worker's tenants do: they look before they write.
final class BackpressureSim {
    private static final LogName LOG =
            new LogName("w-1", new SessionId("01JD1111111111111111111111"));
    private static final Duration OUTAGE = Duration.ofMinutes(10);
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final long LAG_BYTES_MAX = 64 << 10;
    private static final int WRITERS = 4; // who may all find room at once
    private static final int COMMIT_BYTES_MAX = 4 * PageDb.PAGE;

    private static final class Run {
        private final SimTasks world;
        private final SimObjectStore store;
        private final SimObjectStore.Link link;
        private final SimTasks.Node node;
        private final Judge judge;
        private final CommitLog log;
        private final RandomGenerator random;
        private long mostBytes;
        private int appended;
        private int durable;
        private int acked;
        private int refused;
        private boolean over;

        private Run(SimTasks world) {
            this.world = world;
            store = new SimObjectStore(world, 0, (_, _) -> {});
            link = store.link();
            node = world.node("worker");
            random = world.fork();
            judge = new Judge(world, store.objects(), HistoryWindows.DEFAULT);
            store.onCreated(judge::created);
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

        private void tell() {
            log.open();
            for (int i = 0; i < WRITERS; i++) {
                TenantKey tenant = Names.tenant("agent-" + i);
                boolean sync = i % 2 == 0;
                node.start("writer", () -> write(tenant, sync));
            }
            world.sleep(Duration.ofSeconds(10));
            assertThat(acked).isPositive();

            int lists = link.count(Verb.LIST);
            long began = world.nanos();
            store.down(true);
            world.sleep(Duration.ofSeconds(5)); // What was under way, and the quick retries.
            int ackedBefore = acked;
            int durableBefore = durable;
            long steady = world.nanos();
            world.sleep(OUTAGE.minusSeconds(5));
            List<Long> puts =
                    link.puts().stream().filter(at -> at >= steady && at < world.nanos()).toList();
            store.down(false);

            assertThat(acked).isEqualTo(ackedBefore); // Sync waits.
            assertThat(durable).isEqualTo(durableBefore);
            assertThat(refused).isPositive(); // Async stops at its bound.
            assertThat(mostBytes).isLessThanOrEqualTo(LAG_BYTES_MAX + WRITERS * COMMIT_BYTES_MAX);
            assertThat(link.count(Verb.LIST)).isEqualTo(lists);
            assertThat(link.count(Verb.READ)).isLessThanOrEqualTo(1); // The probe's.
            assertThat(puts).isNotEmpty().hasSizeLessThanOrEqualTo((int) OUTAGE.toSeconds());
            assertThat(gaps(puts)).allMatch(gap -> gap >= SECOND.toNanos());
            assertThat(world.nanos() - began).isEqualTo(OUTAGE.toNanos());

            world.sleep(Duration.ofSeconds(30));
            over = true;
            world.sleep(Duration.ofSeconds(30));
            assertThat(acked).isGreaterThan(ackedBefore);
            assertThat(durable).isEqualTo(appended);
            assertThat(log.pendingBytes()).isZero();
            for (int i = 0; i < WRITERS; i++) {
                TenantKey tenant = Names.tenant("agent-" + i);
                judge.names(tenant); // There is no catalog that would.
                assertThat(judge.readBack(tenant)).hasSize(judge.history(tenant).size());
            }
        }

        private static List<Long> gaps(List<Long> times) {
            var gaps = new ArrayList<Long>();
            for (int i = 1; i < times.size(); i++) {
                gaps.add(times.get(i) - times.get(i - 1));
            }
            return gaps;
        }

        private void write(TenantKey tenant, boolean sync) {
            var db = PageDb.empty(tenant);
            while (!over) {
                node.sleep(Duration.ofMillis(random.nextInt(200)));
                if (log.pendingBytes() >= LAG_BYTES_MAX) {
                    refused++;
                    node.sleep(SECOND);
                    continue;
                }
                Commit commit = db.write(random, node.clock().millis());
                judge.made(commit, db.image());
                long txid = db.txid();
                long checksum = db.checksum();
                long sequence = log.append(commit, sync, (_, _) -> durable++);
                appended++;
                mostBytes = Math.max(mostBytes, log.pendingBytes());
                if (sync) {
                    log.awaitDurable(sequence);
                    acked++;
                    judge.acked(tenant, txid, checksum);
                }
            }
        }
    }

    @Seeds(5)
    void outageOfTenMinutesCostsNoMemoryAndLosesNothing(long seed) {
        SimTasks.run(seed, world -> new Run(world).tell());
    }
}
