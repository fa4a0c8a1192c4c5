package dev.litefleet.controller.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.litefleet.controller.gateway.TenantPath.Parsed;
import dev.litefleet.replica.TenantId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TenantPathTest {
    @ParameterizedTest
    @CsvSource({
        "/t/acme/v2/pipeline, acme, /v2/pipeline",
        "/t/acme, acme, /",
        "/t/acme/, acme, /",
        "/t/acme?x=1, acme, /?x=1",
        "/t/acme/v3/cursor?a=//b/../c, acme, /v3/cursor?a=//b/../c",
        "//t//acme//v3///cursor, acme, /v3/cursor",
        "/t/%61cme/v2/pipeline, acme, /v2/pipeline",
        "/t/v10/v2, v10, /v2",
        "http://host:1/t/acme/v2/pipeline, acme, /v2/pipeline",
        "https://host/t/acme, acme, /"
    })
    void namesATenant(String target, String tenant, String rest) {
        assertThat(TenantPath.parse(target))
                .isEqualTo(new Parsed.Tenant(new TenantPath(new TenantId(tenant), rest)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/t/v2/pipeline",
                "/t/v3/cursor",
                "/t/v0",
                "/t/v9/x",
                "/t/v3-protobuf/pipeline",
                "/t/",
                "/t//?x"
            })
    void lostSegmentIsNamed(String target) {
        assertThat(TenantPath.parse(target))
                .isInstanceOfSatisfying(
                        Parsed.Wrong.class,
                        wrong -> assertThat(wrong.code()).isEqualTo("TENANT_MISSING"));
    }

    /// reliability.md rows 85 and 86.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "/t/../v2/pipeline",
                "/t/./v2",
                "/t/%2e%2e/v2",
                "/t/%2e%2e%2f/v2",
                "/t/a%2fb/v2",
                "/t/a%5cb/v2",
                "/t/%2561cme/v2",
                "/t/acme%00/v2",
                "/t/acme%/v2",
                "/t/acme%zz/v2",
                "/t/CON/v2",
                "/t/Acme/v2",
                "/t/acme./v2",
                "/t/-acme/v2",
                "/t/ac+me/v2",
                "/t/acme;x=1/v2",
                "/t/_catalog/v2/pipeline",
                "/t/%5fcatalog/v2/pipeline",
                "/t/аcme/v2"
            })
    void whatIsNoTenantIdIsNotFound(String target) {
        assertThat(TenantPath.parse(target))
                .isInstanceOfSatisfying(
                        Parsed.Wrong.class,
                        wrong -> assertThat(wrong.code()).isEqualTo("TENANT_NOT_FOUND"));
        assertThat(TenantPath.parse("/t/" + "a".repeat(64) + "/v2"))
                .isInstanceOf(Parsed.Wrong.class);
    }

    /// The worker's router would decode and resolve these: another tenant for it than for us.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "/t/acme/../other/v2/pipeline",
                "/t/acme/..",
                "/t/acme/./v2",
                "/t/acme/%2e%2e/other/v2",
                "/t/acme/v2%2fpipeline",
                "/t/acme/v2/pipeline;x",
                "/t/acme/v2\\pipeline",
                "/v2/../t/other/v2",
                "/v2/%70ipeline"
            })
    void restThatCanBeReadDifferentlyIsNotFound(String target) {
        assertThat(TenantPath.parse(target))
                .isInstanceOfSatisfying(
                        Parsed.Wrong.class,
                        wrong -> assertThat(wrong.code()).isEqualTo("NOT_FOUND"));
    }

    @Test
    void protocolPathWithoutTenantIsForTheToken() {
        assertThat(TenantPath.parse("/v2/pipeline")).isEqualTo(new Parsed.ByToken("/v2/pipeline"));
        assertThat(TenantPath.parse("/v3//cursor?q")).isEqualTo(new Parsed.ByToken("/v3/cursor?q"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"/", "/api/v1/tenants", "/t", "/tenants/x", "*", "", "/readyz", "http://h"})
    void everythingElseIsForeign(String target) {
        assertThat(TenantPath.parse(target)).isEqualTo(new Parsed.Foreign());
    }
}
