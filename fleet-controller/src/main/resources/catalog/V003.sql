-- What is asked of tables that grow with the fleet's life.

create index operations_by_state on operations (state, id);
create index events_by_kind on events (kind, at);
create index events_by_tenant on events (tenant) where tenant is not null;
create index events_by_operation on events (detail ->> 'operation')
    where detail ->> 'operation' is not null;
create index sessions_closed on sessions (closed_at) where state = 'closed';
