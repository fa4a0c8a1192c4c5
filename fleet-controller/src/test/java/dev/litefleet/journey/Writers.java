package dev.litefleet.journey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.journey.LocalFleet.Answer;
import dev.litefleet.journey.LocalFleet.Tenant;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongPredicate;

/// Clients that write unique rows, one autocommit insert a request, and remember what they were
/// told. The table has no unique constraint, so a row that went in twice shows.
final class Writers implements AutoCloseable {
    /// What all writers of a test were told, by tenant.
    record Ledger(Map<String, Set<String>> acknowledged, Map<String, Set<String>> unknown) {
        Set<String> acknowledgedOf(Tenant tenant) {
            return rows(acknowledged, tenant);
        }

        /// Rows that were acknowledged.
        long size() {
            return acknowledged.values().stream().mapToLong(Set::size).sum();
        }

        Ledger() {
            this(new ConcurrentHashMap<>(), new ConcurrentHashMap<>());
        }
    }

    private static final long REFUSED_PAUSE_NANOS = 20_000_000;

    private final FleetClient fleet;
    private final long pauseNanos;
    private final List<Tenant> tenants;
    private final List<Thread> threads = new ArrayList<>();
    private final Ledger ledger;
    private final String round;
    private final Map<String, Long> times = new ConcurrentHashMap<>(); // of acknowledged rows
    private final AtomicLong acks = new AtomicLong();
    private final AtomicInteger next = new AtomicInteger();
    private volatile boolean running = true;

    /// @param ledger of this and the rounds before
    /// @param round makes the rows of these writers differ from all others
    Writers(FleetClient fleet, List<Tenant> tenants, int clients, Ledger ledger, int round) {
        this(fleet, tenants, clients, ledger, round, Duration.ZERO);
    }

    /// @param pause of each client after each answer
    Writers(
            FleetClient fleet,
            List<Tenant> tenants,
            int clients,
            Ledger ledger,
            int round,
            Duration pause) {
        this.fleet = fleet;
        this.pauseNanos = pause.toNanos();
        this.tenants = tenants;
        this.ledger = ledger;
        this.round = "r" + round;
        for (int i = 0; i < clients; i++) {
            int client = i;
            threads.add(Thread.startVirtualThread(() -> write(client)));
        }
    }

    private void write(int client) {
        for (int n = 0; running; n++) {
            Tenant tenant = tenants.get(next.getAndIncrement() % tenants.size());
            String row = round + "-" + client + "-" + n + "-" + tenant.id();
            try {
                Answer answer = fleet.execute(tenant, "insert into rows values (?)", row);
                if (answer.ok()) {
                    times.put(row, System.nanoTime());
                    rows(ledger.acknowledged(), tenant).add(row);
                    acks.incrementAndGet();
                } else {
                    rows(ledger.unknown(), tenant).add(row);
                }
            } catch (IOException lost) {
                rows(ledger.unknown(), tenant).add(row);
                // Nobody listens. Asking on and on would slow the start of whoever will.
                LockSupport.parkNanos(REFUSED_PAUSE_NANOS);
            } catch (InterruptedException stop) {
                return;
            }
            if (pauseNanos > 0) {
                LockSupport.parkNanos(pauseNanos);
            }
        }
    }

    private static Set<String> rows(Map<String, Set<String>> of, Tenant tenant) {
        return of.computeIfAbsent(tenant.id(), _ -> ConcurrentHashMap.newKeySet());
    }

    long acks() {
        return acks.get();
    }

    /// Tenants that have acknowledged a write since [#mark].
    Map<String, Integer> mark() {
        var marks = new HashMap<String, Integer>();
        tenants.forEach(
                tenant -> marks.put(tenant.id(), rows(ledger.acknowledged(), tenant).size()));
        return marks;
    }

    boolean allTenantsAdvancedSince(Map<String, Integer> marks) {
        return tenants.stream()
                .allMatch(
                        t -> rows(ledger.acknowledged(), t).size() > marks.getOrDefault(t.id(), 0));
    }

    /// Ends the clients; each finishes the request it is in.
    void stop() throws InterruptedException {
        running = false;
        for (Thread thread : threads) {
            thread.join();
        }
    }

    /// Every row that was acknowledged until now is there, and SQLite finds the files whole. While
    /// the clients write on.
    void verifyAcknowledged() throws Exception {
        for (Tenant tenant : tenants) {
            Set<String> acknowledged = Set.copyOf(rows(ledger.acknowledged(), tenant));
            Answer all = answered(tenant, "select id from rows");
            var found = new HashSet<String>();
            all.rows().forEach(row -> found.add(row.getFirst()));
            assertThat(found).as("rows of " + tenant.id()).containsAll(acknowledged);
            assertThat(answered(tenant, "pragma integrity_check").rows())
                    .containsExactly(List.of("ok"));
        }
    }

    /// Asks until it is answered: the tenant may be on its way from one worker to another.
    private Answer answered(Tenant tenant, String sql) {
        return await(tenant.id() + ": " + sql)
                .atMost(Machines.SOON)
                .ignoreException(IOException.class)
                .until(() -> fleet.execute(tenant, sql), Answer::ok);
    }

    /// Counts acknowledged rows that are not there; every other promise of [#verify] holds.
    ///
    /// @param mayBe whether a row may be lost that was acknowledged at this moment, in ticker
    ///   nanoseconds
    long lost(LongPredicate mayBe) throws Exception {
        long lost = 0;
        for (Tenant tenant : tenants) {
            Answer all = answered(tenant, "select id from rows");
            List<String> found = all.rows().stream().map(List::getFirst).toList();
            assertThat(found).as("no row twice in " + tenant.id()).doesNotHaveDuplicates();
            var gone = new HashSet<>(rows(ledger.acknowledged(), tenant));
            found.forEach(gone::remove);
            assertThat(gone)
                    .as("lost of " + tenant.id() + " though nothing may be")
                    .allMatch(row -> mayBe.test(times.get(row)));
            lost += gone.size();
            assertThat(answered(tenant, "pragma integrity_check").rows())
                    .containsExactly(List.of("ok"));
        }
        return lost;
    }

    /// Rows that are there though their clients were never told so, over all tenants.
    long unacknowledgedButThere() throws Exception {
        long count = 0;
        for (Tenant tenant : tenants) {
            for (List<String> row : answered(tenant, "select id from rows").rows()) {
                count += rows(ledger.acknowledged(), tenant).contains(row.getFirst()) ? 0 : 1;
            }
        }
        return count;
    }

    /// Every acknowledged row is there, no row is there twice, nothing is there that nobody wrote,
    /// and SQLite finds the file whole.
    void verify() throws Exception {
        for (Tenant tenant : tenants) {
            Answer all = answered(tenant, "select id, count(*) from rows group by id");
            var found = new HashMap<String, String>();
            all.rows().forEach(row -> found.put(row.getFirst(), row.getLast()));
            assertThat(found.keySet())
                    .as("acknowledged rows of " + tenant.id())
                    .containsAll(rows(ledger.acknowledged(), tenant));
            assertThat(found.values()).as("no row twice in " + tenant.id()).allMatch("1"::equals);
            found.keySet().removeAll(rows(ledger.acknowledged(), tenant));
            assertThat(rows(ledger.unknown(), tenant))
                    .as("rows nobody wrote")
                    .containsAll(found.keySet());
            assertThat(answered(tenant, "pragma integrity_check").rows())
                    .containsExactly(List.of("ok"));
        }
    }

    @Override
    public void close() throws InterruptedException {
        stop();
    }
}
