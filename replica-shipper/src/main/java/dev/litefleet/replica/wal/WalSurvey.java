package dev.litefleet.replica.wal;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;

/// Where each commit ends in a WAL that nobody writes: all that SQLite would find in it after a
/// crash. Immutable; holds 20 bytes per commit.
public final class WalSurvey {
    private final WalHeader header;
    private final long[] offsets; // after each commit frame, ascending
    private final long[] sums; // running checksums there
    private final int[] pages; // database sizes there
    private final int commits;
    private final boolean goesOn;

    private WalSurvey(
            WalHeader header,
            long[] offsets,
            long[] sums,
            int[] pages,
            int commits,
            boolean goesOn) {
        this.header = header;
        this.offsets = offsets;
        this.sums = sums;
        this.pages = pages;
        this.commits = commits;
        this.goesOn = goesOn;
    }

    /// Reads the file once, commit by commit.
    ///
    /// @param transactionBytesMax as of [WalReader#open]
    /// @return nothing if there is no file, or none that SQLite would take for a WAL
    /// @throws Corrupt if it is a WAL that cannot be read
    /// @throws TooLarge if a commit is over the maximum
    /// @throws UncheckedIOException if it cannot be read
    public static Optional<WalSurvey> of(Path wal, long transactionBytesMax) {
        if (!Files.exists(wal)) {
            return Optional.empty();
        }
        Optional<WalHeader> header = header(wal);
        if (header.isEmpty()) {
            return Optional.empty();
        }
        long[] offsets = new long[16];
        long[] sums = new long[16];
        int[] pages = new int[16];
        int commits = 0;
        try (var reader = WalReader.open(wal, transactionBytesMax)) {
            // What size the database had before is not known here; whoever applies the commits
            // checks that it grows whole.
            WalPosition at = WalPosition.after(header.get(), Integer.MAX_VALUE);
            while (reader.read(at, 1) instanceof WalRead.Commits(var found, var end)
                    && !found.isEmpty()) {
                if (commits == offsets.length) {
                    offsets = Arrays.copyOf(offsets, 2 * commits);
                    sums = Arrays.copyOf(sums, 2 * commits);
                    pages = Arrays.copyOf(pages, 2 * commits);
                }
                offsets[commits] = end.offset();
                sums[commits] = end.checksum().stored();
                pages[commits++] = end.pages();
                at = end;
            }
            return Optional.of(
                    new WalSurvey(
                            header.get(),
                            offsets,
                            sums,
                            pages,
                            commits,
                            goesOn(wal, at.offset(), header.get())));
        }
    }

    private static Optional<WalHeader> header(Path wal) {
        byte[] bytes = read(wal, 0, WalHeader.BYTES);
        try {
            return bytes.length < WalHeader.BYTES ? Optional.empty() : WalHeader.parse(bytes);
        } catch (IllegalArgumentException unreadable) {
            throw new Corrupt(wal.toString(), 0, "unreadable WAL", unreadable);
        }
    }

    /// Whether a frame of this very WAL stands behind its last commit: of a transaction that was
    /// not committed, or of commits before which something is damaged.
    private static boolean goesOn(Path wal, long offset, WalHeader header) {
        byte[] frame = read(wal, offset, WalFrame.HEADER_BYTES);
        return frame.length == WalFrame.HEADER_BYTES
                && ByteBuffer.wrap(frame).getLong(WalFrame.SALT) == header.salt();
    }

    private static byte[] read(Path wal, long offset, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        try (var channel = FileChannel.open(wal, StandardOpenOption.READ)) {
            while (bytes.hasRemaining() && channel.read(bytes, offset + bytes.position()) >= 0) {}
            return Arrays.copyOf(bytes.array(), bytes.position());
        } catch (IOException e) {
            throw new UncheckedIOException("read " + wal, e);
        }
    }

    public int pageSize() {
        return header.pageSize();
    }

    /// Salt 1 in the upper half, salt 2 in the lower.
    public long salt() {
        return header.salt();
    }

    /// How many commits it has.
    public int commits() {
        return commits;
    }

    /// Whether there is more of this WAL behind its last commit, which SQLite would ignore.
    public boolean goesOn() {
        return goesOn;
    }

    /// Whether SQLite began this WAL as the next one after another: it counts salt 1 up.
    ///
    /// @param earlier salts of the other
    public boolean follows(long earlier) {
        return (int) (header.salt() >>> 32) == (int) (earlier >>> 32) + 1;
    }

    /// The position after so many commits.
    ///
    /// @param count 0 to [#commits]
    /// @param pagesBefore database size before the first commit, for `count` 0
    public WalPosition after(int count, int pagesBefore) {
        if (count == 0) {
            return WalPosition.after(header, pagesBefore);
        }
        return new WalPosition(
                header.salt(),
                offsets[count - 1],
                WalChecksum.of(sums[count - 1]),
                pages[count - 1]);
    }

    /// After how many commits this position stands; -1 if it is none of this WAL's. Salts, offset
    /// and running checksum decide; the database size does not.
    public int find(WalPosition position) {
        if (position.salt() != header.salt()) {
            return -1;
        }
        if (position.offset() == WalHeader.BYTES) {
            return position.checksum().equals(header.checksum()) ? 0 : -1;
        }
        int at = Arrays.binarySearch(offsets, 0, commits, position.offset());
        return at >= 0 && sums[at] == position.checksum().stored() ? at + 1 : -1;
    }
}
