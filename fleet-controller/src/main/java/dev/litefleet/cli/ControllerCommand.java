package dev.litefleet.cli;

import dev.litefleet.controller.ControllerEnd;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.service.Shutdown;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Controller, API and gateway alone; workers run elsewhere and register.
@Command(
        name = "controller",
        mixinStandardHelpOptions = true,
        description = "Run the controller, API and gateway; workers are started by something else.")
final class ControllerCommand implements Callable<Integer> {
    @Option(names = "--data", paramLabel = "DIR", required = true, description = "Local folder.")
    private Path data = Path.of(".");

    @Option(names = "--secrets", paramLabel = "DIR", description = "Default: <data>/secrets.")
    private @Nullable Path secrets;

    @Option(names = "--store", paramLabel = "URL", required = true, description = "As for up.")
    private String store = "";

    @Option(
            names = "--port",
            defaultValue = "7480",
            description = "Public port; the next one is" + " internal (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(names = "--host", defaultValue = "127.0.0.1", description = "Address to bind.")
    private String host = "127.0.0.1";

    @Mixin private LeaseOptions leases = new LeaseOptions();

    @Mixin private EpochOptions epochs = new EpochOptions();

    @Mixin private RetentionOptions retention = new RetentionOptions();

    private final CountDownLatch stop = new CountDownLatch(1);
    private final AtomicInteger exit = new AtomicInteger();

    @Override
    public Integer call() throws IOException, InterruptedException {
        try {
            var _ = retention.config();
            leases.check();
            epochs.check();
        } catch (IllegalArgumentException wrong) {
            System.err.println("litefleet: " + wrong.getMessage());
            return 2;
        }
        Optional<DataDirectory> held = DataDirectory.hold(data.toAbsolutePath().normalize());
        if (held.isEmpty()) {
            System.err.println("litefleet: another process holds " + data);
            return 1;
        }
        try (DataDirectory directory = held.get();
                ObjectStore objects = StoreUrl.parse(store).open()) {
            Vertx vertx = Vertx.vertx();
            var settings =
                    new ControlPlane.Settings(
                            directory.path(),
                            secrets == null ? directory.resolve("secrets") : secrets,
                            host,
                            port,
                            directory.node(),
                            leases,
                            epochs,
                            retention.config());
            return switch (ControlPlane.start(settings, objects, vertx, this::ended)) {
                case ControlPlane.Started.AlreadyRunning(var address) -> {
                    System.err.println("litefleet: a controller is already running at " + address);
                    vertx.close();
                    yield 1;
                }
                case ControlPlane.Started.Serving(var plane) -> {
                    Runtime.getRuntime()
                            .addShutdownHook(new Thread(() -> stopAll(plane, vertx), "stop"));
                    System.err.printf("litefleet controller ready on http://%s:%d/%n", host, port);
                    stop.await();
                    yield exit.get();
                }
            };
        }
    }

    private void ended(ControllerEnd end) {
        System.err.println("litefleet: " + end);
        exit.set(end instanceof ControllerEnd.Fenced ? 3 : 1);
        stop.countDown();
    }

    private void stopAll(ControlPlane plane, Vertx vertx) {
        boolean clean =
                new Shutdown()
                        .then("controller", Duration.ofSeconds(30), plane::close)
                        .then("http", Duration.ofSeconds(5), () -> vertx.close().await())
                        .run();
        Runtime.getRuntime().halt(exit.get() != 0 ? exit.get() : clean ? 0 : 1);
    }
}
