package dev.litefleet.worker.tenant;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.wal.CommittedPages;
import dev.litefleet.replica.wal.WalHeader;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalRead;
import dev.litefleet.replica.wal.WalReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// Takes each commit of one database out of its WAL, once and in order, and keeps the rolling
/// database checksum. Confined to the holder of the write permit.
final class WalTap implements AutoCloseable {
    // So many page bytes, then whoever reads takes them. All commits that are there come at once,
    // at no cost: the first read shows what follows a commit.
    private static final long READ_BYTES = 1 << 20;

    /// Before each page in the file; its salts stand at [#FRAME_SALT].
    static final int FRAME_HEADER_BYTES = 24;

    static final int FRAME_SALT = 8;

    private final Path wal;
    private final DatabaseChecksum sums;
    private final long transactionBytesMax;
    private @Nullable WalReader reader; // opened at the first commit: before it there is no file
    private WalPosition position;
    private long bytesBefore; // of the file, before the transaction that is open
    // A complete checkpoint happened after `position`: the next writer begins the WAL anew.
    private boolean restartExpected;

    /// @param sums of the database as it is at `position`
    /// @param position where reading begins; [WalPosition#start] if there is no WAL
    WalTap(Path wal, DatabaseChecksum sums, long transactionBytesMax, WalPosition position) {
        this.wal = wal;
        this.sums = sums;
        this.transactionBytesMax = transactionBytesMax;
        this.position = position;
    }

    /// Database checksum after the last commit that was taken and applied.
    long checksum() {
        return sums.value();
    }

    DatabaseChecksum sums() {
        return sums;
    }

    WalPosition position() {
        return position;
    }

    /// The commits since the last call; none if nothing was written.
    ///
    /// @throws Corrupt if the WAL is not the one it was
    List<CommittedPages> read() {
        WalReader open = reader();
        WalRead read = open.read(position, READ_BYTES);
        if (read instanceof WalRead.Restarted(var start)) {
            if (!restartExpected) {
                throw new Corrupt(
                        wal.toString(), position.offset(), "WAL was begun anew by someone else");
            }
            position = start;
            restartExpected = false;
            read = open.read(position, READ_BYTES);
        }
        return switch (read) {
            case WalRead.Commits(var commits, var end) -> {
                position = end;
                yield commits;
            }
            case WalRead.Restarted(var start) ->
                    throw new Corrupt(
                            wal.toString(), start.offset(), "WAL was begun anew while it was read");
        };
    }

    private WalReader reader() {
        WalReader open = reader;
        if (open == null) {
            open = WalReader.open(wal, transactionBytesMax);
            reader = open;
        }
        return open;
    }

    /// Bytes of the WAL file, of which the frames of older logs and of transactions that were
    /// rolled back are a part.
    long fileBytes() {
        return reader == null ? sizeOnDisk() : reader.fileBytes();
    }

    private long sizeOnDisk() {
        try {
            return Files.exists(wal) ? Files.size(wal) : 0;
        } catch (IOException e) {
            throw new UncheckedIOException("look at " + wal, e);
        }
    }

    /// Adds a commit that [#read] delivered to the checksum, and returns it.
    long apply(CommittedPages commit) {
        return commit.inMemory()
                ? sums.apply(commit.commit(), commit.pgnos(), commit.pages())
                : sums.apply(commit.commit(), commit.pgnos(), commit::read);
    }

    /// Whether the transaction that is open has spilled more than `bytes` into the WAL.
    boolean uncommittedExceed(long bytes) {
        // The file may have grown by frames that are no chain: SQLite overwrites its own of the
        // same
        // transaction, and mends the checksums when it commits.
        return Files.exists(wal)
                && (fileBytes() > leastExcess(bytes) || reader().exceeds(position, bytes));
    }

    /// From here on the file grows by what one transaction writes.
    void transactionBegins() {
        bytesBefore = fileBytes();
    }

    /// A part of the transaction was rolled back: what there is now is not counted, but what
    /// follows.
    void transactionWentBack(long bytes) {
        if (Files.exists(wal)) {
            // The reader remembers those for which it has said yes.
            reader().exceeds(position, bytes);
        }
        transactionBegins();
    }

    /// To be called before a statement. What it returns may be asked by any thread while the
    /// statement runs: whether the file has grown since [#transactionBegins], to more than `bytes`
    /// after the last commit.
    BooleanSupplier growthBeyond(long bytes) {
        long least = leastExcess(bytes);
        WalReader looked = reader;
        return () -> {
            try {
                return (looked == null ? sizeOnDisk() : looked.fileBytes()) > least;
            } catch (UncheckedIOException unknown) {
                return false; // It is looked at again, at the latest when it is captured.
            }
        };
    }

    /// What the file has at most while the transaction has written no more than `bytes`.
    private long leastExcess(long bytes) {
        // After a checkpoint the next frame stands at the start, whatever the position says.
        long from = restartExpected ? 0 : Math.min(position.offset(), bytesBefore);
        return Math.max(bytesBefore, from + bytes);
    }

    /// How many frames the WAL has up to the position, as SQLite counts them.
    long frames() {
        return restartExpected || position.offset() <= WalHeader.BYTES
                ? 0
                : (position.offset() - WalHeader.BYTES) / (sums.pageSize() + FRAME_HEADER_BYTES);
    }

    /// Every frame up to the position is in the database file: SQLite may begin the WAL anew.
    void checkpointed() {
        restartExpected = true;
    }

    @Override
    public void close() {
        if (reader != null) {
            reader.close();
            reader = null;
        }
    }
}
