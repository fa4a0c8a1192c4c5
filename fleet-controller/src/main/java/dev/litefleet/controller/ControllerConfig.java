package dev.litefleet.controller;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/// Settings of a controller.
///
/// @param data directory of its own: the local copy of the catalog goes to `<data>/catalog`, which
///   is emptied at every start
/// @param host to bind the internal port to, and to tell workers and successors
/// @param internalPort of registration, heartbeats and metrics; 0 takes a free one
/// @param node id of the data directory whose exclusive lock this process holds until it ends;
///   empty if it holds none. Recorded in the epoch: a successor with the same node holds that lock
///   now, so it knows that this process is dead and does not wait
/// @param lease how long a worker may serve plain reads after a heartbeat
/// @param heartbeat how often a worker sends one
/// @param margin added by the controller to everything that must certainly have ended
/// @param epochMax age at which an epoch that is written to is followed by the next one, in this
///   same process, so that the log that a successor would have to read stays short
/// @param epochSlotsMax slots of its log after which it is, whatever its age
/// @param routeMax how long a request may wait for its tenant to be assigned
/// @param releaseMax how long one worker may take to drain and release one tenant
/// @param retention what is deleted and when
public record ControllerConfig(
        Path data,
        String host,
        int internalPort,
        Optional<String> node,
        Duration lease,
        Duration heartbeat,
        Duration margin,
        Duration epochMax,
        int epochSlotsMax,
        Duration routeMax,
        Duration releaseMax,
        RetentionConfig retention) {
    public static final Duration LEASE = Duration.ofSeconds(3);
    public static final Duration HEARTBEAT = Duration.ofSeconds(1);
    public static final Duration MARGIN = Duration.ofMillis(500);
    public static final Duration EPOCH_MAX = Duration.ofHours(24);
    public static final int EPOCH_SLOTS_MAX = 10_000;
    public static final Duration ROUTE_MAX = Duration.ofSeconds(20);
    public static final Duration RELEASE_MAX = Duration.ofSeconds(30);

    public ControllerConfig {
        positive("lease", lease);
        positive("heartbeat", heartbeat);
        positive("margin", margin);
        positive("epoch_max", epochMax);
        positive("route_max", routeMax);
        positive("release_max", releaseMax);
        if (heartbeat.compareTo(lease) >= 0) {
            throw new IllegalArgumentException(
                    "heartbeat must be shorter than lease [heartbeat=%s, lease=%s]"
                            .formatted(heartbeat, lease));
        }
        if (epochSlotsMax < 2) {
            throw new IllegalArgumentException(
                    "epoch_slots_max must be at least 2 [value=" + epochSlotsMax + "]");
        }
        if (internalPort < 0 || internalPort > 65535) {
            throw new IllegalArgumentException("bad internal port [value=" + internalPort + "]");
        }
    }

    /// The defaults for everything that has one.
    public static ControllerConfig of(
            Path data, String host, int internalPort, Optional<String> node) {
        return new ControllerConfig(
                data,
                host,
                internalPort,
                node,
                LEASE,
                HEARTBEAT,
                MARGIN,
                EPOCH_MAX,
                EPOCH_SLOTS_MAX,
                ROUTE_MAX,
                RELEASE_MAX,
                RetentionConfig.DEFAULT);
    }

    /// The same with other limits of an epoch.
    public ControllerConfig withEpochs(Duration max, int slotsMax) {
        return new ControllerConfig(
                data,
                host,
                internalPort,
                node,
                lease,
                heartbeat,
                margin,
                max,
                slotsMax,
                routeMax,
                releaseMax,
                retention);
    }

    /// The same with other times of leases.
    public ControllerConfig withLeases(Duration lease, Duration heartbeat, Duration margin) {
        return new ControllerConfig(
                data,
                host,
                internalPort,
                node,
                lease,
                heartbeat,
                margin,
                epochMax,
                epochSlotsMax,
                routeMax,
                releaseMax,
                retention);
    }

    /// The same with other settings of what is deleted.
    public ControllerConfig withRetention(RetentionConfig retention) {
        return new ControllerConfig(
                data,
                host,
                internalPort,
                node,
                lease,
                heartbeat,
                margin,
                epochMax,
                epochSlotsMax,
                routeMax,
                releaseMax,
                retention);
    }

    private static void positive(String setting, Duration value) {
        if (value.isZero() || value.isNegative()) {
            throw new IllegalArgumentException(
                    "%s must be positive [value=%s]".formatted(setting, value));
        }
    }
}
