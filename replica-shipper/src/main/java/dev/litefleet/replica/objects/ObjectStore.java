package dev.litefleet.replica.objects;

import java.io.InputStream;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/// The operations we need from S3, and no more. [#putIfAbsent] is the only write: nothing that was
/// created is ever overwritten, so a key that exists always has the same bytes.
///
/// Keys are relative to the store's root: 1 to [#KEY_LENGTH_MAX] printable ASCII characters without
/// backslash, in segments separated by single slashes, none of them empty or beginning with a dot.
/// A key that breaks this is our bug and an [IllegalArgumentException]. A key is never also a
/// folder: where `a/b` exists, `a` is not written.
///
/// Thread-safe. Every call blocks, on the network or the disk, so it belongs on a virtual thread.
/// Every call may throw a [StoreException].
public interface ObjectStore extends AutoCloseable {
    /// Longest key. S3 allows 1,024 bytes including the prefix of the store's URL.
    int KEY_LENGTH_MAX = 900;

    /// Largest object that [#get] returns, in bytes; a larger one is an [IllegalStateException].
    int GET_BYTES_MAX = 64 << 20;

    /// Most objects in one page of a listing; S3 gives no more.
    int LIST_MAX = 1000;

    /// Creates `key` with `body`, unless something is there already; of any number of racing
    /// writers exactly one is told [PutResult.Created]. One attempt, never a retry of our own: a
    /// store that retries tells a writer that its own object is someone else's.
    ///
    /// @throws StoreException.Unavailable if the outcome is unknown: it may have happened, or
    ///   happen any time later. Send the same bytes again.
    PutResult putIfAbsent(String key, ObjectBody body);

    /// The whole object, or nothing if the key is free. For objects known to be small: memory is
    /// not bounded otherwise.
    Optional<byte[]> get(String key);

    /// Exactly `min(length, size - offset)` bytes, none if `offset` is at or past the end, or
    /// nothing if the key is free.
    Optional<byte[]> getRange(String key, long offset, int length);

    /// The last `min(length, size)` bytes together with the object's size, in one request.
    ///
    /// @param length at least 1
    Optional<TailRead> getTail(String key, int length);

    /// Streams from `offset` to the end. The stream fails with an [java.io.IOException] if it
    /// breaks off before the end of the object; it is never silently short. The caller closes it.
    Optional<InputStream> open(String key, long offset);

    /// Size and time without the bytes.
    Optional<ListedObject> head(String key);

    /// One page of the objects whose key starts with `prefix` and is greater than `startAfter`, in
    /// order of the keys' bytes. `prefix` need not end at a slash.
    ///
    /// @param startAfter a key, existing or not; empty to begin at the start
    /// @param limit 1 to [#LIST_MAX]
    ListPage list(String prefix, String startAfter, int limit);

    /// The names of the folders directly under `prefix`, without the slash, in byte order; not
    /// those of objects.
    ///
    /// @param prefix empty or ending in a slash
    List<String> folders(String prefix);

    /// Removes `key`. Removing what is not there is not an error.
    void delete(String key);

    /// Removes objects for good: of a store that keeps versions also those, and its delete markers.
    /// In order of their keys, page by page; what a crash leaves is found by the next call. A key
    /// that the store refuses to let go is counted and left; after a few the rest is left too, to
    /// be tried another day.
    ///
    /// @param prefix of the keys that are looked at
    /// @param which of them to remove
    default Erased erase(String prefix, Predicate<String> which) {
        return Erasing.listed(this, prefix, which);
    }

    /// Ends writes under `prefix` that were begun before a time and never completed, and frees what
    /// they hold: S3's unfinished multipart uploads, a directory's temporary files. No listing
    /// shows them. A directory does not know their keys: it frees all that are an hour old.
    ///
    /// @return how many
    default int abortUploads(String prefix, Instant before) {
        return 0;
    }

    /// Every object under `prefix`, page by page as the stream is read.
    default Stream<ListedObject> listAll(String prefix) {
        return StreamSupport.stream(
                Spliterators.spliteratorUnknownSize(
                        new ListPages(this, prefix), Spliterator.ORDERED | Spliterator.NONNULL),
                false);
    }

    /// Frees connections. Calls still running fail with [StoreException.Unavailable].
    @Override
    void close();
}
