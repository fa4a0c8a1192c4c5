package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HistoryIndex;
import dev.litefleet.replica.history.IndexPoint;
import dev.litefleet.replica.history.LineageEnd;
import dev.litefleet.replica.history.LineageHistory;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalSurvey;
import dev.litefleet.worker.tenant.WarmStart.Facts;
import dev.litefleet.worker.tenant.WarmStart.LoggedEnd;
import dev.litefleet.worker.tenant.WarmStart.Verdict;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes a database of what an earlier session left, as far as [WarmStart] lets it, else of the
/// history. Blocks on the store; calls no SQLite.
///
/// Every step may be interrupted: until the files are opened, the WAL and `position.json` are what
/// they were, or `position.json` names this session instead, which then is the last that wrote
/// them. So whoever comes next decides from the same facts.
final class WarmDisk {
    private static final Logger log = LoggerFactory.getLogger(WarmDisk.class);

    private final LocalFiles files;
    private final Shipping shipping;
    private final long scanBytesMin;

    /// @param scanBytesMin as of [Facts]
    WarmDisk(LocalFiles files, Shipping shipping, long scanBytesMin) {
        this.files = files;
        this.shipping = shipping;
        this.scanBytesMin = scanBytesMin;
    }

    /// The tenant's database as it was when the session before this one ended, its commits that are
    /// not in the history included if [LocalDatabase#wal] is set: they are to be shipped before
    /// anybody sees them.
    ///
    /// @param floor as of [LocalDatabase#hydrate], with the same failures
    LocalDatabase open(TenantAssignment assignment, Txid floor) {
        TenantKey key = assignment.key();
        for (Lineage lineage : files.lineages(key.tenant())) {
            if (!lineage.equals(key.lineage())) {
                files.putAside(new TenantKey(key.tenant(), lineage), null, "the lineage has ended");
            }
        }
        LineageHistory history = LineageHistory.list(shipping.store(), key).requireCoverage(floor);
        Path folder = files.of(key);
        Optional<LocalPosition> position = LocalPosition.read(folder.resolve("position.json"));
        Optional<LineageEnd> end = LineageEnd.of(shipping.store(), history);
        WalSurvey wal;
        try {
            wal =
                    WalSurvey.of(folder.resolve("db-wal"), shipping.config().captureBytesMax())
                            .orElse(null);
        } catch (ReplicaException unreadable) {
            return diverged(key, history, position, String.valueOf(unreadable.getMessage()));
        }
        var facts =
                new Facts(
                        key,
                        // This one has written it if it has come as far as `ahead` or the opening,
                        // and no further: then the WAL is still what it was.
                        position.map(LocalPosition::session)
                                .filter(shipping.log().name().session().ulid()::equals)
                                .orElse(assignment.previousSession()),
                        floor,
                        history.coverage(),
                        position.orElse(null),
                        logged(key, position, end, wal),
                        wal,
                        size(folder.resolve("db-wal")),
                        size(folder.resolve("db")),
                        scanBytesMin);
        Verdict verdict = WarmStart.decide(facts);
        log.atInfo()
                .addKeyValue("tenant", key.tenant())
                .addKeyValue("txid", history.coverage())
                .addKeyValue("verdict", verdict)
                .log("local files of an earlier session were looked at");
        return switch (verdict) {
            case Verdict.Reuse(int commits, int ahead) ->
                    reuse(key, history, position, end, wal, commits, ahead);
            case Verdict.ShipAhead(int commits, _) ->
                    ahead(key, history, position, end, wal, commits);
            case Verdict.Diverged(var reason) -> diverged(key, history, position, reason);
            case Verdict.Behind _, Verdict.Hydrate _ -> {
                files.delete(key);
                yield LocalDatabase.hydrate(folder, history, shipping);
            }
        };
    }

    /// What the log says, if it has to be asked.
    private @Nullable LoggedEnd logged(
            TenantKey key,
            Optional<LocalPosition> position,
            Optional<LineageEnd> end,
            @Nullable WalSurvey wal) {
        boolean beyond =
                wal != null
                        && position.isPresent()
                        && end.isPresent()
                        && end.get().position().txid().compareTo(position.get().durable()) > 0;
        if (!beyond) {
            return null;
        }
        try {
            return end.get()
                    .logged(shipping.store(), key)
                    .map(logged ->
                            new LoggedEnd(
                                    logged.log().log().session().ulid(), logged.entry().wal()))
                    .orElse(null);
        } catch (ReplicaException unknown) {
            log.atWarn()
                    .addKeyValue("tenant", key.tenant())
                    .setCause(unknown)
                    .log("the log's last entry could not be read");
            return null;
        }
    }

    private LocalDatabase reuse(
            TenantKey key,
            LineageHistory history,
            Optional<LocalPosition> position,
            Optional<LineageEnd> ends,
            @Nullable WalSurvey wal,
            int commits,
            int ahead) {
        LineageEnd end = ends.orElseThrow();
        Path folder = files.of(key);
        Optional<DatabaseChecksum> sums = Optional.empty();
        if (wal == null || wal.pageSize() == end.pageSize()) {
            sums =
                    scan(folder, end.pageSize())
                            .sums(folder.resolve("db"), end.pages(), commits)
                            .filter(found -> found.value() == end.position().checksum());
        }
        if (sums.isEmpty()) {
            log.atWarn()
                    .addKeyValue("tenant", key.tenant())
                    .log("local file does not add up to what the history says");
            return ahead > 0 && wal != null
                    ? ahead(key, history, position, ends, wal, commits)
                    : diverged(key, history, position, "the file is not what the history says");
        }
        sums.get().save(folder.resolve("sums"));
        remove(folder.resolve("db-shm"));
        var local =
                new LocalDatabase(folder, key, end.position(), end.pageSize(), end.millis(), true);
        if (wal == null || wal.commits() == 0) {
            remove(folder.resolve("db-wal"));
            return local;
        }
        return local.before(wal.after(commits, end.pages()));
    }

    /// The WAL stays, everything else is made anew.
    private LocalDatabase ahead(
            TenantKey key,
            LineageHistory history,
            Optional<LocalPosition> position,
            Optional<LineageEnd> end,
            @Nullable WalSurvey wal,
            int commits) {
        if (wal == null) {
            throw new IllegalStateException("commits ahead without a WAL");
        }
        Path folder = files.of(key);
        if (!connected(folder, position.orElseThrow(), end, wal, commits)) {
            return diverged(key, history, position, "the file below the WAL is not the history's");
        }
        // From here on this session is the one that wrote the files: should it end before it has
        // opened them, the next one finds them as provable as it did.
        new LocalPosition(
                        key,
                        shipping.log().name().session().ulid(),
                        history.coverage(),
                        history.coverage(),
                        wal.after(commits, 0),
                        false)
                .write(folder.resolve("position.json"));
        remove(folder.resolve("db"));
        remove(folder.resolve("db-shm"));
        remove(folder.resolve("sums"));
        LocalDatabase local = LocalDatabase.hydrate(folder, history, shipping);
        DatabaseChecksum sums = local.loadSums();
        WalPosition from = wal.after(commits, sums.pages());
        boolean same =
                wal.pageSize() == local.pageSize()
                        && from.pages() == sums.pages()
                        && scan(folder, local.pageSize()).holds(sums, commits);
        if (!same) {
            return diverged(
                    key, history, position, "the WAL's frames are not what the history says");
        }
        return local.before(from);
    }

    /// Whether the WAL's first commit follows the last one of the history. A WAL that was begun
    /// anew since `position.json` was written shares no commit with the history, and only its salts
    /// say that it is the next one. Had a stranger run the checkpoint before it (fault 69), commits
    /// that nobody shipped would lie between; then the file below is not what the history says. If
    /// it is, nothing was between: SQLite syncs the file before it begins a WAL anew, and of this
    /// one nothing is in the file yet.
    private boolean connected(
            Path folder,
            LocalPosition position,
            Optional<LineageEnd> end,
            WalSurvey wal,
            int commits) {
        boolean begunAnew = position.wal().salt() != 0 && position.wal().salt() != wal.salt();
        if (commits > 0 || !begunAnew) {
            return true;
        }
        if (end.isEmpty() || !Files.exists(folder.resolve("db"))) {
            return false;
        }
        LineageEnd last = end.get();
        return scan(folder, last.pageSize())
                .sums(folder.resolve("db"), last.pages(), 0)
                .filter(sums -> sums.value() == last.position().checksum())
                .isPresent();
    }

    private LocalScan scan(Path folder, int pageSize) {
        return new LocalScan(
                folder.resolve("db-wal"), pageSize, shipping.config().captureBytesMax());
    }

    private LocalDatabase diverged(
            TenantKey key,
            LineageHistory history,
            Optional<LocalPosition> position,
            String reason) {
        files.putAside(
                key,
                position.filter(known -> known.key().equals(key))
                        .map(known -> durable(key, known, history.coverage()))
                        .orElse(null),
                reason);
        return LocalDatabase.hydrate(files.of(key), history, shipping);
    }

    /// How far the store has what the session wrote that left `position`: after it another session
    /// may have gone on.
    private Txid durable(TenantKey key, LocalPosition position, Txid coverage) {
        Txid durable = position.durable();
        if (coverage.compareTo(durable) <= 0) {
            return durable;
        }
        try {
            for (IndexPoint point :
                    HistoryIndex.points(shipping.store(), key, durable.next(), coverage)) {
                boolean follows = point.min().compareTo(durable.next()) <= 0;
                String session = point.log().log().session().ulid();
                if (point.max().compareTo(durable) > 0
                        && follows
                        && session.equals(position.session())) {
                    durable = point.max();
                }
            }
        } catch (Corrupt damaged) {
            log.atWarn()
                    .addKeyValue("tenant", key.tenant())
                    .setCause(damaged)
                    .log("the history index does not say which commits are in the store");
        }
        return durable;
    }

    private static long size(Path file) {
        try {
            return Files.exists(file) ? Files.size(file) : 0;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the size of " + file, e);
        }
    }

    private static void remove(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + file, e);
        }
    }
}
