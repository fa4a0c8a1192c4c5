package dev.litefleet.controller.catalog;

import com.github.f4b6a3.ulid.Ulid;
import dev.litefleet.controller.catalog.Erasure.Receipt;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.objects.Erased;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The catalog's statements about holds, erasures and the janitor. Each method is the whole or a
/// part of one transaction's body. Confined to the catalog's thread.
final class RetentionTables {
    /// Most holds of one tenant.
    static final int HOLDS_MAX = 64;

    private static final String CLEANING = "janitor_run";

    private final CatalogSql sql;
    private final InstantSource clock;

    RetentionTables(CatalogSql sql, InstantSource clock) {
        this.sql = sql;
        this.clock = clock;
    }

    // Holds

    Holding hold(TenantId id, HoldRow hold) {
        List<String> states =
                sql.query("select state from tenants where id = ?", row -> row.text(0), id.name());
        if (states.isEmpty()) {
            return new Holding.NotFound();
        }
        if (states.getFirst().equals(TenantState.DELETED.word())) {
            return new Holding.Deleted();
        }
        List<HoldRow> holds = holds(id);
        boolean fresh = holds.stream().noneMatch(other -> other.name().equals(hold.name()));
        if (fresh && holds.size() >= HOLDS_MAX) {
            return new Holding.TooMany(HOLDS_MAX);
        }
        sql.update(
                "delete from holds where tenant = ? and (name = ? or until <= ?)",
                id.name(),
                hold.name(),
                clock.millis());
        Instant until = hold.until();
        sql.update(
                """
                insert into holds (tenant, name, from_txid, to_txid, reason, created_at, until)
                values (?, ?, ?, ?, ?, ?, ?)
                """,
                id.name(),
                hold.name(),
                hold.range().from().value(),
                hold.range().to().equals(HeldRange.OPEN) ? null : hold.range().to().value(),
                hold.reason(),
                hold.createdAt().toEpochMilli(),
                until == null ? null : until.toEpochMilli());
        event("hold_set", id, hold.name());
        return new Holding.Held(hold, fresh);
    }

    /// Those in force, by name.
    List<HoldRow> holds(TenantId id) {
        return sql.query(
                """
                select name, from_txid, to_txid, reason, created_at, until from holds
                where tenant = ? and (until is null or until > ?) order by name
                """,
                row ->
                        new HoldRow(
                                row.text(0),
                                new HeldRange(
                                        new Txid(row.integer(1)),
                                        row.isNull(2) ? HeldRange.OPEN : new Txid(row.integer(2))),
                                row.text(3),
                                Instant.ofEpochMilli(row.integer(4)),
                                row.isNull(5) ? null : Instant.ofEpochMilli(row.integer(5))),
                id.name(),
                clock.millis());
    }

    /// @return whether it was there and in force
    boolean release(TenantId id, String name) {
        boolean there = holds(id).stream().anyMatch(hold -> hold.name().equals(name));
        sql.update("delete from holds where tenant = ? and name = ?", id.name(), name);
        if (there) {
            event("hold_released", id, name);
        }
        return there;
    }

    /// @throws TenantHeld if the tenant may not be deleted
    void refuseIfHeld(TenantId id) {
        List<HoldRow> holds = holds(id);
        if (!holds.isEmpty()) {
            throw new TenantHeld(holds);
        }
    }

    // Erasures

    /// Notes since when nobody holds tombstones, after a change of their sessions.
    void unheld() {
        sql.update(
                """
                update tenants set unheld_at = ?
                where state = 'deleted' and session is null and unheld_at is null
                """,
                clock.millis());
    }

    /// As [#unheld()] for one tenant, whatever it is.
    void unheld(TenantId id) {
        sql.update(
                """
                update tenants set unheld_at = ?
                where id = ? and state = 'deleted' and session is null and unheld_at is null
                """,
                clock.millis(),
                id.name());
    }

    /// Of a tombstone; nothing for others.
    Optional<Erasure> erasure(TenantId id) {
        return sql
                .query(
                        """
                        select t.deleted_at, t.unheld_at, t.erased_by, e.objects, e.bytes,
                               e.versions, e.uploads, e.first_at, e.empty_at
                        from tenants t left join erasures e on e.tenant = t.id
                        where t.id = ? and t.state = 'deleted'
                        """,
                        row ->
                                new Erasure(
                                        id,
                                        Instant.ofEpochMilli(row.integer(0)),
                                        time(row, 1),
                                        row.isNull(8) ? null : receipt(row),
                                        time(row, 2)),
                        id.name())
                .stream()
                .findAny();
    }

    private static Receipt receipt(CatalogSql.Row row) {
        return new Receipt(
                row.integer(3),
                row.integer(4),
                row.integer(5),
                row.integer(6),
                Instant.ofEpochMilli(row.integer(7)),
                Instant.ofEpochMilli(row.integer(8)));
    }

    private static @Nullable Instant time(CatalogSql.Row row, int column) {
        return row.isNull(column) ? null : Instant.ofEpochMilli(row.integer(column));
    }

    /// Tombstones without a receipt.
    List<TenantId> unerased() {
        return sql.query(
                """
                select id from tenants where state = 'deleted'
                and not exists (select 1 from erasures where tenant = tenants.id
                                and empty_at is not null) order by id
                """,
                row -> new TenantId(row.text(0)));
    }

    /// Adds to what was erased of a tombstone.
    Void erasedSome(TenantId id, Erased some, long uploads) {
        sql.update(
                """
                insert into erasures (tenant, objects, bytes, versions, uploads, first_at)
                values (?, ?, ?, ?, ?, ?) on conflict (tenant) do update
                set objects = objects + excluded.objects, bytes = bytes + excluded.bytes,
                    versions = versions + excluded.versions, uploads = uploads + excluded.uploads
                """,
                id.name(),
                some.objects(),
                some.bytes(),
                some.versions(),
                uploads,
                clock.millis());
        return null;
    }

    /// Completes the receipt of a tombstone of which something, or nothing, was erased before.
    Void erased(TenantId id, Instant emptyAt, Instant erasedBy) {
        int changed =
                sql.update(
                        "update erasures set empty_at = ? where tenant = ? and empty_at is null",
                        emptyAt.toEpochMilli(),
                        id.name());
        if (changed == 1) {
            sql.update(
                    "update tenants set erased_by = ? where id = ?",
                    erasedBy.toEpochMilli(),
                    id.name());
            event("tenant_erased", id, "");
        }
        return null;
    }

    // What the janitor asks

    /// @param windows of tenants that ask for none of their own
    LineageState lineage(TenantKey key, HistoryWindows windows) {
        boolean living =
                !sql.query(
                                "select 1 from tenants where id = ? and state <> 'deleted'",
                                row -> row.integer(0),
                                key.tenant().name())
                        .isEmpty();
        record Span(String lineage, boolean ended) {}
        List<Span> lineages =
                sql.query(
                        "select lineage, ended_txid from lineages where tenant = ? order by"
                                + " lineage",
                        row -> new Span(row.text(0), !row.isNull(1)),
                        key.tenant().name());
        for (int i = 0; living && i < lineages.size(); i++) {
            if (lineages.get(i).lineage().equals(key.lineage().ulid())) {
                // Its tenant was released before the next one was begun.
                Optional<Instant> ended =
                        lineages.get(i).ended() && i + 1 < lineages.size()
                                ? Optional.of(
                                        Instant.ofEpochMilli(
                                                Ulid.from(lineages.get(i + 1).lineage()).getTime()))
                                : Optional.empty();
                List<HeldRange> holds = holds(key.tenant()).stream().map(HoldRow::range).toList();
                return new LineageState.Named(windows, holds, ended);
            }
        }
        // An operation that takes longer than a day is still about to name it.
        boolean underWay =
                !sql.query(
                                """
                                select 1 from operations where state = 'running' and target = ?
                                and detail ->> 'lineage' = ?
                                """,
                                row -> row.integer(0),
                                key.tenant().name(),
                                key.lineage().ulid())
                        .isEmpty();
        return underWay
                ? new LineageState.Named(windows, List.of(), Optional.empty())
                : new LineageState.Unnamed();
    }

    /// A commit, so that only the fleet's controller gets past it.
    Void cleaningBegins() {
        event("janitor_begins", null, "");
        return null;
    }

    Void cleaned(String detail) {
        sql.update(
                "insert into events (at, kind, detail) values (?, ?, ?)",
                clock.millis(),
                CLEANING,
                detail);
        return null;
    }

    /// When the janitor last ran to its end, or else when the fleet began.
    Instant lastCleaning() {
        return sql.query(
                        """
                        select coalesce((select max(at) from events where kind = ?),
                                        (select min(at) from events), ?)
                        """,
                        row -> Instant.ofEpochMilli(row.integer(0)),
                        CLEANING,
                        clock.millis())
                .getFirst();
    }

    private void event(String kind, @Nullable TenantId tenant, String hold) {
        sql.update(
                "insert into events (at, kind, tenant, detail) values (?, ?, ?,"
                        + " json_object('hold', nullif(?, '')))",
                clock.millis(),
                kind,
                tenant == null ? null : tenant.name(),
                hold);
    }
}
