package dev.litefleet.worker.tenant;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

/// What a worker's disk shows after its process, or the whole machine, has gone.
final class DiskImage {
    private static final int SECTOR = 512;

    private DiskImage() {}

    /// Copies a folder as it is now. By another process: one that opens and closes a database in
    /// this one would take its locks away.
    static void copy(Path from, Path to) {
        try {
            Files.createDirectories(to.getParent());
            Process copy =
                    new ProcessBuilder("cp", "-a", from.toString(), to.toString())
                            .inheritIO()
                            .start();
            // A file that goes while it copies is no failure: it was going anyway.
            copy.waitFor();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /// A loss of power: of what was written to `file` after `synced` was taken of it, each sector
    /// is there or not, and the end may be missing.
    ///
    /// @param synced the same file when it was last synced; need not exist
    static void lose(Path file, Path synced, SplittableRandom random) {
        try {
            if (!Files.exists(file)) {
                return;
            }
            byte[] now = Files.readAllBytes(file);
            byte[] before = Files.exists(synced) ? Files.readAllBytes(synced) : new byte[0];
            int keptPercent = random.nextInt(101);
            byte[] found = now.clone();
            for (int at = 0; at < now.length; at += SECTOR) {
                if (random.nextInt(100) < keptPercent) {
                    continue;
                }
                for (int i = at; i < Math.min(at + SECTOR, now.length); i++) {
                    found[i] = i < before.length ? before[i] : 0;
                }
            }
            int length =
                    random.nextInt(3) > 0
                            ? now.length
                            : Math.max(before.length, random.nextInt(now.length + 1));
            Files.write(file, java.util.Arrays.copyOf(found, Math.min(length, now.length)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Changes one bit.
    static void flip(Path file, SplittableRandom random) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            Files.write(file, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
