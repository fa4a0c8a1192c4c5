package dev.litefleet.cli;

import dev.litefleet.observer.cli.ObserveCommand;
import dev.litefleet.worker.WorkerCommand;
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
            ObserveCommand.class
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done, or stopped",
            "1:failed",
            "2:wrong usage or settings",
            "3:not found; of a server: fenced by its successor"
        })
public final class Litefleet {
    public static final String VERSION = "0.1.0";

    private Litefleet() {}

    public static void main(String[] args) {
        System.exit(
                new CommandLine(new Litefleet())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .setExecutionExceptionHandler(Litefleet::explain)
                        .execute(args));
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
