package dev.litefleet.observer.cli;

import dev.litefleet.replica.TenantId;

/// The store knows no such tenant.
final class NotFound extends RuntimeException {
    NotFound(TenantId tenant) {
        super("no tenant has the id " + tenant + "; `litefleet observe ls` lists them");
    }
}
