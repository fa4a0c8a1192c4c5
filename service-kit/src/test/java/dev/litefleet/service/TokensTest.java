package dev.litefleet.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.TenantId;
import dev.litefleet.service.Tokens.Access;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.auth.JWTOptions;
import io.vertx.ext.auth.PubSecKeyOptions;
import io.vertx.ext.auth.jwt.JWTAuth;
import io.vertx.ext.auth.jwt.JWTAuthOptions;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TokensTest {
    private static final TenantId ACME = new TenantId("acme");
    private static final Instant NOW = Instant.now();

    @TempDir Path dir;
    private final Vertx vertx = Vertx.vertx();
    private Keys keys;
    private Tokens tokens;

    @BeforeEach
    void open() {
        keys = Keys.open(dir, new SecureRandom());
        tokens = new Tokens(vertx, keys.publicKeys(), InstantSource.fixed(NOW));
    }

    @AfterEach
    void close() {
        vertx.close().await();
    }

    @Test
    void mintedTokenOpensItsTenantAndNoOther() {
        String token = sign(rights("rw", "acme").put("gen", 3));

        assertThat(tokens.verify("Bearer " + token, ACME, 3)).isEqualTo(Access.WRITE);
        refused(token, new TenantId("acme2"), 1, "FORBIDDEN");
    }

    @Test
    void libsqlServersLegacyClaimsWork() {
        String read = sign(new JsonObject().put("id", "acme").put("a", "ro"));
        String write = sign(new JsonObject().put("id", "acme").put("a", "rw"));

        assertThat(tokens.verify("bearer " + read, ACME, 1)).isEqualTo(Access.READ);
        assertThat(tokens.verify("Bearer " + write, ACME, 1)).isEqualTo(Access.WRITE);
    }

    @Test
    void tokenWithoutPermissionClaimsGetsNothing() {
        refused(sign(new JsonObject().put("sub", "acme")), ACME, 1, "FORBIDDEN");
        refused(sign(new JsonObject().put("id", "acme")), ACME, 1, "FORBIDDEN");
    }

    @Test
    void tokenOfAnOlderGenerationIsRefused() {
        refused(sign(rights("rw", "acme").put("gen", 3)), ACME, 4, "AUTH_INVALID");
        refused(sign(rights("rw", "acme")), ACME, 2, "AUTH_INVALID");
    }

    @Test
    void expiredTokenIsRefusedAlsoWhenItWasVerifiedBefore() {
        String token = sign(rights("rw", "acme").put("exp", NOW.getEpochSecond() + 30));
        var clock =
                new Object() {
                    Instant now = NOW;
                };
        tokens = new Tokens(vertx, keys.publicKeys(), () -> clock.now);
        tokens.verify("Bearer " + token, ACME, 1);

        clock.now = NOW.plusSeconds(91);

        refused(token, ACME, 1, "AUTH_EXPIRED");
    }

    @Test
    void unsignedAndForgedTokensAreRefused() {
        String good = sign(rights("rw", "acme"));
        String payload = good.split("\\.")[1];
        String none = base64("{\"alg\":\"none\",\"typ\":\"JWT\"}") + "." + payload + ".";
        refused(none, ACME, 1, "AUTH_INVALID");
        refused(none + "AA", ACME, 1, "AUTH_INVALID");
        refused(good.substring(0, good.length() - 8) + "AAAAAAAA", ACME, 1, "AUTH_INVALID");
        refused("x", ACME, 1, "AUTH_INVALID");
        refused("x".repeat(9000), ACME, 1, "AUTH_INVALID");
    }

    /// The classic confusion: a symmetric signature made with the public key's bytes.
    @Test
    void symmetricSignatureWithThePublicKeyIsRefused() {
        for (Buffer secret :
                List.of(
                        Buffer.buffer(keys.publicKeys().getFirst().x()),
                        Buffer.buffer(keys.publicKeys().getFirst().key().getEncoded()))) {
            JWTAuth forger =
                    JWTAuth.create(
                            vertx,
                            new JWTAuthOptions()
                                    .addPubSecKey(
                                            new PubSecKeyOptions()
                                                    .setAlgorithm("HS256")
                                                    .setBuffer(secret)));
            String token =
                    forger.generateToken(
                            rights("rw", "acme"),
                            new JWTOptions()
                                    .setAlgorithm("HS256")
                                    .setHeader(
                                            new JsonObject()
                                                    .put(
                                                            "kid",
                                                            keys.publicKeys().getFirst().kid())));

            refused(token, ACME, 1, "AUTH_INVALID");
        }
    }

    @Test
    void tokenOfAnotherFleetIsRefusedUntilItsKeyIsKnown() {
        Keys other = Keys.open(dir.resolve("other"), new SecureRandom());
        String token = other.signer(vertx).sign(rights("rw", "acme"));
        refused(token, ACME, 1, "AUTH_INVALID");

        tokens.keys(List.of(keys.publicKeys().getFirst(), other.publicKeys().getFirst()));

        assertThat(tokens.verify("Bearer " + token, ACME, 1)).isEqualTo(Access.WRITE);
    }

    @Test
    void missingAndMalformedHeadersSayWhatToDo() {
        assertThatThrownBy(() -> tokens.verify(null, ACME, 1))
                .isInstanceOf(Refused.class)
                .hasMessageContaining("Authorization: Bearer");
        assertThatThrownBy(() -> tokens.verify("Basic eDp5", ACME, 1))
                .isInstanceOf(Refused.class)
                .hasMessageContaining("not a Bearer");
    }

    private void refused(String token, TenantId tenant, long generation, String code) {
        assertThatThrownBy(() -> tokens.verify("Bearer " + token, tenant, generation))
                .isInstanceOfSatisfying(
                        Refused.class, r -> assertThat(r.problem().code()).isEqualTo(code));
    }

    private String sign(JsonObject claims) {
        return keys.signer(vertx).sign(claims);
    }

    private static JsonObject rights(String access, String tenant) {
        return new JsonObject()
                .put(
                        "p",
                        new JsonObject()
                                .put(
                                        access,
                                        new JsonObject().put("ns", new JsonArray().add(tenant))));
    }

    private static String base64(String text) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes());
    }
}
