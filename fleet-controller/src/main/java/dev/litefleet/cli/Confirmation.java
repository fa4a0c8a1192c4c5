package dev.litefleet.cli;

import dev.litefleet.observer.cli.Ends;
import java.io.Console;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/// What cannot be undone by the next command is asked for.
final class Confirmation {
    @Option(
            names = {"-y", "--yes"},
            description = "Don't ask.")
    private boolean yes;

    /// Asks for the name of what is about to be changed, or says that somebody must confirm.
    ///
    /// @param what is about to happen
    // Error Prone holds that it is never null since JDK 22; it is where standard input is no
    // terminal.
    @SuppressWarnings("SystemConsoleNull")
    boolean given(CommandSpec spec, String name, String what) {
        if (yes) {
            return true;
        }
        Console console = System.console();
        if (console == null || !console.isTerminal()) {
            Ends.say(spec, Ends.USAGE, "nobody can be asked here: give --yes to " + what);
            return false;
        }
        String answer = console.readLine("Type %s to %s: ", name, what);
        if (name.equals(answer)) {
            return true;
        }
        Ends.say(spec, Ends.USAGE, "not confirmed; nothing was changed");
        return false;
    }
}
