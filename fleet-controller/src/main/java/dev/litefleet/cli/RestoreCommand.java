package dev.litefleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.observer.cli.Ends;
import dev.litefleet.observer.cli.TenantAtConverter;
import dev.litefleet.observer.history.TenantAt;
import dev.litefleet.replica.Point;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// A tenant back to an earlier state, in place. What is shown before the question is what is
/// restored: the point is resolved once, and the tenant must not have changed its spec since.
@Command(
        name = "restore",
        mixinStandardHelpOptions = true,
        description =
                "Bring a tenant back to an earlier state, in place. Nothing is lost: the state before"
                        + " it stays addressable, so a restore can be undone by another one.")
final class RestoreCommand implements Callable<Integer> {
    @Mixin private ApiOptions fleet = new ApiOptions();
    @Mixin private WaitOptions wait = new WaitOptions();
    @Mixin private Confirmation confirmation = new Confirmation();
    @Mixin private Shown shown = new Shown();

    @Parameters(paramLabel = "TENANT@POINT", converter = TenantAtConverter.class)
    private @Nullable TenantAt wanted;

    @Option(names = "--dry-run", description = "Only say what it would do.")
    private boolean dry;

    @Option(
            names = "--nearest",
            paramLabel = "SIDE",
            description = "before or after: what to take where the point is not exact any more.")
    private @Nullable String nearest;

    @Override
    public Integer call() throws IOException {
        TenantAt to = Objects.requireNonNull(wanted);
        if (to.point().equals(Point.LATEST)) {
            return Ends.say(
                    fleet.spec(),
                    Ends.USAGE,
                    "restore to which point? say %s@POINT, such as %s@-10m"
                            .formatted(to.tenant(), to.tenant()));
        }
        return fleet.run((api, out) -> {
            String path = TenantCommand.path(to.tenant());
            String etag = api.get(path).etag();
            ObjectNode question =
                    ApiClient.JSON
                            .createObjectNode()
                            .put("at", to.point().toString())
                            .put("dry_run", true);
            if (nearest != null) {
                question.put("nearest", nearest);
            }
            JsonNode answer = api.send("POST", path + "/restore", question).body();
            JsonNode plan = answer.path("plan");
            String latest = ForkCommand.shortHex(plan.path("latest_txid").asText());
            String words =
                    "%s  @%s -> @%s  %,d transactions will not be in it (they stay addressable), %,d bytes to read"
                            .formatted(
                                    to.tenant(),
                                    latest,
                                    ForkCommand.shortHex(plan.path("txid").asText()),
                                    plan.path("discards_txns").asLong(),
                                    plan.path("bytes").asLong());
            if (dry) {
                shown.print(out, answer, words);
                return Ends.OK;
            }
            fleet.spec().commandLine().getErr().println(words);
            if (!confirmation.given(fleet.spec(), to.tenant().name(), "restore it")) {
                return Ends.USAGE;
            }
            ObjectNode body =
                    ApiClient.JSON
                            .createObjectNode()
                            .put("at", plan.path("txid").asText())
                            .put("confirm", to.tenant().name());
            String[] headers = wait.headers();
            JsonNode begun =
                    headers.length == 0
                            ? api.send("POST", path + "/restore", body, "if-match", etag).body()
                            : api.send(
                                            "POST",
                                            path + "/restore",
                                            body,
                                            "if-match",
                                            etag,
                                            headers[0],
                                            headers[1])
                                    .body();
            return switch (wait.follow(api, fleet.spec(), begun)) {
                case WaitOptions.Left.Done(var operation) -> {
                    shown.print(
                            out,
                            operation,
                            "%s  restored as @%s; the state before it is @%s (%s)"
                                    .formatted(
                                            to.tenant(),
                                            ForkCommand.shortHex(
                                                    operation.at("/result/txid").asText()),
                                            before(operation.at("/result/txid").asText()),
                                            operation.at("/result/bookmark").asText()));
                    yield Ends.OK;
                }
                case WaitOptions.Left.Running(var exit) -> exit;
            };
        });
    }

    /// A restore begins one above the last commit.
    private static String before(String txid) {
        return Long.toHexString(Long.parseUnsignedLong(txid, 16) - 1);
    }
}
