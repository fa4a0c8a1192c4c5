package dev.litefleet.cli;

import dev.litefleet.observer.cli.ObserveCommand;
import dev.litefleet.worker.WorkerCommand;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/// `litefleet`, the program.
@Command(
        name = "litefleet",
        mixinStandardHelpOptions = true,
        version = "litefleet " + Litefleet.VERSION,
        description = "One SQLite database per tenant or AI agent, shipped to S3 on every commit.",
        subcommands = {
            UpCommand.class,
            ControllerCommand.class,
            WorkerCommand.class,
            TenantCommand.class,
            OpCommand.class,
            ObserveCommand.class
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done, or stopped",
            "1:failed",
            "2:wrong usage or settings",
            "3:not found; of a server: fenced by its successor",
            "4:refused: key, credentials or rights",
            "5:conflict: exists, held, changed, busy",
            "6:the time of --wait was over",
            "7:some of several failed",
            "8:what was read is bad"
        })
public final class Litefleet {
    public static final String VERSION = "0.1.0";

    private Litefleet() {}

    public static void main(String[] args) {
        System.exit(
                run(
                        new PrintWriter(System.out, true),
                        new PrintWriter(System.err, true),
                        List.of(args)));
    }

    /// One command.
    ///
    /// @return its exit code
    public static int run(PrintWriter out, PrintWriter err, List<String> arguments) {
        return new CommandLine(new Litefleet())
                .setOut(out)
                .setErr(err)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler(Litefleet::explain)
                .execute(arguments.toArray(String[]::new));
    }

    /// People get one line; the stack trace is for `-Dlitefleet.trace=true`.
    private static int explain(
            Exception failure, CommandLine command, CommandLine.ParseResult parsed) {
        if (Boolean.getBoolean("litefleet.trace")) {
            failure.printStackTrace(command.getErr());
        }
        command.getErr().println("litefleet: " + reason(failure));
        return 1;
    }

    private static String reason(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null
                && (cause.getMessage() == null
                        || cause.getMessage().equals(cause.getCause().toString()))) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? cause.toString() : cause.getMessage();
    }
}
