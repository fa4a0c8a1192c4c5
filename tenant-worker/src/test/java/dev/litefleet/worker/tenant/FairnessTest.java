package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.send;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.Txid;
import dev.litefleet.testing.FlakyObjectStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What all tenants at once may cost each other; in counts, not in time.
final class FairnessTest {
    private static final String ENDLESS =
            "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from"
                    + " n";

    private static final Quota FOR_EVER =
            new Quota(
                    Quota.DEFAULT.databaseBytesMax(),
                    Quota.DEFAULT.valueBytesMax(),
                    Duration.ofHours(1));

    @TempDir private Path folder;

    /// After a takeover every tenant is asked for at once. So many are read from the store at a
    /// time, and nobody is refused. 1,000 of them by `-Dstampede.tenants=1000`.
    @Test
    void firstRequestsOfAllTenantsAtOnceAreHydratedInTurn() throws Exception {
        int tenants = Integer.getInteger("stampede.tenants", 200);
        var store = new FlakyObjectStore();
        var asked = ConcurrentHashMap.<String>newKeySet(); // of whose files
        var inside = new AtomicInteger();
        var most = new AtomicInteger();
        var open = new CountDownLatch(1);
        store.beforeList(prefix -> {
            // A tenant's first is its hydration's.
            if (prefix.startsWith("tenants/") && asked.add(prefix.split("/")[1])) {
                most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                try {
                    open.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                }
                inside.decrementAndGet();
            }
        });
        Map<String, CompletableFuture<Answer>> answers = new LinkedHashMap<>();
        try (var session = new TestSession(folder, store)) {
            for (int i = 0; i < tenants; i++) {
                String name = "t-%04d".formatted(i);
                answers.put(name, send(session.assign(name), null, "create table t(x)"));
            }
            await().until(() -> inside.get() == Tenants.HYDRATIONS_MAX);
            assertThat(answers.values()).noneMatch(CompletableFuture::isDone);
            open.countDown();

            for (CompletableFuture<Answer> answer : answers.values()) {
                TestSession.result(TestSession.get(answer).replies().getFirst());
            }
        }
        assertThat(most).hasValue(Tenants.HYDRATIONS_MAX);
        assertThat(asked).hasSize(tenants);
    }

    /// One tenant's statements never end, and there are more of them than threads. The other's are
    /// all answered meanwhile: so many threads at a time no tenant gets.
    @Test
    void tenantOfEndlessStatementsLeavesRoomForTheOthersAndForTheEnd() {
        var noisy = new ArrayList<CompletableFuture<Answer>>();
        try (var session = new TestSession(folder, new FlakyObjectStore())) {
            Tenant loud = session.assign("loud", Durability.SYNC, 1, Txid.NONE, FOR_EVER);
            Tenant quiet = session.assign("quiet");
            TestSession.sql(quiet, "create table t(x)");
            for (int i = 0; i < 50; i++) {
                noisy.add(send(loud, null, ENDLESS));
            }
            int most =
                    Math.min(
                            session.tenants.parallelPerTenant(), TenantConfig.DEFAULT.readersMax());
            await().until(() -> running(loud) == most);

            for (int i = 0; i < 100; i++) {
                TestSession.sql(quiet, "insert into t values (1)");
            }

            assertThat(TestSession.column(quiet, "select count(*) from t")).containsExactly("100");
            assertThat(noisy).noneMatch(CompletableFuture::isDone);
            assertThat(running(loud)).isEqualTo(most);
        }
        // The session has ended, and with it what never would have.
        for (CompletableFuture<Answer> answer : noisy) {
            assertThat(answer)
                    .failsWithin(Duration.ofSeconds(20))
                    .withThrowableThat()
                    .withCauseInstanceOf(TenantException.OutcomeUnknown.class);
        }
    }

    private static int running(Tenant tenant) {
        return tenant.state() instanceof TenantState.Active(var open) ? open.running() : 0;
    }
}
