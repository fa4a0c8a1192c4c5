-- Holds and the erasure of deleted tenants.

-- Ranges of TXIDs that retention must not touch. to_txid null: all that will ever come; until null:
-- as long as nobody releases it.
drop table holds;
create table holds (
    tenant text not null,
    name text not null,
    from_txid integer not null,
    to_txid integer,
    reason text not null,
    created_at integer not null,
    until integer,
    primary key (tenant, name)
) strict, without rowid;

-- Of tombstones: since when no session holds the tenant; null while one does.
alter table tenants add column unheld_at integer;

-- Of tombstones: what was erased so far, and when a listing was empty; empty_at null until it was.
create table erasures (
    tenant text primary key not null,
    objects integer not null,
    bytes integer not null,
    versions integer not null,
    uploads integer not null,
    first_at integer not null,
    empty_at integer
) strict, without rowid;
