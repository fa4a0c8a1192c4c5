package dev.litefleet.cli;

import dev.litefleet.controller.ControllerEnd;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.service.Shutdown;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// The whole fleet on this machine: controller, API and gateway in this process, workers as child
/// processes, a directory as the object store unless told otherwise.
@Command(
        name = "up",
        mixinStandardHelpOptions = true,
        description = "Run the whole fleet on this machine.")
final class UpCommand implements Callable<Integer> {
    private static final Duration READY_MAX = Duration.ofSeconds(60);
    private static final Duration LOOK_AGAIN = Duration.ofMillis(25);
    private static final int FENCED = 3;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            defaultValue = "./litefleet-data",
            description = "Keys, worker files and the default store (default: ${DEFAULT-VALUE}).")
    private Path data = Path.of(".");

    @Option(
            names = "--port",
            defaultValue = "7480",
            description =
                    "Public port; the next one is internal, for the workers (default:"
                            + " ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--host",
            defaultValue = "127.0.0.1",
            description = "Address to bind (default: ${DEFAULT-VALUE}).")
    private String host = "127.0.0.1";

    @Option(
            names = "--workers",
            defaultValue = "2",
            description = "How many workers, 1 to 64 (default: ${DEFAULT-VALUE}).")
    private int workers;

    @Option(
            names = "--store",
            paramLabel = "URL",
            description =
                    "file:///dir or s3://bucket/prefix?endpoint=&region=&pathStyle=true (default:"
                            + " <data>/store).")
    private @Nullable String store;

    @Option(
            names = "--worker-store",
            paramLabel = "URL",
            description =
                    "The same place as --store with the workers' own profile or role, such as"
                            + " s3://bucket/prefix?profile=worker (default: --store).")
    private @Nullable String workerStore;

    @Option(names = "--worker-opt", hidden = true, description = "Passed to every worker.")
    private List<String> workerOptions = List.of();

    @Option(
            names = "--worker-set",
            paramLabel = "SETTING=VALUE",
            description =
                    "A setting of every worker, such as log.linger=0.5s, log.part-max=30m or"
                            + " log.part-slots-max=5000; repeatable.")
    private Map<String, String> workerSettings = new HashMap<>();

    @Mixin private LeaseOptions leases = new LeaseOptions();

    @Mixin private EpochOptions epochs = new EpochOptions();

    @Mixin private RetentionOptions retention = new RetentionOptions();

    @Spec private @Nullable CommandSpec spec;

    private final CountDownLatch stop = new CountDownLatch(1);
    private final AtomicInteger exit = new AtomicInteger();

    @Override
    public Integer call() throws IOException {
        PrintWriter err = java.util.Objects.requireNonNull(spec).commandLine().getErr();
        if (workers < 1 || workers > 64 || port < 1 || port > 65534) {
            err.println("litefleet: --workers is 1 to 64, --port 1 to 65534");
            return 2;
        }
        Path folder = data.toAbsolutePath().normalize();
        Optional<DataDirectory> held = DataDirectory.hold(folder);
        if (held.isEmpty()) {
            err.printf(
                    "litefleet: another `litefleet up` runs on %s (%s). Stop it, or use another"
                            + " --data.%n",
                    folder, DataDirectory.holder(folder));
            return 1;
        }
        String url = store == null ? folder.resolve("store").toUri().toString() : store;
        StoreUrl location;
        StoreUrl ofWorkers;
        try {
            location = StoreUrl.parse(url);
            ofWorkers = workerStore == null ? location : StoreUrl.parse(workerStore);
        } catch (IllegalArgumentException wrong) {
            err.println("litefleet: --store, --worker-store: " + wrong.getMessage());
            return 2;
        }
        if (!ofWorkers.samePlace(location)) {
            err.printf(
                    "litefleet: --worker-store names another place than --store: %s, %s. Give the"
                            + " same bucket, prefix and endpoint.%n",
                    ofWorkers, location);
            return 2;
        }
        try {
            var _ = retention.config();
            leases.check();
            epochs.check();
        } catch (IllegalArgumentException wrong) {
            err.println("litefleet: " + wrong.getMessage());
            return 2;
        }
        try (DataDirectory directory = held.get();
                ObjectStore objects = location.open()) {
            return run(directory, location, ofWorkers, objects, err);
        }
    }

    private int run(
            DataDirectory directory,
            StoreUrl location,
            StoreUrl ofWorkers,
            ObjectStore objects,
            PrintWriter err)
            throws IOException {
        Vertx vertx = Vertx.vertx();
        var settings =
                new ControlPlane.Settings(
                        directory.path(),
                        directory.resolve("secrets"),
                        host,
                        port,
                        directory.node(),
                        leases,
                        epochs,
                        retention.config());
        var started = ControlPlane.start(settings, objects, vertx, this::ended);
        if (started instanceof ControlPlane.Started.AlreadyRunning(var address)) {
            err.printf(
                    "litefleet: a controller of this fleet is already running at %s. One store has"
                            + " one fleet; stop that one first.%n",
                    address);
            vertx.close();
            return 1;
        }
        ControlPlane plane = ((ControlPlane.Started.Serving) started).plane();
        directory.describe(
                "pid %d, http://%s:%d".formatted(ProcessHandle.current().pid(), host, port));
        var children =
                new WorkerProcesses(
                        directory,
                        workerArguments(directory, plane, ofWorkers),
                        err::println,
                        System::nanoTime);
        var hook = new Thread(() -> stopAll(plane, children, vertx), "stop");
        Runtime.getRuntime().addShutdownHook(hook);
        children.start(workers);
        if (ready(plane)) {
            greet(directory, location, err);
        } else {
            err.println("litefleet: no worker came up yet; see " + directory.resolve("logs"));
        }
        try {
            stop.await();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        // The controller is over; the hook stops the rest and sets the exit code.
        return exit.get();
    }

    private List<String> workerArguments(
            DataDirectory directory, ControlPlane plane, StoreUrl store) {
        var arguments = new java.util.ArrayList<String>();
        arguments.addAll(List.of("--store", store.toString()));
        arguments.addAll(List.of("--controller", plane.controller().internalAddress()));
        arguments.addAll(List.of("--secrets", directory.resolve("secrets").toString()));
        arguments.add("--parent-pipe");
        workerSettings.forEach(
                (setting, value) -> arguments.addAll(List.of("--set", setting + "=" + value)));
        arguments.addAll(workerOptions);
        return arguments;
    }

    private void ended(ControllerEnd end) {
        switch (end) {
            case ControllerEnd.Fenced(var by) -> {
                System.err.println("litefleet: fenced by its successor: " + by);
                exit.set(FENCED);
            }
            case ControllerEnd.Failed(var reason) -> {
                System.err.println("litefleet: " + reason);
                exit.set(1);
            }
        }
        stop.countDown();
    }

    /// Waits for the first worker; all of them take requests as soon as they register.
    private boolean ready(ControlPlane plane) {
        long deadline = System.nanoTime() + READY_MAX.toNanos();
        try {
            while (System.nanoTime() < deadline) {
                long live =
                        plane.controller().workers().join().stream()
                                .filter(worker -> worker.state().equals("live"))
                                .count();
                if (live >= workers) {
                    return true;
                }
                if (stop.await(LOOK_AGAIN.toMillis(), TimeUnit.MILLISECONDS)) {
                    return false;
                }
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        return false;
    }

    private void greet(DataDirectory directory, StoreUrl location, PrintWriter err) {
        Path key = shorten(directory.resolve("admin.key"));
        String base = "http://%s:%d".formatted(host.equals("0.0.0.0") ? "localhost" : host, port);
        err.printf(
                """
                litefleet %s   data %s   store %s   workers %d
                  URL   %s/      API %s/openapi.yaml
                  key   %s
                  try   curl -X PUT %s/api/v1/tenants/demo -H "Authorization: Bearer $(cat %s)"
                  or    ./litefleet tenant create demo%s
                """,
                Litefleet.VERSION,
                shorten(directory.path()),
                location,
                workers,
                base,
                base,
                key,
                base,
                key,
                shorten(directory.path()).toString().equals("litefleet-data")
                        ? ""
                        : " --data " + shorten(directory.path()));
        err.flush();
    }

    private static Path shorten(Path path) {
        Path here = Path.of("").toAbsolutePath();
        return path.startsWith(here) ? here.relativize(path) : path;
    }

    /// SIGINT, SIGTERM and the controller's own end all come here: stop admitting, let the workers
    /// drain and leave, then close the catalog.
    private void stopAll(ControlPlane plane, WorkerProcesses children, Vertx vertx) {
        boolean clean =
                new Shutdown()
                        .then("workers", Duration.ofSeconds(70), children::close)
                        .then("controller", Duration.ofSeconds(30), plane::close)
                        .then("http", Duration.ofSeconds(5), () -> vertx.close().await())
                        .run();
        // A JVM stopped by a signal would otherwise report 130: for a server that drained it is 0.
        Runtime.getRuntime().halt(exit.get() != 0 ? exit.get() : clean ? 0 : 1);
    }
}
