package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import dev.litefleet.bench.Children.Tenant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// Resident memory and open files of a worker with many open, then hibernated tenants.
@Command(name = "memory", description = "A worker with 1,000 open and 1,000 hibernated tenants.")
final class MemoryBench implements Callable<Integer> {
    @ParentCommand private @Nullable Bench bench;

    @Option(names = "--tenants", defaultValue = "1000")
    private int tenants;

    @Option(
            names = "--hibernate-seconds",
            defaultValue = "20",
            description = "Idle time before a tenant hibernates in the second part.")
    private int hibernateSeconds;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        try (Fleet fleet =
                Fleet.start(settings.home(), folder.resolve("open"), Map.of(), "--workers", "1")) {
            report("no tenant", fleet);
            fill(fleet);
            report(tenants + " open tenants", fleet);
        }
        try (Fleet fleet =
                Fleet.start(
                        settings.home(),
                        folder.resolve("hibernated"),
                        Map.of(),
                        "--workers",
                        "1",
                        "--worker-opt=--set=tenant.hibernate-after=" + hibernateSeconds + "s")) {
            report("no tenant", fleet);
            fill(fleet);
            java.util.concurrent.locks.LockSupport.parkNanos(
                    (hibernateSeconds + 60L) * 1_000_000_000L);
            report(tenants + " hibernated tenants", fleet);
        }
        return 0;
    }

    private void fill(Fleet fleet) throws Exception {
        for (int i = 0; i < tenants; i++) {
            Tenant tenant = fleet.provision("agent-" + i, "async");
            new HttpLoad(
                            tenant.pipeline(),
                            tenant.token(),
                            _ -> Children.execute("create table t(x)"))
                    .once(0);
        }
    }

    private static void report(String what, Fleet fleet) throws Exception {
        ProcessHandle worker = fleet.worker("w-1");
        System.out.printf(
                "%-28s worker: %,d kB resident, %,d files open%n",
                what, Children.residentKilobytes(worker), Children.openFiles(worker));
    }
}
