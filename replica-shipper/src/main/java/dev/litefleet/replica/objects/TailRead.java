package dev.litefleet.replica.objects;

/// The end of an object.
///
/// @param bytes the last bytes, as many as asked for or all there are
/// @param size of the whole object, in bytes
@SuppressWarnings("ArrayRecordComponent") // Carried to one reader and never compared.
public record TailRead(byte[] bytes, long size) {
    /// Where in the object `bytes` begins.
    public long offset() {
        return size - bytes.length;
    }
}
