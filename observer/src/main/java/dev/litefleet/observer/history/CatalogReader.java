package dev.litefleet.observer.history;

import dev.litefleet.observer.query.Console;
import dev.litefleet.observer.query.Console.Result;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.sqlite.SqlValue;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Reads the tenants from a copy of the catalog.
final class CatalogReader {
    private final Path file;

    CatalogReader(Path file) {
        this.file = file;
    }

    Map<TenantId, Fleet.Tenant> tenants() {
        try (Console console = Console.open(file)) {
            if (!made(console)) {
                return Map.of();
            }
            var labels = new HashMap<String, Map<String, String>>();
            for (SqlValue[] row :
                    console.run("select tenant, key, value from labels", Console.Limits.NONE)
                            .rows()) {
                labels.computeIfAbsent(text(row[0]), _ -> new HashMap<>())
                        .put(text(row[1]), text(row[2]));
            }
            Result found =
                    console.run(
                            """
                            select t.id, t.lineage, t.state, s.worker, s.id, t.txid_floor
                            from tenants t left join sessions s
                              on s.id = t.session and s.state <> 'closed'
                            """,
                            Console.Limits.NONE);
            var tenants = new HashMap<TenantId, Fleet.Tenant>();
            for (SqlValue[] row : found.rows()) {
                var id = new TenantId(text(row[0]));
                Optional<LogName> log =
                        row[4] instanceof SqlValue.Text(var session)
                                ? Optional.of(new LogName(text(row[3]), new SessionId(session)))
                                : Optional.empty();
                tenants.put(
                        id,
                        new Fleet.Tenant(
                                new TenantKey(id, new Lineage(text(row[1]))),
                                text(row[2]),
                                Map.copyOf(labels.getOrDefault(id.name(), Map.of())),
                                new Txid(number(row[5])),
                                log));
            }
            return tenants;
        }
    }

    /// A controller may have died between the first commit of its catalog and the tables.
    private static boolean made(Console console) {
        Result tables =
                console.run(
                        "select 1 from sqlite_schema where type = 'table' and name = 'tenants'",
                        Console.Limits.NONE);
        return !tables.rows().isEmpty();
    }

    private static long number(SqlValue value) {
        if (value instanceof SqlValue.Int(var number)) {
            return number;
        }
        throw new IllegalStateException("the catalog holds " + value + " where a number belongs");
    }

    private static String text(SqlValue value) {
        if (value instanceof SqlValue.Text(var text)) {
            return text;
        }
        throw new IllegalStateException("the catalog holds " + value + " where a text belongs");
    }
}
