package dev.litefleet.observer.cli;

import dev.litefleet.observer.history.TenantAt;
import dev.litefleet.observer.query.Console;
import dev.litefleet.replica.history.Progress;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// One statement on a tenant at a point.
@Command(
        name = "query",
        mixinStandardHelpOptions = true,
        description = "Run one reading statement on a tenant at a point.")
final class QueryCommand implements Callable<Integer> {
    private static final int ROWS_MAX = 1_000_000;
    private static final int SECONDS_MAX = 3_600;

    @Mixin private final StoreOption store = new StoreOption();

    @Parameters(index = "0", paramLabel = "TENANT[@POINT]", converter = TenantAtConverter.class)
    private @Nullable TenantAt wanted;

    @Parameters(index = "1", paramLabel = "SQL")
    private String sql = "";

    @Option(names = "-o", defaultValue = "table", description = "table, json or csv.")
    private Output output = Output.TABLE;

    @Option(
            names = "--limit",
            defaultValue = "1000",
            description = "At most so many rows, 1 to 1000000 (default: ${DEFAULT-VALUE}).")
    private int limit;

    @Option(
            names = "--seconds",
            defaultValue = "5",
            description = "Stop after so long, 1 to 3600 (default: ${DEFAULT-VALUE}).")
    private int seconds;

    @Spec private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        CommandSpec command = Objects.requireNonNull(spec);
        within(command, "--limit", limit, ROWS_MAX);
        within(command, "--seconds", seconds, SECONDS_MAX);
        return Ends.of(command, () -> run(command));
    }

    private int run(CommandSpec command) {
        PrintWriter out = command.commandLine().getOut();
        try (var bench = new Workbench(store)) {
            Path image = bench.folder().resolve("image.db");
            TenantAt asked = Objects.requireNonNull(wanted);
            bench.hydrate(bench.plan(asked), asked, image, Progress.NONE);
            try (Console console = Console.open(image)) {
                var limits =
                        new Console.Limits(
                                limit,
                                Console.Limits.DEFAULT.bytesMax(),
                                Duration.ofSeconds(seconds));
                Console.Result result = console.run(sql, limits);
                output.print(
                        result.columns().stream().map(column -> column.name()).toList(),
                        result.rows(),
                        out);
                out.flush();
                if (result.truncated()) {
                    command.commandLine()
                            .getErr()
                            .printf("litefleet: stopped at %d rows; use --limit%n", limit);
                }
            }
        }
        return Ends.OK;
    }

    /// @throws ParameterException unless 1 <= value <= max
    static void within(CommandSpec command, String option, int value, int max) {
        if (value < 1 || value > max) {
            throw new ParameterException(
                    command.commandLine(),
                    "%s must be 1 to %d, is %d".formatted(option, max, value));
        }
    }
}
