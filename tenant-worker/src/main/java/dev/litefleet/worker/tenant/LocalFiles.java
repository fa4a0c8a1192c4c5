package dev.litefleet.worker.tenant;

import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The worker's folder of databases, `tenants/<id>/<lineage>/`, and what to do with the files of
/// sessions before this one: they are not trusted. Databases that were closed are deleted; a WAL
/// that was left may hold commits that exist nowhere else and goes into the quarantine.
final class LocalFiles {
    private static final Logger log = LoggerFactory.getLogger(LocalFiles.class);
    private static final Pattern SESSION =
            Pattern.compile("\"session\": *\"([0-7][0-9A-HJKMNP-TV-Z]{25})\"");

    private final Path tenants;
    private final Quarantine quarantine;

    LocalFiles(Path folder, Quarantine quarantine) {
        this.tenants = folder.resolve("tenants");
        this.quarantine = quarantine;
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

    /// Clears what earlier sessions left. Before anything is opened.
    void clear() {
        for (Path tenant : children(tenants)) {
            for (Path lineage : children(tenant)) {
                rescue(tenant.getFileName().toString(), lineage);
            }
            deleteFolder(tenant);
        }
        quarantine.trim();
    }

    private void rescue(String tenant, Path lineage) {
        Path wal = lineage.resolve("db-wal");
        try {
            if (!Files.exists(wal) || Files.size(wal) == 0) {
                return;
            }
            Path kept = quarantine.of(new TenantId(tenant), session(lineage));
            Files.createDirectories(kept);
            Files.move(wal, kept.resolve("db-wal"), StandardCopyOption.REPLACE_EXISTING);
            Path position = lineage.resolve("position.json");
            if (Files.exists(position)) {
                Files.move(
                        position,
                        kept.resolve("position.json"),
                        StandardCopyOption.REPLACE_EXISTING);
            }
            log.atInfo()
                    .addKeyValue("tenant", tenant)
                    .addKeyValue("quarantine", kept)
                    .log("an unclean WAL of an earlier session was put aside");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot put aside " + wal, e);
        }
    }

    /// The session that wrote the files, as far as they say so.
    private static String session(Path lineage) throws IOException {
        Path position = lineage.resolve("position.json");
        if (Files.exists(position)) {
            Matcher session = SESSION.matcher(Files.readString(position));
            if (session.find()) {
                return session.group(1);
            }
        }
        return "unknown";
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
