package dev.litefleet.controller.catalog;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;

/// Brings the catalog's schema up to date: `catalog/V001.sql` and its successors, each in a
/// transaction of its own together with the new `user_version`.
final class Migrations {
    private static final List<String> SCRIPTS = List.of("V001.sql", "V002.sql", "V003.sql");

    private Migrations() {}

    /// How many scripts this program knows.
    static int latest() {
        return SCRIPTS.size();
    }

    /// @return the version before
    /// @throws IllegalStateException if a newer program has written this catalog
    static int version(CatalogSql sql) {
        int version = Math.toIntExact(sql.integer("pragma user_version"));
        if (version > SCRIPTS.size()) {
            throw new IllegalStateException(
                    "catalog is newer than this program [version=%d, known=%d]"
                            .formatted(version, SCRIPTS.size()));
        }
        return version;
    }

    /// The body of the transaction that leads from `version` to the next one.
    static void apply(CatalogSql sql, int version) {
        sql.script(script(SCRIPTS.get(version)));
        sql.script("pragma user_version = " + (version + 1));
    }

    private static String script(String name) {
        try (InputStream in = Migrations.class.getResourceAsStream("/catalog/" + name)) {
            if (in == null) {
                throw new IllegalStateException("missing resource [name=" + name + "]");
            }
            return new String(in.readAllBytes(), UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
