package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import dev.litefleet.bench.Children.Tenant;
import dev.litefleet.replica.objects.ObjectBody;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// A sync commit of one tenant, beside a bare put-if-absent of as many bytes into the same store.
@Command(name = "sync-commit", description = "One sync commit beside a bare put-if-absent.")
final class SyncCommitBench implements Callable<Integer> {
    private static final int PUTS = 300;
    private static final int SEGMENT_BYTES = 1_600;

    @ParentCommand private @Nullable Bench bench;

    @Option(names = "--store", description = "S3 URL; a directory otherwise. Credentials as usual.")
    private @Nullable String store;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        String url = store == null ? folder.resolve("store").toUri().toString() : store;
        var put = new Figures("bare put-if-absent of " + SEGMENT_BYTES + " bytes, p50", "ms");
        var commit = new Figures("sync commit through the gateway, p50", "ms");
        try (Fleet fleet =
                        Fleet.start(
                                settings.home(),
                                folder.resolve("fleet"),
                                Map.of(),
                                "--workers",
                                "1",
                                "--store",
                                url);
                ObjectStore objects = StoreUrl.parse(url).open()) {
            Tenant tenant = fleet.provision("bench-" + System.nanoTime(), "sync");
            new HttpLoad(
                            tenant.pipeline(),
                            tenant.token(),
                            _ ->
                                    Children.execute(
                                            "create table log(id integer primary key, v text)"))
                    .once(0);
            for (int run = 0; run < settings.runs; run++) {
                put.add(barePut(objects, run));
                commit.add(
                        new HttpLoad(
                                        tenant.pipeline(),
                                        tenant.token(),
                                        n ->
                                                Children.execute(
                                                        "insert into log(v) values ('row "
                                                                + n
                                                                + "')"))
                                .run(1, Duration.ofSeconds(1), Duration.ofSeconds(4))
                                .p50Millis());
            }
        }
        System.out.println(put);
        System.out.println(commit);
        System.out.printf("target: %.2f ms (1.2 x the put + 2 ms)%n", 1.2 * put.median() + 2);
        return 0;
    }

    private static double barePut(ObjectStore objects, int run) {
        double[] millis = new double[PUTS];
        for (int i = 0; i < PUTS; i++) {
            byte[] bytes = new byte[SEGMENT_BYTES];
            ThreadLocalRandom.current().nextBytes(bytes);
            String key = "bench/%d/%d/%016x.zip".formatted(System.nanoTime(), run, i);
            long from = System.nanoTime();
            objects.putIfAbsent(key, ObjectBody.of(bytes));
            millis[i] = (System.nanoTime() - from) / 1e6;
        }
        Arrays.sort(millis);
        return millis[PUTS / 2];
    }
}
