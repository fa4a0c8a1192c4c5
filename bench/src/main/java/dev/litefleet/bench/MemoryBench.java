package dev.litefleet.bench;

import dev.litefleet.bench.Children.Fleet;
import dev.litefleet.bench.Children.Tenant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// Resident memory and open files of a worker with many open tenants, then with as many hibernated
/// ones besides.
@Command(name = "memory", description = "A worker with 1,000 open and 1,000 hibernated tenants.")
final class MemoryBench implements Callable<Integer> {
    @ParentCommand private @Nullable Bench bench;

    @Option(names = "--tenants", defaultValue = "1000")
    private int tenants;

    @Override
    public Integer call() throws Exception {
        Bench settings = java.util.Objects.requireNonNull(bench);
        Path folder = Files.createTempDirectory("litefleet-bench");
        try (Fleet fleet =
                Fleet.start(
                        settings.home(),
                        folder,
                        Map.of(),
                        "--workers",
                        "1",
                        "--worker-opt=--set=tenant.residents-max=" + tenants)) {
            ProcessHandle worker = fleet.worker("w-1");
            report("no tenant", worker);
            fill(fleet, 0);
            long files = Children.openFiles(worker);
            report(tenants + " open", worker);
            for (int hibernated = tenants; hibernated <= 3 * tenants; hibernated += tenants) {
                fill(fleet, hibernated);
                // The least recently used are closed beside the work: done when no more files
                // are open.
                while (Children.openFiles(worker) > files) {
                    LockSupport.parkNanos(100_000_000L);
                }
                report("%d open, %d hibernated".formatted(tenants, hibernated), worker);
            }
        }
        return 0;
    }

    private void fill(Fleet fleet, int from) throws Exception {
        for (int i = from; i < from + tenants; i++) {
            Tenant tenant = fleet.provision("agent-" + i, "async");
            new HttpLoad(
                            tenant.pipeline(),
                            tenant.token(),
                            _ -> Children.execute("create table t(x)"))
                    .once(0);
        }
    }

    private static void report(String what, ProcessHandle worker) throws Exception {
        long heap = Children.heapKilobytesAfterCollection(worker);
        System.out.printf(
                "%-28s worker: %,d kB resident, %,d kB of heap live, %,d files open%n",
                what, Children.residentKilobytes(worker), heap, Children.openFiles(worker));
    }
}
