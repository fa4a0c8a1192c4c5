package dev.litefleet.worker;

import static dev.litefleet.service.Config.check;

import dev.litefleet.replica.log.CommitLogConfig;
import java.time.Duration;

/// The `log` section of a worker's settings: its commit log.
///
/// @param linger how long an async commit may wait for company before it is uploaded; at 1 s a busy
///   worker costs $12.96 a month in PUTs, whatever the number of its tenants
/// @param segmentBytesMax waiting commits go at once when they have this many bytes of pages
/// @param partMax age at which a part of the log is ended, when there is something to write: what
///   lies before the current part may be trimmed while the worker lives
/// @param partSlotsMax slots after which it is ended, whatever its age
public record LogConfig(Duration linger, int segmentBytesMax, Duration partMax, int partSlotsMax) {
    public static final Duration LINGER = CommitLogConfig.DEFAULT.linger();
    public static final int SEGMENT_BYTES_MAX = CommitLogConfig.DEFAULT.segmentBytesMax();
    public static final Duration PART_MAX = CommitLogConfig.DEFAULT.partMax();
    public static final int PART_SLOTS_MAX = CommitLogConfig.DEFAULT.partSlotsMax();

    public LogConfig {
        check(!linger.isNegative(), "log.linger must not be negative", linger);
        check(
                segmentBytesMax >= 1 << 16 && segmentBytesMax <= 64 << 20,
                "log.segment-bytes-max is not in 64 KiB to 64 MiB",
                segmentBytesMax);
        check(partMax.toSeconds() >= 1, "log.part-max is less than 1s", partMax);
        check(
                partSlotsMax >= 2 && partSlotsMax <= 1_000_000,
                "log.part-slots-max is not in 2 to 1000000",
                partSlotsMax);
    }
}
