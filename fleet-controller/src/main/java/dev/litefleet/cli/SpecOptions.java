package dev.litefleet.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What a tenant should be. The fleet checks it.
final class SpecOptions {
    @Option(
            names = {"-l", "--label"},
            paramLabel = "KEY=VALUE",
            description = "A label; repeatable.")
    private Map<String, String> labels = new HashMap<>();

    @Option(names = "--durability", paramLabel = "CLASS", description = "sync or async.")
    private @Nullable String durability;

    @Option(
            names = "--max-bytes",
            paramLabel = "BYTES",
            description = "Largest database; 0 for the workers' default.")
    private @Nullable Long maxBytes;

    @Option(
            names = "--history-exact",
            paramLabel = "TIME",
            description =
                    "How long every commit can be restored, at least 1d; never longer than the"
                            + " fleet's.")
    private @Nullable String exact;

    @Option(
            names = "--history-merged",
            paramLabel = "TIME",
            description = "How long one state for each drain can be restored.")
    private @Nullable String merged;

    /// What was given; nothing of what was not.
    ObjectNode json() {
        ObjectNode spec = ApiClient.JSON.createObjectNode();
        if (!labels.isEmpty()) {
            labels.forEach(spec.putObject("labels")::put);
        }
        if (durability != null) {
            spec.put("durability", durability);
        }
        if (maxBytes != null) {
            spec.putObject("quota").put("max_bytes", maxBytes);
        }
        if (exact != null) {
            spec.withObject("/history").put("exact", exact);
        }
        if (merged != null) {
            spec.withObject("/history").put("merged", merged);
        }
        return spec;
    }
}
