package dev.litefleet.controller.operation;

import static dev.litefleet.controller.catalog.Waiting.await;

import dev.litefleet.controller.catalog.Catalog;
import dev.litefleet.controller.catalog.OperationDetail;
import dev.litefleet.controller.catalog.OperationRow;
import dev.litefleet.controller.catalog.TenantRow;
import dev.litefleet.controller.catalog.TenantSource;
import dev.litefleet.controller.catalog.TenantSpec;
import dev.litefleet.controller.operation.FleetException.TenantDeleted;
import dev.litefleet.controller.operation.FleetException.TenantNotFound;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.History;
import dev.litefleet.replica.history.Hydrated;
import dev.litefleet.replica.history.Hydrator;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.history.LineageStart;
import dev.litefleet.replica.history.Progress;
import dev.litefleet.replica.history.RestorePlan;
import dev.litefleet.replica.history.Timeline;
import dev.litefleet.replica.log.Tasks;
import dev.litefleet.replica.objects.ObjectStore;
import dev.litefleet.replica.sqlite.DatabaseFile;
import dev.litefleet.service.Refused;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/// Starts lineages from states that exist: a fork, an import, a restore in place. Each is a
/// straight line whose last step is one catalog commit. What a line that broke off has written is
/// named by nobody, so it is garbage; running the line again comes to the same objects.
/// Thread-safe.
public final class Copies {
    /// How long a restore waits for the tenant's worker, or for its failover.
    private static final Duration RELEASE_MAX = Duration.ofMinutes(2);

    private final Catalog catalog;
    private final ObjectStore store;
    private final Unassign unassign;
    private final Consumer<TenantId> moved;
    private final Function<Path, DatabaseFile> check;
    private final Path folder;
    private final Tasks tasks;
    private final InstantSource clock;

    /// @param moved is told that routes to a tenant are void
    /// @param check says what a file is; throws [DatabaseFile.Unusable]
    /// @param folder for databases on their way; what an earlier process left there is deleted
    @SuppressWarnings("TooManyParameters") // Wired once, in Controller.
    public Copies(
            Catalog catalog,
            ObjectStore store,
            Unassign unassign,
            Consumer<TenantId> moved,
            Function<Path, DatabaseFile> check,
            Path folder,
            Tasks tasks,
            InstantSource clock) {
        this.catalog = catalog;
        this.store = store;
        this.unassign = unassign;
        this.moved = moved;
        this.check = check;
        this.folder = folder;
        this.tasks = tasks;
        this.clock = clock;
    }

    /// A state of a tenant: what will be copied, and the tenant as it was when it was found.
    public record Found(TenantRow tenant, RestorePlan plan, Txid latest) {}

    /// The state at `point`, up to the last commit that is durable now. Of a tenant that is being
    /// written the log of its session is read too.
    ///
    /// @throws FleetException if there is no such tenant
    /// @throws dev.litefleet.replica.ReplicaException if the state cannot be produced
    public Found find(TenantId tenant, Point point) {
        TenantSource source =
                await(tasks, catalog.source(tenant)).orElseThrow(() -> new TenantNotFound(tenant));
        if (source.tenant().deletedAt() != null) {
            throw new TenantDeleted(tenant);
        }
        History history = history(source);
        return new Found(
                source.tenant(), history.plan(point, clock.instant()), history.current().latest());
    }

    /// The catalog says where the tail is, then the tail is read, then the files are listed: what a
    /// drain moves meanwhile is seen in one of the two places.
    private History history(TenantSource source) {
        TenantRow tenant = source.tenant();
        List<IndexPoint> tail =
                source.log()
                        .map(log ->
                                Timeline.tail(store, log, tasks)
                                        .getOrDefault(
                                                new TenantKey(tenant.id(), tenant.lineage()),
                                                List.of()))
                        .orElse(List.of());
        return History.read(store, tenant.id(), source.spans(), tail, tenant.txidFloor());
    }

    /// Makes a tenant from a state of another, which goes on meanwhile.
    void fork(OperationRow operation, Progress progress) {
        OperationDetail detail = operation.detail();
        var txid = new Txid(detail.sourceTxid());
        RestorePlan plan = find(detail.sourceTenant(), new Point.At(txid)).plan();
        Path file = file(operation);
        phase(operation, "copy");
        Hydrated state = hydrate(plan, file, progress);
        requireRoom(detail.tenantSpec(), state.pages(), state.pageSize());
        phase(operation, "snapshot");
        start(operation, txid, Instant.ofEpochMilli(state.lastMillis()), image(file, state));
        made(
                operation,
                Optional.of(plan.tenant().lineage()),
                outcome(txid, state.lastMillis(), state, null));
    }

    /// Makes a tenant from the database in [#file], after a look at it: it is a stranger's.
    void importFile(OperationRow operation) {
        Path file = file(operation);
        if (!Files.exists(file)) {
            throw Refused.of(
                    503,
                    "OPERATION_INTERRUPTED",
                    "the controller that had received the file stopped; nothing was made, send it"
                            + " again",
                    true);
        }
        phase(operation, "check");
        DatabaseFile database = check.apply(file);
        requireRoom(operation.detail().tenantSpec(), database.pages(), database.pageSize());
        phase(operation, "snapshot");
        var first = new Txid(1);
        start(
                operation,
                first,
                operation.startedAt(),
                new LineageStart.Image(file, database.pageSize(), database.pages()));
        made(
                operation,
                Optional.empty(),
                new OperationDetail.Outcome(
                        first.value(),
                        operation.startedAt().toEpochMilli(),
                        (long) database.pages() * database.pageSize(),
                        null));
    }

    /// Gives a tenant a new lineage that begins with an earlier state. While it runs nobody is
    /// assigned the tenant: its requests wait.
    void restore(OperationRow operation, Progress progress) {
        TenantId tenant = operation.target();
        var txid = new Txid(operation.detail().sourceTxid());
        // Before anybody is disturbed: the state must be there, whole.
        Path file = file(operation);
        phase(operation, "copy");
        Hydrated state = hydrate(find(tenant, new Point.At(txid)).plan(), file, progress);
        phase(operation, "release");
        TenantRow released = release(tenant);
        LineageHistory old =
                LineageHistory.list(store, new TenantKey(tenant, released.lineage()))
                        .requireCoverage(released.txidFloor());
        Txid last = old.coverage();
        phase(operation, "snapshot");
        // Times never go back within a tenant's history.
        long millis =
                Math.max(
                        operation.startedAt().toEpochMilli(),
                        Timeline.read(store, old.tenant(), List.of(), Txid.NONE)
                                .latestTime()
                                .map(Instant::toEpochMilli)
                                .orElse(0L));
        start(operation, last.next(), Instant.ofEpochMilli(millis), image(file, state));
        String bookmark =
                "before-restore-" + operation.startedAt().toString().replaceAll("[-:]|\\.\\d+", "");
        boolean switched =
                await(
                        tasks,
                        catalog.restored(
                                operation,
                                released.lineage(),
                                last,
                                outcome(last.next(), state.lastMillis(), state, bookmark)));
        if (!switched) {
            throw Refused.of(
                    409,
                    "TENANT_CHANGED",
                    "tenant " + tenant + " was changed meanwhile; its history is as it was",
                    true);
        }
        moved.accept(tenant);
    }

    /// Waits until no session has the tenant. None gets it while its restore runs.
    private TenantRow release(TenantId tenant) {
        moved.accept(tenant);
        long deadline = tasks.nanos() + RELEASE_MAX.toNanos();
        while (true) {
            TenantRow row = await(tasks, catalog.tenant(tenant)).orElseThrow();
            if (row.deletedAt() != null) {
                throw new TenantDeleted(tenant);
            }
            if (row.session() == null) {
                return row;
            }
            long left = deadline - tasks.nanos();
            if (left <= 0
                    || !unassign.run(
                            tenant, row.session(), row.assignment(), Duration.ofNanos(left))) {
                throw Refused.of(
                        503,
                        "RELEASE_TIMEOUT",
                        "worker %s has not released tenant %s; its history is as it was"
                                .formatted(row.worker(), tenant),
                        true);
            }
        }
    }

    private Hydrated hydrate(RestorePlan plan, Path file, Progress progress) {
        return Hydrator.hydrate(store, plan, file, Hydrator.Limits.DEFAULT, tasks, progress);
    }

    private static LineageStart.Image image(Path file, Hydrated state) {
        return new LineageStart.Image(file, state.pageSize(), state.pages());
    }

    private static OperationDetail.Outcome outcome(
            Txid txid,
            long millis,
            Hydrated state,
            @org.jspecify.annotations.Nullable String bookmark) {
        return new OperationDetail.Outcome(
                txid.value(), millis, (long) state.pages() * state.pageSize(), bookmark);
    }

    private void start(OperationRow operation, Txid txid, Instant time, LineageStart.Image image) {
        var key = new TenantKey(operation.target(), new Lineage(operation.detail().lineage()));
        LineageStart.write(store, key, txid, time, image, folder);
    }

    private void made(
            OperationRow operation, Optional<Lineage> from, OperationDetail.Outcome outcome) {
        if (!await(tasks, catalog.made(operation, from, outcome))) {
            throw Refused.of(
                    409,
                    "ALREADY_EXISTS",
                    "somebody provisioned tenant %s meanwhile; choose another id"
                            .formatted(operation.target()),
                    false);
        }
    }

    private static void requireRoom(TenantSpec spec, int pages, int pageSize) {
        long bytes = (long) pages * pageSize;
        long max = spec.quotas().databaseBytesMax();
        if (max != 0 && bytes > max) {
            throw Refused.of(
                    422,
                    "QUOTA_TOO_SMALL",
                    "the database has %d bytes, quota.max_bytes is %d; ask for more"
                            .formatted(bytes, max),
                    false);
        }
    }

    private void phase(OperationRow operation, String phase) {
        if (!await(tasks, catalog.phase(operation.id(), phase))) {
            throw Refused.of(
                    409, "CANCELLED", "operation " + operation.id() + " was cancelled", false);
        }
    }

    /// Where the operation's database lies while it runs.
    public Path file(OperationRow operation) {
        return folder.resolve(operation.id() + ".db");
    }

    /// Holds files until their operations end.
    public Path folder() {
        return folder;
    }

    void clean(OperationRow operation) {
        try {
            Files.deleteIfExists(file(operation));
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot delete " + file(operation), failed);
        }
    }
}
