package dev.litefleet.replica.log;

import java.time.Duration;

/// Settings of a commit log.
///
/// @param window how far beyond the durable prefix slots are attempted (K of rule W2); a constant
///   of the session, written in every segment
/// @param linger how long an async commit may wait for company; at 1 s a busy worker costs $12.96 a
///   month in PUTs, whatever the number of its tenants
/// @param segmentBytesMax page bytes after which waiting commits go at once, and at which a segment
///   is cut; a single larger commit goes alone
/// @param blobBytes an LTX body larger than this becomes an object of its own
/// @param retryMin first pause before a body is sent again; doubled each time, jittered
/// @param retryMax longest pause
/// @param retrySpacing least time between two retries of a session whose store is down
/// @param partMax age at which a part of the log is ended, when its next slot is opened
/// @param partSlotsMax slots after which it is, whatever its age; at least 1
/// @param openMax how long [CommitLog#open] tries
/// @param checkMax how long a self-check may take
/// @param closeMax how long [CommitLog#close()] waits for what is pending
public record CommitLogConfig(
        int window,
        Duration linger,
        int segmentBytesMax,
        int blobBytes,
        Duration retryMin,
        Duration retryMax,
        Duration retrySpacing,
        Duration partMax,
        int partSlotsMax,
        Duration openMax,
        Duration checkMax,
        Duration closeMax) {
    public static final CommitLogConfig DEFAULT =
            new CommitLogConfig(
                    4,
                    Duration.ofSeconds(1),
                    4 << 20,
                    8 << 20,
                    Duration.ofMillis(100),
                    Duration.ofSeconds(5),
                    Duration.ofSeconds(1),
                    Duration.ofHours(1),
                    10_000,
                    Duration.ofSeconds(30),
                    Duration.ofSeconds(2),
                    Duration.ofSeconds(30));

    public CommitLogConfig {
        if (window < 1 || window > 64) {
            throw new IllegalArgumentException("window must be 1 to 64: " + window);
        }
        if (segmentBytesMax < 1 || blobBytes < 1 || blobBytes > 32 << 20) {
            throw new IllegalArgumentException(
                    "bad sizes: segment " + segmentBytesMax + ", blob " + blobBytes);
        }
        if (linger.isNegative() || !retryMin.isPositive() || retryMax.compareTo(retryMin) < 0) {
            throw new IllegalArgumentException(
                    "bad times: linger " + linger + ", retry " + retryMin + " to " + retryMax);
        }
        if (!partMax.isPositive() || partSlotsMax < 1) {
            throw new IllegalArgumentException(
                    "bad parts: " + partMax + ", " + partSlotsMax + " slots");
        }
    }

    /// The same with another linger.
    public CommitLogConfig withLinger(Duration linger) {
        return new CommitLogConfig(
                window,
                linger,
                segmentBytesMax,
                blobBytes,
                retryMin,
                retryMax,
                retrySpacing,
                partMax,
                partSlotsMax,
                openMax,
                checkMax,
                closeMax);
    }

    /// The same with another size of segments.
    public CommitLogConfig withSegmentBytesMax(int bytes) {
        return new CommitLogConfig(
                window,
                linger,
                bytes,
                blobBytes,
                retryMin,
                retryMax,
                retrySpacing,
                partMax,
                partSlotsMax,
                openMax,
                checkMax,
                closeMax);
    }

    /// The same with another size from which bodies become blobs.
    public CommitLogConfig withBlobBytes(int bytes) {
        return new CommitLogConfig(
                window,
                linger,
                segmentBytesMax,
                bytes,
                retryMin,
                retryMax,
                retrySpacing,
                partMax,
                partSlotsMax,
                openMax,
                checkMax,
                closeMax);
    }

    /// The same with parts of another length.
    public CommitLogConfig withParts(Duration max, int slotsMax) {
        return new CommitLogConfig(
                window,
                linger,
                segmentBytesMax,
                blobBytes,
                retryMin,
                retryMax,
                retrySpacing,
                max,
                slotsMax,
                openMax,
                checkMax,
                closeMax);
    }
}
