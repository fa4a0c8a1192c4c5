package dev.litefleet.worker.tenant;

import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.sqlite.OpenMode;
import dev.litefleet.replica.sqlite.SqlFailure;
import dev.litefleet.replica.sqlite.SqliteConnection;
import dev.litefleet.replica.sqlite.SqliteConnection.Checkpointed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import java.util.random.RandomGenerator;

/// A database in WAL mode as SQLite keeps one with `synchronous=normal`: the same bytes in the same
/// files, written and forced in the same order; pages without tables. It recovers a WAL as SQLite
/// does, by code of its own, so what it finds judges what the shipper took.
///
/// Page 1 says at SQLite's place how many pages there are, and changes with each commit.
final class WalModel implements Engine {
    private static final int HEADER = 32;
    private static final int FRAME = 24;
    private static final int MAGIC = 0x377f0683;
    private static final int PAGES_AT = 28;
    private static final int COMMIT_AT = 40;

    private final Path db;
    private final Path wal;
    private final int pageSize;
    private final boolean ignoresForce;
    private final RandomGenerator random;
    private FileChannel file;
    private FileChannel log;
    private Runnable committing = () -> {};

    private byte[][] pages = new byte[0][]; // as committed; from 0
    private DatabaseChecksum sums;
    private Map<Integer, Integer> frames = new TreeMap<>(); // newest of each page, from 0
    private int frameCount;
    private boolean copied; // all frames are in the file
    private int sequence;
    private long salt;
    private int[] sum = new int[2];

    /// @param ignoresForce whether it takes a force that failed for one that did not
    WalModel(Path db, int pageSize, boolean ignoresForce, RandomGenerator random) {
        this.db = db;
        this.wal = db.resolveSibling(db.getFileName() + "-wal");
        this.pageSize = pageSize;
        this.ignoresForce = ignoresForce;
        this.random = random;
    }

    @Override
    public void create(Path fresh, int size) {
        byte[] page = new byte[size];
        ByteBuffer.wrap(page).putInt(PAGES_AT, 1);
        try (var made =
                FileChannel.open(fresh, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            write(made, 0, ByteBuffer.wrap(page));
            force(made);
        } catch (IOException failed) {
            throw failure("create", failed);
        }
    }

    @Override
    public void open(Runnable onCommit) {
        committing = onCommit;
        try {
            file = FileChannel.open(db, StandardOpenOption.READ, StandardOpenOption.WRITE);
            byte[] first = new byte[pageSize];
            read(file, 0, first);
            pages = new byte[ByteBuffer.wrap(first).getInt(PAGES_AT)][];
            for (int i = 0; i < pages.length; i++) {
                pages[i] = new byte[pageSize];
                read(file, (long) i * pageSize, pages[i]);
            }
            log =
                    FileChannel.open(
                            wal,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            recover();
        } catch (IOException failed) {
            closeFiles();
            throw failure("open", failed);
        } catch (NegativeArraySizeException | OutOfMemoryError notADatabase) {
            closeFiles();
            throw new SqlFailure("SQLITE_NOTADB", null, "not a database", null);
        }
        sums = new DatabaseChecksum(pageSize);
        for (int i = 0; i < pages.length; i++) {
            sums.set(i + 1, DatabaseChecksum.page(i + 1, pages[i], 0, pageSize));
        }
    }

    /// Takes what is whole in the WAL.
    private void recover() throws IOException {
        byte[] header = new byte[HEADER];
        if (read(log, 0, header) < HEADER) {
            return;
        }
        ByteBuffer fields = ByteBuffer.wrap(header);
        int[] running = new int[2];
        add(running, header, 0, 24);
        if (fields.getInt(0) != MAGIC
                || fields.getInt(8) != pageSize
                || fields.getInt(24) != running[0]
                || fields.getInt(28) != running[1]) {
            return;
        }
        sequence = fields.getInt(12);
        salt = fields.getLong(16);
        sum = running.clone();
        SortedMap<Integer, byte[]> open = new TreeMap<>();
        Map<Integer, Integer> at = new TreeMap<>();
        byte[] frame = new byte[FRAME + pageSize];
        for (int i = 0; read(log, place(i), frame) == frame.length; i++) {
            ByteBuffer of = ByteBuffer.wrap(frame);
            add(running, frame, 0, 8);
            add(running, frame, FRAME, pageSize);
            if (of.getLong(8) != salt
                    || of.getInt(0) <= 0
                    || of.getInt(16) != running[0]
                    || of.getInt(20) != running[1]) {
                return;
            }
            open.put(of.getInt(0), Arrays.copyOfRange(frame, FRAME, frame.length));
            at.put(of.getInt(0), i);
            if (of.getInt(4) != 0) {
                become(open, of.getInt(4));
                frames.putAll(at);
                frameCount = i + 1;
                sum = running.clone();
                open.clear();
                at.clear();
            }
        }
    }

    private void become(SortedMap<Integer, byte[]> written, int size) {
        byte[][] after = Arrays.copyOf(pages, size);
        written.forEach((pgno, page) -> {
            if (pgno <= size) {
                after[pgno - 1] = page;
            }
        });
        for (int i = 0; i < size; i++) {
            after[i] = after[i] == null ? new byte[pageSize] : after[i];
        }
        pages = after;
    }

    /// Of all pages.
    long checksum() {
        return sums.value();
    }

    int size() {
        return pages.length;
    }

    /// A transaction of some pages that exist and of those that it adds.
    ///
    /// @param some how many others than page 1
    /// @param size of the database after it
    /// @param begun hears what all pages will add up to, before anything is written
    /// @throws SqlFailure if the disk does not take it; nothing has changed then
    void commit(int some, int size, LongConsumer begun) {
        SortedMap<Integer, byte[]> written = new TreeMap<>();
        byte[] first = pages[0].clone();
        ByteBuffer.wrap(first).putInt(PAGES_AT, size).putLong(COMMIT_AT, random.nextLong());
        written.put(1, first);
        for (int pgno = pages.length + 1; pgno <= size; pgno++) {
            written.put(pgno, page());
        }
        for (int i = 0; i < some && size > 1; i++) {
            written.put(2 + random.nextInt(size - 1), page());
        }
        DatabaseChecksum after = sums.copy();
        int[] pgnos = written.keySet().stream().mapToInt(Integer::intValue).toArray();
        begun.accept(
                after.apply(
                        size,
                        pgnos,
                        (i, page) ->
                                System.arraycopy(written.get(pgnos[i]), 0, page, 0, pageSize)));
        committing.run();
        try {
            append(written, size);
        } catch (IOException failed) {
            throw failure("commit", failed);
        }
        become(written, size);
        sums = after;
    }

    private byte[] page() {
        byte[] page = new byte[pageSize];
        for (int i = 0; i < 8; i++) {
            ByteBuffer.wrap(page).putLong(i * pageSize / 8, random.nextLong());
        }
        return page;
    }

    private void append(SortedMap<Integer, byte[]> written, int size) throws IOException {
        if (copied) {
            // All of it is in the file, and nobody reads: it begins anew.
            sequence++;
            salt = (long) ((int) (salt >>> 32) + 1) << 32 | random.nextInt() & 0xffff_ffffL;
            frames.clear();
            frameCount = 0;
            copied = false;
        }
        if (frameCount == 0) {
            begin();
        }
        int[] running = sum.clone();
        int next = frameCount;
        Map<Integer, Integer> at = new TreeMap<>();
        for (var page : written.entrySet()) {
            byte[] head = new byte[FRAME];
            ByteBuffer fields = ByteBuffer.wrap(head);
            fields.putInt(page.getKey());
            fields.putInt(page.getKey().equals(written.lastKey()) ? size : 0);
            fields.putLong(salt);
            add(running, head, 0, 8);
            add(running, page.getValue(), 0, pageSize);
            fields.putInt(running[0]).putInt(running[1]).flip();
            write(log, place(next), fields);
            write(log, place(next) + FRAME, ByteBuffer.wrap(page.getValue()));
            at.put(page.getKey(), next++);
        }
        frames.putAll(at);
        frameCount = next;
        sum = running;
    }

    private void begin() throws IOException {
        if (sequence == 0) {
            salt = random.nextLong();
        }
        byte[] header = new byte[HEADER];
        ByteBuffer fields = ByteBuffer.wrap(header);
        fields.putInt(MAGIC).putInt(3_007_000).putInt(pageSize).putInt(sequence).putLong(salt);
        int[] running = new int[2];
        add(running, header, 0, 24);
        fields.putInt(running[0]).putInt(running[1]).flip();
        write(log, 0, fields);
        force(log);
        sum = running;
    }

    @Override
    public Checkpointed checkpointPassive() {
        checkpoint();
        return new Checkpointed(false, frameCount, frameCount);
    }

    private void checkpoint() {
        if (copied || frameCount == 0) {
            return;
        }
        try {
            force(log);
            byte[] page = new byte[pageSize];
            for (var newest : frames.entrySet()) {
                if (newest.getKey() <= pages.length) {
                    read(log, place(newest.getValue()) + FRAME, page);
                    long at = (newest.getKey() - 1L) * pageSize;
                    write(file, at, ByteBuffer.wrap(page));
                }
            }
            file.truncate((long) pages.length * pageSize);
            force(file);
            copied = true;
        } catch (IOException failed) {
            throw failure("checkpoint", failed);
        }
    }

    @Override
    public Checkpointed checkpointTruncate() {
        checkpoint();
        try {
            log.truncate(0);
        } catch (IOException failed) {
            throw failure("truncate", failed);
        }
        return new Checkpointed(false, 0, 0);
    }

    /// Whether a page that is read from the files is what was committed.
    boolean reads(int pgno) {
        byte[] page = new byte[pageSize];
        Integer frame = frames.get(pgno);
        try {
            if (frame != null && !copied) {
                read(log, place(frame) + FRAME, page);
            } else {
                read(file, (pgno - 1L) * pageSize, page);
            }
        } catch (IOException failed) {
            throw failure("read", failed);
        }
        return Arrays.equals(page, pages[pgno - 1]);
    }

    /// Checkpoints and removes the WAL, as far as the disk lets it.
    @Override
    public void close() {
        try {
            checkpoint();
            Files.deleteIfExists(wal);
        } catch (SqlFailure | IOException stays) {
            // Whoever opens it next recovers it.
        }
        closeFiles();
    }

    private void closeFiles() {
        try {
            if (file != null) {
                file.close();
            }
            if (log != null) {
                log.close();
            }
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private long place(int frame) {
        return HEADER + (long) frame * (FRAME + pageSize);
    }

    private static int read(FileChannel from, long at, byte[] into) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(into);
        while (bytes.hasRemaining() && from.read(bytes, at + bytes.position()) >= 0) {}
        return bytes.position();
    }

    private static void write(FileChannel to, long at, ByteBuffer bytes) throws IOException {
        for (long next = at; bytes.hasRemaining(); ) {
            next += to.write(bytes, next);
        }
    }

    private void force(FileChannel channel) throws IOException {
        try {
            channel.force(true);
        } catch (IOException failed) {
            if (!ignoresForce) {
                throw failed;
            }
        }
    }

    /// Big-endian words, as the magic number says.
    private static void add(int[] sums, byte[] bytes, int from, int length) {
        ByteBuffer words = ByteBuffer.wrap(bytes, from, length);
        while (words.hasRemaining()) {
            sums[0] += words.getInt() + sums[1];
            sums[1] += words.getInt() + sums[0];
        }
    }

    private static SqlFailure failure(String what, IOException failed) {
        boolean full = String.valueOf(failed.getMessage()).startsWith("No space");
        return new SqlFailure(
                full ? "SQLITE_FULL" : "SQLITE_IOERR",
                full ? null : "SQLITE_IOERR_WRITE",
                what + ": " + failed.getMessage(),
                failed);
    }

    @Override
    public SqliteConnection connection() {
        throw new UnsupportedOperationException("a model has no SQL");
    }

    @Override
    public SqliteConnection connect(OpenMode mode) {
        throw new UnsupportedOperationException("a model has no SQL");
    }
}
