package dev.litefleet.service;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.litefleet.replica.TenantId;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.auth.PubSecKeyOptions;
import io.vertx.ext.auth.User;
import io.vertx.ext.auth.authentication.TokenCredentials;
import io.vertx.ext.auth.jwt.JWTAuth;
import io.vertx.ext.auth.jwt.JWTAuthOptions;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Verifies data-plane tokens: JWTs signed with EdDSA by a key we know; nothing else is tried.
///
/// Claims are libsql-server's (`{"id": ns, "a": "ro"|"rw"}` or `{"p": {"rw": {"ns": [...]}}}`,
/// libsql-server `auth/parsers.rs`), with one difference: a token without permission claims gets
/// nothing. `gen` is the tenant's token generation, 1 when absent.
///
/// A verification costs about 150 us of CPU, so verified tokens are remembered. Any thread.
public final class Tokens {
    private static final int TOKEN_CHARS_MAX = 8 << 10;
    private static final int REMEMBERED_MAX = 50_000;
    private static final int LEEWAY_SECONDS = 60;

    /// What a token allows on one tenant.
    public enum Access {
        READ,
        WRITE
    }

    /// The claims of a verified token.
    ///
    /// @param rights access by tenant name
    /// @param generation token generation, 1 or more
    /// @param expires when it ends, null for never
    public record Claims(Map<String, Access> rights, long generation, @Nullable Instant expires) {
        public Optional<Access> access(TenantId tenant) {
            return Optional.ofNullable(rights.get(tenant.name()));
        }

        /// The one tenant this token is for, when it names exactly one.
        public Optional<String> onlyTenant() {
            return rights.size() == 1
                    ? Optional.of(rights.keySet().iterator().next())
                    : Optional.empty();
        }
    }

    private final Vertx vertx;
    private final InstantSource clock;
    private volatile Trust trust;

    /// Keys and what they have verified. Replaced together: what an old key verified a moment ago
    /// must not be remembered under the new ones.
    private record Trust(List<JWTAuth> verifiers, Cache<String, Claims> verified) {}

    public Tokens(Vertx vertx, Collection<PublicKeyJwk> keys, InstantSource clock) {
        this.vertx = vertx;
        this.clock = clock;
        this.trust = trust(keys);
    }

    /// Replaces the keys; tokens of keys that are gone stop being accepted.
    public void keys(Collection<PublicKeyJwk> keys) {
        trust = trust(keys);
    }

    private Trust trust(Collection<PublicKeyJwk> keys) {
        return new Trust(
                keys.stream().map(this::verifier).toList(),
                Caffeine.newBuilder().maximumSize(REMEMBERED_MAX).build());
    }

    /// The claims of `header`, the value of `Authorization`.
    ///
    /// @throws Refused 401 `AUTH_MISSING`, `AUTH_INVALID` or `AUTH_EXPIRED`
    public Claims verify(@Nullable String header) {
        if (header == null) {
            throw Refused.of(
                    401,
                    "AUTH_MISSING",
                    "send the tenant's token as 'Authorization: Bearer'",
                    false);
        }
        if (!header.regionMatches(true, 0, "Bearer ", 0, 7)) {
            throw invalid("the Authorization header is not a Bearer token");
        }
        String token = header.substring(7).trim();
        if (token.length() > TOKEN_CHARS_MAX) {
            throw invalid("the token is longer than " + TOKEN_CHARS_MAX + " characters");
        }
        Trust now = trust;
        Claims claims = now.verified().getIfPresent(token);
        if (claims == null) {
            claims = parse(authenticate(token, now.verifiers()));
            now.verified().put(token, claims);
        }
        if (claims.expires() != null
                && clock.instant().isAfter(claims.expires().plusSeconds(LEEWAY_SECONDS))) {
            now.verified().invalidate(token);
            throw Refused.of(
                    401, "AUTH_EXPIRED", "the token has expired; ask for a new one", false);
        }
        return claims;
    }

    /// Checks `header` for one tenant.
    ///
    /// @param generation the tenant's current token generation; older tokens are refused
    /// @throws Refused 401, or 403 `FORBIDDEN` when the token is for other tenants
    public Access verify(@Nullable String header, TenantId tenant, long generation) {
        Claims claims = verify(header);
        Access access =
                claims.access(tenant)
                        .orElseThrow(() ->
                                Refused.of(
                                        403,
                                        "FORBIDDEN",
                                        "the token has no right on tenant " + tenant,
                                        false));
        if (claims.generation() < generation) {
            throw invalid("the token was revoked by a rotation; ask for a new one");
        }
        return access;
    }

    private static JsonObject authenticate(String token, List<JWTAuth> verifiers) {
        for (JWTAuth verifier : verifiers) {
            Future<User> answer = verifier.authenticate(new TokenCredentials(token));
            // Vert.x verifies on the calling thread: the future is complete here.
            if (answer.succeeded()) {
                return answer.result().attributes().getJsonObject("accessToken");
            }
        }
        throw invalid("the token's signature, form or time is not valid here");
    }

    private JWTAuth verifier(PublicKeyJwk key) {
        String pem =
                "-----BEGIN PUBLIC KEY-----\n"
                        + Base64.getEncoder().encodeToString(key.key().getEncoded())
                        + "\n-----END PUBLIC KEY-----\n";
        var options =
                new JWTAuthOptions()
                        .addPubSecKey(
                                new PubSecKeyOptions()
                                        .setAlgorithm("EdDSA")
                                        .setId(key.kid())
                                        .setBuffer(Buffer.buffer(pem)));
        options.getJWTOptions().setLeeway(LEEWAY_SECONDS);
        return JWTAuth.create(vertx, options);
    }

    private static Claims parse(JsonObject claims) {
        try {
            var rights = new HashMap<String, Access>();
            String id = claims.getString("id");
            if (id != null) {
                String access = claims.getString("a", "");
                switch (access) {
                    case "rw" -> rights.put(id, Access.WRITE);
                    case "ro", "roa" -> rights.put(id, Access.READ);
                    default -> {}
                }
            }
            JsonObject permissions = claims.getJsonObject("p", new JsonObject());
            grant(rights, permissions.getJsonObject("ro"), Access.READ);
            grant(rights, permissions.getJsonObject("roa"), Access.READ);
            grant(rights, permissions.getJsonObject("rw"), Access.WRITE);
            grant(rights, permissions.getJsonObject("rwa"), Access.WRITE);
            Long expires = claims.getLong("exp");
            return new Claims(
                    Map.copyOf(rights),
                    claims.getLong("gen", 1L),
                    expires == null ? null : Instant.ofEpochSecond(expires));
        } catch (ClassCastException wrongType) {
            throw invalid("the token's claims have the wrong types");
        }
    }

    private static void grant(
            Map<String, Access> rights, @Nullable JsonObject scope, Access access) {
        JsonArray names = scope == null ? null : scope.getJsonArray("ns");
        if (names != null) {
            for (Object name : names) {
                rights.put((String) name, access);
            }
        }
    }

    private static Refused invalid(String why) {
        return Refused.of(401, "AUTH_INVALID", why, false);
    }
}
