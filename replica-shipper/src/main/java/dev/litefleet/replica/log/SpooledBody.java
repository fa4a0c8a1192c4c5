package dev.litefleet.replica.log;

import dev.litefleet.replica.Txid;
import dev.litefleet.replica.ltx.DatabaseChecksum;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxWriter;
import dev.litefleet.replica.objects.ObjectBody;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The LTX file of a commit whose pages are too many for memory, made when the commit was captured
/// and kept in a temporary file, so that every attempt sends the same bytes (W1) whatever becomes
/// of the database and its WAL meanwhile. Not larger than the commit's pages and 1 percent.
///
/// [Commit] carries it to the log, which deletes the file when the body is in the store or the log
/// has ended. A process that dies leaves it to whoever empties the folder.
public final class SpooledBody implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SpooledBody.class);
    private static final int BUFFER_BYTES = 64 << 10;

    private final Path file;
    private final ObjectBody content;

    private SpooledBody(Path file, ObjectBody content) {
        this.file = file;
        this.content = content;
    }

    /// Writes the file: the bytes that the log would make of the same commit in memory. Holds two
    /// pages and 8 bytes for each.
    ///
    /// @param folder for the temporary file; it must have room for the commit's pages
    /// @param commitPages size of the database after the commit, in pages
    /// @param pgnos ascending
    /// @param pages their contents
    /// @throws UncheckedIOException if the folder does not take it; nothing is left in it then
    public static SpooledBody write(
            Path folder,
            Txid txid,
            long millis,
            int pageSize,
            int commitPages,
            int[] pgnos,
            DatabaseChecksum.Pages pages,
            long checksumAfter) {
        Path file = null;
        boolean written = false;
        try {
            file = Files.createTempFile(folder, "commit-", ".ltx");
            var header =
                    LtxHeader.derived(pageSize, commitPages, txid, txid, millis, checksumAfter);
            try (var out = new BufferedOutputStream(Files.newOutputStream(file), BUFFER_BYTES);
                    var ltx = new LtxWriter(out, header)) {
                byte[] page = new byte[pageSize];
                for (int i = 0; i < pgnos.length; i++) {
                    pages.read(i, page);
                    ltx.page(pgnos[i], page, 0);
                }
                ltx.finish();
            }
            var body = new SpooledBody(file, ObjectBody.ofFile(file));
            written = true;
            return body;
        } catch (IOException failed) {
            throw new UncheckedIOException(
                    "cannot spool a commit of %d pages of %d bytes in %s"
                            .formatted(pgnos.length, pageSize, folder),
                    failed);
        } finally {
            if (!written && file != null) {
                delete(file);
            }
        }
    }

    ObjectBody content() {
        return content;
    }

    /// Deletes the file. Whoever still reads it goes on.
    @Override
    public void close() {
        delete(file);
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException kept) {
            // Space is lost until the process starts again; what was shipped is not affected.
            log.atWarn().setCause(kept).addKeyValue("file", file).log("spool file was left");
        }
    }
}
