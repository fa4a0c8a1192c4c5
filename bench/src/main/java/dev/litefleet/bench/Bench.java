package dev.litefleet.bench;

import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/// `bench`: one subcommand per row of the README's table of numbers.
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Measures litefleet beside its peers and the raw limits.",
        subcommands = {
            ThroughputBench.class,
            SyncCommitBench.class,
            FailoverBench.class,
            HydrateBench.class,
            MemoryBench.class,
            ProvisionBench.class,
            StartBench.class
        })
public final class Bench {
    @Option(
            names = "--home",
            defaultValue = ".",
            scope = ScopeType.INHERIT,
            description = "Checkout with a built ./litefleet.")
    Path home = Path.of(".");

    @Option(
            names = "--runs",
            defaultValue = "5",
            scope = ScopeType.INHERIT,
            description = "Runs of each figure; the median is printed with its spread.")
    int runs;

    private Bench() {}

    public static void main(String[] args) {
        System.exit(new CommandLine(new Bench()).execute(args));
    }

    Path home() {
        return home.toAbsolutePath().normalize();
    }
}
