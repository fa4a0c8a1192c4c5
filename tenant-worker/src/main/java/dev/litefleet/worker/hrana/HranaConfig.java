package dev.litefleet.worker.hrana;

import static dev.litefleet.service.Config.check;

import java.time.Duration;

/// The `hrana` section of a worker's settings.
///
/// @param bodyBytesMax a request's body; also what one of them costs in memory
/// @param bodyMax how long a body may take to arrive
/// @param streamIdle how long a stream is remembered between two requests. One without a
///   transaction or stored texts survives being forgotten, so this costs memory and nothing else
/// @param streamBytesMax memory of all remembered streams
public record HranaConfig(
        int bodyBytesMax, Duration bodyMax, Duration streamIdle, long streamBytesMax) {
    public static final int BODY_BYTES_MAX = 4 << 20;
    public static final Duration BODY_MAX = Duration.ofSeconds(60);
    public static final Duration STREAM_IDLE = Duration.ofMinutes(10);
    public static final long STREAM_BYTES_MAX = 64 << 20;

    public HranaConfig {
        check(
                bodyBytesMax >= 1 << 10 && bodyBytesMax <= 256 << 20,
                "hrana.body-bytes-max is not in 1 KiB to 256 MiB",
                bodyBytesMax);
        check(bodyMax.toMillis() >= 1, "hrana.body-max must be positive", bodyMax);
        check(streamIdle.isPositive(), "hrana.stream-idle must be positive", streamIdle);
        check(streamBytesMax >= 1 << 20, "hrana.stream-bytes-max is under 1 MiB", streamBytesMax);
    }
}
