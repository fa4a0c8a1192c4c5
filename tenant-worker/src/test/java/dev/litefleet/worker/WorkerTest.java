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
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.testing.MemoryObjectStore;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.TokenGen;
import dev.litefleet.worker.tenant.TenantConfig;

import io.vertx.core.json.JsonObject;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// The life of a worker: a whole one in this process, over real sockets, on a store that outlives
/// it, beside a controller that says what the test wants.
final class WorkerTest {
    private static final String SELECT =
            "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"select 1\"}},"
                    + "{\"type\":\"close\"}]}";
    private static final String INSERT =
            "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"insert into t values(1)\"}},"
                    + "{\"type\":\"close\"}]}";

    @TempDir Path folder;
    private final FlakyObjectStore store = new FlakyObjectStore(new MemoryObjectStore());

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
            assertThat(running.worker.ended().get(10, TimeUnit.SECONDS))
                    .isInstanceOf(LogEnd.Fenced.class);
            assertThat(running.post("acme", "v3/pipeline", SELECT).statusCode())
                    .isGreaterThanOrEqualTo(400);
        }
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
        return new RunningWorker(folder, unclosed(), Map.of("shipping.gate-max", "5s"), lease);
    }

    /// The store is the test's, and outlives the worker.
    private Supplier<ObjectStore> unclosed() {
        return () -> store;
    }
}
