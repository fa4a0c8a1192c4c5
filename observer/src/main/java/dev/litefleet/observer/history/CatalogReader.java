package dev.litefleet.observer.history;

import dev.litefleet.observer.query.Console;
import dev.litefleet.observer.query.Console.Result;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageSpan;
import dev.litefleet.replica.log.LogName;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.sqlite.SqlValue;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
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
            Map<String, List<LineageSpan>> lineages = lineages(console);
            var held = new HashSet<String>();
            console.run("select distinct tenant from holds", Console.Limits.NONE)
                    .rows()
                    .forEach(row -> held.add(text(row[0])));
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
                var key = new TenantKey(id, new Lineage(text(row[1])));
                Optional<LogName> log =
                        row[4] instanceof SqlValue.Text(var session)
                                ? Optional.of(new LogName(text(row[3]), new SessionId(session)))
                                : Optional.empty();
                tenants.put(
                        id,
                        new Fleet.Tenant(
                                key,
                                upTo(key, lineages.getOrDefault(id.name(), List.of())),
                                text(row[2]),
                                Map.copyOf(labels.getOrDefault(id.name(), Map.of())),
                                new Txid(number(row[5])),
                                log,
                                held.contains(id.name())));
            }
            return tenants;
        }
    }

    /// By tenant, in the order of their TXIDs.
    private static Map<String, List<LineageSpan>> lineages(Console console) {
        var lineages = new HashMap<String, List<LineageSpan>>();
        for (SqlValue[] row :
                console.run(
                                "select tenant, lineage, first_txid, ended_txid from lineages"
                                        + " order by tenant, first_txid, lineage",
                                Console.Limits.NONE)
                        .rows()) {
            lineages.computeIfAbsent(text(row[0]), _ -> new ArrayList<>())
                    .add(
                            new LineageSpan(
                                    new Lineage(text(row[1])),
                                    new Txid(number(row[2])),
                                    row[3] instanceof SqlValue.Null
                                            ? null
                                            : new Txid(number(row[3]))));
        }
        return lineages;
    }

    /// The tenant's row says which lineage is current; it is the last of the answer.
    private static List<LineageSpan> upTo(TenantKey current, List<LineageSpan> known) {
        var spans = new ArrayList<LineageSpan>();
        LineageSpan last = new LineageSpan(current.lineage(), new Txid(1), null);
        for (LineageSpan span : known) {
            if (span.lineage().equals(current.lineage())) {
                last = span;
            } else {
                spans.add(span);
            }
        }
        spans.add(last);
        return spans;
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
