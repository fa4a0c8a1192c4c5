package dev.litefleet.worker.tenant;

import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.ReplicaException;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.wal.WalSurvey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The worker's folder of databases, `tenants/<id>/<lineage>/`. What sessions before this one left
/// in it stays untouched until its tenant is opened ([WarmDisk]), the disk is full, or a day has
/// passed.
///
/// Thread-safe; of one tenant's files only who opens or closes it may touch anything.
final class LocalFiles {
    private static final Logger log = LoggerFactory.getLogger(LocalFiles.class);

    private final Path tenants;
    private final Quarantine quarantine;
    private final long transactionBytesMax;
    private final Set<TenantId> left = ConcurrentHashMap.newKeySet();

    /// @param transactionBytesMax as of [WalSurvey#of]
    LocalFiles(Path folder, Quarantine quarantine, long transactionBytesMax) {
        this.tenants = folder.resolve("tenants");
        this.quarantine = quarantine;
        this.transactionBytesMax = transactionBytesMax;
        for (Path tenant : children(tenants)) {
            named(tenant, TenantId::new).ifPresent(left::add);
        }
        quarantine.trim();
    }

    Path of(TenantKey key) {
        return tenants.resolve(key.tenant().name()).resolve(key.lineage().ulid());
    }

    /// Deletes a lineage's files, none of which may be open, and its tenant's folder if nothing
    /// else is in it.
    void delete(TenantKey key) {
        deleteFolder(of(key));
        Path tenant = tenants.resolve(key.tenant().name());
        if (children(tenant).isEmpty()) {
            deleteFolder(tenant);
        }
    }

    /// Whether files of an earlier session lie here that nobody has looked at yet.
    boolean hasLeft(TenantId tenant) {
        return left.contains(tenant);
    }

    /// Whether there are any.
    boolean anyLeft() {
        return !left.isEmpty();
    }

    /// Whether they may hold commits that are nowhere else.
    boolean hasLeftWal(TenantKey key) {
        Path wal = of(key).resolve("db-wal");
        return hasLeft(key.tenant()) && Files.exists(wal) && size(wal) > 0;
    }

    /// Somebody has: what lies here now is this session's.
    void settled(TenantId tenant) {
        left.remove(tenant);
    }

    /// The lineages of which files lie here.
    List<Lineage> lineages(TenantId tenant) {
        return children(tenants.resolve(tenant.name())).stream()
                .flatMap(lineage -> named(lineage, Lineage::new).stream())
                .toList();
    }

    /// What a folder is named after; nothing if somebody else made it.
    private static <T> Optional<T> named(Path folder, Function<String, T> as) {
        try {
            return Optional.of(as.apply(folder.getFileName().toString()));
        } catch (IllegalArgumentException strange) {
            return Optional.empty();
        }
    }

    /// Deletes a lineage's files, none of which may be open; a WAL that may hold commits that exist
    /// nowhere else goes to the quarantine.
    ///
    /// @param durable the last commit of the session that wrote them which the store is known to
    ///   have; null if only the files say
    void putAside(TenantKey key, @Nullable Txid durable, String reason) {
        Path folder = of(key);
        Path wal = folder.resolve("db-wal");
        Optional<LocalPosition> position = LocalPosition.read(folder.resolve("position.json"));
        if (Files.exists(wal) && size(wal) > 0) {
            LostCommits lost = lost(key, wal, position, durable, reason);
            // A WAL of which every commit is in the store is no loss.
            boolean none =
                    lost.first() != null
                            && lost.last() != null
                            && lost.last().compareTo(lost.first()) < 0;
            if (!none) {
                quarantine.keep(wal, position.map(LocalPosition::json).orElse(""), lost);
            }
        }
        delete(key);
    }

    private LostCommits lost(
            TenantKey key,
            Path wal,
            Optional<LocalPosition> position,
            @Nullable Txid durable,
            String reason) {
        String session = position.map(LocalPosition::session).orElse("unknown");
        Txid known = position.map(LocalPosition::durable).orElse(null);
        Txid last = null;
        if (position.isPresent()) {
            try {
                Optional<WalSurvey> survey = WalSurvey.of(wal, transactionBytesMax);
                last =
                        survey
                                .map(found -> WarmStart.last(position.get(), found))
                                .orElse(OptionalLong.empty())
                                .stream()
                                .mapToObj(Txid::new)
                                .findFirst()
                                .orElse(null);
            } catch (ReplicaException unreadable) {
                log.atDebug().setCause(unreadable).log("WAL could not be surveyed");
            }
        }
        if (durable != null && (known == null || durable.compareTo(known) > 0)) {
            known = durable;
        }
        return new LostCommits(key, session, known == null ? null : known.next(), last, 0, reason);
    }

    /// Puts aside what was left of tenants that nobody has asked for.
    ///
    /// @param wanted tenants whose files stay
    /// @return of how many tenants
    int dropLeft(Predicate<TenantId> wanted, String reason) {
        int dropped = 0;
        for (TenantId tenant : List.copyOf(left)) {
            if (!wanted.test(tenant) && left.remove(tenant)) {
                for (Lineage lineage : lineages(tenant)) {
                    putAside(new TenantKey(tenant, lineage), null, reason);
                }
                dropped++;
            }
        }
        return dropped;
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the size of " + file, e);
        }
    }

    /// The entries of a folder; none if there is no such folder.
    static List<Path> children(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.toList();
        } catch (NoSuchFileException none) {
            return List.of();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder, e);
        }
    }

    /// Deletes a folder, if it is there, with everything in it. Nothing in it may be open.
    static void deleteFolder(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + folder, e);
        }
    }
}
