package dev.litefleet.worker.tenant;

import dev.litefleet.replica.log.CommitLog;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import java.nio.file.Path;
import java.time.InstantSource;

/// What all databases of a session ship their commits with.
///
/// @param log the session's commit log, open
/// @param tmp folder for temporary files; emptied by whoever starts the process
/// @param tasks where drains wait for the store
public record Shipping(
        CommitLog log,
        ObjectStore store,
        Path tmp,
        Tasks tasks,
        InstantSource clock,
        ShippingConfig config) {}
