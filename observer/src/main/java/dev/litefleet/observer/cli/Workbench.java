package dev.litefleet.observer.cli;

import dev.litefleet.observer.history.Fleet;
import dev.litefleet.observer.history.TenantAt;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.history.Eject;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.history.Verification;
import dev.litefleet.replica.history.Verifier;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.log.ThreadTasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.Sqlite;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Comparator;
import org.jspecify.annotations.Nullable;

/// What every command needs for the length of one call: the store, a private folder, the fleet.
/// What lies in the folder is tenant data; it is gone when the call ends.
final class Workbench implements AutoCloseable {
    private final ObjectStore store;
    private final InstantSource clock = InstantSource.system();
    private final Tasks tasks = new ThreadTasks();
    private final Path folder;
    private @Nullable Fleet fleet;

    Workbench(StoreOption option) {
        store = option.open();
        try {
            folder = Files.createTempDirectory("litefleet-observe-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Sqlite.load(folder);
    }

    /// Read once.
    Fleet fleet() {
        if (fleet == null) {
            fleet = Fleet.open(store, folder, tasks, clock.instant());
        }
        return fleet;
    }

    /// Which objects make up `wanted`.
    ///
    /// @throws NotFound if the store knows no such tenant
    RestorePlan plan(TenantAt wanted) {
        try {
            return find(wanted);
        } catch (Corrupt _) {
            // The janitor deletes what something larger covers: look once more.
            return planAgain(wanted);
        }
    }

    private RestorePlan planAgain(TenantAt wanted) {
        fleet = null;
        return find(wanted);
    }

    private RestorePlan find(TenantAt wanted) {
        Fleet fleet = fleet();
        Fleet.Tenant tenant =
                fleet.tenant(wanted.tenant()).orElseThrow(() -> new NotFound(wanted.tenant()));
        return plan(fleet, tenant, wanted.point());
    }

    RestorePlan plan(Fleet fleet, Fleet.Tenant tenant, Point point) {
        return fleet.history(tenant).plan(point, clock.instant());
    }

    Verification verify(Fleet fleet, Verifier.Scope scope, Progress progress) {
        return Verifier.verify(fleet.store(), scope, tasks, progress);
    }

    Hydrated hydrate(RestorePlan plan, Path target, Progress progress) {
        return Hydrator.hydrate(
                fleet().store(), plan, target, Hydrator.Limits.DEFAULT, tasks, progress);
    }

    /// The same of what may change meanwhile: when objects of `plan` have gone, it is made anew.
    Hydrated hydrate(RestorePlan plan, TenantAt wanted, Path target, Progress progress) {
        return Hydrator.hydrate(
                fleet().store(),
                plan,
                () -> planAgain(wanted),
                target,
                Hydrator.Limits.DEFAULT,
                tasks,
                progress);
    }

    /// Into `<tenant>/` and `<tenant>.db` of a folder.
    Eject.Ejected eject(TenantAt wanted, Path to) {
        String name = wanted.tenant().name();
        return Eject.write(
                fleet().store(), plan(wanted), to.resolve(name), to.resolve(name + ".db"), tasks);
    }

    Path folder() {
        return folder;
    }

    @Override
    public void close() {
        store.close();
        try (var files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
