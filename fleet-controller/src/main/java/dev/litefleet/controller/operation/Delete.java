package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.Deletion;
import dev.litefleet.controller.catalog.TenantHeld;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.log.Tasks;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;

/// Deletes a tenant: tombstone, release, then [Erase] (commit-log.md, G6). From the tombstone's
/// commit on nobody is assigned it, whatever becomes of the rest. Thread-safe.
public final class Delete {
    private final Catalog catalog;
    private final Unassign unassign;
    private final Erase erase;
    private final Tasks tasks;
    private final Consumer<TenantId> moved;
    private final Duration max;

    /// @param moved is told that routes to a tenant are void
    /// @param max how long to wait for the release before answering without it
    public Delete(
            Catalog catalog,
            Unassign unassign,
            Erase erase,
            Tasks tasks,
            Consumer<TenantId> moved,
            Duration max) {
        this.catalog = catalog;
        this.unassign = unassign;
        this.erase = erase;
        this.tasks = tasks;
        this.moved = moved;
        this.max = max;
    }

    /// Blocks until the tenant is released, or `max` is over; then the release goes on behind.
    public Deletion run(TenantId tenant) {
        Optional<TenantRow> found;
        try {
            found = await(tasks, catalog.tombstone(tenant));
        } catch (TenantHeld held) {
            return new Deletion.Held(held.holds());
        }
        if (found.isEmpty()) {
            return new Deletion.NotFound();
        }
        moved.accept(tenant);
        TenantRow row = found.get();
        Instant at = Objects.requireNonNull(row.deletedAt());
        String session = row.session();
        boolean released = session == null;
        try {
            if (session != null) {
                released = unassign.run(tenant, session, row.assignment(), max);
            }
        } finally {
            // The tombstone stands, so the rest follows, whatever its sender is told.
            if (!released) {
                resume(row);
            }
            erase.start(tenant);
        }
        return new Deletion.Done(at, released);
    }

    /// Goes on asking the session of a tombstone for its release, behind the caller.
    public void resume(TenantRow tombstone) {
        String session = tombstone.session();
        if (session != null) {
            unassign.start(tombstone.id(), session, tombstone.assignment());
        }
    }
}
