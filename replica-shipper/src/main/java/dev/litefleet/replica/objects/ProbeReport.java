package dev.litefleet.replica.objects;

import java.time.Duration;

/// What [ConditionalWriteProbe] found out about a store that passed.
///
/// @param took for all requests
/// @param requests how many were sent
/// @param clockSkew store's clock minus ours, to about a second
public record ProbeReport(Duration took, int requests, Duration clockSkew) {}
