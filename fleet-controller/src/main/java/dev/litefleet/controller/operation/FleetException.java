package dev.litefleet.controller.operation;

import dev.litefleet.replica.TenantId;
import dev.litefleet.service.Problem;

/// Why a tenant cannot be reached, classed by what the caller should do about it.
public abstract sealed class FleetException extends RuntimeException {
    private FleetException(String message) {
        super(message);
    }

    /// What a client is told.
    public Problem problem() {
        String detail = String.valueOf(getMessage());
        return switch (this) {
            case TenantNotFound _ -> new Problem(404, "TENANT_NOT_FOUND", detail, false);
            case TenantDeleted _ -> new Problem(410, "TENANT_DELETED", detail, false);
            case NoWorkers _ -> new Problem(503, "NO_WORKERS", detail, true);
            case NotServing _ -> new Problem(503, "NOT_SERVING", detail, true);
        };
    }

    /// No tenant has this id. 404.
    public static final class TenantNotFound extends FleetException {
        public TenantNotFound(TenantId tenant) {
            super("no tenant has the id " + tenant);
        }
    }

    /// The tenant was deleted. 410, for ever.
    public static final class TenantDeleted extends FleetException {
        public TenantDeleted(TenantId tenant) {
            super("tenant " + tenant + " is deleted; its id is not used again");
        }
    }

    /// No worker could take the tenant within the time that a request may wait. 503, later again.
    public static final class NoWorkers extends FleetException {
        /// @param reason in words, for the operator
        public NoWorkers(TenantId tenant, String reason) {
            super(
                    "no worker can serve the tenant [tenant=%s, reason=%s]"
                            .formatted(tenant, reason));
        }
    }

    /// This controller is stopping, or a successor has fenced it. 503, ask again: another one will
    /// answer.
    public static final class NotServing extends FleetException {
        public NotServing(String reason) {
            super("controller is not serving [reason=" + reason + "]");
        }
    }
}
