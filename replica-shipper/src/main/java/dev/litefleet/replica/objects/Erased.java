package dev.litefleet.replica.objects;

/// What [ObjectStore#erase] has done.
///
/// @param objects that a listing showed and does not show any more
/// @param bytes of those
/// @param versions older ones and delete markers, of a store that keeps them
/// @param refused keys that the store will not let go: an object lock, a legal hold
/// @param refusal the first such key and the store's answer; empty if there is none
public record Erased(long objects, long bytes, long versions, long refused, String refusal) {
    public static final Erased NOTHING = new Erased(0, 0, 0, 0, "");

    /// After so many refusals in one call nothing more is tried.
    static final int REFUSED_MAX = 16;

    public Erased plus(Erased other) {
        return new Erased(
                objects + other.objects,
                bytes + other.bytes,
                versions + other.versions,
                refused + other.refused,
                refusal.isEmpty() ? other.refusal : refusal);
    }

    static Erased object(long bytes) {
        return new Erased(1, bytes, 0, 0, "");
    }

    static Erased refused(String key, String answer) {
        return new Erased(0, 0, 0, 1, key + ": " + answer);
    }
}
