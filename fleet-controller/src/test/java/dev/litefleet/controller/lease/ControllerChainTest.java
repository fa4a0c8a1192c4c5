package dev.litefleet.controller.lease;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.lease.ControllerChain.Epoch;
import dev.litefleet.controller.lease.ControllerChain.Verdict;
import dev.litefleet.controller.testing.TickerTasks;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.log.Commit;
import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.CommitLogConfig;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.TestClock;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// C3 on the real log, fence and recovery, over a store that fails on request.
final class ControllerChainTest {
    private static final Optional<String> NO_NODE = Optional.empty();
    private static final Duration PATIENCE = Duration.ofMillis(3500);
    private static final String ADDRESS = "http://127.0.0.1:7481";

    private final FlakyObjectStore store = new FlakyObjectStore();
    private final TestClock clock = new TestClock();

    @TempDir Path tmp;

    @Test
    void firstControllerHasNobodyToAsk() {
        var chain = chain(1);

        assertThat(chain.ask(NO_NODE, PATIENCE, _ -> Optional.of("nobody")))
                .isEqualTo(new Verdict.Vacant(0));
        assertThat(chain.claim(0, ADDRESS, NO_NODE).orElseThrow().number()).isEqualTo(1);
    }

    @Test
    void allControllersAgreeOnTheFleet() {
        assertThat(chain(1).catalog()).isEqualTo(chain(2).catalog());
    }

    @Test
    void newerFleetFormatIsRefused() {
        String fleet =
                """
                {"format": 2, "fleet": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                 "catalog_lineage": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "created": "2027-01-01T00:00:00Z"}
                """;
        store.putIfAbsent("fleet.json", ObjectBody.of(fleet.getBytes(UTF_8)));

        assertThatThrownBy(() -> chain(1)).isInstanceOf(UnsupportedFormat.class);
    }

    @Test
    void newerFormatsOfTheChainAreRefused() {
        Epoch first = chain(1).claim(0, ADDRESS, NO_NODE).orElseThrow();
        store.putIfAbsent(
                "controller/0000000000000002.json",
                ObjectBody.of("{\"format\": 2, \"where\": \"elsewhere\"}".getBytes(UTF_8)));

        assertThatThrownBy(() -> chain(2).ask(NO_NODE, PATIENCE, _ -> Optional.empty()))
                .isInstanceOf(UnsupportedFormat.class)
                .hasMessageContaining("controller epoch of format 2")
                .hasMessageContaining("controller/0000000000000002.json");

        store.putIfAbsent(
                "controller/0000000000000001.closed.json",
                ObjectBody.of("{\"format\": 3}".getBytes(UTF_8)));
        assertThatThrownBy(() -> chain(3).settlePredecessors(new Epoch(2, first.session())))
                .isInstanceOf(UnsupportedFormat.class)
                .hasMessageContaining("closed controller epoch of format 3");
    }

    @Test
    void ofRacersForOneEpochExactlyOneGetsIt() {
        var racers = new ArrayList<CompletableFuture<Optional<Epoch>>>();
        for (int racer = 0; racer < 16; racer++) {
            var chain = chain(racer);
            racers.add(
                    CompletableFuture.supplyAsync(
                            () -> chain.claim(0, ADDRESS, NO_NODE),
                            task -> Thread.startVirtualThread(task)));
        }

        assertThat(racers.stream().map(CompletableFuture::join).flatMap(Optional::stream))
                .hasSize(1);
    }

    @Test
    void lostAnswerToAClaimIsNotMistakenForARival() {
        var chain = chain(1);
        store.loseNextAnswer();

        assertThat(chain.claim(0, ADDRESS, NO_NODE)).isPresent();
    }

    @Test
    void livingPredecessorIsLeftAlone() {
        Epoch first = chain(1).claim(0, ADDRESS, NO_NODE).orElseThrow();

        Verdict verdict = chain(2).ask(NO_NODE, PATIENCE, _ -> Optional.of(first.session().ulid()));

        assertThat(verdict).isEqualTo(new Verdict.Running(ADDRESS));
    }

    @Test
    void silentPredecessorIsAskedForLeaseAndMargin() throws Exception {
        chain(1).claim(0, ADDRESS, NO_NODE);
        var time = new TickerTasks();
        var asked = new AtomicInteger();
        var chain = new ControllerChain(store, tmp, time, clock, new SplittableRandom(2));
        var verdict =
                CompletableFuture.supplyAsync(() ->
                        chain.ask(
                                NO_NODE,
                                PATIENCE,
                                _ -> {
                                    asked.incrementAndGet();
                                    return Optional.empty();
                                }));

        for (int step = 0; step < 7; step++) {
            int before = step + 1;
            await().until(() -> asked.get() == before && time.waiting() == 1);
            assertThat(verdict).isNotDone();
            time.advance(Duration.ofMillis(500));
        }

        assertThat(verdict.get(5, SECONDS)).isEqualTo(new Verdict.Vacant(1));
    }

    @Test
    void anotherProcessAtTheAddressIsNoAnswer() throws Exception {
        chain(1).claim(0, ADDRESS, NO_NODE);

        Verdict verdict =
                chain(2).ask(NO_NODE, Duration.ZERO, _ -> Optional.of("someone else's session"));

        assertThat(verdict).isEqualTo(new Verdict.Vacant(1));
    }

    @Test
    void sameLockedDirectoryProvesThePredecessorDead() {
        var node = Optional.of("01NODE");
        chain(1).claim(0, ADDRESS, node);

        Verdict verdict = chain(2).ask(node, Duration.ofDays(1), _ -> Optional.empty());

        assertThat(verdict).isEqualTo(new Verdict.Vacant(1));
    }

    @Test
    void lockOfAnotherDirectoryProvesNothing() {
        Epoch first = chain(1).claim(0, ADDRESS, Optional.of("01NODE")).orElseThrow();

        Verdict verdict =
                chain(2).ask(
                                Optional.of("01OTHER"),
                                PATIENCE,
                                _ -> Optional.of(first.session().ulid()));

        assertThat(verdict).isEqualTo(new Verdict.Running(ADDRESS));
    }

    @Test
    void cleanLeaveSparesTheSuccessorTheWaitAndLosesNothing() {
        var first = chain(1);
        Epoch epoch = first.claim(0, ADDRESS, NO_NODE).orElseThrow();
        CommitLog log = log(epoch, 1);
        commit(log, first.catalog(), 1, 3);
        log.close(Duration.ofSeconds(5));

        first.leave(epoch, log.durable());

        var second = chain(2);
        assertThat(second.ask(NO_NODE, Duration.ofDays(1), _ -> Optional.empty()))
                .isEqualTo(new Verdict.Vacant(1));
        Epoch next = second.claim(1, ADDRESS, NO_NODE).orElseThrow();
        assertThat(second.settlePredecessors(next)).isEqualTo(new Txid(3));
        assertThat(coverage(second)).isEqualTo(new Txid(3));
    }

    @Test
    void nothingCanBeCommittedAfterACleanLeave() {
        var chain = chain(1);
        Epoch epoch = chain.claim(0, ADDRESS, NO_NODE).orElseThrow();
        CommitLog log = log(epoch, 1);

        chain.leave(epoch, log.durable());

        assertThatThrownBy(() -> commit(log, chain.catalog(), 1, 1)).isInstanceOf(LogEnded.class);
    }

    @Test
    void zombieControllerCannotCommitAfterItsSuccessorHasSettled() {
        var first = chain(1);
        Epoch zombie = first.claim(0, ADDRESS, NO_NODE).orElseThrow();
        var end = new CompletableFuture<LogEnd>();
        CommitLog log = log(zombie, store, end);
        commit(log, first.catalog(), 1, 2);
        var second = chain(2);
        Epoch successor = second.claim(1, ADDRESS, NO_NODE).orElseThrow();

        Txid floor = second.settlePredecessors(successor);

        assertThat(floor).isEqualTo(new Txid(2));
        assertThatThrownBy(() -> commit(log, first.catalog(), 3, 3)).isInstanceOf(LogEnded.class);
        assertThat(end.join()).isInstanceOf(LogEnd.Fenced.class);
        assertThat(coverage(second)).isEqualTo(new Txid(2));
    }

    /// The second controller dies at each of its writes in turn; the third must find everything.
    @Test
    void predecessorThatDiedHalfWayThroughRecoveryIsFinished() {
        for (int died = 1; died <= 4; died++) {
            var store = new FlakyObjectStore();
            var first = chain(store, 1);
            Epoch one = first.claim(0, ADDRESS, NO_NODE).orElseThrow();
            commit(log(one, store, new CompletableFuture<>()), first.catalog(), 1, 5);
            var second = chain(store, 2);
            Epoch two = second.claim(1, ADDRESS, NO_NODE).orElseThrow();
            var left = new AtomicInteger(died);
            store.beforePut(key -> {
                if (left.decrementAndGet() == 0) {
                    throw new IllegalStateException("died before " + key);
                }
            });
            assertThatThrownBy(() -> second.settlePredecessors(two))
                    .hasStackTraceContaining("died");
            store.beforePut(_ -> {});

            var third = chain(store, 3);
            Epoch three = third.claim(2, ADDRESS, NO_NODE).orElseThrow();
            Txid floor = third.settlePredecessors(three);

            assertThat(floor).as("died at write %d", died).isEqualTo(new Txid(5));
            assertThat(store.list("controller/", "", 100).objects())
                    .extracting(object -> object.key())
                    .contains(EpochFile.closedKey(1), EpochFile.closedKey(2));
        }
    }

    @Test
    void claimWithoutAnyAnswerFails() {
        var time = new TickerTasks();
        var chain = new ControllerChain(store, tmp, time, clock, new SplittableRandom(2));
        store.down(true);
        var claim = CompletableFuture.supplyAsync(() -> chain.claim(0, ADDRESS, NO_NODE));

        await().pollInterval(Duration.ofMillis(2))
                .until(() -> {
                    if (time.waiting() > 0) {
                        time.advance(Duration.ofSeconds(1));
                    }
                    return claim.isDone();
                });

        assertThatThrownBy(claim::join).hasCauseInstanceOf(Unavailable.class);
    }

    private ControllerChain chain(long seed) {
        return chain(store, seed);
    }

    private ControllerChain chain(ObjectStore store, long seed) {
        return new ControllerChain(
                store, tmp, new ThreadTasks(), clock, new SplittableRandom(seed));
    }

    private CommitLog log(Epoch epoch, long seed) {
        return log(epoch, store, new CompletableFuture<>());
    }

    private CommitLog log(Epoch epoch, ObjectStore store, CompletableFuture<LogEnd> end) {
        var log =
                new CommitLog(
                        store,
                        epoch.log(),
                        CommitLogConfig.DEFAULT,
                        new ThreadTasks(),
                        clock,
                        new SplittableRandom(epoch.number()),
                        end::complete);
        log.open();
        return log;
    }

    /// Commits TXIDs `from` to `to` of a database of one page, and waits until they are durable.
    private void commit(CommitLog log, TenantKey tenant, long from, long to) {
        for (long txid = from; txid <= to; txid++) {
            byte[] before = page(txid - 1);
            byte[] after = page(txid);
            long sum = 1L << 63;
            var commit =
                    new Commit(
                            tenant,
                            new Txid(txid),
                            clock.millis() + txid,
                            after.length,
                            1,
                            new int[] {1},
                            after,
                            txid == 1
                                    ? DatabaseChecksum.EMPTY
                                    : sum | DatabaseChecksum.page(1, before, 0, before.length),
                            sum | DatabaseChecksum.page(1, after, 0, after.length),
                            null,
                            null,
                            null);
            log.awaitDurable(log.append(commit, true, (_, _) -> {}));
        }
    }

    private static byte[] page(long txid) {
        byte[] page = new byte[512];
        new SplittableRandom(txid).nextBytes(page);
        return page;
    }

    private Txid coverage(ControllerChain chain) {
        return LineageHistory.list(store, chain.catalog()).coverage();
    }
}
