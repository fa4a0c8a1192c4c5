package dev.litefleet.controller.catalog;

import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import java.time.Instant;

/// One process start of a worker, as the catalog has it.
///
/// @param address `http://host:port`
/// @param part of its log that is written now, or an earlier one; never a later one
/// @param started when it registered first
public record SessionRow(
        SessionId id,
        String worker,
        String address,
        int part,
        SessionState state,
        Instant started) {
    public LogName log() {
        return new LogName(worker, id);
    }
}
