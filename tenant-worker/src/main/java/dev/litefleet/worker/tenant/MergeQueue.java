package dev.litefleet.worker.tenant;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.history.HistoryDays;
import dev.litefleet.replica.history.MergeSchedule;
import dev.litefleet.replica.history.Merges;
import dev.litefleet.replica.objects.StoreException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Merges tenants' derived files and history objects behind their drains: one tenant after the
/// other on one virtual thread, which ends when none waits. One, because a snapshot needs disk for
/// about twice its database, and because nobody waits for it. Thread-safe.
final class MergeQueue implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(MergeQueue.class);

    /// @param databaseBytes size of the database after its last drain
    private record Job(MergeSchedule schedule, long databaseBytes) {}

    private final Shipping shipping;
    private final BooleanSupplier diskHasRoom;
    private final Map<TenantKey, Job> waiting = new LinkedHashMap<>(); // guarded by this
    private boolean working; // guarded by this
    private boolean closed; // guarded by this

    /// @param diskHasRoom whether temporary files may be written now
    MergeQueue(Shipping shipping, BooleanSupplier diskHasRoom) {
        this.shipping = shipping;
        this.diskHasRoom = diskHasRoom;
    }

    /// Merges the files of a tenant soon. One that waits already keeps its place.
    void add(TenantKey tenant, MergeSchedule schedule, long databaseBytes) {
        synchronized (this) {
            if (closed) {
                return;
            }
            waiting.put(tenant, new Job(schedule, databaseBytes));
            if (working) {
                return;
            }
            working = true;
        }
        shipping.tasks().start("merge", this::work);
    }

    private void work() {
        for (Map.Entry<TenantKey, Job> next = take(); next != null; next = take()) {
            merge(next.getKey(), next.getValue());
        }
    }

    private synchronized Map.@Nullable Entry<TenantKey, Job> take() {
        Map.Entry<TenantKey, Job> first =
                waiting.isEmpty() ? null : waiting.entrySet().iterator().next();
        if (first == null) {
            working = false;
            return null;
        }
        waiting.remove(first.getKey());
        return Map.entry(first.getKey(), first.getValue());
    }

    private void merge(TenantKey tenant, Job job) {
        if (!diskHasRoom.getAsBoolean()) {
            return; // The next drain asks again.
        }
        try {
            boolean index = job.schedule().indexDue();
            MergeSchedule.Look look = job.schedule().look();
            Merges.Done done =
                    Merges.write(
                            shipping.store(),
                            tenant,
                            job.databaseBytes(),
                            shipping.clock().instant(),
                            shipping.tmp());
            int days = index ? HistoryDays.merge(shipping.store(), tenant) : 0;
            job.schedule().done(look, done.standing());
            if (!done.written().isEmpty() || days > 0) {
                log.atInfo()
                        .addKeyValue("tenant", tenant.tenant())
                        .addKeyValue("files", done.written().size())
                        .addKeyValue("days", days)
                        .log("merged");
            }
        } catch (StoreException | ReplicaException | UncheckedIOException failed) {
            log.atWarn()
                    .addKeyValue("tenant", tenant.tenant())
                    .setCause(failed)
                    .log("merge was put off");
        } catch (RuntimeException bug) {
            // One tenant's; the others' turns must come.
            log.atError().addKeyValue("tenant", tenant.tenant()).setCause(bug).log("merge failed");
        }
    }

    /// Forgets who waits. What is being merged ends by itself.
    @Override
    public synchronized void close() {
        closed = true;
        waiting.clear();
    }
}
