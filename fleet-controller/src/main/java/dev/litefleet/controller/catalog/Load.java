package dev.litefleet.controller.catalog;

import dev.litefleet.replica.log.SessionId;
import java.util.Map;
import java.util.Set;

/// What the catalog contributes to a placement.
///
/// @param assigned tenants by live session; sessions without any are left out
/// @param cordoned names of the workers on which nothing new is placed
public record Load(Map<SessionId, Long> assigned, Set<String> cordoned) {
    public Load {
        assigned = Map.copyOf(assigned);
        cordoned = Set.copyOf(cordoned);
    }

    /// How many tenants a session has.
    public long of(SessionId session) {
        return assigned.getOrDefault(session, 0L);
    }
}
