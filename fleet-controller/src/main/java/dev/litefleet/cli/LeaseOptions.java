package dev.litefleet.cli;

import dev.litefleet.controller.ControllerConfig;
import java.time.Duration;
import picocli.CommandLine.Option;

/// How long workers may serve plain reads without asking, and so how soon the loss of one is dealt
/// with. Safety does not rest on these times: what is acknowledged is decided by the logs.
final class LeaseOptions {
    /// A longer one would keep the tenants of a dead worker away for longer than clients wait.
    private static final Duration LEASE_MAX = Duration.ofMinutes(1);

    @Option(
            names = "--lease",
            paramLabel = "TIME",
            defaultValue = "3s",
            description =
                    "Silence after which a worker is given up, at most 1m (default:"
                            + " ${DEFAULT-VALUE}).")
    private String lease = "3s";

    @Option(
            names = "--heartbeat",
            paramLabel = "TIME",
            defaultValue = "1s",
            description =
                    "How often workers report, at most half of --lease (default:"
                            + " ${DEFAULT-VALUE}).")
    private String heartbeat = "1s";

    @Option(
            names = "--lease-margin",
            paramLabel = "TIME",
            defaultValue = "500ms",
            description =
                    "Added to a lease before its worker's tenants go to another, for clocks that run"
                            + " at different speeds (default: ${DEFAULT-VALUE}).")
    private String margin = "500ms";

    /// @throws IllegalArgumentException naming what is wrong
    void check() {
        if (lease().isZero() || heartbeat().isZero() || margin().isZero()) {
            throw new IllegalArgumentException(
                    "--lease, --heartbeat and --lease-margin must be positive: %s, %s, %s"
                            .formatted(lease, heartbeat, margin));
        }
        if (heartbeat().multipliedBy(2).compareTo(lease()) > 0) {
            throw new IllegalArgumentException(
                    "--heartbeat must be at most half of --lease, so that one may be lost: %s, %s"
                            .formatted(heartbeat, lease));
        }
        if (lease().compareTo(LEASE_MAX) > 0 || margin().compareTo(lease()) > 0) {
            throw new IllegalArgumentException(
                    "--lease must be at most 1m, --lease-margin at most --lease: %s, %s"
                            .formatted(lease, margin));
        }
    }

    /// @throws IllegalArgumentException if one is no time
    ControllerConfig of(ControllerConfig config) {
        return config.withLeases(lease(), heartbeat(), margin());
    }

    private Duration lease() {
        return RetentionOptions.time("--lease", lease);
    }

    private Duration heartbeat() {
        return RetentionOptions.time("--heartbeat", heartbeat);
    }

    private Duration margin() {
        return RetentionOptions.time("--lease-margin", margin);
    }
}
