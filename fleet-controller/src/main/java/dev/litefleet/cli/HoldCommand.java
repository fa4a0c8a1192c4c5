package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.observer.cli.Ends;
import dev.litefleet.replica.TenantId;
import java.io.IOException;
import java.util.ArrayList;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Commits that retention must not touch.
@Command(
        name = "hold",
        mixinStandardHelpOptions = true,
        description =
                "Keep commits whatever the history windows say; a held tenant cannot be deleted.",
        subcommands = {HoldCommand.Set.class, HoldCommand.Rows.class, HoldCommand.Release.class})
final class HoldCommand {
    private static String path(@Nullable TenantId tenant) {
        return TenantCommand.path(tenant) + "/holds";
    }

    @Command(
            name = "set",
            mixinStandardHelpOptions = true,
            description = "Hold a range of commits, or change the hold of this name.")
    static final class Set implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(index = "0", paramLabel = "TENANT", converter = TenantCommand.IdConverter.class)
        private @Nullable TenantId tenant;

        @Parameters(index = "1", paramLabel = "HOLD", description = "A name for it: a DNS label.")
        private String hold = "";

        @Option(names = "--reason", required = true, description = "Why, for people.")
        private String reason = "";

        @Option(
                names = "--from",
                paramLabel = "POINT",
                description = "The first state (default: the oldest).")
        private @Nullable String from;

        @Option(
                names = "--to",
                paramLabel = "POINT",
                description = "The last state (default: all that will ever come).")
        private @Nullable String to;

        @Option(
                names = "--for",
                paramLabel = "TIME",
                description = "It ends by itself, as in 30d (default: when it is released).")
        private @Nullable String life;

        @Option(
                names = "--nearest",
                paramLabel = "SIDE",
                description = "before or after: what to take where a point is not exact any more.")
        private @Nullable String nearest;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                ObjectNode body = ApiClient.JSON.createObjectNode().put("reason", reason);
                put(body, "from", from);
                put(body, "to", to);
                put(body, "expires_in", life);
                put(body, "nearest", nearest);
                JsonNode held =
                        api.send("PUT", path(tenant) + "/" + ApiClient.encoded(hold), body).body();
                shown.print(
                        out,
                        held,
                        "%s  held as %s  @%s..%s  until %s"
                                .formatted(
                                        tenant,
                                        held.path("id").asText(),
                                        ForkCommand.shortHex(held.path("from").asText()),
                                        held.path("to").isTextual()
                                                ? "@"
                                                        + ForkCommand.shortHex(
                                                                held.path("to").asText())
                                                : "",
                                        held.path("until").isTextual()
                                                ? held.path("until").asText()
                                                : "it is released"));
                return Ends.OK;
            });
        }

        private static void put(ObjectNode body, String name, @Nullable String value) {
            if (value != null) {
                body.put(name, value);
            }
        }
    }

    @Command(
            name = "list",
            aliases = "ls",
            mixinStandardHelpOptions = true,
            description = "List a tenant's holds in force.")
    static final class Rows implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Listed listed = new Listed();

        @Parameters(paramLabel = "TENANT", converter = TenantCommand.IdConverter.class)
        private @Nullable TenantId tenant;

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                var holds = new ArrayList<JsonNode>();
                api.get(path(tenant)).body().path("items").forEach(holds::add);
                listed.print(out, holds, "id", "from", "to", "until", "created_at", "reason");
                return Ends.OK;
            });
        }
    }

    @Command(
            name = "release",
            aliases = "rm",
            mixinStandardHelpOptions = true,
            description = "Release a hold: retention may delete what only it kept.")
    static final class Release implements Callable<Integer> {
        @Mixin private ApiOptions fleet = new ApiOptions();
        @Mixin private Shown shown = new Shown();

        @Parameters(index = "0", paramLabel = "TENANT", converter = TenantCommand.IdConverter.class)
        private @Nullable TenantId tenant;

        @Parameters(index = "1", paramLabel = "HOLD")
        private String hold = "";

        @Override
        public Integer call() throws IOException {
            return fleet.run((api, out) -> {
                JsonNode gone = api.delete(path(tenant) + "/" + ApiClient.encoded(hold)).body();
                shown.print(out, gone, "%s  hold %s released".formatted(tenant, hold));
                return Ends.OK;
            });
        }
    }
}
