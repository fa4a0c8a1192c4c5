package dev.litefleet.replica.sim;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.log.LogEnded;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException;
import dev.litefleet.testing.PageDb;
import dev.litefleet.testing.SimObjectStore;
import dev.litefleet.testing.SimTasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/// What sessions and controllers have in common: a machine, a way to the store, a disk, and that
/// they may fail without being wrong.
final class Process {
    static final Duration LEASE = Duration.ofSeconds(3);
    static final Duration MARGIN = Duration.ofMillis(500);

    final SimTasks.Node node;
    final SimObjectStore.Link store;
    final RandomGenerator random;
    private final Path folder;
    private int files;

    /// @param folder for everybody's; this one's is in it, and new
    Process(SimTasks world, SimObjectStore store, Path folder, String name) {
        this.node = world.node(name);
        this.store = store.link();
        this.random = world.fork();
        this.folder = folder.resolve(name);
        try {
            Files.createDirectories(this.folder);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /// For temporary files, and nobody else's.
    Path folder() {
        return folder;
    }

    /// A file of its own.
    Path file() {
        return folder.resolve(++files + ".db");
    }

    /// What lies in its folder, in bytes.
    long diskBytes() {
        try (var all = Files.list(folder)) {
            long bytes = 0;
            for (Path file : all.toList()) {
                bytes += Files.size(file);
            }
            return bytes;
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /// Whether this is a fault's doing and no bug's.
    static boolean isFault(RuntimeException failure) {
        return failure instanceof StoreException
                || failure instanceof ReplicaException
                || failure instanceof LogEnded
                || failure instanceof UncheckedIOException;
    }

    /// What `attempt` gives, or nothing if a fault was in its way.
    static <T> Optional<T> unlessFault(Supplier<T> attempt) {
        try {
            return Optional.ofNullable(attempt.get());
        } catch (RuntimeException failure) {
            if (isFault(failure)) {
                return Optional.empty();
            }
            throw failure;
        }
    }

    /// As [#unlessFault], again and again while `wanted`.
    <T> Optional<T> persist(Supplier<Boolean> wanted, Supplier<T> attempt) {
        while (wanted.get()) {
            Optional<T> done = unlessFault(attempt);
            if (done.isPresent()) {
                return done;
            }
            node.sleep(Duration.ofMillis(100 + random.nextInt(900)));
        }
        return Optional.empty();
    }

    /// A tenant's database as derived files have it, through the production code.
    PageDb hydrate(ObjectStore from, TenantKey tenant, Txid floor) {
        LineageHistory history = LineageHistory.list(from, tenant).requireCoverage(floor);
        if (history.coverage().value() == 0) {
            return PageDb.empty(tenant);
        }
        Path file = file();
        try {
            Hydrated hydrated =
                    Hydrator.hydrate(
                            from,
                            RestorePlan.latest(history),
                            file,
                            Hydrator.Limits.DEFAULT,
                            node,
                            Progress.NONE);
            byte[] image = Files.readAllBytes(file);
            Files.delete(file);
            return PageDb.of(tenant, hydrated, image);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }
}
