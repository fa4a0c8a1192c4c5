package dev.litefleet.worker.control;

/// Answer of `GET /internal/v1/status`, for people and tests.
///
/// @param epoch of the newest controller heard, 0 before the first
/// @param part of the log
/// @param durableSlot the durable prefix of that part
/// @param pendingBytes page bytes of commits that are not durable yet
/// @param leaseLive whether plain reads are served without a look at the log
public record WorkerStatus(
        String worker,
        String session,
        long epoch,
        int part,
        long durableSlot,
        long pendingBytes,
        int residents,
        int assigned,
        boolean leaseLive) {}
