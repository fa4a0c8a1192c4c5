package dev.litefleet.controller;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.litefleet.controller.catalog.ApiKeyRow;
import dev.litefleet.controller.catalog.Begun;
import dev.litefleet.controller.catalog.Deletion;
import dev.litefleet.controller.catalog.OperationState;
import dev.litefleet.controller.catalog.Provisioned;
import dev.litefleet.controller.catalog.TenantQuery;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.catalog.WorkerRow;
import dev.litefleet.controller.operation.FleetException.NotServing;
import dev.litefleet.controller.operation.Route;
import dev.litefleet.controller.testing.TestWorker;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ListedObject;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.replica.sqlite.Sqlite;
import dev.litefleet.service.InternalAuth;
import dev.litefleet.service.Keys;
import dev.litefleet.service.Metrics;
import dev.litefleet.testing.CountingObjectStore;
import dev.litefleet.testing.FlakyObjectStore;
import dev.litefleet.worker.control.Assignment;
import dev.litefleet.worker.control.Heartbeat;
import dev.litefleet.worker.control.HeartbeatReply;
import dev.litefleet.worker.control.Registered;
import dev.litefleet.worker.control.Registration;
import dev.litefleet.worker.control.Release;
import dev.litefleet.worker.control.ReleaseRequest;
import dev.litefleet.worker.control.Wire;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Whole controllers on one store, spoken to over signed HTTP as workers do.
final class ControllerTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final Duration LEASE = Duration.ofMillis(400);

    private final FlakyObjectStore store = new FlakyObjectStore();
    private final Vertx vertx = Vertx.vertx();
    private final InstantSource clock = InstantSource.system();
    private final Tasks tasks = new ThreadTasks();
    private final Random random = new SecureRandom();
    private final List<AutoCloseable> open = new ArrayList<>();
    private final List<ControllerEnd> ends = new CopyOnWriteArrayList<>();
    private final HttpClient http = HttpClient.newHttpClient();
    private final AtomicInteger folders = new AtomicInteger();
    private int epochSlots = 10_000;

    @TempDir Path folder;

    @BeforeAll
    static void loadSqlite(@TempDir Path tmp) {
        Sqlite.load(tmp);
    }

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable thing : open.reversed()) {
            thing.close();
        }
        vertx.close().toCompletionStage().toCompletableFuture().join();
    }

    @Test
    void livingControllerIsNotReplaced() {
        // Long enough for a busy machine to answer.
        Controller first = controller(Duration.ofSeconds(10));

        Start second = start(Optional.empty(), Duration.ofSeconds(10));

        assertThat(second).isEqualTo(new Start.AlreadyRunning(first.internalAddress()));
    }

    /// Whatever is wrong with the store's settings: what is on this disk is still there after it.
    @Test
    void storeThatCannotBeUsedCostsNothingHere() throws IOException {
        Path kept = folder.resolve("controller-1/catalog/main.db");
        Files.createDirectories(kept.getParent());
        Files.writeString(kept, "kept");
        store.failNext(request ->
                new StoreException.Misconfigured(
                        request, "404 NoSuchBucket: create the bucket", null));

        assertThatThrownBy(() -> start(Optional.empty()))
                .isInstanceOf(StoreException.Misconfigured.class)
                .hasMessageContaining("create the bucket");

        assertThat(kept).hasContent("kept");
    }

    /// The catalog's files are gone from the bucket. A controller that began with an empty catalog
    /// would give tenants' names away anew and delete what they left; it refuses, and touches
    /// nothing.
    @Test
    void catalogThatIsLostIsNotReplacedByAnEmptyOne() {
        Controller first = controller();
        provision(first, ACME);
        first.close();
        List<String> lost = store.listAll("tenants/_catalog/").map(ListedObject::key).toList();
        assertThat(lost).isNotEmpty();
        lost.forEach(store::delete);
        List<String> left = store.listAll("tenants/").map(ListedObject::key).toList();

        assertThatThrownBy(() -> start(Optional.empty()))
                .isInstanceOf(HistoryIncomplete.class)
                .hasMessageContaining("_catalog");

        assertThat(store.listAll("tenants/").map(ListedObject::key)).isEqualTo(left);
    }

    @Test
    void controllerThatLeftIsSucceededAtOnce() {
        Controller first = controller();
        provision(first, ACME);
        first.close();
        long began = tasks.nanos();

        Controller second = controller();

        assertThat(Duration.ofNanos(tasks.nanos() - began)).isLessThan(Duration.ofSeconds(3));
        assertThat(second.epoch()).isEqualTo(2);
        assertThat(second.tenant(ACME).join()).isPresent();
        assertThatThrownBy(() -> first.tenant(ACME).join()).hasCauseInstanceOf(NotServing.class);
    }

    /// The first one still believes; its directory's lock is held by the second now.
    @Test
    void fencedControllerAnswersNobodyAndTellsItsProcess() {
        Controller zombie = serving(Optional.of("node"));
        provision(zombie, ACME);

        Controller second = serving(Optional.of("node"));

        assertThat(second.tenant(ACME).join()).isPresent();
        assertThatThrownBy(() ->
                        zombie.provision(new TenantId("late"), TenantSpec.DEFAULT, false).join())
                .hasCauseInstanceOf(Fenced.class);
        await().until(() -> ends.size() == 1);
        assertThat(ends.getFirst()).isInstanceOf(ControllerEnd.Fenced.class);
        assertThat(second.tenant(new TenantId("late")).join()).isEmpty();
    }

    @Test
    void fleetComesBackFromTheStoreAlone() {
        Controller first = controller();
        provision(first, ACME);
        provision(first, new TenantId("gone"));
        first.delete(new TenantId("gone")).join();
        var key = new ApiKeyRow("abcd", "admin", "admin", java.time.Instant.EPOCH);
        first.addApiKey(key).join();
        first.close();

        Controller second = controller();

        assertThat(second.tenants(new TenantQuery("", Map.of(), null, "", 10)).join().tenants())
                .extracting(tenant -> tenant.id())
                .containsExactly(ACME);
        assertThat(second.provision(new TenantId("gone"), TenantSpec.DEFAULT, false).join())
                .isInstanceOf(Provisioned.Deleted.class);
        assertThat(second.apiKeys().join()).containsExactly(key);
        assertThat(second.jwtKeys()).containsAll(first.jwtKeys());
    }

    @Test
    void unsignedMessagesAreRefused() throws Exception {
        Controller controller = controller();
        var request =
                HttpRequest.newBuilder(
                                URI.create(controller.internalAddress() + "/internal/v1/register"))
                        .POST(HttpRequest.BodyPublishers.ofString("{}"))
                        .build();

        assertThat(http.send(request, BodyHandlers.discarding()).statusCode()).isEqualTo(401);
    }

    @Test
    void workerRegistersBeatsAndIsRouted() throws Exception {
        Controller controller = controller();
        provision(controller, ACME);
        Worker worker = worker("w-1");

        Registered registered = worker.register(controller, null);
        Route route = controller.route(ACME).join();

        assertThat(registered.epoch()).isEqualTo(1);
        assertThat(registered.leaseMillis()).isEqualTo(LEASE.toMillis());
        assertThat(registered.jwtKeys()).isEqualTo(controller.jwtKeys());
        assertThat(worker.beat(controller).status()).isEqualTo(HeartbeatReply.LIVE);
        assertThat(route.address()).isEqualTo(worker.address());
        assertThat(worker.worker().write(ACME, "a")).isTrue();
        assertThat(controller.workers().join())
                .singleElement()
                .matches(row -> row.state().equals("live") && row.tenants() == 1);
    }

    @Test
    void callsForOneTenantShareOneAnswer() throws Exception {
        Controller controller = controller();
        provision(controller, ACME);
        var answers = new ArrayList<CompletableFuture<Route>>();
        for (int i = 0; i < 50; i++) {
            answers.add(controller.route(ACME));
        }
        Worker worker = worker("w-1");

        worker.register(controller, null);

        assertThat(answers.stream().map(CompletableFuture::join).distinct()).hasSize(1);
        assertThat(worker.assignments()).isEqualTo(1);
    }

    @Test
    void deadWorkersTenantsComeBackOnAnother() throws Exception {
        Controller controller = controller();
        var closed = new CopyOnWriteArrayList<String>();
        controller.onSessionClosed(closed::add);
        provision(controller, ACME);
        Worker first = worker("w-1");
        first.register(controller, null);
        controller.route(ACME).join();
        first.worker().write(ACME, "kept");
        Worker second = worker("w-2");
        second.register(controller, null);

        await().pollInterval(Duration.ofMillis(50))
                .until(() -> {
                    second.beat(controller);
                    return !closed.isEmpty();
                });
        Route route = controller.route(ACME).join();

        assertThat(closed).contains(first.worker().session().ulid());
        assertThat(route.address()).isEqualTo(second.address());
        assertThat(second.worker().rows(ACME)).isEqualTo("kept");
        assertThat(first.worker().write(ACME, "lost")).isFalse();
        assertThat(first.beat(controller).status()).isEqualTo(HeartbeatReply.CLOSED);
        assertThat(first.status(controller, first.worker().registration(null))).isEqualTo(409);
    }

    @Test
    void previousSessionOfARestartedWorkerIsFencedAtOnce() throws Exception {
        Controller controller = controller(Duration.ofHours(1));
        provision(controller, ACME);
        Worker first = worker("w-1");
        first.register(controller, null);
        controller.route(ACME).join();
        first.worker().write(ACME, "kept");
        Worker idle = worker("w-0");
        idle.register(controller, null);
        Worker again = worker("w-1");

        again.register(controller, first.worker().session());

        // Not to the idle one, whenever it is asked.
        await().pollInterval(Duration.ofMillis(1))
                .until(() -> controller.route(ACME).join().address().equals(again.address()));
        assertThat(idle.assignments()).isZero();
        assertThat(again.worker().rows(ACME)).isEqualTo("kept");
    }

    /// Only the lock of the same worker's directory proves anything.
    @Test
    void anotherWorkersSessionIsNotFencedByAName() throws Exception {
        Controller controller = controller(Duration.ofHours(1));
        Worker first = worker("w-1");
        first.register(controller, null);
        Worker liar = worker("w-2");

        liar.register(controller, first.worker().session());

        assertThat(first.beat(controller).status()).isEqualTo(HeartbeatReply.LIVE);
    }

    @Test
    void stoppingWorkerReleasesAndGetsNothingNew() throws Exception {
        Controller controller = controller(Duration.ofHours(1));
        provision(controller, ACME);
        Worker first = worker("w-1");
        first.register(controller, null);
        controller.route(ACME).join();
        first.worker().write(ACME, "kept");
        Release release = first.worker().release(ACME).orElseThrow();

        int status = first.post(controller, "/internal/v1/released", release).statusCode();
        Worker second = worker("w-2");
        second.register(controller, null);

        assertThat(status).isEqualTo(204);
        assertThat(controller.route(ACME).join().address()).isEqualTo(second.address());
        assertThat(second.worker().rows(ACME)).isEqualTo("kept");
    }

    @Test
    void deletedTenantIsTakenFromItsWorker() throws Exception {
        Controller controller = controller(Duration.ofHours(1));
        provision(controller, ACME);
        Worker worker = worker("w-1");
        worker.register(controller, null);
        controller.route(ACME).join();
        var moved = new CopyOnWriteArrayList<TenantId>();
        controller.onTenantMoved(moved::add);

        Deletion deletion = controller.delete(ACME).join();

        assertThat(deletion).isInstanceOf(Deletion.Done.class);
        assertThat(((Deletion.Done) deletion).released()).isTrue();
        assertThat(worker.worker().has(ACME)).isFalse();
        assertThat(moved).contains(ACME);
    }

    /// The parts before the one that the catalog names are trimmed while the worker lives; a fence
    /// that started in one of them would stand in a hole, below what was acknowledged.
    @Test
    void failoverBeginsInThePartThatTheHeartbeatsNamed() throws Exception {
        Controller controller = controller(Duration.ofMillis(400));
        provision(controller, ACME);
        Worker first = worker("w-1");
        first.register(controller, null);
        controller.route(ACME).join();
        for (int row = 10; row < 22; row++) {
            assertThat(first.worker().write(ACME, "r" + row)).isTrue();
        }
        int part = first.worker().heartbeat().part();
        assertThat(part).isGreaterThan(2);
        await().pollInterval(Duration.ofMillis(20))
                .until(() -> {
                    first.beat(controller);
                    return controller.workers().join().getFirst().part() == part;
                });
        Worker second = worker("w-2");
        second.register(controller, null);
        first.worker().trim(part, 2);

        await().pollInterval(Duration.ofMillis(50))
                .until(() -> {
                    second.beat(controller);
                    return controller.route(ACME).join().address().equals(second.address());
                });

        assertThat(second.worker().rows(ACME).split(" ")).hasSize(12);
        assertThat(first.worker().write(ACME, "lost")).isFalse();
    }

    /// A controller that is succeeded takes no tenant from a living worker.
    @Test
    void workersKeepTheirTenantsOverARestartOfTheController() throws Exception {
        Controller first = controller(Duration.ofSeconds(5));
        provision(first, ACME);
        Worker worker = worker("w-1");
        worker.register(first, null);
        Route before = first.route(ACME).join();
        first.close();

        Controller second = controller(Duration.ofSeconds(5));
        assertThat(worker.beat(second).status()).isEqualTo(HeartbeatReply.UNKNOWN);
        assertThat(second.workers().join()).extracting(WorkerRow::state).containsExactly("silent");
        worker.register(second, null);

        assertThat(second.route(ACME).join()).isEqualTo(before);
        assertThat(worker.worker().write(ACME, "a")).isTrue();
    }

    /// It answers its workers' heartbeats and hears nothing of its fence. What it grants must have
    /// ended before its successor fences a worker, whose tenants others may write from then on.
    @Test
    void leasesOfAControllerThatIsCutOffEndBeforeItsSuccessorFencesTheirWorker() throws Exception {
        var lease = Duration.ofSeconds(1);
        var cut = new FlakyObjectStore(store.calm());
        Controller old = serving(Optional.of("node"), lease, cut);
        provision(old, ACME);
        Worker worker = worker("w-1");
        worker.register(old, null);
        old.route(ACME).join();
        await().until(() -> worker.beat(old).leased());
        var fenced = new AtomicLong();
        String log = worker.worker().log().prefix();
        store.beforePut(key -> {
            if (key.startsWith(log)) {
                fenced.compareAndSet(0, tasks.nanos());
            }
        });
        cut.down(true);

        Controller successor = serving(Optional.of("node"), lease, store);
        long ends = 0;
        int heard = 0;
        while (fenced.get() == 0) {
            long sent = tasks.nanos();
            HeartbeatReply reply = worker.beat(old);
            assertThat(reply.status()).isEqualTo(HeartbeatReply.LIVE);
            heard++;
            ends = reply.leased() ? sent + lease.toNanos() : ends;
        }

        assertThat(heard).isPositive();
        assertThat(ends).isLessThan(fenced.get());
        assertThat(worker.beat(old).leased()).isFalse();
        cut.down(false);
        await().until(() -> successor.workers().join().isEmpty());
    }

    @Test
    void heartbeatThatWantsNoLeaseIsAnsweredWithoutTheStore() throws Exception {
        var counting = new CountingObjectStore(store);
        Controller controller = serving(Optional.empty(), Duration.ofHours(1), counting);
        Worker worker = worker("w-1");
        worker.register(controller, null);
        worker.beat(controller);
        counting.reset();

        Heartbeat idle = worker.worker().heartbeat();
        for (int beat = 0; beat < 20; beat++) {
            HeartbeatReply reply =
                    worker.beat(
                            controller,
                            new Heartbeat(
                                    idle.worker(),
                                    idle.session(),
                                    idle.part(),
                                    idle.durableSlot(),
                                    0,
                                    0,
                                    false,
                                    0));
            assertThat(reply.status()).isEqualTo(HeartbeatReply.LIVE);
            assertThat(reply.leased()).isFalse();
        }
        assertThat(counting.total()).isZero();

        for (int beat = 0; beat < 20; beat++) {
            assertThat(worker.beat(controller).leased()).isTrue();
        }
        assertThat(counting.count(CountingObjectStore.Verb.GET)).isLessThanOrEqualTo(1);
        assertThat(counting.total()).isLessThanOrEqualTo(1);
    }

    /// C3: it claims its own next epoch, over and over, while it is asked without pause. Nothing
    /// that was acknowledged is lost, nobody is refused, workers keep their tenants.
    @Test
    void controllerFollowsItsOwnEpochsUnderLoad() throws Exception {
        epochSlots = 12;
        Controller controller = controller(Duration.ofSeconds(10));
        Worker worker = worker("w-1");
        worker.register(controller, null);
        provision(controller, ACME);
        Route route = controller.route(ACME).join();
        var acknowledged = new CopyOnWriteArrayList<TenantId>();
        var askers = new ArrayList<CompletableFuture<Void>>();
        for (int asker = 0; asker < 3; asker++) {
            String name = "t-" + asker + "-";
            askers.add(
                    CompletableFuture.runAsync(
                            () -> {
                                for (int i = 0; controller.epoch() < 5; i++) {
                                    var tenant = new TenantId(name + i);
                                    provision(controller, tenant);
                                    acknowledged.add(tenant);
                                }
                            },
                            task -> Thread.startVirtualThread(task)));
        }
        long heard = 0;
        while (askers.stream().anyMatch(asker -> !asker.isDone())) {
            HeartbeatReply reply = worker.beat(controller);
            assertThat(reply.status()).isEqualTo(HeartbeatReply.LIVE);
            assertThat(reply.epoch()).isGreaterThanOrEqualTo(heard);
            heard = reply.epoch();
        }
        askers.forEach(CompletableFuture::join);

        assertThat(ends).isEmpty();
        assertThat(heard).isGreaterThan(1);
        assertThat(controller.route(ACME).join()).isEqualTo(route);
        for (TenantId tenant : acknowledged) {
            assertThat(controller.tenant(tenant).join()).isPresent();
        }
        List<String> chain =
                store.calm().list("controller/", "", 1000).objects().stream()
                        .map(ListedObject::key)
                        .toList();
        for (int epoch = 1; epoch < 5; epoch++) {
            assertThat(chain).contains("controller/%016x.closed.json".formatted(epoch));
        }
        controller.close();
        Controller second = controller(Duration.ofSeconds(10));
        assertThat(second.epoch()).isGreaterThan(controller.epoch());
        for (TenantId tenant : acknowledged) {
            assertThat(second.tenant(tenant).join()).isPresent();
        }
    }

    @Test
    void idleControllerStaysInItsEpoch() {
        epochSlots = 2;
        Controller controller = controller(Duration.ofSeconds(10));
        provision(controller, ACME);
        await().until(() -> controller.epoch() > 1);

        // The epoch may change once more for what the change before it wrote.
        var before = new AtomicLong();
        await().during(Duration.ofSeconds(1))
                .until(() -> before.getAndSet(controller.epoch()) == controller.epoch());
        assertThat(controller.tenant(ACME).join()).isPresent();
    }

    /// Its writes fail one after the other, before they are made and after: a controller that dies
    /// there is two dead controllers for its successor.
    @Test
    void deathAtAnyStepOfAnEpochsChangeLosesNothingAcknowledged() {
        epochSlots = 8;
        for (int step = 1; step <= 12; step++) {
            var cut = new FlakyObjectStore(store.calm());
            Controller dying = serving(Optional.of("node"), Duration.ofSeconds(10), cut);
            long began = dying.epoch();
            var steps = new AtomicInteger(step);
            String next = "controller/%016x".formatted(began + 1);
            var armed = new AtomicBoolean();
            cut.afterPut(key -> {
                armed.compareAndSet(false, key.startsWith(next));
                if (armed.get() && steps.decrementAndGet() == 0) {
                    cut.down(true);
                }
            });
            var acknowledged = new ArrayList<TenantId>();
            for (int i = 0; i < 12 && steps.get() > 0; i++) {
                var tenant = new TenantId("t-%d-%d".formatted(step, i));
                var answer = dying.provision(tenant, TenantSpec.DEFAULT, false);
                await().until(() -> answer.isDone() || steps.get() <= 0);
                if (answer.isDone() && !answer.isCompletedExceptionally()) {
                    acknowledged.add(tenant);
                }
            }

            Controller successor = serving(Optional.of("node"), Duration.ofSeconds(10), store);

            assertThat(successor.epoch()).isGreaterThan(began);
            for (TenantId tenant : acknowledged) {
                assertThat(successor.tenant(tenant).join()).as("step %d", step).isPresent();
            }
            successor.close();
            cut.down(false);
            dying.close();
        }
    }

    /// What dashboards and alerts are built on: names and types stay, and their number does not
    /// grow with the fleet.
    @Test
    void metricsHaveTheseNamesAndTypesAndNoTenant() throws Exception {
        Controller controller = controller(Duration.ofSeconds(10));
        var metrics = new Metrics();
        ControllerMetrics.register(metrics.registry(), controller);
        metrics.mount(controller.internalRouter());
        provision(controller, ACME);
        Set<String> before = series(page(controller));
        assertThat(value(page(controller), "litefleet_janitor_runs_total{outcome=\"ok\"}"))
                .isZero();

        controller.clean().join();
        provision(controller, new TenantId("other"));
        Path file = Files.writeString(controller.uploads().resolve("bad"), "not a database");
        var begun =
                (Begun.Started)
                        controller
                                .importFile(
                                        new TenantId("third"),
                                        TenantSpec.DEFAULT,
                                        file,
                                        Optional.empty())
                                .join();
        await().atMost(Duration.ofSeconds(60))
                .until(() ->
                        controller
                                .operation(begun.operation().id(), Duration.ofSeconds(1))
                                .join()
                                .filter(row -> row.state() == OperationState.FAILED)
                                .isPresent());

        String page = page(controller);
        assertThat(page.lines().filter(line -> line.startsWith("# TYPE")).map(t -> t.substring(7)))
                .containsExactlyInAnyOrder(
                        "litefleet_controller_epoch gauge",
                        "litefleet_operations_in_progress gauge",
                        "litefleet_operations_total counter",
                        "litefleet_janitor_runs_total counter",
                        "litefleet_retention_deleted_objects_total counter",
                        "litefleet_retention_deleted_bytes_total counter",
                        "litefleet_janitor_last_success_timestamp_seconds gauge",
                        "litefleet_janitor_held_objects gauge",
                        "litefleet_janitor_kept_segments gauge",
                        "litefleet_janitor_planned_objects gauge",
                        "litefleet_janitor_problems gauge");
        assertThat(series(page)).isEqualTo(before);
        assertThat(page).doesNotContain("acme", "other", "third", begun.operation().id());
        assertThat(value(page, "litefleet_controller_epoch")).isEqualTo(controller.epoch());
        assertThat(value(page, "litefleet_janitor_runs_total{outcome=\"ok\"}")).isEqualTo(1);
        assertThat(value(page, "litefleet_janitor_last_success_timestamp_seconds")).isPositive();
        await().until(() ->
                value(
                                page(controller),
                                "litefleet_operations_total{kind=\"import\",outcome=\"failed\"}")
                        == 1);
    }

    private String page(Controller controller) throws IOException, InterruptedException {
        HttpResponse<String> answer =
                http.send(
                        HttpRequest.newBuilder(
                                        URI.create(controller.internalAddress() + "/metrics"))
                                .build(),
                        BodyHandlers.ofString());
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.headers().firstValue("content-type"))
                .hasValue("text/plain; version=0.0.4");
        return answer.body();
    }

    /// Names with labels, without values.
    private static Set<String> series(String page) {
        return page.lines()
                .filter(line -> !line.startsWith("#"))
                .map(line -> line.substring(0, line.lastIndexOf(' ')))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static double value(String page, String series) {
        return page.lines()
                .filter(line -> line.startsWith(series + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(series.length() + 1)))
                .findFirst()
                .orElseThrow();
    }

    private void provision(Controller controller, TenantId tenant) {
        assertThat(controller.provision(tenant, TenantSpec.DEFAULT, false).join())
                .isInstanceOf(Provisioned.Created.class);
    }

    private Controller controller() {
        return controller(LEASE);
    }

    private Controller controller(Duration lease) {
        return ((Start.Serving) start(Optional.empty(), lease)).controller();
    }

    private Controller serving(Optional<String> node) {
        return ((Start.Serving) start(node)).controller();
    }

    private Start start(Optional<String> node) {
        return start(node, LEASE);
    }

    private Controller serving(Optional<String> node, Duration lease, ObjectStore under) {
        return ((Start.Serving) start(node, lease, under)).controller();
    }

    private Start start(Optional<String> node, Duration lease) {
        return start(node, lease, store);
    }

    private Start start(Optional<String> node, Duration lease, ObjectStore under) {
        var config =
                new ControllerConfig(
                        folder.resolve("controller-" + folders.incrementAndGet()),
                        "127.0.0.1",
                        0,
                        node,
                        lease,
                        Duration.ofMillis(100),
                        Duration.ofMillis(100),
                        Duration.ofDays(1),
                        epochSlots,
                        Duration.ofSeconds(10),
                        Duration.ofSeconds(5),
                        RetentionConfig.DEFAULT);
        Start start =
                Controller.start(config, under, keys(), vertx, tasks, clock, random, ends::add);
        if (start instanceof Start.Serving(var controller)) {
            open.add(controller);
        }
        return start;
    }

    private Keys keys() {
        return Keys.open(folder.resolve("secrets"), new SecureRandom());
    }

    private Worker worker(String name) {
        return new Worker(name);
    }

    /// A worker behind an HTTP port of its own.
    private final class Worker {
        private final InternalAuth auth = new InternalAuth(keys(), clock, random);
        private final AtomicInteger assignments = new AtomicInteger();
        private final HttpServer server;
        private final CompletableFuture<TestWorker> worker = new CompletableFuture<>();

        Worker(String name) {
            server =
                    vertx.createHttpServer()
                            .requestHandler(request ->
                                    request.body()
                                            .onSuccess(body ->
                                                    Thread.startVirtualThread(() ->
                                                            request.response()
                                                                    .end(
                                                                            Buffer.buffer(
                                                                                    answer(
                                                                                            request
                                                                                                    .path(),
                                                                                            body
                                                                                                    .getBytes()))))));
            server.listen(0, "127.0.0.1").toCompletionStage().toCompletableFuture().join();
            var started =
                    new TestWorker(
                            name,
                            "http://127.0.0.1:" + server.actualPort(),
                            store,
                            folder,
                            tasks,
                            clock,
                            random);
            worker.complete(started);
            open.add(started);
        }

        private byte[] answer(String path, byte[] body) {
            if (path.equals("/internal/v1/assign")) {
                assignments.incrementAndGet();
                return Wire.write(worker().assign(Wire.read(body, Assignment.class)));
            }
            return Wire.write(
                    worker().release(Wire.read(body, ReleaseRequest.class)).orElseThrow());
        }

        TestWorker worker() {
            return worker.join();
        }

        String address() {
            return worker().address();
        }

        int assignments() {
            return assignments.get();
        }

        Registered register(Controller controller, @Nullable SessionId previous)
                throws IOException, InterruptedException {
            Registration message = worker().registration(previous);
            return Wire.read(
                    post(controller, "/internal/v1/register", message).body(), Registered.class);
        }

        int status(Controller controller, Registration message)
                throws IOException, InterruptedException {
            return post(controller, "/internal/v1/register", message).statusCode();
        }

        HeartbeatReply beat(Controller controller) throws IOException, InterruptedException {
            return beat(controller, worker().heartbeat());
        }

        HeartbeatReply beat(Controller controller, Heartbeat message)
                throws IOException, InterruptedException {
            return Wire.read(
                    post(controller, "/internal/v1/heartbeat", message).body(),
                    HeartbeatReply.class);
        }

        HttpResponse<byte[]> post(Controller controller, String path, Record message)
                throws IOException, InterruptedException {
            byte[] body = Wire.write(message);
            return http.send(
                    HttpRequest.newBuilder(URI.create(controller.internalAddress() + path))
                            .header(InternalAuth.HEADER, auth.sign("POST", path, body))
                            .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                            .build(),
                    BodyHandlers.ofByteArray());
        }
    }
}
