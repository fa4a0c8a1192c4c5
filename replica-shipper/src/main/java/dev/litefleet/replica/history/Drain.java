package dev.litefleet.replica.history;

import dev.litefleet.replica.TenantKey;
import dev.litefleet.replica.ltx.LtxHeader;
import dev.litefleet.replica.ltx.LtxWriter;
import dev.litefleet.replica.objects.ObjectStore;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Instant;

/// Log entries (or WAL frames) to one derived file and its history objects.
public final class Drain {
    private Drain() {}

    /// Writes `0001/<min>-<max>.ltx`, then the history objects, and returns when the store has
    /// acknowledged all of them: only then are the commits drained. Two requests for a drain of up
    /// to [HistoryIndex#POINTS_MAX] points. Objects that are there already are left alone: under
    /// the same name is the same content, whoever wrote it.
    ///
    /// @param tmp folder for a temporary file, used for more than 8 MiB
    /// @return size of the derived file in bytes
    /// @throws dev.litefleet.replica.objects.StoreException if a write was not acknowledged; call
    ///   again with the same input
    /// @throws IllegalStateException if `input` lacks a page by which the database grew
    public static long write(ObjectStore store, TenantKey tenant, DrainInput input, Path tmp) {
        long bytes = writeFile(store, tenant, input, tmp);
        HistoryIndex.write(store, tenant, input.points());
        return bytes;
    }

    /// The derived file alone.
    ///
    /// @return its size in bytes
    static long writeFile(ObjectStore store, TenantKey tenant, DrainInput input, Path tmp) {
        String key = DerivedFile.key(tenant, DerivedFile.LEVEL_DRAIN, input.min(), input.max());
        try (var body = new BodyBuffer(tmp)) {
            encode(input, body);
            var object = body.body().withTimestamp(Instant.ofEpochMilli(input.lastMillis()));
            // Created or occupied: either way it is there.
            store.putIfAbsent(key, object);
            return object.length();
        } catch (IOException failed) {
            throw new UncheckedIOException("cannot write " + key, failed);
        }
    }

    /// The bytes of the derived file, a function of `input` and nothing else.
    static void encode(DrainInput input, OutputStream out) {
        var header =
                LtxHeader.derived(
                        input.pageSize(),
                        input.commit(),
                        input.min(),
                        input.max(),
                        input.lastMillis(),
                        input.checksumAfter());
        // The writer refuses pages out of order and beyond the end, and the lock page, and demands
        // every page in (commitBefore, commit]: without them `litestream restore` loses everything.
        try (var ltx = new LtxWriter(out, header, input.commitBefore())) {
            PageSource pages = input.pages();
            byte[] page = new byte[input.pageSize()];
            for (int i = 0; i < pages.count(); i++) {
                pages.read(i, page);
                ltx.page(pages.pgno(i), page, 0);
            }
            ltx.finish();
        }
    }
}
