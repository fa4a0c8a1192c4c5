package dev.litefleet.replica.history;

import dev.litefleet.replica.LockPage;
import dev.litefleet.replica.ReplicaException.Corrupt;
import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxWriter;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;

/// Begins a lineage that does not begin with an empty database: a fork, an import, a restore in
/// place. Its first object is a snapshot, `0009/1-<txid>`, of a database file that nobody has open.
public final class LineageStart {
    private static final int VERSIONS_AT = 18;
    private static final byte WAL = 2;
    private static final byte ROLLBACK_JOURNAL = 1;

    /// A database file.
    ///
    /// @param file at least `pages * pageSize` bytes, beginning with SQLite's header
    /// @param pages the lock page included
    public record Image(Path file, int pageSize, int pages) {}

    private LineageStart() {}

    /// Writes the snapshot, by put-if-absent, and returns the checksum of the database in it. The
    /// bytes are a function of the arguments: calling it again, here or after a crash, changes
    /// nothing. Reads the file twice; beyond 8 MiB a temporary file holds the object.
    ///
    /// A database in rollback mode becomes one in WAL mode by its header (bytes 18 and 19): the
    /// worker that opens it would switch them outside of the WAL, and the file would no longer be
    /// what its history says.
    ///
    /// @param txid the lineage's first
    /// @param time of that state
    /// @param tmp folder for the temporary file
    /// @throws Corrupt if the file is shorter than it should be
    /// @throws dev.litefleet.replica.objects.StoreException if the write was not acknowledged; call
    ///   again
    public static long write(
            ObjectStore store, TenantKey tenant, Txid txid, Instant time, Image image, Path tmp) {
        String key = DerivedFile.key(tenant, DerivedFile.LEVEL_SNAPSHOT, new Txid(1), txid);
        try (var body = new BodyBuffer(tmp)) {
            long checksum = encode(image, txid, time, body);
            // Created or occupied: either way it is there.
            store.putIfAbsent(
                    key, body.body().withTimestamp(Instant.ofEpochMilli(time.toEpochMilli())));
            return checksum;
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot write " + key, failed);
        }
    }

    /// The bytes of the snapshot.
    ///
    /// @return the checksum of the database in it
    static long encode(Image image, Txid txid, Instant time, OutputStream out) throws IOException {
        var checksum = new DatabaseChecksum(image.pageSize());
        forEachPage(
                image,
                (pgno, page) ->
                        checksum.set(pgno, DatabaseChecksum.page(pgno, page, 0, image.pageSize())));
        var header =
                LtxHeader.derived(
                        image.pageSize(),
                        image.pages(),
                        new Txid(1),
                        txid,
                        time.toEpochMilli(),
                        checksum.value());
        try (var ltx = new LtxWriter(out, header)) {
            forEachPage(image, (pgno, page) -> ltx.page(pgno, page, 0));
            ltx.finish();
        }
        return checksum.value();
    }

    private interface PageSink {
        void page(int pgno, byte[] page);
    }

    private static void forEachPage(Image image, PageSink sink) throws IOException {
        int lock = LockPage.of(image.pageSize());
        byte[] page = new byte[image.pageSize()];
        try (InputStream in =
                new BufferedInputStream(Files.newInputStream(image.file()), 1 << 20)) {
            for (int pgno = 1; pgno <= image.pages(); pgno++) {
                if (in.readNBytes(page, 0, page.length) != page.length) {
                    throw new Corrupt(
                            image.file().getFileName().toString(),
                            (pgno - 1L) * page.length,
                            "database ends inside page %d of %d".formatted(pgno, image.pages()));
                }
                if (pgno == 1) {
                    inWalMode(page);
                }
                if (pgno != lock) {
                    sink.page(pgno, page);
                }
            }
        }
    }

    private static void inWalMode(byte[] header) {
        for (int at = VERSIONS_AT; at <= VERSIONS_AT + 1; at++) {
            if (header[at] == ROLLBACK_JOURNAL) {
                header[at] = WAL;
            }
        }
    }
}
