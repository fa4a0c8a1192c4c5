package dev.litefleet.cli;

import dev.litefleet.controller.ControllerConfig;
import java.time.Duration;
import picocli.CommandLine.Option;

/// When a controller that is written to goes on in its next epoch, so that the log that a successor
/// would have to read stays short.
final class EpochOptions {
    @Option(
            names = "--epoch-max",
            paramLabel = "TIME",
            defaultValue = "24h",
            description =
                    "Age at which the controller begins its next epoch, at its next commit (default:"
                            + " ${DEFAULT-VALUE}).")
    private String max = "24h";

    @Option(
            names = "--epoch-slots-max",
            paramLabel = "N",
            defaultValue = "" + ControllerConfig.EPOCH_SLOTS_MAX,
            description =
                    "Commits of the catalog after which it does, at least 2 (default:"
                            + " ${DEFAULT-VALUE}).")
    private int slotsMax = ControllerConfig.EPOCH_SLOTS_MAX;

    /// @throws IllegalArgumentException naming what is wrong
    void check() {
        if (max().isZero() || slotsMax < 2) {
            throw new IllegalArgumentException(
                    "--epoch-max must be positive, --epoch-slots-max at least 2: %s, %d"
                            .formatted(max, slotsMax));
        }
    }

    /// @throws IllegalArgumentException if it is no time
    Duration max() {
        return RetentionOptions.time("--epoch-max", max);
    }

    int slotsMax() {
        return slotsMax;
    }
}
