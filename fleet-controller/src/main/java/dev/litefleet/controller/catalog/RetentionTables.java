package dev.litefleet.controller.catalog;

import com.github.f4b6a3.ulid.Ulid;
import dev.litefleet.controller.catalog.Erasure.Receipt;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.HeldRange;
import dev.litefleet.replica.history.HistoryWindows;
import dev.litefleet.replica.history.LineageState;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.replica.objects.Erased;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The catalog's statements about holds, erasures and the janitor. Each method is the whole or a
/// part of one transaction's body. Confined to the catalog's thread.
final class RetentionTables {
    /// Most holds of one tenant.
    static final int HOLDS_MAX = 64;

    /// Most rows of one table that one transaction deletes.
    static final int PRUNED_MAX = 2_000;

    /// Operations beyond so many are forgotten, whatever their age.
    static final long OPERATIONS_MAX = 10_000;

    /// Events beyond so many are forgotten, whatever their age.
    static final long EVENTS_MAX = 100_000;

    /// How long operations that have ended, events and closed sessions are remembered.
    static final Duration REMEMBERED = Duration.ofDays(30);

    private static final String CLEANING = "janitor_run";

    /// After that nobody looks for what may be left of a deleted tenant.
    private static final Duration ERASED_LONG_AGO = Duration.ofDays(30);

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

    /// @param fleet windows of tenants that ask for none of their own
    LineageState lineage(TenantKey key, HistoryWindows fleet) {
        Optional<OwnWindows> own =
                sql
                        .query(
                                """
                                select coalesce(spec ->> 'history_exact_seconds', 0),
                                       coalesce(spec ->> 'history_merged_seconds', 0)
                                from tenants where id = ? and state <> 'deleted'
                                """,
                                row ->
                                        new OwnWindows(
                                                Duration.ofSeconds(row.integer(0)),
                                                Duration.ofSeconds(row.integer(1))),
                                key.tenant().name())
                        .stream()
                        .findAny();
        boolean living = own.isPresent();
        HistoryWindows windows = own.orElse(OwnWindows.NONE).over(fleet);
        record Span(String lineage, boolean ended, long bookmarkMillis) {}
        List<Span> lineages =
                sql.query(
                        """
                        select lineage, ended_txid,
                               coalesce((select max(created_at) from bookmarks b
                                         where b.tenant = l.tenant and b.lineage = l.lineage
                                         and b.txid = l.ended_txid), 0)
                        from lineages l where tenant = ? order by lineage
                        """,
                        row -> new Span(row.text(0), !row.isNull(1), row.integer(2)),
                        key.tenant().name());
        for (int i = 0; living && i < lineages.size(); i++) {
            if (lineages.get(i).lineage().equals(key.lineage().ulid())) {
                // The next one's name is drawn when its restore begins, and the tenant is written
                // until it is released; the bookmark is of the commit that ends the lineage.
                Optional<Instant> ended =
                        lineages.get(i).ended() && i + 1 < lineages.size()
                                ? Optional.of(
                                        Instant.ofEpochMilli(
                                                Math.max(
                                                        lineages.get(i).bookmarkMillis(),
                                                        Ulid.from(lineages.get(i + 1).lineage())
                                                                .getTime())))
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

    /// Deletes a piece of what the catalog has remembered long enough: operations that have ended,
    /// with the events, and keys that a repeated request would have named. What the last round of
    /// the janitor said stays.
    ///
    /// @return rows deleted; fewer than [#PRUNED_MAX] if nothing is left to delete
    int prune() {
        long now = clock.millis();
        long old = now - REMEMBERED.toMillis();
        long repeated = now - CatalogTables.IDEMPOTENCY_MILLIS;
        int pruned =
                sql.update(
                        """
                        delete from idempotency where key in
                            (select key from idempotency where created_at < ? limit ?)
                        """,
                        repeated,
                        (long) PRUNED_MAX);
        pruned +=
                sql.update(
                        """
                        delete from operations where id in
                            (select id from operations where state <> 'running'
                             and (finished_at < ? or id <= (select id from operations
                                                            order by id desc limit 1 offset ?))
                             and id not in (select answer from idempotency) limit ?)
                        """,
                        old,
                        OPERATIONS_MAX,
                        (long) PRUNED_MAX);
        pruned +=
                sql.update(
                        """
                        delete from events where seq in
                            (select seq from events where (at < ? or seq <=
                                 (select seq from events order by seq desc limit 1 offset ?))
                             and seq is not (select max(seq) from events where kind = ?)
                             limit ?)
                        """,
                        old,
                        EVENTS_MAX,
                        CLEANING,
                        (long) PRUNED_MAX);
        return pruned;
    }

    /// Sessions closed so long ago that nobody asks for them any more, by ULID.
    ///
    /// @param after list ULIDs greater than this one
    List<SessionRow> forgettable(String after, int limit) {
        return sql.query(
                CatalogTables.SESSION
                        + "where state = 'closed' and closed_at < ? and id > ? order by id limit ?",
                CatalogTables::sessionRow,
                clock.millis() - REMEMBERED.toMillis(),
                after,
                (long) limit);
    }

    /// Whoever forgets a session must have seen that its log has gone: the janitor asks here
    /// whether it is closed.
    Void forget(SessionId session) {
        sql.update(
                "delete from sessions where id = ? and state = 'closed' and closed_at < ?",
                session.ulid(),
                clock.millis() - REMEMBERED.toMillis());
        return null;
    }

    /// The oldest first.
    List<EventRow> events(EventQuery query) {
        var conditions = new StringBuilder("seq > ?");
        var args = new ArrayList<Object>();
        args.add(query.after());
        if (!query.kind().isEmpty()) {
            conditions.append(" and kind = ?");
            args.add(query.kind());
        }
        if (!query.tenant().isEmpty()) {
            conditions.append(" and tenant = ?");
            args.add(query.tenant());
        }
        if (!query.operation().isEmpty()) {
            conditions.append(" and detail ->> 'operation' = ?");
            args.add(query.operation());
        }
        args.add((long) query.limit());
        return sql.query(
                "select seq, at, kind, tenant, session, detail from events where "
                        + conditions
                        + " order by seq limit ?",
                row ->
                        new EventRow(
                                row.integer(0),
                                Instant.ofEpochMilli(row.integer(1)),
                                row.text(2),
                                row.textOrNull(3),
                                row.textOrNull(4),
                                row.text(5)),
                args.toArray());
    }

    FleetCounts counts() {
        var tenants = new EnumMap<TenantState, Long>(TenantState.class);
        sql.query(
                        "select state, count(*) from tenants group by state",
                        row -> Map.entry(TenantState.parse(row.text(0)), row.integer(1)))
                .forEach(count -> tenants.put(count.getKey(), count.getValue()));
        long running =
                sql.query(
                                "select count(*) from operations where state = 'running'",
                                row -> row.integer(0))
                        .getFirst();
        record Cleaned(Instant at, String detail) {}
        Optional<Cleaned> last =
                sql
                        .query(
                                "select at, detail from events where kind = ? order by at desc"
                                        + " limit 1",
                                row ->
                                        new Cleaned(
                                                Instant.ofEpochMilli(row.integer(0)), row.text(1)),
                                CLEANING)
                        .stream()
                        .findAny();
        return new FleetCounts(
                tenants,
                running,
                last.map(Cleaned::at).orElse(null),
                last.map(Cleaned::detail).orElse("{}"));
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

    /// Until when sessions held tenants that were deleted, and of which bytes may be left: now if
    /// one does still, nothing if all have been gone for a month.
    Optional<Instant> lastDeletion() {
        long now = clock.millis();
        return sql
                .query(
                        """
                        select coalesce(max(coalesce(unheld_at, ?1)), -1) from tenants
                        where state = 'deleted' and (erased_by is null or erased_by > ?2)
                        """,
                        row -> row.integer(0),
                        now,
                        now - ERASED_LONG_AGO.toMillis())
                .stream()
                .filter(at -> at >= 0)
                .map(Instant::ofEpochMilli)
                .findAny();
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
