package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// Provisions one after the other, and by 16 clients at once.
@Command(name = "provision", description = "Latency and rate of provisions.")
final class ProvisionBench implements Callable<Integer> {
    private static final int SEQUENTIAL = 200;
    private static final int PARALLEL = 2_000;
    private static final int CLIENTS = 16;

    @ParentCommand private @Nullable Bench bench;

    @Option(names = "--store", description = "S3 URL; a directory otherwise.")
    private @Nullable String store;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        var latency = new Figures("provision, one client, p50", "ms");
        var rate = new Figures("provision, 16 clients", "per s");
        var options = new ArrayList<String>();
        options.addAll(java.util.List.of("--workers", "1"));
        if (store != null) {
            options.addAll(java.util.List.of("--store", store));
        }
        try (Fleet fleet =
                Fleet.start(
                        settings.home(),
                        folder.resolve("fleet"),
                        Map.of(),
                        options.toArray(String[]::new))) {
            for (int run = 0; run < settings.runs; run++) {
                double[] millis = new double[SEQUENTIAL];
                for (int i = 0; i < SEQUENTIAL; i++) {
                    long from = System.nanoTime();
                    provision(fleet, "s-" + run + "-" + i);
                    millis[i] = (System.nanoTime() - from) / 1e6;
                }
                Arrays.sort(millis);
                latency.add(millis[SEQUENTIAL / 2]);
                rate.add(parallel(fleet, run));
            }
        }
        System.out.println(latency);
        System.out.println(rate);
        return 0;
    }

    private static double parallel(Fleet fleet, int run) throws InterruptedException {
        var next = new AtomicInteger();
        var threads = new ArrayList<Thread>();
        long from = System.nanoTime();
        for (int client = 0; client < CLIENTS; client++) {
            threads.add(
                    Thread.startVirtualThread(() -> {
                        for (int n = next.getAndIncrement();
                                n < PARALLEL;
                                n = next.getAndIncrement()) {
                            provision(fleet, "p-" + run + "-" + n);
                        }
                    }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        return PARALLEL / ((System.nanoTime() - from) / 1e9);
    }

    private static void provision(Fleet fleet, String id) {
        try {
            var answer =
                    Children.HTTP.send(
                            HttpRequest.newBuilder(
                                            URI.create(
                                                    "http://127.0.0.1:"
                                                            + fleet.port()
                                                            + "/api/v1/tenants/"
                                                            + id))
                                    .header("authorization", "Bearer " + fleet.key())
                                    .PUT(BodyPublishers.ofString("{}"))
                                    .build(),
                            BodyHandlers.ofString());
            if (answer.statusCode() != 201) {
                throw new IllegalStateException(answer.body());
            }
        } catch (java.io.IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
