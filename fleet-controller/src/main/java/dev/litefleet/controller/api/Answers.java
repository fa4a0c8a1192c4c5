package dev.litefleet.controller.api;

import dev.litefleet.controller.operation.FleetException;
import dev.litefleet.controller.operation.FleetException.NoWorkers;
import dev.litefleet.controller.operation.FleetException.NotServing;
import dev.litefleet.controller.operation.FleetException.TenantDeleted;
import dev.litefleet.controller.operation.FleetException.TenantNotFound;
import dev.litefleet.service.Problem;
import dev.litefleet.service.Refused;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/// What the controller says, as HTTP sees it.
public final class Answers {
    private Answers() {}

    /// Waits on a virtual thread.
    ///
    /// @throws Refused when the fleet has a reason to refuse
    static <T> T await(CompletableFuture<T> answer) {
        try {
            return answer.join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof FleetException refusal) {
                throw new Refused(problem(refusal));
            }
            throw failed;
        }
    }

    /// The problem for any failure of a controller's future.
    public static Problem problem(Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null
                        ? failure.getCause()
                        : failure;
        return cause instanceof FleetException refusal ? problem(refusal) : Problem.of(cause);
    }

    private static Problem problem(FleetException refusal) {
        String detail = String.valueOf(refusal.getMessage());
        return switch (refusal) {
            case TenantNotFound _ -> new Problem(404, "TENANT_NOT_FOUND", detail, false);
            case TenantDeleted _ -> new Problem(410, "TENANT_DELETED", detail, false);
            case NoWorkers _ -> new Problem(503, "NO_WORKERS", detail, true);
            case NotServing _ -> new Problem(503, "NOT_SERVING", detail, true);
        };
    }
}
