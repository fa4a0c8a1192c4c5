package dev.litefleet.replica.wal;

import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.ReplicaException.TooLarge;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads the commits of one WAL as SQLite appends them. A frame counts only if its salts are the
/// header's and the running checksum holds, and only with a commit frame behind it: what a
/// rolled-back transaction or an older WAL left in the file is never delivered. Not thread-safe.
///
/// Keeps the file open and one buffer of 16 KiB (one frame, if that is more). Right after a commit
/// of usual size, [#read] is one read of the file. It may run while SQLite writes; what is
/// committed when it begins is found.
///
/// SQLite begins a WAL anew, at its first frame and with new salts, once all of it is in the
/// database file and nobody reads from it. Frames that were not read until then are lost to this
/// reader: whoever reads must be the one who lets checkpoints happen.
public final class WalReader implements AutoCloseable {
    /// Holds three frames of pages of 4 KiB, more than most commits have.
    private static final int WINDOW_BYTES = 16 << 10;

    private static final int BURST_BYTES = 1 << 20;

    /// Largest commit whose pages are delivered in memory, in bytes; of a larger one they are read
    /// again where they stand.
    public static final int MEMORY_BYTES_MAX = 8 << 20;

    private final String name;
    private final FileChannel wal;
    private final long transactionBytesMax;
    private final int memoryBytesMax;
    private @Nullable WalHeader header;
    private ByteBuffer window = ByteBuffer.allocateDirect(0);

    /// Where the frames ended for which [#exceeds] last said yes.
    private @Nullable WalPosition exceeded;

    /// Bytes of frames of the last commit: what the next read asks for at first.
    private int usualBytes;

    private WalReader(String name, FileChannel wal, long transactionBytesMax, int memoryBytesMax) {
        this.name = name;
        this.wal = wal;
        this.transactionBytesMax = transactionBytesMax;
        this.memoryBytesMax = memoryBytesMax;
    }

    /// Opens a `-wal` file, which must exist. Opening and closing it is safe while SQLite uses it,
    /// unlike the database file.
    ///
    /// @param transactionBytesMax the largest commit it will deliver, in bytes of pages; it holds
    ///   at most [#MEMORY_BYTES_MAX] of them and 12 bytes for each other
    /// @throws UncheckedIOException if it cannot be opened
    public static WalReader open(Path wal, long transactionBytesMax) {
        return open(wal, transactionBytesMax, MEMORY_BYTES_MAX);
    }

    /// @param memoryBytesMax in place of [#MEMORY_BYTES_MAX]
    static WalReader open(Path wal, long transactionBytesMax, int memoryBytesMax) {
        try {
            return new WalReader(
                    wal.toString(), FileChannel.open(wal), transactionBytesMax, memoryBytesMax);
        } catch (IOException e) {
            throw new UncheckedIOException("open " + wal, e);
        }
    }

    /// The commits after `from`, oldest first, up to the last commit frame.
    ///
    /// @param bytesMax stops after the commit that reaches so many bytes of pages; 1 for one commit
    /// @throws TooLarge if one commit is over the maximum; reading again will not help
    /// @throws Corrupt if a commit cannot follow a database of `from.pages` pages
    /// @throws UncheckedIOException if the file cannot be read
    public WalRead read(WalPosition from, long bytesMax) {
        try {
            return readFrom(from, bytesMax);
        } catch (IOException e) {
            throw new UncheckedIOException("read " + name, e);
        }
    }

    private WalRead readFrom(WalPosition from, long bytesMax) throws IOException {
        WalHeader current = header;
        if (current == null || current.salt() != from.salt()) {
            current = readHeader();
            header = current;
        }
        if (current == null) {
            return new WalRead.Commits(List.of(), from);
        }
        WalPosition start = from.offset() == 0 ? WalPosition.after(current, from.pages()) : from;
        if (start.salt() != current.salt()) {
            return new WalRead.Restarted(WalPosition.after(current, from.pages()));
        }
        try (var scan = new Scan(current, start)) {
            List<CommittedPages> commits = scan.commits(bytesMax);
            if (!commits.isEmpty()) {
                return new WalRead.Commits(commits, scan.end);
            }
        }
        // Only a WAL without a next commit can have been begun anew; to look costs a read. Frames
        // may still be there: those of a transaction rolled back at the end of the old one.
        WalHeader now = readHeader();
        if (now == null || now.salt() == current.salt()) {
            return new WalRead.Commits(List.of(), start);
        }
        header = now;
        return new WalRead.Restarted(WalPosition.after(now, from.pages()));
    }

    /// Whether more than `bytes` of frames follow `from`, committed or not: what the transaction
    /// that is open has spilled. The caller rolls back a transaction for which this says yes: its
    /// frames stay in the file, and are not counted again unless more follow them.
    ///
    /// A frame that the transaction wrote twice may hide those behind it, so the answer may be no
    /// for too long. Costs one look at the file's size, and a pass over its frames if they could be
    /// that many.
    ///
    /// @throws UncheckedIOException if the file cannot be read
    public boolean exceeds(WalPosition from, long bytes) {
        try {
            return framesExceed(from, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException("read " + name, e);
        }
    }

    private boolean framesExceed(WalPosition from, long bytes) throws IOException {
        if (wal.size() <= bytes) {
            return false;
        }
        WalHeader current = readHeader();
        if (current == null) {
            return false;
        }
        WalPosition start =
                from.salt() == current.salt() ? from : WalPosition.after(current, from.pages());
        if (wal.size() - start.offset() <= bytes) {
            return false;
        }
        try (var scan = new Scan(current, start)) {
            WalPosition last = scan.lastFrame();
            if (last.offset() - start.offset() <= bytes || last.equals(exceeded)) {
                return false;
            }
            exceeded = last;
            return true;
        }
    }

    /// Bytes of the file, whatever is in them. For any thread.
    ///
    /// @throws UncheckedIOException if the file system does not say
    public long fileBytes() {
        try {
            return wal.size();
        } catch (IOException e) {
            throw new UncheckedIOException("look at " + name, e);
        }
    }

    private @Nullable WalHeader readHeader() throws IOException {
        var bytes = ByteBuffer.allocate(WalHeader.BYTES);
        while (bytes.hasRemaining()) {
            if (wal.read(bytes, bytes.position()) < 0) {
                return null;
            }
        }
        return WalHeader.parse(bytes.array()).orElse(null);
    }

    /// Closes the file.
    ///
    /// @throws UncheckedIOException if that fails
    @Override
    public void close() {
        try {
            wal.close();
        } catch (IOException e) {
            throw new UncheckedIOException("close " + name, e);
        }
    }

    /// One pass over the frames after a position.
    private final class Scan implements AutoCloseable {
        private final WalHeader header;
        private final int frameBytes;

        /// After the last commit frame.
        private WalPosition end;

        /// Of the frame that is looked at.
        private long offset;

        private WalChecksum sum;

        /// `buffer[0 .. limit)` is the file from `base`.
        private ByteBuffer buffer;

        private long base;

        /// How often the file was read for this pass, and whether the last time it gave less than
        /// asked.
        private int reads;

        private boolean sawEnd;

        /// Owns `buffer` once the resident window was too small.
        private @Nullable Arena burst;

        private Scan(WalHeader header, WalPosition start) {
            this.header = header;
            frameBytes = WalFrame.HEADER_BYTES + header.pageSize();
            end = start;
            offset = start.offset();
            sum = start.checksum();
            base = offset;
            int windowBytes = Math.max(WINDOW_BYTES, frameBytes + WalFrame.HEADER_BYTES);
            if (window.capacity() < windowBytes) {
                window = ByteBuffer.allocateDirect(windowBytes);
            }
            buffer = window.limit(0);
        }

        private List<CommittedPages> commits(long bytesMax) throws IOException {
            var commits = new ArrayList<CommittedPages>(1);
            long delivered = 0;
            while (delivered < bytesMax) {
                CommittedPages commit = commit();
                if (commit == null) {
                    break;
                }
                commits.add(commit);
                delivered += commit.bytes();
                usualBytes = (int) Math.min(offset - commit.from().offset(), BURST_BYTES / 2);
            }
            return commits;
        }

        /// The commit that begins here; null if there is no whole one.
        private @Nullable CommittedPages commit() throws IOException {
            Transaction transaction = null;
            while (hasFrame(transaction != null)) {
                int at = (int) (offset - base);
                int pgno = buffer.getInt(at + WalFrame.PGNO);
                if (!saltAt(offset) || pgno <= 0) {
                    return null;
                }
                if (transaction == null) {
                    transaction =
                            new Transaction(
                                    header.pageSize(),
                                    framesToCommit(at),
                                    transactionBytesMax,
                                    memoryBytesMax);
                }
                int room = transaction.room();
                byte[] pages = transaction.pages();
                buffer.get(at + WalFrame.HEADER_BYTES, pages, room, header.pageSize());
                sum =
                        sum.over(buffer.getLong(at), header.order())
                                .over(pages, room, header.pageSize(), header.order());
                if (buffer.getLong(at + WalFrame.CHECKSUM) != sum.stored()) {
                    return null;
                }
                transaction.add(pgno, offset + WalFrame.HEADER_BYTES);
                offset += frameBytes;
                int size = buffer.getInt(at + WalFrame.COMMIT);
                if (size != 0) {
                    return end(transaction, size);
                }
            }
            return null;
        }

        /// After the last frame that continues the checksum.
        private WalPosition lastFrame() throws IOException {
            byte[] page = new byte[header.pageSize()];
            while (hasFrame(true)) {
                int at = (int) (offset - base);
                buffer.get(at + WalFrame.HEADER_BYTES, page);
                WalChecksum next =
                        sum.over(buffer.getLong(at), header.order())
                                .over(page, 0, page.length, header.order());
                if (!saltAt(offset) || buffer.getLong(at + WalFrame.CHECKSUM) != next.stored()) {
                    break;
                }
                sum = next;
                offset += frameBytes;
            }
            return new WalPosition(header.salt(), offset, sum, end.pages());
        }

        private CommittedPages end(Transaction transaction, int size) {
            if (size < 0) {
                throw new TooLarge(
                        "database", Integer.toUnsignedLong(size), "pages", Integer.MAX_VALUE);
            }
            WalPosition from = end;
            end = new WalPosition(header.salt(), offset, sum, size);
            return transaction.commit(name, wal, from, end);
        }

        /// How many frames the buffer shows up to the first that says it commits, so that a commit
        /// of usual size is copied once. Unverified: a guess.
        private int framesToCommit(int at) {
            int frames = 1;
            for (int next = at;
                    buffer.getInt(next + WalFrame.COMMIT) == 0
                            && next + 2 * frameBytes <= buffer.limit();
                    next += frameBytes) {
                frames++;
            }
            return frames;
        }

        /// Whether the file has a whole frame at `offset`; it is in the buffer then.
        ///
        /// @param begun whether frames of the same commit stand before it
        private boolean hasFrame(boolean begun) throws IOException {
            long ahead = base + buffer.limit() - offset;
            if (ahead >= frameBytes) {
                return true;
            }
            // Behind the last commit the file ends or an older log shows: no read is needed.
            boolean otherLog = ahead >= WalFrame.HEADER_BYTES && !saltAt(offset);
            if (!begun && reads > 0 && (sawEnd || otherLog)) {
                return false;
            }
            int wanted = wantedBytes();
            if (wanted > buffer.capacity() && burst == null) {
                burst = Arena.ofConfined();
                buffer = burst.allocate(BURST_BYTES).asByteBuffer();
            }
            reads++;
            base = offset;
            buffer.clear().limit(Math.min(wanted, buffer.capacity()));
            int read;
            do {
                read = wal.read(buffer, base + buffer.position());
            } while (read > 0 && buffer.position() < frameBytes);
            sawEnd = buffer.hasRemaining();
            buffer.flip();
            return buffer.limit() >= frameBytes;
        }

        /// At first what a commit usually has, and the header behind it; more each time that was
        /// too little.
        private int wantedBytes() {
            return switch (reads) {
                case 0 -> Math.max(usualBytes, frameBytes) + WalFrame.HEADER_BYTES;
                case 1 -> buffer.capacity();
                default -> BURST_BYTES;
            };
        }

        private boolean saltAt(long frame) {
            return buffer.getLong((int) (frame - base) + WalFrame.SALT) == header.salt();
        }

        @Override
        public void close() {
            if (burst != null) {
                burst.close();
            }
        }
    }
}
