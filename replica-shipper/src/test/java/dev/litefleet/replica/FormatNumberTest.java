package dev.litefleet.replica;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.UnsupportedFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class FormatNumberTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"format\":1}",
                "{\"a\":{\"format\":9},\"b\":[{\"format\":9}],\"format\":2,\"c\":",
                "{\"a\":{\"format\":9}}"
            })
    void knownOnesPass(String json) {
        assertThatCode(() -> FormatNumber.check("k", "thing", json.getBytes(UTF_8), 2))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"format\":3}",
                "{\"other\":1,\"format\":3}",
                "{\"format\":99999999999}",
                "{\"format\":3,\"rest\": this is not JSON of our time"
            })
    void newerOnesAreRefusedByName(String json) {
        assertThatThrownBy(() -> FormatNumber.check("k", "thing", json.getBytes(UTF_8), 2))
                .isInstanceOf(UnsupportedFormat.class)
                .hasMessageContaining("thing of format ")
                .hasMessageContaining("key=k");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "1", "{", "{\"format\":\"1\"}", "{\"format\":0}"})
    void whatHasNoneIsCorrupt(String json) {
        assertThatThrownBy(() -> FormatNumber.check("k", "thing", json.getBytes(UTF_8), 2))
                .isInstanceOf(Corrupt.class);
    }
}
