package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

/// The oldest generation of a tenant's tokens that is still accepted.
///
/// @param gen grows when the tenant's tokens are rotated; tokens with a smaller one are refused
public record TokenGen(String tenant, long gen) {
    public TokenGen {
        requireNonNull(tenant, "tenant");
    }
}
