package dev.litefleet.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.litefleet.observer.cli.Ends;
import dev.litefleet.observer.cli.TenantAtConverter;
import dev.litefleet.observer.history.TenantAt;
import dev.litefleet.replica.TenantId;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// A new tenant from a state of another one.
@Command(
        name = "fork",
        mixinStandardHelpOptions = true,
        description =
                "Make a tenant from a state of another one, which goes on meanwhile. What is not"
                        + " given is as the source has it.")
final class ForkCommand implements Callable<Integer> {
    @Mixin private ApiOptions fleet = new ApiOptions();
    @Mixin private SpecOptions spec = new SpecOptions();
    @Mixin private WaitOptions wait = new WaitOptions();
    @Mixin private Shown shown = new Shown();

    @Parameters(index = "0", paramLabel = "TENANT[@POINT]", converter = TenantAtConverter.class)
    private @Nullable TenantAt source;

    @Parameters(index = "1", paramLabel = "NEW", converter = TenantCommand.IdConverter.class)
    private @Nullable TenantId target;

    @Option(
            names = "--nearest",
            paramLabel = "SIDE",
            description = "before or after: what to take where the point is not exact any more.")
    private @Nullable String nearest;

    @Override
    public Integer call() throws IOException {
        TenantAt from = Objects.requireNonNull(source);
        return fleet.run((api, out) -> {
            ObjectNode body =
                    spec.json()
                            .put("id", String.valueOf(target))
                            .put("at", from.point().toString());
            if (nearest != null) {
                body.put("nearest", nearest);
            }
            var begun =
                    api.send(
                                    "POST",
                                    TenantCommand.path(from.tenant()) + "/fork",
                                    body,
                                    wait.headers())
                            .body();
            switch (wait.follow(api, fleet.spec(), begun)) {
                case WaitOptions.Left.Done(var operation) ->
                        TenantCommand.printMade(
                                api,
                                out,
                                shown,
                                operation,
                                "forked from %s@%s (%s)"
                                        .formatted(
                                                from.tenant(),
                                                shortHex(
                                                        operation
                                                                .at("/result/source/txid")
                                                                .asText()),
                                                operation
                                                        .at("/result/source/commit_time")
                                                        .asText()));
                case WaitOptions.Left.Running(var exit) -> {
                    return exit;
                }
            }
            return Ends.OK;
        });
    }

    /// As people write it.
    static String shortHex(String txid) {
        String digits = txid.replaceFirst("^0+", "");
        return digits.isEmpty() ? "0" : digits;
    }
}
