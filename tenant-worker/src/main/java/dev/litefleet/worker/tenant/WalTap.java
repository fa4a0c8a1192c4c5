package dev.litefleet.worker.tenant;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.wal.CommittedPages;
import dev.litefleet.replica.wal.WalPosition;
import dev.litefleet.replica.wal.WalRead;
import dev.litefleet.replica.wal.WalReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Takes each commit of one database out of its WAL, once and in order, and keeps the rolling
/// database checksum. Confined to the holder of the write permit.
final class WalTap implements AutoCloseable {
    // A read that wants more looks for it at the end of the file, which costs another system call.
    private static final long ONE_COMMIT = 1;

    private final Path wal;
    private final DatabaseChecksum sums;
    private final int transactionBytesMax;
    private @Nullable WalReader reader; // opened at the first commit: before it there is no file
    private WalPosition position;
    // A complete checkpoint happened after `position`: the next writer begins the WAL anew.
    private boolean restartExpected;

    /// @param sums of the database as it is without any WAL
    WalTap(Path wal, DatabaseChecksum sums, int transactionBytesMax) {
        this.wal = wal;
        this.sums = sums;
        this.transactionBytesMax = transactionBytesMax;
        this.position = WalPosition.start(sums.pages());
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

    /// The next commit since the last call; none if nothing was written.
    ///
    /// @throws Corrupt if the WAL is not the one it was
    List<CommittedPages> read() {
        WalReader open = reader();
        WalRead read = open.read(position, ONE_COMMIT);
        if (read instanceof WalRead.Restarted(var start)) {
            if (!restartExpected) {
                throw new Corrupt(
                        wal.toString(), position.offset(), "WAL was begun anew by someone else");
            }
            position = start;
            restartExpected = false;
            read = open.read(position, ONE_COMMIT);
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

    /// Adds a commit that [#read] delivered to the checksum, and returns it.
    long apply(CommittedPages commit) {
        return sums.apply(commit.commit(), commit.pgnos(), commit.pages());
    }

    /// Whether the transaction that is open has spilled more than `bytes` into the WAL.
    boolean uncommittedExceed(long bytes) {
        return Files.exists(wal) && reader().exceeds(position, bytes);
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
