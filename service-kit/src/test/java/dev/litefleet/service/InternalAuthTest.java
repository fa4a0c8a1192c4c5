package dev.litefleet.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InternalAuthTest {
    private static final byte[] BODY = {1, 2, 3};

    @TempDir Path dir;
    private Instant now = Instant.parse("2026-11-21T12:00:00Z");
    private Keys keys;
    private InternalAuth auth;

    @BeforeEach
    void open() {
        keys = Keys.open(dir, new SecureRandom());
        auth = auth(keys);
    }

    @Test
    void signedRequestIsAcceptedOnce() {
        String header = auth.sign("POST", "/internal/v1/assign", BODY);

        assertThatCode(() -> auth.verifyOnce("POST", "/internal/v1/assign", header, BODY))
                .doesNotThrowAnyException();
        refused("POST", "/internal/v1/assign", header, BODY, "received before");
    }

    @Test
    void everyPartIsCoveredByTheSignature() {
        String header = auth.sign("POST", "/internal/v1/assign", BODY);

        refused("PUT", "/internal/v1/assign", header, BODY, "wrong signature");
        refused("POST", "/internal/v1/release", header, BODY, "wrong signature");
        refused("POST", "/internal/v1/assign", header, new byte[] {1, 2, 4}, "not the signed one");
        String[] part = header.split(" ");
        part[1] = String.valueOf(Long.parseLong(part[1]) + 1);
        refused("POST", "/internal/v1/assign", String.join(" ", part), BODY, "wrong signature");
        refused("POST", "/internal/v1/assign", null, BODY, "no signature");
        refused("POST", "/internal/v1/assign", "v1 a b c d", BODY, "malformed");
    }

    @Test
    void oldRequestIsRefused() {
        String header = auth.sign("POST", "/internal/v1/assign", BODY);

        now = now.plusSeconds(61);

        refused("POST", "/internal/v1/assign", header, BODY, "too long ago");
    }

    @Test
    void anotherFleetsKeySignsNothingHere() {
        var stranger = auth(Keys.open(dir.resolve("other"), new SecureRandom()));
        String header = stranger.sign("POST", "/internal/v1/assign", BODY);

        refused("POST", "/internal/v1/assign", header, BODY, "fleet.key");
        assertThat(auth.fromGateway("POST", "/internal/v1/assign", header)).isFalse();
    }

    @Test
    void streamedTenantTrafficIsKnownAsOurGateways() {
        String header = auth.sign("POST", "/t/acme/v2/pipeline", null);

        assertThat(auth.fromGateway("POST", "/t/acme/v2/pipeline", header)).isTrue();
        assertThat(auth.fromGateway("POST", "/t/other/v2/pipeline", header)).isFalse();
        refused("POST", "/t/acme/v2/pipeline", header, BODY, "not the signed one");
    }

    private InternalAuth auth(Keys of) {
        InstantSource clock = () -> now;
        return new InternalAuth(of, clock, new SecureRandom());
    }

    private void refused(String method, String path, String header, byte[] body, String why) {
        assertThatThrownBy(() -> auth.verifyOnce(method, path, header, body))
                .isInstanceOf(Refused.class)
                .hasMessageContaining(why);
    }
}
