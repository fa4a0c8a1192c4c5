package dev.litefleet.controller.api;

import dev.litefleet.controller.Controller;
import dev.litefleet.controller.operation.Copies;
import dev.litefleet.replica.Point;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import dev.litefleet.replica.TenantId;
import dev.litefleet.replica.Txid;
import java.util.Optional;
import java.util.concurrent.CompletionException;

/// A point of a request's body.
///
/// @param nearest what to take if the point is not exact any more; nothing: refuse it
record AskedPoint(Point at, Optional<Nearest> nearest) {
    /// Which of its neighbours stands for a point that is not exact any more.
    enum Nearest {
        BEFORE,
        AFTER;

        private static Nearest parse(String word) {
            return switch (word) {
                case "before" -> BEFORE;
                case "after" -> AFTER;
                default -> throw new IllegalArgumentException("must be one of: before, after");
            };
        }
    }

    /// The field `nearest`.
    static Optional<Nearest> nearest(Fields fields) {
        return fields.text("nearest", Nearest::parse);
    }

    /// The state that it means. Reads the store; blocks.
    ///
    /// @throws CompletionException with [PointNotExact] if there is none and no neighbour was asked
    ///   for
    Copies.Found find(Controller controller, TenantId tenant) {
        try {
            return Answers.await(controller.find(tenant, at));
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof PointNotExact near) {
                Optional<Txid> other =
                        nearest.flatMap(
                                which -> which == Nearest.BEFORE ? near.before() : near.after());
                if (other.isPresent()) {
                    return Answers.await(controller.find(tenant, new Point.At(other.get())));
                }
            }
            throw failed;
        }
    }
}
