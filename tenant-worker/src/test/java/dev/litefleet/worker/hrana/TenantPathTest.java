package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.TenantId;
import dev.litefleet.service.Refused;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TenantPathTest {
    @ParameterizedTest
    @CsvSource({
        "/t/acme/v2/pipeline, acme, v2/pipeline",
        "/t/acme//v3/pipeline, acme, v3/pipeline",
        "//t//acme/v3/cursor/, acme, v3/cursor",
        "/t/acme, acme, ''",
        "/t/acme/, acme, ''",
        "/t/a-1/health, a-1, health",
        // One decoding, then the name counts.
        "/t/%61cme/v2/pipeline, acme, v2/pipeline",
    })
    void tenantAndEndpoint(String path, String tenant, String endpoint) {
        assertThat(TenantPath.parse(path)).contains(new TenantPath(new TenantId(tenant), endpoint));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "", "/livez", "/internal/v1/assign", "/T/acme", "/api/v1/t/acme"})
    void otherPathsAreNotOfTheDataPlane(String path) {
        assertThat(TenantPath.parse(path)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/t/../etc/passwd",
                "/t/%2e%2e%2fetc/v2/pipeline",
                "/t/%252e%252e/v2/pipeline",
                "/t/a%2fb/v2/pipeline",
                "/t/a;b/v2/pipeline",
                "/t/a%00/v2/pipeline",
                "/t/Acme/v2/pipeline",
                "/t/acme./v2/pipeline",
                "/t/-acme/v2/pipeline",
                "/t/_catalog/v2/pipeline",
                "/t/%61%/v2/pipeline",
                "/t/%6/v2/pipeline",
                "/t/%zz/v2/pipeline",
                "/t/%ff%fe/v2/pipeline",
                "/t/acm\u0435/v2/pipeline",
                "/t/CON/v2/pipeline",
            })
    void whatCannotBeTenantIsRefused(String path) {
        assertThatThrownBy(() -> TenantPath.parse(path))
                .isInstanceOfSatisfying(
                        Refused.class,
                        refused -> {
                            assertThat(refused.problem().status()).isEqualTo(400);
                            assertThat(refused.problem().code()).isEqualTo("TENANT_INVALID");
                        });
    }

    @Test
    void nameOf64CharactersIsRefused() {
        assertThat(TenantPath.parse("/t/" + "a".repeat(63))).isPresent();
        assertThatThrownBy(() -> TenantPath.parse("/t/" + "a".repeat(64)))
                .isInstanceOf(Refused.class);
    }

    /// A client whose URL has no trailing slash resolves `v2/pipeline` against its parent.
    @ParameterizedTest
    @ValueSource(strings = {"/t/v2/pipeline", "/t/v3/cursor", "/t/v3-protobuf", "/t", "/t/"})
    void lostTenantIsExplained(String path) {
        assertThatThrownBy(() -> TenantPath.parse(path))
                .isInstanceOfSatisfying(
                        Refused.class,
                        refused -> {
                            assertThat(refused.problem().status()).isEqualTo(404);
                            assertThat(refused.problem().code()).isEqualTo("TENANT_MISSING");
                            assertThat(refused).hasMessageContaining("add a trailing slash");
                        });
    }
}
