package dev.litefleet.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.Slot;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.objects.StoreException.Unavailable;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.CountingObjectStore.Verb;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.testing.S3FaultServer;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.TokenGen;
import dev.litefleet.worker.tenant.TenantConfig;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The life of a worker: a whole one in this process, over real sockets, on a store that outlives
/// it, beside a controller that says what the test wants.
final class WorkerTest {
    private static final String SELECT =
            "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"select 1\"}},"
                    + "{\"type\":\"close\"}]}";
    private static final String CURSOR =
            "{\"batch\":{\"steps\":[{\"stmt\":{\"sql\":\"select 1\"}}]}}";
    private static final String INSERT =
            "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"insert into t values(1)\"}},"
                    + "{\"type\":\"close\"}]}";

    @TempDir Path folder;
    private final CountingObjectStore counting = new CountingObjectStore(new MemoryObjectStore());
    private final FlakyObjectStore store = new FlakyObjectStore(counting);

    @Test
    void registersAndSaysHowFarItsLogIsDurable() throws InterruptedException {
        try (var running = running()) {
            Registration registration = running.controller.registrations.poll(10, TimeUnit.SECONDS);
            assertThat(registration.worker()).isEqualTo("w-1");
            assertThat(registration.session()).isEqualTo(running.worker.session().ulid());
            assertThat(registration.address()).isEqualTo(running.worker.address());
            assertThat(registration.previousSession()).isNull();

            running.assign("acme");
            running.run("acme", "create table t(a)");

            await().untilAsserted(() -> {
                var beat = running.controller.heartbeats.take();
                assertThat(beat.durableSlot()).isGreaterThanOrEqualTo(2);
                assertThat(beat.residents()).isEqualTo(1);
                assertThat(beat.assigned()).isEqualTo(1);
            });
        }
    }

    /// Without the right to list, a free slot reads as forbidden: a lapsed lease could never be
    /// checked.
    @Test
    void workerThatMayNotListSaysSoAtItsStartAndLeavesItsFolderAlone() throws IOException {
        Path own = folder.resolve("workers/w-1");
        Path kept = own.resolve("tenants/acme/01KAHV5W6Q4R9T8Y7ZXCVBNM11/db");
        Files.createDirectories(kept.getParent());
        Files.writeString(kept, "kept");
        // Whose log somebody still has to close.
        String before = "01KAHV5W6Q4R9T8Y7ZXCVBNM00";
        Files.writeString(own.resolve("lock"), before + "\n");
        try (var server = S3FaultServer.start()) {
            server.deny("LIST");

            assertThatThrownBy(() ->
                            new RunningWorker(
                                    folder,
                                    () -> server.url("fleet").open(S3FaultServer.CREDENTIALS),
                                    Map.of()))
                    .hasCauseInstanceOf(StoreException.class)
                    .hasMessageContaining("grant s3:ListBucket");
        }
        assertThat(kept).hasContent("kept");
        assertThat(own.resolve("lock")).hasContent(before + "\n");
        assertThat(own.resolve("quarantine")).doesNotExist();
    }

    /// Placement counts what is assigned, and a hibernated tenant stays assigned: a fleet of idle
    /// tenants was full when as many had been placed as may be open.
    @Test
    void takesMoreTenantsThanMayBeOpenAtOnce() throws InterruptedException {
        try (var running = running()) {
            Registration registration = running.controller.registrations.poll(10, TimeUnit.SECONDS);

            assertThat(registration.tenantsMax())
                    .isEqualTo(TenantConfig.DEFAULT.assignedMax())
                    .isGreaterThan(TenantConfig.DEFAULT.residentsMax());
        }
    }

    @Test
    void unknownToTheControllerItRegistersAgain() throws InterruptedException {
        try (var running = running()) {
            running.controller.registrations.take();

            running.controller.epoch = 2;
            running.controller.status = HeartbeatReply.UNKNOWN;

            assertThat(running.controller.registrations.poll(10, TimeUnit.SECONDS))
                    .extracting(Registration::session)
                    .isEqualTo(running.worker.session().ulid());
        }
    }

    /// P8: the controller asks with every answer until the worker names the next part.
    @Test
    void idleWorkerEndsItsPartWhenTheControllerAsks() {
        try (var running = running()) {
            running.assign("acme");
            running.run("acme", "create table t(x)");

            running.controller.endPart = 1;

            await().atMost(Duration.ofSeconds(20))
                    .until(() -> running.controller.heartbeats.take().part() == 2);
        }
    }

    @Test
    void rotationOfTokensArrivesWithHeartbeat() {
        try (var running = running()) {
            running.assign("acme");
            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode()).isEqualTo(200);

            running.controller.tokenGens = List.of(new TokenGen("acme", 2));

            await().untilAsserted(() ->
                    assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode())
                            .isEqualTo(401));
        }
    }

    @Test
    void fencedWorkerAcknowledgesNothingAndEnds() throws Exception {
        try (var running = running()) {
            running.assign("acme");
            running.run("acme", "create table t(a)");

            fence(running.worker);
            HttpResponse<String> answer = running.post("acme", "v3/pipeline", INSERT);

            assertThat(answer.statusCode()).isEqualTo(503);
            assertThat(new JsonObject(answer.body()).getString("code"))
                    .isEqualTo("OUTCOME_UNKNOWN");
            // Clients take it for leave to send the write again.
            assertThat(answer.headers().firstValue("retry-after")).isEmpty();
            assertThat(running.worker.ended().get(10, TimeUnit.SECONDS))
                    .isInstanceOf(LogEnd.Fenced.class);
            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode())
                    .isGreaterThanOrEqualTo(400);
        }
    }

    /// Of a session of which nothing is known but that it left a WAL.
    @Test
    void commitsInQuarantineAreReportedToTheController() throws Exception {
        String lineage = "01KAHV5W6Q4R9T8Y7ZXCVBNM00";
        Path left = folder.resolve("workers/w-1/tenants/acme").resolve(lineage);
        Files.createDirectories(left);
        Files.writeString(left.resolve("db-wal"), "frames");
        try (var running = running()) {
            running.assign("acme");
            running.run("acme", "create table t(a)");

            Lost lost = running.controller.losses.poll(20, TimeUnit.SECONDS);

            assertThat(lost.tenant()).isEqualTo("acme");
            assertThat(lost.lineage()).isEqualTo(lineage);
            assertThat(lost.worker()).isEqualTo("w-1");
            assertThat(lost.bytes()).isEqualTo(6);
            assertThat(lost.first()).isNull();
        }
        assertThat(folder.resolve("workers/w-1/quarantine/acme/unknown/lost.json")).exists();
    }

    /// What a worker that was paused for long meets first when it is resumed.
    @Test
    void heartbeatAnsweredClosedMakesItLookAtItsLogAtOnce() throws Exception {
        try (var running = running()) {
            fence(running.worker);

            running.controller.status = HeartbeatReply.CLOSED;

            assertThat(running.worker.ended().get(10, TimeUnit.SECONDS))
                    .isInstanceOf(LogEnd.Fenced.class);
        }
    }

    @Test
    void wronglyCalledClosedItGoesOnWithoutLease() {
        try (var running = running()) {
            running.assign("acme");

            running.controller.status = HeartbeatReply.CLOSED;
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("no lease"));

            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode()).isEqualTo(200);
            assertThat(running.worker.ended()).isNotDone();
        }
    }

    @Test
    void outageOfTheControllerDoesNotStopReadsButLooksAtTheLogForEach() {
        try (var running = running(Duration.ofMillis(200))) {
            running.assign("acme");
            running.run("acme", "create table t(a)");

            running.controller.silent = true;
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("no lease"));

            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode()).isEqualTo(200);
            assertThat(running.post("acme", "v3/pipeline", INSERT).statusCode()).isEqualTo(200);

            store.down(true);
            HttpResponse<String> refused = running.post("acme", "v3/pipeline", SELECT);
            store.down(false);
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(new JsonObject(refused.body()).getString("code"))
                    .isEqualTo("STORE_UNAVAILABLE");

            running.controller.silent = false;
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("lease is live"));
        }
    }

    @Test
    void withoutLeaseFencedWorkerServesNoRead() throws Exception {
        try (var running = running(Duration.ofMillis(200))) {
            running.assign("acme");
            running.run("acme", "create table t(a)");
            running.controller.silent = true;
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("no lease"));

            fence(running.worker);

            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode()).isEqualTo(503);
            assertThat(running.worker.ended().get(10, TimeUnit.SECONDS))
                    .isInstanceOf(LogEnd.Fenced.class);
        }
    }

    @Test
    void strongReadLooksAtTheLogAlsoUnderLease() {
        try (var running = running()) {
            running.assign("acme");
            running.run("acme", "create table t(a)");
            fence(running.worker);

            HttpResponse<String> strong =
                    running.send(
                            running.request("/t/acme/v3/pipeline?consistency=strong")
                                    .header(
                                            "authorization",
                                            "Bearer " + running.token("rw", "acme"))
                                    .POST(BodyPublishers.ofString(SELECT)));

            assertThat(strong.statusCode()).isEqualTo(503);
        }
    }

    /// By header and by query, at pipeline and cursor: each look is one read of the store, and a
    /// plain read under the lease is none.
    @Test
    void strongReadIsOneLookAtTheLogHoweverItIsAskedFor() {
        try (var running = running(Duration.ofHours(1))) {
            running.assign("acme");
            running.run("acme", "create table t(a)");
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("lease is live"));
            assertThat(gets(() -> read(running, "v3/pipeline", SELECT, false))).isZero();
            assertThat(gets(() -> read(running, "v3/cursor", CURSOR, false))).isZero();

            assertThat(gets(() -> read(running, "v3/pipeline", SELECT, true))).isEqualTo(1);
            assertThat(gets(() -> read(running, "v3/cursor", CURSOR, true))).isEqualTo(1);
            assertThat(gets(() -> read(running, "v3/pipeline?consistency=strong", SELECT, false)))
                    .isEqualTo(1);
            assertThat(gets(() -> read(running, "v3/cursor?consistency=strong", CURSOR, false)))
                    .isEqualTo(1);
        }
    }

    @Test
    void strongReadIsRefusedWithoutTheStoreAndPlainOnesGoOnUnderTheLease() {
        try (var running = running(Duration.ofHours(1))) {
            running.assign("acme");
            running.run("acme", "create table t(a)");
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("lease is live"));
            store.down(true);

            HttpResponse<String> strong =
                    running.post("acme", "v3/cursor?consistency=strong", CURSOR);
            HttpResponse<String> plain = running.post("acme", "v3/cursor", CURSOR);

            store.down(false);
            assertThat(strong.statusCode()).isEqualTo(503);
            assertThat(new JsonObject(strong.body()).getString("code"))
                    .isEqualTo("STORE_UNAVAILABLE");
            assertThat(plain.statusCode()).isEqualTo(200);
        }
    }

    /// Nobody reads: no lease is asked for. The first read looks at the log, and asks at once.
    @Test
    void leaseIsAskedForOnlyWhileSomebodyReads() throws InterruptedException {
        try (var running = running()) {
            assertThat(running.controller.heartbeats.take().leaseWanted()).isFalse();
            running.controller.heartbeats.clear();
            assertThat(running.controller.heartbeats.take().leaseWanted()).isFalse();
            running.assign("acme");

            running.run("acme", "create table t(a)");

            await().until(() -> running.controller.heartbeats.take().leaseWanted());
        }
    }

    /// The controller is there, but not sure that it still is the controller.
    @Test
    void heardButNotLeasedItLooksAtTheLogForEachRead() {
        try (var running = running(Duration.ofMillis(200))) {
            running.assign("acme");
            running.run("acme", "create table t(a)");
            running.controller.leasing = false;
            await().untilAsserted(() -> assertThat(readyPage(running)).contains("no lease"));

            assertThat(gets(() -> read(running, "v3/pipeline", SELECT, false))).isEqualTo(1);

            assertThat(running.worker.ended()).isNotDone();
            running.controller.leasing = true;
            await().untilAsserted(() -> {
                read(running, "v3/pipeline", SELECT, false);
                assertThat(readyPage(running)).contains("lease is live");
            });
        }
    }

    /// The part is named only when the fence before it is resolved; and again when it registers
    /// with another controller.
    @Test
    void heartbeatNamesThePartOfTheLog() throws InterruptedException {
        try (var running = running(Duration.ofSeconds(3), Map.of("log.part-slots-max", "3"))) {
            running.assign("acme");
            running.run("acme", "create table t(a)");
            store.beforePut(key -> {
                if (key.endsWith("0001/0000000000000004.zip")) {
                    throw new Unavailable("put " + key, "held by the test", null);
                }
            });
            running.run("acme", "insert into t values(1)");
            var third =
                    CompletableFuture.supplyAsync(
                            () -> running.run("acme", "insert into t values(2)"));
            running.controller.heartbeats.clear();
            for (int beat = 0; beat < 5; beat++) {
                Heartbeat heartbeat = running.controller.heartbeats.take();
                assertThat(heartbeat.part()).isEqualTo(1);
                assertThat(heartbeat.durableSlot()).isLessThanOrEqualTo(3);
            }
            assertThat(third).isNotDone();

            store.beforePut(_ -> {});
            third.join();

            await().until(() -> running.controller.heartbeats.take().part() == 2);
            running.controller.registrations.clear();
            running.controller.status = HeartbeatReply.UNKNOWN;
            assertThat(running.controller.registrations.take().part()).isEqualTo(2);
        }
    }

    private long gets(Supplier<HttpResponse<String>> read) {
        long before = counting.count(Verb.GET);
        assertThat(read.get().statusCode()).isEqualTo(200);
        return counting.count(Verb.GET) - before;
    }

    private static HttpResponse<String> read(
            RunningWorker running, String endpoint, String body, boolean strong) {
        var request =
                running.request("/t/acme/" + endpoint)
                        .header("authorization", "Bearer " + running.token("rw", "acme"))
                        .POST(BodyPublishers.ofString(body));
        return running.send(strong ? request.header("litefleet-consistency", "strong") : request);
    }

    @Test
    void stoppedWorkerReleasesWhatItHas() throws InterruptedException {
        var running = running();
        running.assign("acme");
        running.assign("idle");
        running.run("acme", "create table t(a)", "insert into t values (1)");
        String session = running.worker.session().ulid();

        running.close();

        Map<String, Release> releases =
                Map.of(
                        "acme", release(running, "acme"),
                        "idle", release(running, "idle"));
        assertThat(releases.get("acme").lastTxid()).isEqualTo("0000000000000002");
        assertThat(releases.get("idle").lastTxid()).isEqualTo("0000000000000000");
        assertThat(releases.get("acme").session()).isEqualTo(session);
    }

    @Test
    void restartedWorkerNamesTheSessionBeforeIt() throws Exception {
        try (var running = running()) {
            running.controller.registrations.take();
            String first = running.worker.session().ulid();
            running.worker.close();

            try (Worker second = running.start(folder, unclosed(), Map.of())) {
                assertThat(
                                running.controller
                                        .registrations
                                        .poll(10, TimeUnit.SECONDS)
                                        .previousSession())
                        .isEqualTo(first);
                assertThat(second.session().ulid()).isNotEqualTo(first);
            }
        }
    }

    @Test
    void secondWorkerOnTheSameFolderIsRefused() {
        try (var running = running()) {
            assertThatThrownBy(() -> running.start(folder, unclosed(), Map.of()))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("another process runs this worker");
        }
    }

    private static Release release(RunningWorker running, String tenant) {
        return running.controller.releases.stream()
                .filter(release -> release.tenant().equals(tenant))
                .findFirst()
                .orElseThrow();
    }

    private void fence(Worker worker) {
        Fence.close(
                store.calm(),
                new LogName("w-1", worker.session()),
                Slot.FIRST,
                "test",
                2,
                new ThreadTasks(),
                new SplittableRandom(1));
    }

    private static String readyPage(RunningWorker running) {
        return running.send(running.request("/readyz?verbose").GET()).body();
    }

    private RunningWorker running() {
        return running(Duration.ofSeconds(3));
    }

    private RunningWorker running(Duration lease) {
        return running(lease, Map.of("shipping.gate-max", "5s"));
    }

    private RunningWorker running(Duration lease, Map<String, String> settings) {
        return new RunningWorker(folder, unclosed(), settings, lease);
    }

    /// The store is the test's, and outlives the worker.
    private Supplier<ObjectStore> unclosed() {
        return () -> store;
    }
}
