package dev.litefleet.replica;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.HistoryIncomplete;
import dev.litefleet.replica.ReplicaException.PointNotExact;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ValuesTest {
    private static final String ULID = "01JD0000000000000000000000";

    @ParameterizedTest
    @ValueSource(strings = {"a", "0", "agent-7f3a", "a--b", "v10", "v3-proto"})
    void tenantsAreDnsLabels(String name) {
        assertThat(TenantId.parse(name)).hasToString(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "-a",
                "a-",
                "A",
                "a_b",
                "a.b",
                "a/b",
                "é",
                "v0",
                "v3",
                "v9",
                "v3-protobuf",
                "_catalog"
            })
    void usersMayNotTakeNamesThatAreNoLabelOrReserved(String name) {
        assertThatThrownBy(() -> TenantId.parse(name)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void tenantNamesHaveAtMost63Characters() {
        assertThat(TenantId.parse("a".repeat(63)).name()).hasSize(63);
        assertThatThrownBy(() -> TenantId.parse("a".repeat(64)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void catalogIsATenantOfOurOwn() {
        assertThat(new TenantKey(TenantId.CATALOG, new Lineage(ULID)).prefix())
                .isEqualTo("tenants/_catalog/" + ULID + "/");
        assertThatThrownBy(() -> new TenantId("_other"))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "01JD000000000000000000000",
                "81JD0000000000000000000000",
                "01jd0000000000000000000000",
                "01JD000000000000000000000U",
                "01JD000000000000000000000/"
            })
    void lineagesAreUpperCaseUlids(String text) {
        assertThat(new Lineage(ULID)).hasToString(ULID);
        assertThatThrownBy(() -> new Lineage(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void txidsPrintInTheOrderTheyCount() {
        assertThat(new Txid(0x2a41)).hasToString("0000000000002a41");
        assertThat(Txid.parse("0000000000002a41")).isEqualTo(new Txid(0x2a41));
        assertThat(Txid.NONE.next()).isEqualTo(new Txid(1));
        assertThatThrownBy(() -> Txid.parse("2a41")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Txid.parse("8000000000000000"))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(new Position(new Txid(1), -1)).hasToString("0000000000000001/ffffffffffffffff");
    }

    @Test
    void lockPageIsTheOneOfEachPageSize() {
        assertThat(LockPage.of(512)).isEqualTo(2097153);
        assertThat(LockPage.of(4096)).isEqualTo(262145);
        assertThat(LockPage.of(65536)).isEqualTo(16385);
    }

    @Test
    void failuresSayWhatAndWhere() {
        var tenant = new TenantKey(new TenantId("a"), new Lineage(ULID));
        assertThat(new Corrupt("k", 7, "file ends"))
                .hasMessage("file ends [key=k, offset=7]")
                .extracting(Corrupt::code)
                .isEqualTo("CORRUPT");
        assertThat(new HistoryIncomplete(tenant, new Txid(3), new Txid(4)))
                .hasMessageContaining("covered=0000000000000003, needed=0000000000000004")
                .extracting(HistoryIncomplete::code)
                .isEqualTo("HISTORY_INCOMPLETE");
        var notExact = new PointNotExact(Point.parse("5"), new Txid(4), null);
        assertThat(notExact.before()).contains(new Txid(4));
        assertThat(notExact.after()).isEmpty();
    }
}
