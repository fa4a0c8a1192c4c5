package dev.litefleet.controller;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.operation.FleetException;
import dev.litefleet.controller.operation.WorkerLink;
import dev.litefleet.replica.ReplicaException.Fenced;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/// What workers and controllers have in common: a machine, a way to the store, a disk, and that
/// they may fail without being wrong.
///
/// @param folder of its own
record SimProcess(
        SimTasks.Node node, SimObjectStore.Link store, RandomGenerator random, Path folder) {
    /// Whether this is a fault's doing and no bug's. Incomplete or damaged histories are not: this
    /// store loses and damages nothing.
    static boolean isFault(RuntimeException failure) {
        return failure instanceof StoreException
                || failure instanceof Fenced
                || failure instanceof LogEnded
                || failure instanceof Catalog.Ended
                || failure instanceof FleetException
                || failure instanceof WorkerLink.Unreachable;
    }

    /// What `attempt` gives, or nothing if a fault was in its way.
    static <T> Optional<T> unlessFault(Supplier<T> attempt) {
        try {
            return Optional.of(attempt.get());
        } catch (RuntimeException failure) {
            if (isFault(failure)) {
                return Optional.empty();
            }
            throw failure;
        }
    }

    /// As [#unlessFault], again and again while `wanted`.
    <T> Optional<T> persist(BooleanSupplier wanted, Supplier<T> attempt) {
        while (wanted.getAsBoolean()) {
            Optional<T> done = unlessFault(attempt);
            if (done.isPresent()) {
                return done;
            }
            node.sleep(Duration.ofMillis(100 + random.nextInt(900)));
        }
        return Optional.empty();
    }
}
