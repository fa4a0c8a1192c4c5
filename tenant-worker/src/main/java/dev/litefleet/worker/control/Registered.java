package dev.litefleet.worker.control;

import static java.util.Objects.requireNonNull;

import dev.litefleet.service.PublicKeyJwk;
import java.util.List;

/// The controller's answer to a [Registration]. It grants no lease; the first heartbeat asks for
/// one.
///
/// @param controllerSession ULID of the answering controller
/// @param epoch its number in the chain of controllers; a worker refuses messages of a lower one
/// @param leaseMillis how long plain reads may be served after a heartbeat that was answered with a
///   lease was *sent*
/// @param heartbeatMillis how often to send one
/// @param jwtKeys every public key that tokens may be signed with
public record Registered(
        String controllerSession,
        long epoch,
        long leaseMillis,
        long heartbeatMillis,
        List<PublicKeyJwk> jwtKeys) {
    public Registered {
        requireNonNull(controllerSession, "controller_session");
        jwtKeys = List.copyOf(jwtKeys);
    }
}
