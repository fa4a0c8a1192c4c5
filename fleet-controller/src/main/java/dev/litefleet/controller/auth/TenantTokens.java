package dev.litefleet.controller.auth;

import com.github.f4b6a3.ulid.UlidCreator;
import dev.litefleet.replica.TenantId;
import dev.litefleet.service.Keys;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Locale;
import java.util.Optional;

/// Mints data-plane tokens: JWTs with libsql-server's claims, for one tenant and one generation of
/// its tokens. Any thread.
public final class TenantTokens {
    /// A token that was just made; it is not kept.
    ///
    /// @param expires empty for never
    public record Token(String jti, String jwt, Optional<Instant> expires) {}

    private final Keys.Signer signer;
    private final InstantSource clock;

    public TenantTokens(Keys.Signer signer, InstantSource clock) {
        this.signer = signer;
        this.clock = clock;
    }

    /// @param life empty for a token that does not expire
    /// @param readOnly whether it allows reads only
    public Token mint(TenantId tenant, long generation, Optional<Duration> life, boolean readOnly) {
        Instant now = clock.instant();
        String jti = "tk_" + UlidCreator.getUlid().toString().toLowerCase(Locale.ROOT);
        Optional<Instant> expires = life.map(now::plus);
        var claims =
                new JsonObject()
                        .put("iss", "litefleet")
                        .put("sub", tenant.name())
                        .put("jti", jti)
                        .put("iat", now.getEpochSecond())
                        .put("gen", generation)
                        .put(
                                "p",
                                new JsonObject()
                                        .put(
                                                readOnly ? "ro" : "rw",
                                                new JsonObject()
                                                        .put(
                                                                "ns",
                                                                new JsonArray()
                                                                        .add(tenant.name()))));
        expires.ifPresent(end -> claims.put("exp", end.getEpochSecond()));
        return new Token(jti, signer.sign(claims), expires);
    }
}
