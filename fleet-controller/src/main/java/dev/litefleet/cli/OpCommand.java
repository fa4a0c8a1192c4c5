package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.litefleet.observer.cli.Ends;
import java.io.IOException;
import java.util.ArrayList;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Forks, imports and restores that run or have ended.
@Command(
        name = "op",
        mixinStandardHelpOptions = true,
        description = "Operations of a running fleet: forks, imports, restores.",
        subcommands = {
            OpCommand.Rows.class,
            OpCommand.Get.class,
            OpCommand.Wait.class,
            OpCommand.Cancel.class,
            OpCommand.Events.class
        })
final class OpCommand {
    private static String path(String id) {
        return "api/v1/operations/" + ApiClient.encoded(id);
    }

    private static String text(JsonNode operation) {
        JsonNode error = operation.path("error");
        JsonNode progress = operation.path("progress");
        String more =
                error.isObject()
                        ? "  %s: %s"
                                .formatted(
                                        error.path("code").asText(), error.path("detail").asText())
                        : progress.path("total").asLong() > 0
                                ? "  %,d of %,d bytes"
                                        .formatted(
                                                progress.path("done").asLong(),
                                                progress.path("total").asLong())
                                : "";
        return "%s  %s %s  %s, %s%s"
                .formatted(
                        operation.path("id").asText(),
                        operation.path("kind").asText(),
                        operation.path("target").asText(),
                        operation.path("state").asText(),
                        operation.path("phase").asText(),
                        more);
    }

    @Command(
            name = "list",
            aliases = "ls",
            mixinStandardHelpOptions = true,
            description = "List operations, the newest first.")
    static final class Rows implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Listed listed = new Listed();

        @Option(
                names = "--state",
                paramLabel = "STATE",
                description = "running, succeeded or failed (default: all).")
        private @Nullable String state;

        @Option(
                names = "--limit",
                defaultValue = "50",
                description = "At most so many (default: ${DEFAULT-VALUE}).")
        private int limit;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                String filter = state == null ? "" : "state=" + ApiClient.encoded(state);
                listed.print(
                        out,
                        api.list("api/v1/operations?" + filter, limit),
                        "id",
                        "kind",
                        "target",
                        "state",
                        "phase",
                        "started_at",
                        "finished_at",
                        "error/code");
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "get",
            aliases = "show",
            mixinStandardHelpOptions = true,
            description = "Show an operation.")
    static final class Get implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "OPERATION")
        private String id = "";

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                JsonNode operation = api.get(path(id)).body();
                shown.print(out, operation, text(operation));
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "wait",
            mixinStandardHelpOptions = true,
            description = "Wait for the end of an operation; fails as it failed.")
    static final class Wait implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private WaitOptions wait = new WaitOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "OPERATION")
        private String id = "";

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) ->
                    switch (wait.follow(api, fleet.spec(), api.get(path(id)).body())) {
                        case WaitOptions.Left.Done(var operation) -> {
                            shown.print(out, operation, text(operation));
                            yield Ends.OK;
                        }
                        case WaitOptions.Left.Running(var exit) -> exit;
                    });
        }
    }

    @Command(
            name = "cancel",
            mixinStandardHelpOptions = true,
            description = "End an operation before its last commit: nothing is changed.")
    static final class Cancel implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(paramLabel = "OPERATION")
        private String id = "";

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                JsonNode operation = api.send("POST", path(id) + "/cancel", null).body();
                shown.print(out, operation, text(operation));
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "events",
            mixinStandardHelpOptions = true,
            description = "What happened to an operation, the oldest first.")
    static final class Events implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Listed listed = new Listed();

        @Parameters(paramLabel = "OPERATION")
        private String id = "";

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                var events = new ArrayList<JsonNode>();
                api.get(path(id) + "/events").body().path("items").forEach(events::add);
                listed.print(out, events, "seq", "time", "kind", "tenant", "detail");
                return Ends.OK;
            });
        }
    }
}
