package dev.litefleet.cli;

import dev.litefleet.controller.RetentionConfig;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.objects.StoreUrl;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// How long histories are kept, as `up` and `controller` are told.
final class RetentionOptions {
    private static final Pattern DURATION = Pattern.compile("([0-9]{1,6})(ms|[dhms])");

    @Option(
            names = "--history-exact",
            paramLabel = "TIME",
            defaultValue = "7d",
            description =
                    "How long every commit can be restored, at least 1d (default:"
                            + " ${DEFAULT-VALUE}).")
    private String exact = "7d";

    @Option(
            names = "--history-merged",
            paramLabel = "TIME",
            defaultValue = "30d",
            description =
                    "How long one state for each drain can be restored, not less than"
                            + " --history-exact (default: ${DEFAULT-VALUE}).")
    private String merged = "30d";

    @Option(
            names = "--janitor-every",
            paramLabel = "TIME",
            defaultValue = "1d",
            description =
                    "How often the janitor looks for what nobody needs any more; one LIST for each"
                            + " 1,000 objects (default: ${DEFAULT-VALUE}).")
    private String every = "1d";

    @Option(
            names = "--janitor-store",
            paramLabel = "URL",
            description =
                    "The same store with the right to delete, if --store has none (another profile"
                            + " or role).")
    private @Nullable String store;

    /// @throws IllegalArgumentException naming what is wrong
    RetentionConfig config() {
        return new RetentionConfig(
                new HistoryWindows(
                        time("--history-exact", exact), time("--history-merged", merged)),
                time("--janitor-every", every),
                RetentionConfig.SETTLED,
                Optional.ofNullable(store).map(StoreUrl::parse));
    }

    static Duration time(String option, String text) {
        var matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    option + " must be like 30d, 12h, 90m, 30s or 500ms: " + text);
        }
        long count = Long.parseLong(matcher.group(1));
        return switch (matcher.group(2)) {
            case "d" -> Duration.ofDays(count);
            case "h" -> Duration.ofHours(count);
            case "m" -> Duration.ofMinutes(count);
            case "ms" -> Duration.ofMillis(count);
            default -> Duration.ofSeconds(count);
        };
    }
}
