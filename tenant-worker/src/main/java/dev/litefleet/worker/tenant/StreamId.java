package dev.litefleet.worker.tenant;

/// Names a stream, one client's logical connection, within its tenant.
///
/// @param number drawn by the edge at random; never used for two streams
/// @param held whether the stream's last answer was [StreamState#HELD]: if the tenant does not know
///   the stream any more, its transaction is gone and the request must fail. A stream that is not
///   held is nothing but a name and begins anew whenever it must.
public record StreamId(long number, boolean held) {}
