package dev.litefleet.worker.hrana;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Objects;
import org.junit.jupiter.api.Test;

final class StoredTextsTest {
    private final StoredTexts texts = new StoredTexts();

    @Test
    void usedNumberIsReplaced() {
        texts.store(1, "a");
        texts.store(1, "bc");

        assertThat(texts.text(1)).isEqualTo("bc");
        assertThat(texts.chars()).isEqualTo(2);
    }

    @Test
    void countAndSizeAreBounded() {
        for (int i = 0; i < StoredTexts.TEXTS_MAX; i++) {
            assertThat(texts.store(i, "")).isNull();
        }
        assertThat(code(texts.store(-1, ""))).isEqualTo("SQL_STORE_TOO_MANY");
        assertThat(texts.store(0, "x".repeat(StoredTexts.CHARS_MAX))).isNull();
        assertThat(code(texts.store(1, "x"))).isEqualTo("SQL_STORE_TOO_LARGE");

        texts.close(0);

        assertThat(texts.store(-1, "x")).isNull();
    }

    @Test
    void unknownNumberMayBeClosedButNotUsed() {
        texts.close(7);

        assertThat(texts.isEmpty()).isTrue();
        assertThatThrownBy(() -> texts.text(7)).isInstanceOf(HranaFailure.class);
    }

    private static String code(HranaError error) {
        return Objects.requireNonNull(error).code();
    }
}
