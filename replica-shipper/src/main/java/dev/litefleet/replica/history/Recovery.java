package dev.litefleet.replica.history;

import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.EntryBodies.Located;
import dev.litefleet.replica.log.Entry;
import dev.litefleet.replica.log.Fence;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.LogTail;
import dev.litefleet.replica.log.SegmentReader;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.objects.StoreException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/// What a closed log still owes its tenants, and pays it (C2 Recover).
///
/// For every tenant with entries that the log had not reported as drained: exactly one derived file
/// of what the tenant's coverage lacks, and history objects for the entries that none holds. It may
/// be repeated, and done by several at once: all writes are put-if-absent of content that depends
/// on the entries alone.
public final class Recovery {
    private static final int WIDTH = 8;
    private static final long SPOOL_MEMORY_BYTES = 64 << 20;
    private static final int ATTEMPTS_MAX = 6;
    private static final Duration PAUSE = Duration.ofMillis(100);

    private final ObjectStore store;
    private final Path tmp;
    private final Tasks tasks;
    private final Predicate<TenantKey> wanted;

    private Recovery(ObjectStore store, Path tmp, Tasks tasks, Predicate<TenantKey> wanted) {
        this.store = store;
        this.tmp = tmp;
        this.tasks = tasks;
        this.wanted = wanted;
    }

    /// Pays what the log owes. Costs one request per undrained segment and per needed entry, two
    /// lists per tenant and two writes per tenant that lacks something; holds 64 MiB of pages in
    /// memory and what is more in a file.
    ///
    /// What seems damaged is read a second time, from the start: a bit may have flipped on its way
    /// here, and a tenant that is given up keeps a floor that only a later recovery could reach.
    ///
    /// @param closed where the log ends; nothing at or above its slot is read
    /// @param tmp folder for temporary files
    /// @throws StoreException if the store does not answer; recover again
    /// @throws ReplicaException.Corrupt if a segment itself cannot be read
    public static Recovered recover(
            ObjectStore store, LogName log, Fence.Closed closed, Path tmp, Tasks tasks) {
        return recover(store, log, closed, tmp, tasks, _ -> true);
    }

    /// As [#recover(ObjectStore, LogName, Fence.Closed, Path, Tasks)], but writes nothing for those
    /// who are not wanted: a log may hold entries of a tenant that it had drained and released and
    /// that was erased since, because a neighbour in the same slot is undrained.
    ///
    /// @param wanted whether somebody still has the lineage; asked again before every write, on
    ///   tasks of `tasks`
    public static Recovered recover(
            ObjectStore store,
            LogName log,
            Fence.Closed closed,
            Path tmp,
            Tasks tasks,
            Predicate<TenantKey> wanted) {
        var recovery = new Recovery(store, tmp, tasks, wanted);
        int written = 0;
        try {
            Recovered recovered = recovery.recover(log, closed);
            if (recovered.failed().isEmpty()) {
                return recovered;
            }
            written = recovered.filesWritten();
        } catch (ReplicaException.Corrupt _) {
            // As said above.
        }
        Recovered again = recovery.recover(log, closed);
        return new Recovered(
                again.coverage(), again.failed(), again.segments(), written + again.filesWritten());
    }

    /// The same for one tenant of a log that is still written, by the session that writes it: for a
    /// tenant whose WAL cannot bring what is durable into derived files any more. Nothing of the
    /// tenant may be drained meanwhile. What becomes durable later is not looked at.
    ///
    /// @throws StoreException if the store does not answer; call again
    /// @throws ReplicaException.Corrupt if a segment itself cannot be read
    public static Recovered payOne(
            ObjectStore store, LogName log, TenantKey tenant, Path tmp, Tasks tasks) {
        List<SegmentReader> segments = LogTail.undrained(store, log, tasks).segments();
        List<Debt> debts =
                debts(log, segments).stream().filter(debt -> debt.tenant().equals(tenant)).toList();
        return new Recovery(store, tmp, tasks, _ -> true).pay(debts, segments.size());
    }

    private Recovered recover(LogName log, Fence.Closed closed) {
        List<SegmentReader> segments = LogTail.below(store, log, closed, tasks).segments();
        return pay(debts(log, segments), segments.size());
    }

    private static List<Debt> debts(LogName log, List<SegmentReader> segments) {
        var debts = new LinkedHashMap<TenantKey, Debt>();
        for (SegmentReader segment : segments) {
            var ref = new LogRef(log, segment.slot());
            for (Entry entry : segment.entries()) {
                debts.computeIfAbsent(entry.tenant(), Debt::new)
                        .add(Located.in(segment, ref, entry));
            }
        }
        return List.copyOf(debts.values());
    }

    private Recovered pay(List<Debt> debts, int segments) {
        Parallel.run(
                tasks,
                "recover-look",
                WIDTH,
                debts.size(),
                i -> patiently(() -> ifWanted(debts.get(i), debt -> debt.look(store))));
        try (var spool = new PageSpool(tmp, SPOOL_MEMORY_BYTES)) {
            read(debts, spool);
            Parallel.run(
                    tasks,
                    "recover-pay",
                    WIDTH,
                    debts.size(),
                    i -> {
                        Debt owed = debts.get(i);
                        patiently(() -> ifWanted(owed, debt -> debt.payFile(store, spool, tmp)));
                        patiently(() -> ifWanted(owed, debt -> debt.payIndex(store)));
                    });
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot remove the spool", failed);
        }
        return recovered(debts, segments);
    }

    private void ifWanted(Debt debt, Consumer<Debt> step) {
        if (wanted.test(debt.tenant())) {
            step.accept(debt);
        } else {
            debt.forgive();
        }
    }

    /// Segment by segment, so that what lies together is read together; each tenant takes its own.
    private void read(List<Debt> debts, PageSpool spool) {
        var byTenant = new HashMap<TenantKey, Debt>();
        var needed = new ArrayList<Located>();
        for (Debt debt : debts) {
            byTenant.put(debt.tenant(), debt);
            needed.addAll(debt.lacking());
        }
        needed.sort((a, b) -> a.log().slot().compareTo(b.log().slot())); // Stable.
        EntryBodies.forEach(
                tasks,
                WIDTH,
                needed,
                body -> {
                    Debt debt = byTenant.get(body.entry().tenant());
                    if (debt != null) {
                        debt.take(body, spool);
                    }
                });
    }

    private static Recovered recovered(List<Debt> debts, int segments) {
        Map<TenantKey, Txid> coverage = new HashMap<>();
        Map<TenantKey, ReplicaException> failed = new HashMap<>();
        int written = 0;
        for (Debt debt : debts) {
            coverage.put(debt.tenant(), debt.durable());
            debt.failure().ifPresent(failure -> failed.put(debt.tenant(), failure));
            written += debt.lacksFile() ? 1 : 0;
        }
        return new Recovered(coverage, failed, segments, written);
    }

    /// A recovery is many requests; one answer that is lost should not begin all of it anew.
    private void patiently(Runnable request) {
        for (int attempt = 1; ; attempt++) {
            try {
                request.run();
                return;
            } catch (StoreException.Unavailable unavailable) {
                if (attempt == ATTEMPTS_MAX) {
                    throw unavailable;
                }
                tasks.sleep(PAUSE.multipliedBy(1L << attempt));
            }
        }
    }
}
