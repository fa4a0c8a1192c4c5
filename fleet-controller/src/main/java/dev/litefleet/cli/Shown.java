package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import picocli.CommandLine.Option;

/// How one thing is printed: a few lines for people, or what the API answered.
final class Shown {
    /// For people, or for programs.
    enum Format {
        TEXT,
        JSON
    }

    @Option(
            names = "-o",
            paramLabel = "FORMAT",
            defaultValue = "text",
            description = "text or json (default: ${DEFAULT-VALUE}).")
    private Format format = Format.TEXT;

    /// @param text for people
    void print(PrintWriter out, JsonNode answer, String text) {
        out.println(format == Format.JSON ? answer.toPrettyString() : text);
    }
}
