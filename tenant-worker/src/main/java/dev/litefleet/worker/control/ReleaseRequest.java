package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import dev.litefleet.replica.TenantId;

/// `POST /internal/v1/release`: give the tenant back. Answered with the [Release] when everything
/// of the tenant is durable, drained and closed; 409 `RELEASE_STALE` when the number is not the one
/// held.
///
/// @param session the session that is meant
/// @param number of the assignment to end
/// @param epoch of the controller that asks
public record ReleaseRequest(String tenant, String session, long number, long epoch) {
    public ReleaseRequest {
        new TenantId(tenant);
        requireNonNull(session, "session");
    }
}
