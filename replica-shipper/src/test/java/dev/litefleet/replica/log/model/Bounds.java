package dev.litefleet.replica.log.model;

import java.util.Arrays;
import java.util.List;

/// How large the world is in which the model is searched.
///
/// @param tenants 1 or 2
/// @param commits bodies that each session may write, part fences not counted
/// @param parts that each session may have
/// @param perPart data slots of a part; 0: as many as there are commits
/// @param window K
/// @param assignments of each tenant
/// @param together whether one body may hold commits of both tenants
record Bounds(
        int tenants,
        List<Integer> commits,
        List<Integer> parts,
        int perPart,
        int window,
        int assignments,
        boolean together) {
    /// One tenant, logs of one part, K = 2.
    static Bounds commits(int... commits) {
        List<Integer> each = Arrays.stream(commits).boxed().toList();
        return new Bounds(1, each, each.stream().map(_ -> 1).toList(), 0, 2, commits.length, true);
    }

    Bounds parts(int perPart, Integer... parts) {
        return new Bounds(tenants, commits, List.of(parts), perPart, window, assignments, together);
    }

    Bounds assignments(int most) {
        return new Bounds(tenants, commits, parts, perPart, window, most, together);
    }

    /// Two tenants, each with bodies of their own.
    Bounds twoTenantsApart() {
        return new Bounds(2, commits, parts, perPart, window, assignments, false);
    }
}
