package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import dev.litefleet.bench.Children.Tenant;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreUrl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// Hydrates a database of a given size from S3, beside `litestream restore` of the same folder,
/// alternating.
@Command(name = "hydrate", description = "Hydration beside litestream restore of the same folder.")
final class HydrateBench implements Callable<Integer> {
    @ParentCommand private @Nullable Bench bench;

    @Option(
            names = "--store",
            required = true,
            description = "S3 URL with endpoint; credentials as usual.")
    private String store = "";

    @Option(names = "--litestream", required = true, description = "The litestream binary, 0.5.17.")
    private Path litestream = Path.of("litestream");

    @Option(names = "--megabytes", defaultValue = "256")
    private int megabytes;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        String id = "big-" + System.nanoTime();
        TenantKey key;
        try (Fleet fleet =
                Fleet.start(
                        settings.home(),
                        folder.resolve("fleet"),
                        Map.of(),
                        "--workers",
                        "1",
                        "--store",
                        store)) {
            Tenant tenant = fleet.provision(id, "sync");
            fill(tenant);
            key =
                    new TenantKey(
                            new TenantId(id),
                            new Lineage(
                                    fleet.api("GET", "/tenants/" + id, "")
                                            .path("lineage")
                                            .asText()));
            new ProcessBuilder("kill", "-INT", String.valueOf(fleet.process().pid()))
                    .start()
                    .waitFor();
            fleet.process().waitFor(120, TimeUnit.SECONDS);
        }
        var ours = new Figures("hydrate " + megabytes + " MiB", "s");
        var theirs = new Figures("litestream restore of the same folder", "s");
        Path a = folder.resolve("ours.db");
        Path b = folder.resolve("theirs.db");
        try (ObjectStore objects = StoreUrl.parse(store).open()) {
            for (int run = 0; run < settings.runs; run++) {
                Files.deleteIfExists(a);
                Files.deleteIfExists(b);
                long from = System.nanoTime();
                Hydrator.hydrate(
                        objects,
                        RestorePlan.latest(LineageHistory.list(objects, key)),
                        a,
                        Hydrator.Limits.DEFAULT,
                        new ThreadTasks(),
                        Progress.NONE);
                ours.add((System.nanoTime() - from) / 1e9);
                theirs.add(restore(key, b, folder));
            }
        }
        System.out.println(ours);
        System.out.println(theirs);
        System.out.printf(
                "ratio: %.2f x the speed (target 2); equal bytes: %s%n",
                theirs.median() / ours.median(), Files.mismatch(a, b) == -1);
        return 0;
    }

    private void fill(Tenant tenant) {
        var create =
                new HttpLoad(
                        tenant.pipeline(),
                        tenant.token(),
                        _ ->
                                Children.execute(
                                        "create table blob(id integer primary key, kind text, body"
                                                + " text)"));
        create.once(0);
        // Rows of about 500 bytes, half of it repetitive, as logs and documents are.
        String rows =
                "with recursive n(i) as (select 1 union all select i+1 from n where i < 8000)"
                        + " insert into blob(kind, body) select 'event ' || (i % 17),"
                        + " hex(randomblob(125)) || printf('%0250d', i) from n";
        var insert = new HttpLoad(tenant.pipeline(), tenant.token(), _ -> Children.execute(rows));
        for (long bytes = 0; bytes < (long) megabytes << 20; bytes += 8000L * 535) {
            String answer = insert.once(0);
            if (!answer.contains("\"type\":\"ok\"")) {
                throw new IllegalStateException(answer);
            }
        }
    }

    private double restore(TenantKey key, Path target, Path folder)
            throws IOException, InterruptedException {
        String base = store.substring(0, store.indexOf('?'));
        String query = store.substring(store.indexOf('?') + 1).replaceAll("pathStyle=true&?", "");
        String url =
                base.replaceAll("/$", "")
                        + "/"
                        + key.prefix().replaceAll("/$", "")
                        + "?"
                        + query
                        + (query.contains("region=") ? "" : "&region=us-east-1")
                        + "&forcePathStyle=true";
        var command =
                new ArrayList<>(
                        List.of(litestream.toString(), "restore", "-o", target.toString(), url));
        var builder =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("litestream.log").toFile());
        builder.environment().remove("AWS_CA_BUNDLE");
        builder.environment().put("LITESTREAM_ACCESS_KEY_ID", System.getenv("AWS_ACCESS_KEY_ID"));
        builder.environment()
                .put("LITESTREAM_SECRET_ACCESS_KEY", System.getenv("AWS_SECRET_ACCESS_KEY"));
        long from = System.nanoTime();
        int code = builder.start().waitFor();
        if (code != 0) {
            throw new IllegalStateException(Files.readString(folder.resolve("litestream.log")));
        }
        return (System.nanoTime() - from) / 1e9;
    }
}
