-- The fleet's facts. Times are milliseconds since 1970 UTC, TXIDs plain integers, ids text.
-- What changes every second (heartbeats, loads, durable slots) is not here.

-- state: hibernated (no session has it) | active (session and assignment say who) | deleted (a
-- tombstone; kept for its numbering and its token generation).
create table tenants (
    id text primary key not null,
    state text not null check (state in ('hibernated', 'active', 'deleted')),
    lineage text not null,
    txid_floor integer not null,
    session text references sessions (id),
    last_session text,
    assignment integer not null,
    spec text not null check (json_valid(spec)),
    token_gen integer not null,
    etag integer not null,
    created_at integer not null,
    deleted_at integer,
    erased_by integer,
    check (state <> 'active' or session is not null),
    check (state <> 'hibernated' or session is null),
    check ((state = 'deleted') = (deleted_at is not null))
) strict, without rowid;
create index tenants_by_session on tenants (session) where session is not null;

create table labels (
    tenant text not null references tenants (id),
    key text not null,
    value text not null,
    primary key (tenant, key)
) strict, without rowid;
create unique index labels_by_value on labels (key, value, tenant);

-- ended_txid: null while it is the current lineage.
create table lineages (
    tenant text not null,
    lineage text not null,
    from_lineage text,
    from_txid integer,
    first_txid integer not null,
    ended_txid integer,
    primary key (tenant, lineage)
) strict, without rowid;

-- part is raised, never lowered, and only while the session is live (commit-log.md, W9).
create table sessions (
    id text primary key not null,
    worker text not null,
    address text not null,
    part integer not null,
    state text not null check (state in ('live', 'fencing', 'closed')),
    started integer not null,
    closed_at integer,
    check ((state = 'closed') = (closed_at is not null))
) strict, without rowid;
create index sessions_open on sessions (worker) where state <> 'closed';

create table workers (
    name text primary key not null,
    cordoned integer not null default 0 check (cordoned in (0, 1)),
    capacity integer
) strict, without rowid;

create table operations (
    id text primary key not null,
    kind text not null,
    target text not null,
    state text not null,
    phase text not null,
    detail text not null check (json_valid(detail)),
    started_at integer not null,
    finished_at integer
) strict, without rowid;

create table events (
    seq integer primary key,
    at integer not null,
    kind text not null,
    tenant text,
    session text,
    detail text not null check (json_valid(detail))
) strict;

create table api_keys (
    hash text primary key not null,
    name text not null,
    scopes text not null,
    created_at integer not null
) strict, without rowid;

create table jwt_keys (
    kid text primary key not null,
    public text not null,
    created_at integer not null
) strict, without rowid;

create table idempotency (
    key text primary key not null,
    request_hash text not null,
    status integer not null,
    answer text not null,
    created_at integer not null
) strict, without rowid;

create table holds (
    tenant text not null,
    name text not null,
    from_txid integer not null,
    to_txid integer,
    reason text not null,
    created_at integer not null,
    primary key (tenant, name)
) strict, without rowid;

create table bookmarks (
    tenant text not null,
    name text not null,
    lineage text not null,
    txid integer not null,
    created_at integer not null,
    primary key (tenant, name)
) strict, without rowid;
