package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import dev.litefleet.bench.Children.Tenant;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `kill -9` of a worker, its disk deleted, to the first acknowledged write of each of its tenants
/// elsewhere.
@Command(name = "failover", description = "kill -9 to the first write on another worker.")
final class FailoverBench implements Callable<Integer> {
    private static final int TENANTS = 20;

    @ParentCommand private @Nullable Bench bench;

    @Option(names = "--store", description = "S3 URL; a directory otherwise.")
    private @Nullable String store;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        var first = new Figures("kill -9 to the first write of the first tenant", "s");
        var last = new Figures("kill -9 to the first write of the last of its tenants", "s");
        Path folder = Files.createTempDirectory("litefleet-bench");
        var options = new ArrayList<>(List.of("--workers", "2"));
        if (store != null) {
            options.addAll(List.of("--store", store));
        }
        try (Fleet fleet =
                Fleet.start(
                        settings.home(),
                        folder.resolve("fleet"),
                        Map.of(),
                        options.toArray(String[]::new))) {
            var tenants = new ArrayList<Tenant>();
            for (int i = 0; i < TENANTS; i++) {
                Tenant tenant = fleet.provision("agent-" + i, "sync");
                write(tenant, "create table rows(id integer primary key, v text)");
                tenants.add(tenant);
            }
            for (int run = 0; run < settings.runs; run++) {
                String victim = "w-" + (run % 2 + 1);
                for (Tenant tenant : tenants) {
                    write(tenant, "insert into rows(v) values ('before')");
                }
                ProcessHandle process = fleet.worker(victim);
                long killed = System.nanoTime();
                process.destroyForcibly();
                process.onExit().join();
                delete(fleet.data().resolve("workers").resolve(victim));
                var writes = new ArrayList<CompletableFuture<Double>>();
                for (Tenant tenant : tenants) {
                    writes.add(
                            CompletableFuture.supplyAsync(
                                    () -> untilWritten(tenant, killed),
                                    Thread::startVirtualThread));
                }
                List<Double> seconds =
                        writes.stream().map(CompletableFuture::join).sorted().toList();
                // Half of the tenants were on the other worker all the time.
                List<Double> moved = seconds.stream().filter(s -> s > 0.5).toList();
                if (!moved.isEmpty()) {
                    first.add(moved.getFirst());
                    last.add(moved.getLast());
                }
                Children.await(Duration.ofSeconds(30), () -> liveWorkers(fleet) == 2);
            }
        }
        System.out.println(first);
        System.out.println(last);
        System.out.println("target: 6 s (lease 3 s)");
        return 0;
    }

    private static double untilWritten(Tenant tenant, long since) {
        while (true) {
            try {
                if (tryWrite(tenant, "insert into rows(v) values ('after')")) {
                    return (System.nanoTime() - since) / 1e9;
                }
            } catch (IOException _) {
                // Ask again: the worker died under this request.
            }
            java.util.concurrent.locks.LockSupport.parkNanos(10_000_000);
        }
    }

    private static void write(Tenant tenant, String sql) throws IOException {
        while (!tryWrite(tenant, sql)) {
            java.util.concurrent.locks.LockSupport.parkNanos(50_000_000);
        }
    }

    private static boolean tryWrite(Tenant tenant, String sql) throws IOException {
        try {
            var answer =
                    Children.HTTP.send(
                            HttpRequest.newBuilder(tenant.pipeline())
                                    .header("authorization", "Bearer " + tenant.token())
                                    .POST(BodyPublishers.ofString(Children.execute(sql)))
                                    .timeout(Duration.ofSeconds(30))
                                    .build(),
                            BodyHandlers.ofString());
            return answer.statusCode() == 200 && answer.body().contains("\"type\":\"ok\"");
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int liveWorkers(Fleet fleet) {
        try {
            int live = 0;
            for (var row : fleet.api("GET", "/workers", "").path("items")) {
                live += row.path("state").asText().equals("live") ? 1 : 0;
            }
            return live;
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
