package dev.litefleet.replica.wal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class WalHeaderTest {
    @TempDir Path dir;

    @ParameterizedTest
    @ValueSource(ints = {512, 4096, 65536})
    void readsWhatSqliteWrites(int pageSize) throws Exception {
        try (var db = new SqliteDb(dir.resolve("t.db"), pageSize)) {
            db.run("CREATE TABLE t(x)");

            WalHeader header = WalHeader.parse(Files.readAllBytes(db.wal)).orElseThrow();

            assertThat(header.pageSize()).isEqualTo(pageSize);
            assertThat(header.checkpoint()).isZero();
        }
    }

    @Test
    void emptyAndTornHeadersAreNoLog() {
        assertThat(WalHeader.parse(new byte[0])).isEmpty();
        assertThat(WalHeader.parse(new byte[32])).isEmpty();
        byte[] torn = new WalBytes(512, 3, ByteOrder.BIG_ENDIAN).toByteArray();
        torn[3] ^= 8;
        assertThat(WalHeader.parse(torn)).isEmpty();
    }

    @Test
    void refusesPageSizesOfNoDatabase() {
        byte[] odd = new WalBytes(520, 3, ByteOrder.BIG_ENDIAN).toByteArray();

        assertThatThrownBy(() -> WalHeader.parse(odd)).hasMessageContaining("page size 0x208");
    }
}
