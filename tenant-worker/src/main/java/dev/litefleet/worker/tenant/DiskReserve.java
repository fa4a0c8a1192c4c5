package dev.litefleet.worker.tenant;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.LongSupplier;

/// Whether the volume of the local files has space left. Asks the system once a second at most.
/// Thread-safe.
final class DiskReserve {
    private static final long AGE_MAX = Duration.ofSeconds(1).toNanos();

    private final FileStore volume;
    private final long reserveBytes;
    private final LongSupplier ticker;
    private volatile long askedAt;
    private volatile long usableBytes;

    DiskReserve(Path folder, long reserveBytes, LongSupplier ticker) {
        this.reserveBytes = reserveBytes;
        this.ticker = ticker;
        try {
            this.volume = Files.getFileStore(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot find the volume of " + folder, e);
        }
        ask();
    }

    /// Whether more than the reserve is free.
    boolean enough() {
        return usableBytes() >= reserveBytes;
    }

    private long usableBytes() {
        return ticker.getAsLong() - askedAt > AGE_MAX ? ask() : usableBytes;
    }

    /// The free bytes as of now.
    long ask() {
        askedAt = ticker.getAsLong();
        try {
            usableBytes = volume.getUsableSpace();
            return usableBytes;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot ask for free space of " + volume, e);
        }
    }
}
