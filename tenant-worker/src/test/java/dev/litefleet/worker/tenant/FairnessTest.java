package dev.litefleet.worker.tenant;

import static dev.litefleet.worker.tenant.TestSession.send;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.litefleet.testing.FlakyObjectStore;
import java.nio.file.Path;
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
}
