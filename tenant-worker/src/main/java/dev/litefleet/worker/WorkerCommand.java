package dev.litefleet.worker;

import dev.litefleet.replica.log.LogEnd;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.StoreUrl;
import dev.litefleet.service.Keys;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// `litefleet worker`: runs a worker until it is told to stop or its log ends.
@Command(
        name = "worker",
        description = "Run one worker: serves the tenants that the controller assigns to it.",
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            "0:stopped on request, everything released",
            "1:failed",
            "2:bad settings",
            "3:fenced: another session took over; restart it"
        })
@SuppressWarnings("NullAway.Init") // picocli fills the fields
public final class WorkerCommand implements Callable<Integer> {
    private static final Logger log = LoggerFactory.getLogger(WorkerCommand.class);

    private static final int STOPPED = 0;
    private static final int FAILED = 1;
    private static final int BAD_SETTINGS = 2;
    private static final int FENCED = 3;

    /// Longer than every deadline of [Worker#close] together.
    private static final Duration STOP_MAX = Duration.ofSeconds(60);

    /// Why the process should end.
    private sealed interface Stop {
        record Asked(String by) implements Stop {}

        record Ended(LogEnd end) implements Stop {}
    }

    @Spec private CommandSpec spec;

    @Option(names = "--name", required = true, description = "Name of this worker, such as w-1.")
    private String name;

    @Option(names = "--data", required = true, description = "Folder of local files.")
    private Path data;

    @Option(
            names = "--store",
            required = true,
            description = "s3://bucket/prefix?endpoint=&region=&pathStyle=true or file:///dir.")
    private String store;

    @Option(
            names = "--controller",
            required = true,
            description = "The controller's internal port, http://host:port.")
    private URI controller;

    @Option(
            names = "--secrets",
            required = true,
            description = "Folder with the fleet's fleet.key.")
    private Path secrets;

    @Option(names = "--host", description = "Address to bind (default: loopback).")
    private String host = HttpConfig.HOST;

    @Option(names = "--port", description = "Port to bind (default: a free one).")
    private int port = HttpConfig.PORT;

    @Option(
            names = "--set",
            paramLabel = "SETTING=VALUE",
            description =
                    "Any other setting, such as log.linger=0.5s, log.part-max=30m or"
                            + " log.part-slots-max=5000; may be repeated.")
    private Map<String, String> settings = new HashMap<>();

    @Option(
            names = "--parent-pipe",
            description = "Stop when standard input is closed, so no worker outlives its parent.")
    private boolean parentPipe;

    private final CompletableFuture<Stop> stop = new CompletableFuture<>();
    private final CountDownLatch left = new CountDownLatch(1);
    private volatile int exit = FAILED;

    @Override
    public Integer call() {
        try {
            exit = run();
        } finally {
            left.countDown();
        }
        return exit;
    }

    private int run() {
        PrintWriter err = spec.commandLine().getErr();
        WorkerConfig config;
        StoreUrl url;
        Keys keys;
        try {
            config = config();
            url = StoreUrl.parse(config.worker().store());
            keys = keys(config);
        } catch (IllegalArgumentException bad) {
            err.println("litefleet worker: " + bad.getMessage());
            return BAD_SETTINGS;
        }
        log.atInfo().addKeyValue("settings", config).log("worker starting");
        Worker worker;
        try {
            worker =
                    Worker.start(
                            config,
                            url.open(),
                            keys,
                            new ThreadTasks(),
                            InstantSource.system(),
                            new SecureRandom());
        } catch (RuntimeException failure) {
            log.atError().setCause(failure).log("worker did not start");
            err.println("litefleet worker: " + failure.getMessage());
            return FAILED;
        }
        listenForStops(worker);
        var _ = worker.registered().thenRun(() -> announce(worker));
        Stop why = stop.join();
        log.atInfo().addKeyValue("why", why).log("worker stopping");
        worker.close();
        return switch (why) {
            case Stop.Asked _ -> STOPPED;
            case Stop.Ended(LogEnd.Fenced _) -> FENCED;
            case Stop.Ended(LogEnd.Fatal _) -> FAILED;
        };
    }

    private WorkerConfig config() {
        var all = new HashMap<>(settings);
        all.put("worker.name", name);
        all.put("worker.data", data.toAbsolutePath().normalize().toString());
        all.put("worker.store", store);
        all.put("worker.secrets", secrets.toAbsolutePath().normalize().toString());
        all.put("control.url", controller.toString());
        all.put("http.host", host);
        all.put("http.port", String.valueOf(port));
        return WorkerConfig.bind(all);
    }

    /// A worker never makes a fleet key: one of its own would fit nobody else's.
    private static Keys keys(WorkerConfig config) {
        Path key = config.worker().secrets().resolve("fleet.key");
        if (!Files.isReadable(key)) {
            throw new IllegalArgumentException("no readable fleet key [file=" + key + "]");
        }
        return Keys.open(config.worker().secrets(), new SecureRandom());
    }

    private void announce(Worker worker) {
        PrintWriter out = spec.commandLine().getOut();
        out.printf(
                "litefleet worker %s ready [address=%s, session=%s]%n",
                name, worker.address(), worker.session());
        out.flush();
    }

    private void listenForStops(Worker worker) {
        var _ = worker.ended().thenAccept(end -> stop.complete(new Stop.Ended(end)));
        Runtime.getRuntime().addShutdownHook(new Thread(this::onSignal, "stop"));
        if (parentPipe) {
            Thread.ofPlatform().daemon().name("parent-pipe").start(this::awaitParent);
        }
    }

    /// The JVM was told to end. It waits here until the worker has stopped, and leaves with the
    /// worker's exit code instead of the signal's.
    private void onSignal() {
        if (left.getCount() == 0) {
            return;
        }
        stop.complete(new Stop.Asked("signal"));
        try {
            if (!left.await(STOP_MAX.toMillis(), TimeUnit.MILLISECONDS)) {
                log.atError().log("worker did not stop in time");
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().halt(exit);
    }

    private void awaitParent() {
        try {
            while (System.in.read() >= 0) {
                // Nobody writes; the end of the stream is the message.
            }
        } catch (IOException gone) {
            log.atDebug().setCause(gone).log("parent's pipe broke");
        }
        stop.complete(new Stop.Asked("parent's end"));
    }

    /// For a worker that is started by itself; the launcher has this command as `worker`.
    public static void main(String[] args) {
        System.exit(new CommandLine(new WorkerCommand()).execute(args));
    }
}
