package dev.litefleet.controller.api;

import dev.litefleet.controller.operation.FleetException;
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
                throw new Refused(refusal.problem());
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
        return cause instanceof FleetException refusal ? refusal.problem() : Problem.of(cause);
    }
}
