package dev.litefleet.controller.catalog;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.litefleet.controller.placement.Placement;
import dev.litefleet.replica.Lineage;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.history.LineageSpan;
import dev.litefleet.replica.log.SessionId;
import dev.litefleet.service.Problem;
import dev.litefleet.service.PublicKeyJwk;
import dev.litefleet.worker.control.Lost;
import dev.litefleet.worker.control.Quotas;
import dev.litefleet.worker.control.TokenGen;
import dev.litefleet.worker.control.Wire;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/// The catalog's statements. Each method is the whole of one transaction's body. Confined to the
/// catalog's thread.
final class CatalogTables {
    private static final String TENANT =
            """
            select t.id, t.state, t.lineage, t.txid_floor, t.session, s.worker, t.assignment,
                   t.spec ->> 'durability', t.spec ->> 'database_bytes_max',
                   t.spec ->> 'statement_millis_max', t.spec ->> 'value_bytes_max',
                   t.token_gen, t.etag, t.created_at, t.deleted_at, t.last_session,
                   coalesce(t.spec ->> 'history_exact_seconds', 0),
                   coalesce(t.spec ->> 'history_merged_seconds', 0)
            from tenants t left join sessions s on s.id = t.session
            """;
    static final String SESSION = "select id, worker, address, part, state, started from sessions ";
    private static final String OPERATION =
            "select id, kind, target, state, phase, detail, started_at, finished_at from operations"
                    + " ";
    static final long IDEMPOTENCY_MILLIS = Duration.ofHours(24).toMillis();
    private static final String SPEC =
            """
            json_object('durability', ?, 'database_bytes_max', ?, 'statement_millis_max', ?,
                        'value_bytes_max', ?, 'history_exact_seconds', ?,
                        'history_merged_seconds', ?)\
            """;

    private final CatalogSql sql;
    private final InstantSource clock;
    private final Map<SessionId, Long> assigned = new HashMap<>();
    private final Map<TenantId, Running> running = new HashMap<>();

    private record Running(String id, OperationKind kind) {}

    private final RetentionTables retention;

    CatalogTables(CatalogSql sql, InstantSource clock) {
        this.sql = sql;
        this.clock = clock;
        this.retention = new RetentionTables(sql, clock);
    }

    RetentionTables retention() {
        return retention;
    }

    /// Counts the assignments. Once, before anything else, and again after a rollback.
    Void recount() {
        assigned.clear();
        sql.query(
                        "select session, count(*) from tenants where session is not null group by"
                                + " session",
                        row -> Map.entry(new SessionId(row.text(0)), row.integer(1)))
                .forEach(entry -> assigned.put(entry.getKey(), entry.getValue()));
        running.clear();
        running()
                .forEach(operation ->
                        running.put(
                                operation.target(), new Running(operation.id(), operation.kind())));
        return null;
    }

    // Tenants

    Provisioned provision(TenantId id, TenantSpec spec, boolean createOnly, Lineage fresh) {
        Optional<TenantRow> found = tenant(id);
        if (found.isPresent()) {
            TenantRow row = found.get();
            if (row.deletedAt() != null) {
                return new Provisioned.Deleted(id, row.deletedAt());
            }
            if (createOnly || row.spec().equals(spec)) {
                return new Provisioned.AlreadyThere(row);
            }
            update(id, spec);
            return new Provisioned.Updated(known(id), row.spec());
        }
        insert(id, spec, fresh, new LineageOrigin(null, Txid.NONE, new Txid(1)), Txid.NONE);
        return new Provisioned.Created(known(id));
    }

    /// @param etag that the tenant must have
    Changed change(TenantId id, long etag, TenantSpec spec) {
        Optional<TenantRow> found = tenant(id);
        if (found.isEmpty()) {
            return new Changed.NotFound();
        }
        TenantRow row = found.get();
        if (row.deletedAt() != null) {
            return new Changed.Deleted(row.deletedAt());
        }
        if (row.etag() != etag) {
            return new Changed.Stale(row.etag());
        }
        if (!row.spec().equals(spec)) {
            update(id, spec);
            event("tenant_updated", id.name(), null);
        }
        return new Changed.Done(known(id), row.spec());
    }

    private void update(TenantId id, TenantSpec spec) {
        sql.update(
                "update tenants set spec = " + SPEC + ", etag = etag + 1 where id = ?",
                spec.durability().word(),
                spec.quotas().databaseBytesMax(),
                spec.quotas().statementMillisMax(),
                spec.quotas().valueBytesMax(),
                spec.windows().exact().toSeconds(),
                spec.windows().merged().toSeconds(),
                id.name());
        label(id, spec);
    }

    /// Where a lineage comes from.
    ///
    /// @param from null if it began empty or with an imported file
    /// @param fromTxid of `from`
    /// @param first its own first TXID
    private record LineageOrigin(@Nullable Lineage from, Txid fromTxid, Txid first) {}

    private void insert(
            TenantId id, TenantSpec spec, Lineage lineage, LineageOrigin origin, Txid floor) {
        sql.update(
                """
                insert into tenants (id, state, lineage, txid_floor, assignment, spec, token_gen,
                                     etag, created_at)
                values (?, 'hibernated', ?, ?, 0,
                """
                        + SPEC
                        + ", 1, 1, ?)",
                id.name(),
                lineage.ulid(),
                floor.value(),
                spec.durability().word(),
                spec.quotas().databaseBytesMax(),
                spec.quotas().statementMillisMax(),
                spec.quotas().valueBytesMax(),
                spec.windows().exact().toSeconds(),
                spec.windows().merged().toSeconds(),
                clock.millis());
        addLineage(id, lineage, origin);
        label(id, spec);
    }

    private void addLineage(TenantId id, Lineage lineage, LineageOrigin origin) {
        Lineage from = origin.from();
        sql.update(
                """
                insert into lineages (tenant, lineage, from_lineage, from_txid, first_txid)
                values (?, ?, ?, ?, ?)
                """,
                id.name(),
                lineage.ulid(),
                from == null ? null : from.ulid(),
                from == null ? null : origin.fromTxid().value(),
                origin.first().value());
    }

    private void label(TenantId id, TenantSpec spec) {
        sql.update("delete from labels where tenant = ?", id.name());
        spec.labels()
                .forEach((key, value) ->
                        sql.update(
                                "insert into labels (tenant, key, value) values (?, ?, ?)",
                                id.name(),
                                key,
                                value));
    }

    Optional<TenantRow> tenant(TenantId id) {
        return sql.query(TENANT + "where t.id = ?", this::tenantRow, id.name()).stream().findAny();
    }

    private TenantRow known(TenantId id) {
        return tenant(id).orElseThrow();
    }

    /// Walks the index of the rarest thing that was asked for: a label if there is one, else ids.
    TenantPage tenants(TenantQuery query) {
        var text = new StringBuilder(TENANT);
        var args = new ArrayList<Object>();
        var conditions = new ArrayList<String>();
        conditions.add("t.id > ?");
        args.add(query.after());
        if (!query.prefix().isEmpty()) {
            // Ids are ASCII and none contains '~', which sorts after all their characters.
            conditions.add("t.id >= ? and t.id < ?");
            args.add(query.prefix());
            args.add(query.prefix() + "~");
        }
        for (Map.Entry<String, String> label : new TreeMap<>(query.labels()).entrySet()) {
            conditions.add("t.id in (select tenant from labels where key = ? and value = ?)");
            args.add(label.getKey());
            args.add(label.getValue());
        }
        TenantState state = query.state();
        if (state == null) {
            conditions.add("t.state <> 'deleted'");
        } else {
            conditions.add("t.state = ?");
            args.add(state.word());
        }
        text.append("where ").append(String.join(" and ", conditions));
        text.append(" order by t.id limit ?");
        args.add((long) query.limit() + 1);
        List<TenantRow> rows = sql.query(text.toString(), this::tenantRow, args.toArray());
        return rows.size() > query.limit()
                ? new TenantPage(
                        rows.subList(0, query.limit()), rows.get(query.limit() - 1).id().name())
                : new TenantPage(rows, "");
    }

    /// @return the tenant as it is now; nothing if the id is unknown
    /// @throws TenantHeld if it may not be deleted
    Optional<TenantRow> tombstone(TenantId id) {
        retention.refuseIfHeld(id);
        int changed =
                sql.update(
                        """
                        update tenants set state = 'deleted', deleted_at = ?,
                                           token_gen = token_gen + 1, etag = etag + 1
                        where id = ? and state <> 'deleted'
                        """,
                        clock.millis(),
                        id.name());
        if (changed == 1) {
            event("tenant_deleted", id.name(), null);
            retention.unheld();
        }
        return tenant(id);
    }

    /// The tenant with its lineages and the log of the session that has it.
    Optional<TenantSource> source(TenantId id) {
        return tenant(id)
                .map(row ->
                        new TenantSource(
                                row,
                                spans(row),
                                Optional.ofNullable(row.session())
                                        .flatMap(session -> session(new SessionId(session)))
                                        .map(SessionRow::log)));
    }

    /// Oldest first.
    private List<LineageSpan> spans(TenantRow tenant) {
        return sql.query(
                """
                select lineage, first_txid, ended_txid from lineages
                where tenant = ? order by ended_txid is null, first_txid, lineage
                """,
                row ->
                        new LineageSpan(
                                new Lineage(row.text(0)),
                                new Txid(row.integer(1)),
                                row.isNull(2) ? null : new Txid(row.integer(2))),
                tenant.id().name());
    }

    // Operations

    /// Begins an operation, unless it may not. One tenant has one at a time.
    ///
    /// @param etag that the tenant must have; 0 for any
    Begun begin(OperationRow operation, Optional<IdempotencyKey> repeat, long etag) {
        if (repeat.isPresent()) {
            Optional<Begun> before = before(repeat.get());
            if (before.isPresent()) {
                return before.get();
            }
        }
        TenantId target = operation.target();
        Running other = running.get(target);
        if (other != null) {
            return new Begun.Busy(other.id());
        }
        Optional<TenantRow> tenant = tenant(target);
        if (tenant.isPresent() && tenant.get().deletedAt() != null) {
            return new Begun.Deleted(tenant.get().deletedAt());
        }
        if (operation.kind() != OperationKind.RESTORE) {
            if (tenant.isPresent()) {
                return new Begun.Exists();
            }
        } else if (tenant.isEmpty()) {
            return new Begun.NotFound();
        } else if (etag != 0 && tenant.get().etag() != etag) {
            return new Begun.Stale(tenant.get().etag());
        }
        sql.update(
                """
                insert into operations (id, kind, target, state, phase, detail, started_at)
                values (?, ?, ?, 'running', ?, ?, ?)
                """,
                operation.id(),
                operation.kind().word(),
                target.name(),
                operation.phase(),
                json(operation.detail()),
                operation.startedAt().toEpochMilli());
        repeat.ifPresent(key ->
                sql.update(
                        """
                        insert into idempotency (key, request_hash, status, answer, created_at)
                        values (?, ?, 202, ?, ?)
                        """,
                        key.key(),
                        key.hash(),
                        operation.id(),
                        clock.millis()));
        running.put(target, new Running(operation.id(), operation.kind()));
        operationEvent("operation_started", operation, "");
        return new Begun.Started(operation);
    }

    private Optional<Begun> before(IdempotencyKey key) {
        sql.update(
                "delete from idempotency where created_at < ?",
                clock.millis() - IDEMPOTENCY_MILLIS);
        return sql
                .query(
                        "select request_hash, answer from idempotency where key = ?",
                        row ->
                                row.text(0).equals(key.hash())
                                        ? (Begun)
                                                new Begun.Again(
                                                        operation(row.text(1)).orElseThrow())
                                        : new Begun.KeyReused(),
                        key.key())
                .stream()
                .findAny();
    }

    /// @param phase what it does now
    /// @return whether it goes on: false if somebody has cancelled it; one that an earlier attempt
    ///   has finished goes on to find that out
    boolean phase(String id, String phase) {
        sql.update("update operations set phase = ? where id = ? and state = 'running'", phase, id);
        return operation(id).orElseThrow().state() != OperationState.FAILED;
    }

    /// What it would have ended with can no longer be committed.
    Cancellation cancel(String id) {
        Optional<OperationRow> found = operation(id);
        if (found.isEmpty()) {
            return new Cancellation.NotFound();
        }
        OperationRow row = found.get();
        if (row.state() != OperationState.RUNNING) {
            return new Cancellation.Finished(row);
        }
        failed(
                row,
                new Problem(
                        409,
                        "CANCELLED",
                        "the operation was cancelled; nothing was changed",
                        false));
        return new Cancellation.Done(operation(id).orElseThrow());
    }

    /// The last commit of a fork or an import: the tenant is there from now on.
    ///
    /// @return whether it is; it is not if somebody made one of that name in between
    boolean made(OperationRow operation, Optional<Lineage> from, OperationDetail.Outcome outcome) {
        OperationState state = operation(operation.id()).orElseThrow().state();
        if (state != OperationState.RUNNING) {
            return state == OperationState.SUCCEEDED; // An earlier attempt came this far.
        }
        if (tenant(operation.target()).isPresent()) {
            return false;
        }
        OperationDetail detail = operation.detail();
        var first = new Txid(outcome.txid());
        insert(
                operation.target(),
                detail.tenantSpec(),
                new Lineage(detail.lineage()),
                new LineageOrigin(from.orElse(null), new Txid(detail.sourceTxid()), first),
                first);
        finish(operation, OperationState.SUCCEEDED, detail.succeeded(outcome));
        event(
                operation.kind() == OperationKind.FORK ? "tenant_forked" : "tenant_provisioned",
                operation.target().name(),
                null);
        return true;
    }

    /// The last commit of a restore in place: the tenant's lineage is the new one from now on.
    ///
    /// @param old the lineage that ends
    /// @param last its last TXID; the new one begins with the next
    /// @return whether it is; it is not if the tenant was deleted, or is not as `old` and `last`
    ///   say
    boolean restored(
            OperationRow operation, Lineage old, Txid last, OperationDetail.Outcome outcome) {
        OperationState state = operation(operation.id()).orElseThrow().state();
        if (state != OperationState.RUNNING) {
            return state == OperationState.SUCCEEDED; // An earlier attempt came this far.
        }
        TenantId id = operation.target();
        var fresh = new Lineage(operation.detail().lineage());
        int changed =
                sql.update(
                        """
                        update tenants set lineage = ?, txid_floor = ?, etag = etag + 1
                        where id = ? and lineage = ? and txid_floor <= ? and state = 'hibernated'
                        """,
                        fresh.ulid(),
                        last.value() + 1,
                        id.name(),
                        old.ulid(),
                        last.value());
        if (changed == 0) {
            return false;
        }
        sql.update(
                "update lineages set ended_txid = ? where tenant = ? and lineage = ?",
                last.value(),
                id.name(),
                old.ulid());
        var origin = new LineageOrigin(old, new Txid(operation.detail().sourceTxid()), last.next());
        addLineage(id, fresh, origin);
        if (outcome.bookmark() != null) {
            sql.update(
                    """
                    insert into bookmarks (tenant, name, lineage, txid, created_at)
                    values (?, ?, ?, ?, ?) on conflict do nothing
                    """,
                    id.name(),
                    outcome.bookmark(),
                    old.ulid(),
                    last.value(),
                    clock.millis());
        }
        finish(operation, OperationState.SUCCEEDED, operation.detail().succeeded(outcome));
        event("tenant_restored", id.name(), null);
        return true;
    }

    /// Nothing but the operation itself changes.
    Void failed(OperationRow operation, Problem problem) {
        if (operation(operation.id()).orElseThrow().state() == OperationState.RUNNING) {
            finish(operation, OperationState.FAILED, operation.detail().failed(problem));
            operationEvent("operation_failed", operation, problem.code());
        }
        return null;
    }

    private void finish(OperationRow operation, OperationState state, OperationDetail detail) {
        sql.update(
                """
                update operations set state = ?, phase = 'done', detail = ?, finished_at = ?
                where id = ?
                """,
                state.word(),
                json(detail),
                clock.millis(),
                operation.id());
        running.remove(operation.target());
        if (state == OperationState.SUCCEEDED) {
            operationEvent("operation_succeeded", operation, "");
        }
    }

    private void operationEvent(String kind, OperationRow operation, String code) {
        sql.update(
                """
                insert into events (at, kind, tenant, detail)
                values (?1, ?2, ?3, iif(?5 = '', json_object('operation', ?4, 'kind', ?6),
                                        json_object('operation', ?4, 'kind', ?6, 'code', ?5)))
                """,
                clock.millis(),
                kind,
                operation.target().name(),
                operation.id(),
                code,
                operation.kind().word());
    }

    Optional<OperationRow> operation(String id) {
        return sql.query(OPERATION + "where id = ?", CatalogTables::operationRow, id).stream()
                .findAny();
    }

    /// The newest ones, newest first.
    ///
    /// @param before id that those of the page before ended with; empty for the first page
    List<OperationRow> operations(String before, int limit, Optional<OperationState> state) {
        String below = before.isEmpty() ? "op_~" : before; // Sorts after all ids.
        return state.isEmpty()
                ? sql.query(
                        OPERATION + "where id < ? order by id desc limit ?",
                        CatalogTables::operationRow,
                        below,
                        (long) limit)
                : sql.query(
                        OPERATION + "where state = ? and id < ? order by id desc limit ?",
                        CatalogTables::operationRow,
                        state.get().word(),
                        below,
                        (long) limit);
    }

    /// All that are not finished.
    List<OperationRow> running() {
        return sql.query(
                OPERATION + "where state = 'running' order by id", CatalogTables::operationRow);
    }

    private static String json(OperationDetail detail) {
        return new String(Wire.write(detail), UTF_8);
    }

    private static OperationRow operationRow(CatalogSql.Row row) {
        return new OperationRow(
                row.text(0),
                OperationKind.parse(row.text(1)),
                new TenantId(row.text(2)),
                OperationState.parse(row.text(3)),
                row.text(4),
                Wire.read(row.text(5).getBytes(UTF_8), OperationDetail.class),
                Instant.ofEpochMilli(row.integer(6)),
                row.isNull(7) ? null : Instant.ofEpochMilli(row.integer(7)));
    }

    // Assignments

    Assigned assign(TenantId id, BiFunction<Load, Optional<String>, Placement.Decision> choose) {
        Optional<TenantRow> found = tenant(id);
        if (found.isEmpty()) {
            return new Assigned.NotFound();
        }
        TenantRow row = found.get();
        if (row.state() == TenantState.DELETED) {
            return new Assigned.Deleted();
        }
        if (row.session() != null) {
            return to(row, new SessionId(row.session()));
        }
        Running operation = running.get(id);
        if (operation != null && operation.kind() == OperationKind.RESTORE) {
            // Whatever it wrote now would be beyond the end of the lineage that is about to end.
            return new Assigned.NoRoom("it is being restored by operation " + operation.id());
        }
        return switch (choose.apply(load(), home(id))) {
            case Placement.Decision.NoRoom(var reason) -> new Assigned.NoRoom(reason);
            case Placement.Decision.Place(var session) -> assign(row, new SessionId(session));
        };
    }

    /// The worker that had the tenant last, unless its session is forgotten.
    private Optional<String> home(TenantId id) {
        return sql
                .query(
                        """
                        select s.worker from tenants t join sessions s on s.id = t.last_session
                        where t.id = ?
                        """,
                        row -> row.text(0),
                        id.name())
                .stream()
                .findFirst();
    }

    private Assigned assign(TenantRow row, SessionId session) {
        // A lease that placement saw may have been ended since: only a live session gets anything.
        int changed =
                sql.update(
                        """
                        update tenants set session = ?1, assignment = assignment + 1, state = 'active'
                        where id = ?2 and state = 'hibernated'
                          and exists (select 1 from sessions where id = ?1 and state = 'live')
                        """,
                        session.ulid(),
                        row.id().name());
        if (changed == 0) {
            return new Assigned.NoRoom("the chosen worker is just being fenced");
        }
        assigned.merge(session, 1L, Long::sum);
        return to(known(row.id()), session);
    }

    private Assigned.To to(TenantRow row, SessionId session) {
        String last =
                sql.query(
                                "select last_session from tenants where id = ?",
                                cells -> Optional.ofNullable(cells.textOrNull(0)),
                                row.id().name())
                        .getFirst()
                        .orElse(null);
        return new Assigned.To(row, session(session).orElseThrow(), last);
    }

    private Load load() {
        var cordoned =
                new HashSet<>(
                        sql.query(
                                "select name from workers where cordoned = 1", row -> row.text(0)));
        return new Load(assigned, cordoned);
    }

    /// The assignment, if the catalog still says so.
    Optional<Assigned.To> held(TenantId id, String session, long number) {
        return tenant(id)
                .filter(row -> session.equals(row.session()) && row.assignment() == number)
                .map(row -> to(row, new SessionId(session)));
    }

    /// @param lastTxid [Txid#NONE] if the session is known to owe nothing, but not how far it came
    boolean released(TenantId id, SessionId session, long number, Lineage lineage, Txid lastTxid) {
        int changed =
                sql.update(
                        """
                        update tenants set last_session = session, session = null,
                               state = case state when 'deleted' then 'deleted' else 'hibernated' end,
                               txid_floor = max(txid_floor, ?)
                        where id = ? and session = ? and assignment = ? and lineage = ?
                        """,
                        lastTxid.value(),
                        id.name(),
                        session.ulid(),
                        number,
                        lineage.ulid());
        if (changed == 1) {
            assigned.computeIfPresent(session, (_, count) -> count > 1 ? count - 1 : null);
            retention.unheld(id);
        }
        return changed == 1;
    }

    /// The same report again changes nothing.
    Void lost(Lost lost) {
        sql.update(
                """
                insert into events (at, kind, tenant, session, detail)
                select ?1, 'commits_quarantined', ?2, ?3, d.detail from (
                    select json_object('worker', ?4, 'lineage', ?5, 'first', ?6, 'last', ?7,
                                       'bytes', ?8, 'reason', ?9) as detail) d
                where not exists (
                    select 1 from events e
                    where e.kind = 'commits_quarantined' and e.tenant = ?2 and e.session = ?3
                    and e.detail = d.detail)
                """,
                clock.millis(),
                lost.tenant(),
                lost.writer(),
                lost.worker(),
                lost.lineage(),
                lost.first(),
                lost.last(),
                lost.bytes(),
                lost.reason());
        return null;
    }

    /// Tombstones that a session still has to release.
    List<TenantRow> deletedBut(SessionId session) {
        return sql.query(
                TENANT + "where t.session = ? and t.state = 'deleted'",
                this::tenantRow,
                session.ulid());
    }

    /// Token generations, of a session's tenants, that are not the first one.
    List<TokenGen> tokenGens(SessionId session) {
        return sql.query(
                "select id, token_gen from tenants where session = ? and token_gen > 1",
                row -> new TokenGen(row.text(0), row.integer(1)),
                session.ulid());
    }

    // Sessions

    /// @return the session's state now: what it was, or live if it is new
    SessionState register(SessionRow session, int capacity) {
        Optional<SessionRow> found = session(session.id());
        if (found.isPresent()) {
            if (found.get().state() == SessionState.LIVE) {
                sql.update(
                        """
                        update sessions set address = ?1, part = max(part, ?2)
                        where id = ?3 and (address <> ?1 or part < ?2)
                        """,
                        session.address(),
                        (long) session.part(),
                        session.id().ulid());
            }
            return found.get().state();
        }
        sql.update(
                """
                insert into sessions (id, worker, address, part, state, started)
                values (?, ?, ?, ?, 'live', ?)
                """,
                session.id().ulid(),
                session.worker(),
                session.address(),
                (long) session.part(),
                session.started().toEpochMilli());
        sql.update(
                """
                insert into workers (name, capacity) values (?1, ?2)
                on conflict (name) do update set capacity = ?2 where capacity is not ?2
                """,
                session.worker(),
                (long) capacity);
        event("session_started", null, session.id());
        return SessionState.LIVE;
    }

    Optional<SessionRow> session(SessionId id) {
        return sql.query(SESSION + "where id = ?", CatalogTables::sessionRow, id.ulid()).stream()
                .findAny();
    }

    /// All that are not closed.
    List<SessionRow> openSessions() {
        return sql.query(
                SESSION + "where state <> 'closed' order by worker, id", CatalogTables::sessionRow);
    }

    /// A late heartbeat must not lower the part, and nobody may raise it under a fencer.
    Void raisePart(SessionId id, int part) {
        sql.update(
                "update sessions set part = ?1 where id = ?2 and state = 'live' and part < ?1",
                (long) part,
                id.ulid());
        return null;
    }

    /// @return the session, fencing; nothing if it is closed already or unknown
    Optional<SessionRow> fencing(SessionId id) {
        int changed =
                sql.update(
                        "update sessions set state = 'fencing' where id = ? and state = 'live'",
                        id.ulid());
        if (changed == 1) {
            event("session_fencing", null, id);
        }
        return session(id).filter(session -> session.state() != SessionState.CLOSED);
    }

    /// Closes a session and takes its tenants away.
    ///
    /// @param coverage what is certainly durable, by lineage
    /// @return how many tenants it had
    long closed(SessionId id, Map<TenantKey, Txid> coverage) {
        coverage.forEach((key, txid) ->
                sql.update(
                        """
                        update tenants set txid_floor = ?1
                        where id = ?2 and lineage = ?3 and txid_floor < ?1
                        """,
                        txid.value(),
                        key.tenant().name(),
                        key.lineage().ulid()));
        long tenants =
                sql.update(
                        """
                        update tenants set last_session = session, session = null,
                               state = case state when 'deleted' then 'deleted' else 'hibernated' end
                        where session = ?
                        """,
                        id.ulid());
        assigned.remove(id);
        retention.unheld();
        int changed =
                sql.update(
                        "update sessions set state = 'closed', closed_at = ? where id = ? and state"
                                + " = 'fencing'",
                        clock.millis(),
                        id.ulid());
        if (changed == 1) {
            event("session_closed", null, id);
        }
        return tenants;
    }

    /// How many tenants each session has, and who is cordoned.
    Load currentLoad() {
        return load();
    }

    // Keys

    Void addJwtKeys(List<PublicKeyJwk> keys) {
        keys.forEach(key ->
                sql.update(
                        """
                        insert into jwt_keys (kid, public, created_at) values (?, ?, ?)
                        on conflict (kid) do nothing
                        """,
                        key.kid(),
                        key.x(),
                        clock.millis()));
        return null;
    }

    List<PublicKeyJwk> jwtKeys() {
        return sql.query(
                "select kid, public from jwt_keys order by created_at, kid",
                row -> new PublicKeyJwk(row.text(0), row.text(1)));
    }

    Void addApiKey(ApiKeyRow key) {
        sql.update(
                """
                insert into api_keys (hash, name, scopes, created_at) values (?, ?, ?, ?)
                on conflict (hash) do nothing
                """,
                key.hash(),
                key.name(),
                key.scopes(),
                key.created().toEpochMilli());
        return null;
    }

    List<ApiKeyRow> apiKeys() {
        return sql.query(
                "select hash, name, scopes, created_at from api_keys order by created_at, hash",
                row ->
                        new ApiKeyRow(
                                row.text(0),
                                row.text(1),
                                row.text(2),
                                Instant.ofEpochMilli(row.integer(3))));
    }

    /// The controller leaves in good order.
    Void stopped() {
        event("controller_stopped", null, null);
        return null;
    }

    private void event(String kind, @Nullable String tenant, @Nullable SessionId session) {
        sql.update(
                "insert into events (at, kind, tenant, session, detail) values (?, ?, ?, ?, '{}')",
                clock.millis(),
                kind,
                tenant,
                session == null ? null : session.ulid());
    }

    private TenantRow tenantRow(CatalogSql.Row row) {
        var labels = new TreeMap<String, String>();
        sql.query(
                        "select key, value from labels where tenant = ?",
                        cells -> Map.entry(cells.text(0), cells.text(1)),
                        row.text(0))
                .forEach(label -> labels.put(label.getKey(), label.getValue()));
        return new TenantRow(
                new TenantId(row.text(0)),
                TenantState.parse(row.text(1)),
                new Lineage(row.text(2)),
                new Txid(row.integer(3)),
                row.textOrNull(4),
                row.textOrNull(5),
                row.integer(6),
                new TenantSpec(
                        Durability.parse(row.text(7)),
                        labels,
                        new Quotas(row.integer(8), row.integer(9), row.integer(10)),
                        new OwnWindows(
                                Duration.ofSeconds(row.integer(16)),
                                Duration.ofSeconds(row.integer(17)))),
                row.integer(11),
                row.integer(12),
                Instant.ofEpochMilli(row.integer(13)),
                row.isNull(14) ? null : Instant.ofEpochMilli(row.integer(14)));
    }

    static SessionRow sessionRow(CatalogSql.Row row) {
        return new SessionRow(
                new SessionId(row.text(0)),
                row.text(1),
                row.text(2),
                Math.toIntExact(row.integer(3)),
                SessionState.parse(row.text(4)),
                Instant.ofEpochMilli(row.integer(5)));
    }
}
