package dev.litefleet.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class KeysTest {
    @TempDir Path dir;

    @Test
    void missingKeysAreGeneratedOnceAndReadBack() {
        Keys first = Keys.open(dir, new SecureRandom());
        Keys second = Keys.open(dir, new SecureRandom());

        assertThat(second.publicKeys()).isEqualTo(first.publicKeys()).hasSize(1);
        assertThat(second.derive("batons")).isEqualTo(first.derive("batons")).hasSize(32);
        assertThat(second.derive("batons")).isNotEqualTo(second.derive("requests"));
    }

    @Test
    void privateFilesAreReadableByTheirOwnerOnly() throws Exception {
        Keys.open(dir, new SecureRandom());

        try (var files = Files.list(dir)) {
            assertThat(files.toList())
                    .hasSize(2)
                    .allSatisfy(file ->
                            assertThat(
                                            PosixFilePermissions.toString(
                                                    Files.getPosixFilePermissions(file)))
                                    .isEqualTo("rw-------"));
        }
    }

    @Test
    void damagedFilesAreRefusedByName() throws Exception {
        Files.write(dir.resolve("fleet.key"), new byte[31]);

        assertThatThrownBy(() -> Keys.open(dir, new SecureRandom()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fleet.key");
    }

    @Test
    void secondMakerOfAPrivateFileLeavesTheFirstOnes() throws Exception {
        Path file = dir.resolve("key");

        PrivateFile.create(file, new byte[] {1});
        PrivateFile.create(file, new byte[] {2});

        assertThat(Files.readAllBytes(file)).containsExactly(1);
        try (var files = Files.list(dir)) {
            assertThat(files).containsExactly(file);
        }
    }
}
