package dev.litefleet.controller.catalog;

/// Which events to list, the oldest first. Empty texts stand for all.
///
/// @param after list events with a greater `seq`
/// @param operation id of an operation
/// @param limit 1 to [#LIMIT_MAX]
public record EventQuery(long after, String kind, String tenant, String operation, int limit) {
    public static final int LIMIT_DEFAULT = 100;
    public static final int LIMIT_MAX = 1000;

    public EventQuery {
        if (limit < 1 || limit > LIMIT_MAX) {
            throw new IllegalArgumentException("limit must be 1 to " + LIMIT_MAX + ": " + limit);
        }
    }
}
