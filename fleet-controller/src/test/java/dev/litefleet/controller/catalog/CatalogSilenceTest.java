package dev.litefleet.controller.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.type;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.testing.TestLog;
import dev.litefleet.controller.testing.TickerTasks;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Recovery;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Refused;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.TestClock;
import dev.litefleet.worker.tenant.Shipping;
import dev.litefleet.worker.tenant.ShippingConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A store that does not answer, or never returns: everybody who asks the catalog hears something
/// in time, and what they hear is true. Real threads and SQLite; time is the test's.
final class CatalogSilenceTest {
    private static final TenantId ACME = new TenantId("acme");

    private final FlakyObjectStore store = new FlakyObjectStore();
    private final TestClock clock = new TestClock();
    private final SplittableRandom random = new SplittableRandom(7);
    private final TickerTasks tasks = new TickerTasks();
    private final TenantKey key =
            new TenantKey(TenantId.CATALOG, new Lineage(SessionId.create(clock, random).ulid()));

    @TempDir Path folder;
    private int opened;
    private CommitLog log;
    private Catalog catalog;

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @AfterEach
    void close() {
        store.down(false);
        store.releasePuts();
        catalog.close();
        log.close(Duration.ofSeconds(5));
        tasks.advance(Duration.ofMinutes(1)); // Whoever sleeps wakes up and leaves.
    }

    /// The way to the next log leads over a store that hangs, with no end.
    @Test
    void whatWaitsForAnotherLogIsRefusedInTimeAndNeverRun() {
        open(ShippingConfig.DEFAULT);
        var arrived = new CompletableFuture<Void>();
        var hanging = new CompletableFuture<Void>();
        CompletableFuture<Void> moved =
                catalog.moveTo(() -> {
                    arrived.complete(null);
                    hanging.join();
                    return next();
                });
        arrived.join();

        var write = provision(ACME);
        var read = catalog.tenant(ACME);
        passUntilDone(write, read);

        assertThat(problem(write)).isEqualTo(problem(read));
        assertThat(problem(write).status()).isEqualTo(503);
        assertThat(problem(write).code()).isEqualTo("STORE_UNAVAILABLE");
        assertThat(problem(write).retryable()).isTrue();
        assertThat(problem(write).detail()).contains("nothing was done", "try again");
        hanging.complete(null);
        moved.join();
        assertThat(catalog.tenant(ACME).join()).isEmpty();
        assertThat(provision(ACME).join()).isInstanceOf(Provisioned.Created.class);
    }

    /// Its first put never returns, so whoever drains hangs too.
    @Test
    void changeThatHasRunIsUnknownAndComesTrueWhenTheStoreAnswers() {
        open(ShippingConfig.DEFAULT);
        provision(new TenantId("earlier")).join();
        store.holdPuts();
        var first = provision(new TenantId("first"));
        passUntilDone(first);

        var write = provision(ACME);
        var read = catalog.tenant(ACME);
        passUntilDone(write, read);

        assertThat(problem(write).code()).isEqualTo("OUTCOME_UNKNOWN");
        assertThat(problem(write).retryable()).isFalse();
        assertThat(problem(read).code()).isEqualTo("STORE_UNAVAILABLE");
        assertThat(problem(read).retryable()).isTrue();
        store.releasePuts();
        assertThat(provision(ACME).join()).isInstanceOf(Provisioned.AlreadyThere.class);
    }

    /// Clients that try again and again for hours must not fill the memory.
    @Test
    void changesBeyondWhatMayWaitForTheStoreAreRefusedBeforeTheyRun() {
        open(config(256 << 10));
        store.down(true);
        int ran = 0;
        while (ran < 1000 && log.pendingBytes() < 256 << 10) {
            long before = log.pendingBytes();
            provision(new TenantId("t" + ran++));
            await().pollInterval(Duration.ofMillis(1)).until(() -> log.pendingBytes() > before);
        }
        assertThat(ran).isBetween(2, 999);

        var late = provision(ACME);

        await().until(late::isDone); // At once: it waits at no gate.
        assertThat(problem(late).code()).isEqualTo("STORE_UNAVAILABLE");
        assertThat(problem(late).retryable()).isTrue();
        store.down(false);
        var read = catalog.tenant(ACME);
        passUntilDone(read);
        assertThat(read.join()).isEmpty();
        assertThat(catalog.tenant(new TenantId("t" + (ran - 1))).join()).isPresent();
        assertThat(provision(ACME).join()).isInstanceOf(Provisioned.Created.class);
    }

    private CompletableFuture<Provisioned> provision(TenantId id) {
        return catalog.provision(
                id, TenantSpec.DEFAULT, false, new Lineage(SessionId.create(clock, random).ulid()));
    }

    /// Time passes until all are answered.
    private void passUntilDone(CompletableFuture<?>... answers) {
        await().atMost(Duration.ofSeconds(30))
                .pollInterval(Duration.ofMillis(5))
                .until(() -> {
                    tasks.advance(Duration.ofSeconds(1));
                    return Stream.of(answers).allMatch(CompletableFuture::isDone);
                });
    }

    private static Problem problem(CompletableFuture<?> failed) {
        assertThat(failed).isCompletedExceptionally();
        return assertThat(failed.exceptionNow())
                .asInstanceOf(type(Refused.class))
                .actual()
                .problem();
    }

    private static ShippingConfig config(long lagBytes) {
        ShippingConfig all = ShippingConfig.DEFAULT;
        return new ShippingConfig(
                all.gateMax(),
                all.lagMax(),
                lagBytes,
                lagBytes,
                all.drainQuiet(),
                all.drainEvery(),
                all.drainWalBytes(),
                all.drainSlots(),
                all.walBytesMax(),
                all.transactionBytesMax());
    }

    private void open(ShippingConfig config) {
        catalog = Catalog.open(key, beginning(Txid.NONE, config));
    }

    private Catalog.Beginning beginning(Txid floor, ShippingConfig config) {
        var name = new LogName(LogName.CONTROLLER, SessionId.create(clock, random));
        var end = new CompletableFuture<LogEnd>();
        log = TestLog.open(store, name, tasks, clock, random.split(), end::complete);
        return new Catalog.Beginning(
                folder.resolve("catalog-" + opened++),
                floor,
                new Shipping(log, store, folder, tasks, clock, config),
                end);
    }

    /// As a controller follows its own epoch.
    private Catalog.Beginning next() {
        log.close(Duration.ofSeconds(5));
        String by = SessionId.create(clock, random).ulid();
        Fence.Closed closed =
                Fence.close(
                        store,
                        log.name(),
                        Fence.highestPart(store, log.name()),
                        by,
                        2,
                        tasks,
                        random.split());
        Recovery.recover(store, log.name(), closed, folder, tasks);
        return beginning(LineageHistory.list(store, key).coverage(), ShippingConfig.DEFAULT);
    }
}
