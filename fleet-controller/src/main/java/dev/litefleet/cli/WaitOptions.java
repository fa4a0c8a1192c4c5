package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.observer.cli.Bar;
import dev.litefleet.observer.cli.Ends;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/// How long a command waits for its operation.
final class WaitOptions {
    /// One request waits so long. Shorter where somebody watches the bar.
    private static final int LOOK_SECONDS = 20;

    @Option(
            names = "--wait",
            paramLabel = "TIME",
            description =
                    "Wait at most so long, as in 30s or 10m; exit code 6 if it is over (default:"
                            + " until the operation ends).")
    private @Nullable String wait;

    @Option(names = "--no-wait", description = "Print the operation's id and don't wait.")
    private boolean noWait;

    /// How an operation was left.
    sealed interface Left {
        /// It succeeded.
        record Done(JsonNode operation) implements Left {}

        /// It goes on.
        record Running(int exit) implements Left {}
    }

    /// For the request that begins it: what is quick is done within that.
    String[] headers() {
        return noWait ? new String[] {"prefer", "respond-async"} : new String[0];
    }

    /// Follows an operation to its end.
    ///
    /// @throws ApiProblem if it failed
    Left follow(ApiClient api, CommandSpec spec, JsonNode begun)
            throws IOException, InterruptedException {
        String id = begun.path("id").asText();
        JsonNode operation = begun;
        Optional<Duration> max = Optional.ofNullable(wait).map(text -> time(spec, text));
        long start = System.nanoTime();
        try (Bar bar = Bar.of(begun.path("kind").asText())) {
            while (operation.path("state").asText().equals("running")) {
                long left =
                        max.map(most -> most.toNanos() - (System.nanoTime() - start))
                                .orElse(Long.MAX_VALUE);
                if (noWait || left <= 0) {
                    break;
                }
                long seconds =
                        Math.clamp(left / 1_000_000_000 + 1, 1, Bar.isSeen() ? 1 : LOOK_SECONDS);
                operation = api.get("api/v1/operations/" + id + "?wait=" + seconds + "s").body();
                JsonNode progress = operation.path("progress");
                if (progress.path("total").asLong() > 0) {
                    bar.progress()
                            .at(progress.path("done").asLong(), progress.path("total").asLong());
                }
            }
        }
        return switch (operation.path("state").asText()) {
            case "succeeded" -> new Left.Done(operation);
            case "running" -> running(spec, id);
            default -> {
                JsonNode error = operation.path("error");
                throw new ApiProblem(error.path("status").asInt(500), error, "");
            }
        };
    }

    private Left running(CommandSpec spec, String id) {
        if (noWait) {
            spec.commandLine().getOut().println(id);
            return new Left.Running(Ends.OK);
        }
        return new Left.Running(
                Ends.say(
                        spec,
                        Ends.TIMEOUT,
                        "operation %s still runs; `litefleet op wait %s` waits on"
                                .formatted(id, id)));
    }

    private static Duration time(CommandSpec spec, String text) {
        try {
            return RetentionOptions.time("--wait", text);
        } catch (IllegalArgumentException wrong) {
            throw new ParameterException(spec.commandLine(), String.valueOf(wrong.getMessage()));
        }
    }
}
